"""The loader of PDF files: what a reader would see and where, and a reason where that cannot be had."""

from __future__ import annotations

import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.pdf.document import load_pdf
from rag_app.datatypes import BlockKind, Box
from rag_app.errors import DocumentError
from tests.ingest.loaders.pdf.pdf_files import (
    CHINESE_FONT,
    changed,
    drawn,
    in_font_without_unicode,
    pdf,
    picture_of,
    scanned,
    show_picture,
    written,
)

SENTENCE = "Every laptop has a number on its back, and the helpdesk asks for it."


def read(data: bytes, options: LoadOptions | None = None) -> Extract:
    (extract,) = load_pdf(data, options or LoadOptions(ocr_remedy="Have it read."))
    return extract


def box_of(extract: Extract, word: str) -> Box:
    """Return the box of a word that stands once in the text."""
    (box,) = (box for box in extract.boxes if extract.text[box.start : box.end] == word)
    return box


# Text


def test_each_page_begins_at_its_offset() -> None:
    extract = read(pdf(["First page."], ["Second page."], ["Third."], title="Manual"))
    assert extract.title == "Manual"
    assert len(extract.page_starts) == 3
    for start, words in zip(extract.page_starts, ("First page.", "Second page.", "Third."), strict=True):
        assert extract.text[start:].startswith(words)
    assert not extract.notes


def test_a_page_without_text_still_counts() -> None:
    extract = read(pdf(["One."], [], ["Three."]))
    assert [extract.text[start:][:3] for start in extract.page_starts[::2]] == ["One", "Thr"]
    assert len(extract.page_starts) == 3
    assert not extract.notes


def test_the_lines_that_the_margin_broke_are_joined() -> None:
    lines = ["An account is locked for thirty minutes after", "five failed sign-ins in a row.", "Ask the helpdesk."]
    assert "minutes after five failed" in read(pdf(lines)).text


def test_a_word_broken_at_the_end_of_a_line_keeps_its_hyphen_and_has_two_boxes() -> None:
    extract = read(pdf(["The use of this is wide-", "spread among us."]))
    assert extract.text == "The use of this is wide-spread among us."
    (first,) = (box for box in extract.boxes if extract.text[box.start : box.end] == "wide-")
    second = box_of(extract, "spread")
    assert second.start == first.end
    assert second.top < first.bottom + 2


def test_chinese_is_joined_without_spaces() -> None:
    extract = read(pdf(["连续输错五次密码，账号会被锁定", "三十分钟。"], font=CHINESE_FONT))
    assert extract.text == "连续输错五次密码，账号会被锁定三十分钟。"


def test_letters_that_a_font_writes_in_two_parts_are_composed() -> None:
    extract = read(in_font_without_unicode("AB", {"A": "o\u0308", "B": "😀"}))
    assert extract.text == "ö😀"
    assert [extract.text[box.start : box.end] for box in extract.boxes] == ["ö😀"]


def test_what_a_font_does_not_name_is_marked_and_breaks_no_line() -> None:
    mapping = {letter: letter for letter in "abcdefgh"}
    assert read(in_font_without_unicode("abcdef\ngh", mapping)).text == "abcdef\ufffdgh"


def test_a_soft_hyphen_that_is_drawn_is_read_as_the_hyphen_it_looks_like() -> None:
    assert read(in_font_without_unicode("ABC", {"A": "a", "B": "\u00ad", "C": "c"})).text == "a-c"


def test_headings_and_list_items_are_blocks_and_the_text_stays_as_it_is() -> None:
    def page(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 20)
        canvas.drawString(72, 780, "Handbook")
        canvas.setFont("Helvetica", 11)
        for number, line in enumerate([SENTENCE, SENTENCE, "• a charger", SENTENCE]):
            canvas.drawString(72, 750 - 14 * number, line)

    extract = read(drawn(page))
    assert extract.text.startswith(f"Handbook\n{SENTENCE}")
    assert [block.kind for block in extract.blocks] == [
        BlockKind.HEADING,
        BlockKind.PARAGRAPH,
        BlockKind.LIST_ITEM,
        BlockKind.PARAGRAPH,
    ]
    assert (extract.blocks[0].level, extract.blocks[0].label) == (1, "Handbook")


@pytest.mark.parametrize(
    "title", ["untitled", "(anonymous)", "Microsoft Word - Leave 2024.docx", "scan.pdf", " \0"], ids=str
)
def test_a_title_that_a_program_gave_is_none(title: str) -> None:
    assert read(pdf([SENTENCE], title=title)).title == ""


# Boxes


def test_the_box_of_a_word_lies_where_it_was_drawn() -> None:
    first = pdf(["A page before"], ["A title of the page", f"{SENTENCE} Ask Ada."], title="Title")
    extract = read(first)
    box = box_of(extract, "laptop")
    left = 72 + stringWidth("Every ", "Helvetica", 11)
    assert box.page == 2
    assert (box.left, box.right) == pytest.approx((left, left + stringWidth("laptop", "Helvetica", 11)), abs=2)
    assert (box.bottom, box.top) == pytest.approx((746 - 2.5, 746 + 8), abs=2)


def test_the_box_of_chinese_lies_where_it_was_drawn_and_ends_at_its_line() -> None:
    lines = ["标题", "连续输错五次密码，账号会被锁定", "三十分钟。"]
    extract = read(pdf(["前一页"], lines, font=CHINESE_FONT))
    for number, line in enumerate(lines):
        box = box_of(extract, line)
        assert box.page == 2
        assert (box.left, box.right) == pytest.approx((72, 72 + 11 * len(line)), abs=2)
        baseline = 760 - 14 * number
        assert baseline - 4 < box.bottom < box.top < baseline + 12


def test_boxes_hold_all_that_is_no_white_space_and_nothing_else() -> None:
    extract = read(pdf([SENTENCE, "Zwei  Wörter, well-", "known."], ["型号LF-230 的密码"], font=CHINESE_FONT))
    boxed = "".join(extract.text[box.start : box.end] for box in extract.boxes)
    assert boxed == "".join(extract.text.split())


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_boxes_lie_on_the_page_as_it_is_seen_turned_and_cropped(rotation: int) -> None:
    def page(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 11)
        canvas.drawString(150, 500, "Turned words")
        canvas.translate(300, 300)
        canvas.rotate(90)
        canvas.drawString(0, 0, "upwards")

    data = changed(drawn(page), lambda document: _turn_and_crop(document[0], rotation))
    extract = read(data)
    image = picture_of(data, dots_per_inch=72)
    assert image.size[0] == (600 if rotation in {90, 270} else 400)
    for box in extract.boxes:
        place = (int(box.left), int(image.size[1] - box.top), int(box.right) + 1, int(image.size[1] - box.bottom) + 1)
        ink = Image.eval(image.crop(place), lambda value: 255 - value).getbbox()
        assert ink is not None
        blank = image.copy()
        blank.paste(255, place)
        image = blank
    assert image.getextrema() == (255, 255)  # nothing was drawn beside the boxes


def _turn_and_crop(page: pypdfium2.PdfPage, rotation: int) -> None:
    page.set_rotation(rotation)
    page.set_cropbox(100, 100, 500, 700)


# Fields, comments, attachments, pictures


def test_what_is_filled_into_a_form_is_read_after_the_page() -> None:
    def page(canvas: Canvas) -> None:
        canvas.drawString(72, 760, "Application")
        form = canvas.acroForm
        form.textfield(name="form1[0].FamilyName[0]", value="Ada Lovelace", x=72, y=700, width=200)
        form.textfield(name="x", tooltip="Date of birth", value="1815", x=72, y=670, width=200)
        form.textfield(name="empty", value="", x=72, y=640, width=200)
        form.textfield(name="secret", value="hunter2", fieldFlags="password", x=72, y=610, width=200)
        form.checkbox(name="agreed", checked=True, x=72, y=580)
        form.checkbox(name="refused", checked=False, x=72, y=550)

    extract = read(drawn(page))
    assert extract.text == "Application\n\nFamilyName: Ada Lovelace\n\nDate of birth: 1815\n\nagreed: Yes"
    box = box_of(extract, "Lovelace")
    assert (box.left, box.right) == pytest.approx((72, 272), abs=2)
    assert box.bottom == pytest.approx(700, abs=2)


def test_comments_and_typed_text_are_read_with_their_author() -> None:
    def page(canvas: Canvas) -> None:
        canvas.drawString(72, 760, SENTENCE)
        canvas.textAnnotation("Is that\nso?", Rect=[72, 500, 90, 520])
        canvas.freeTextAnnotation("Typed on it", DA="/Helv 11 Tf", Rect=[72, 400, 200, 420])
        canvas.linkURL("https://example.org", (72, 750, 200, 770))

    assert read(drawn(page)).text == f"{SENTENCE}\n\nComment: Is that\nso?\n\nTyped on it"


def test_the_author_of_a_comment_is_named() -> None:
    data = written(
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Annots[4 0 R 5 0 R]>>",
        "<</Type/Annot/Subtype/Highlight/Rect[72 700 200 720]/T(Ada)/Contents(Check this.)>>",
        "<</Type/Annot/Subtype/Text/F 2/Rect[72 700 200 720]/Contents(Hidden.)>>",
    )
    assert read(data).text == "Comment by Ada: Check this."


def test_attachments_are_named() -> None:
    def attach(document: pypdfium2.PdfDocument) -> None:
        for name in ("prices.csv", "plan.pdf"):
            document.new_attachment(name).set_data(b"data")

    extract = read(changed(pdf([SENTENCE]), attach))
    assert extract.text == SENTENCE
    assert extract.notes == ("2 attachments were not read: plan.pdf, prices.csv.",)


def test_pictures_beside_the_text_are_counted() -> None:
    picture = Image.new("L", (100, 100), 128)

    def page(canvas: Canvas) -> None:
        canvas.drawString(72, 760, SENTENCE)
        canvas.drawInlineImage(picture, 72, 400, 200, 200)
        canvas.drawInlineImage(picture, 400, 750, 20, 20)

    assert read(drawn(page)).notes == ("1 picture was not read.",)


# Scanned, blank and unreadable pages

PAGES = [[f"{SENTENCE} Page {number}."] for number in range(1, 4)]


def test_a_scanned_pdf_gives_no_text_and_says_how_to_read_it() -> None:
    extract = read(scanned(pdf(*PAGES)))
    assert (extract.text, extract.page_starts) == ("", (0, 0, 0))
    assert extract.notes == ("None of its 3 pages has a text layer: it is scanned.",)
    assert extract.remedy == "Have it read."
    assert extract.scanned_pages == (1, 2, 3)
    assert read(scanned(pdf([SENTENCE]))).notes == ("Its only page has no text layer: it is scanned.",)


def test_what_a_scanner_stamps_on_its_pages_is_no_text_layer() -> None:
    picture = picture_of(pdf([SENTENCE]))

    def page(canvas: Canvas) -> None:
        show_picture(picture)(canvas)
        canvas.drawString(72, 20, "Scanned by Anyscan")

    assert read(drawn(page, page)).text == ""
    mixed = read(drawn(page, lambda canvas: canvas.drawString(72, 760, SENTENCE)))
    assert mixed.text == f"Scanned by Anyscan\n\n{SENTENCE}"
    assert mixed.scanned_pages == (1,)


def test_scanned_pages_among_others_are_named() -> None:
    picture = show_picture(picture_of(pdf([SENTENCE])))

    def text(canvas: Canvas) -> None:
        canvas.drawString(72, 760, SENTENCE)

    extract = read(drawn(text, picture, text, text, picture, picture, picture, text))
    assert extract.text == "\n\n".join([SENTENCE] * 4)
    assert extract.page_starts[:3] == (0, len(SENTENCE) + 2, len(SENTENCE) + 2)
    assert extract.notes == ("4 of 8 pages are scanned and were not read: 2, 5-7.",)
    assert extract.scanned_pages == (2, 5, 6, 7)
    assert "Have it read." in extract.remedy
    assert read(drawn(picture, picture, text)).notes == ("2 of 3 pages are scanned and were not read: 1, 2.",)
    one = read(drawn(text, picture))
    assert one.notes == ("1 of 2 pages is scanned and was not read: 2.",)


def test_a_picture_under_the_text_makes_no_page_a_scanned_one() -> None:
    picture = show_picture(Image.new("L", (100, 100), 200))

    def page(canvas: Canvas) -> None:
        picture(canvas)
        canvas.drawString(72, 760, SENTENCE)

    extract = read(drawn(page))
    assert (extract.text, extract.notes, extract.scanned_pages) == (SENTENCE, (), ())


def test_text_that_is_drawn_as_outlines_counts_as_scanned() -> None:
    def page(canvas: Canvas) -> None:
        for number in range(150):
            canvas.line(72, 100 + number, 90, 101 + number)

    assert read(drawn(page)).scanned_pages == (1,)
    assert read(drawn(lambda canvas: canvas.rect(72, 72, 300, 300))).notes == ("Its only page is blank.",)


def test_a_picture_inside_a_group_of_a_group_is_found() -> None:
    picture = picture_of(pdf([SENTENCE]))

    def page(canvas: Canvas) -> None:
        canvas.beginForm("inner")
        show_picture(picture)(canvas)
        canvas.endForm()
        canvas.beginForm("outer")
        canvas.doForm("inner")
        canvas.endForm()
        canvas.doForm("outer")

    assert read(drawn(page)).scanned_pages == (1,)


def test_a_blank_pdf_says_so() -> None:
    extract = read(pdf([], [], []))
    assert (extract.text, extract.notes, extract.remedy) == ("", ("It has 3 pages, all blank.",), "")
    assert extract.scanned_pages == ()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(in_font_without_unicode("\u1234\u2345\u3456\u4567\u5678"), id="numbers of glyphs"),
        pytest.param(in_font_without_unicode("7KLV\3LV\3KLGGHQ"), id="shifted letters"),
        pytest.param(
            in_font_without_unicode("ABCD", {"A": "\ue041", "B": "\ufffd", "C": "c", "D": "d"}), id="private use"
        ),
    ],
)
def test_a_text_layer_that_hides_its_letters_is_not_read(data: bytes) -> None:
    extract = read(data)
    assert (extract.text, extract.boxes) == ("", ())
    assert extract.notes == (
        "Its only page has no text layer that can be read: its fonts do not say which letters they show.",
    )
    assert extract.scanned_pages == (1,)
    assert "Have it read." in extract.remedy


def test_a_page_that_hides_its_letters_adds_nothing_to_the_others() -> None:
    def add_page(document: pypdfium2.PdfDocument) -> None:
        with pypdfium2.PdfDocument(pdf([SENTENCE])) as other:
            document.import_pages(other)

    extract = read(changed(in_font_without_unicode("\u1234\u2345\u3456"), add_page))
    assert extract.text == SENTENCE
    assert extract.notes == ("1 of 2 pages hides its letters and was not read: 1.",)


def test_letters_of_a_font_without_unicode_that_can_only_be_themselves_are_read() -> None:
    assert read(in_font_without_unicode("Latin")).text == "Latin"


# What cannot be read


def test_a_pdf_with_a_password_is_refused_with_what_to_do() -> None:
    data = pdf(["Secret."], encrypt=StandardEncryption("user", "owner", strength=128))
    with pytest.raises(DocumentError, match=r"encrypted: a password is needed\. Save a copy without one\."):
        read(data)


def test_a_pdf_that_only_its_owner_may_change_is_read() -> None:
    data = pdf(["Readable."], encrypt=StandardEncryption("", "owner", strength=128))
    assert read(data).text == "Readable."


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4 and nothing", pdf(["x"])[:200]], ids=["empty", "header", "cut"])
def test_a_damaged_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not a readable PDF"):
        read(data)


def test_a_pdf_without_pages_is_refused() -> None:
    with pytest.raises(DocumentError, match="not a readable PDF"):
        read(written("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[]/Count 0>>"))


def test_a_pdf_with_too_many_pages_is_refused_with_both_numbers() -> None:
    with pytest.raises(DocumentError, match=r"3 pages, more than 2\..*RAG_APP_LIMITS__PDF_PAGES"):
        read(pdf([], [], []), LoadOptions(max_pages=2))
    assert read(pdf(["x"], ["y"]), LoadOptions(max_pages=2)).text == "x\n\ny"


def broken_pages(*good: bool) -> bytes:
    kids = " ".join(f"{4 if is_good else 9} 0 R" for is_good in good)
    return written(
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(good)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>/Contents 5 0 R>>",
        "{content}",
        content="BT /F 11 Tf 72 700 Td (Good words) Tj ET",
    )


def test_a_page_that_cannot_be_read_does_not_lose_the_others() -> None:
    extract = read(broken_pages(True, False, True, False))
    assert extract.text == "Good words\n\nGood words"
    assert extract.page_starts == (0, 12, 12, 22)
    assert extract.notes == ("Pages 2, 4 could not be read.",)
    assert extract.remedy.startswith("Open it in a PDF reader")
    assert read(broken_pages(True, False)).notes == ("Page 2 could not be read.",)


def test_a_pdf_of_which_no_page_can_be_read_is_refused() -> None:
    with pytest.raises(DocumentError, match="none of its pages can be opened"):
        read(broken_pages(False, False))


def test_a_page_whose_text_layer_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: pypdfium2.PdfPage) -> None:
        raise pypdfium2.PdfiumError("Failed to load text page.")

    data = pdf([SENTENCE], [SENTENCE])
    monkeypatch.setattr(pypdfium2.PdfPage, "get_textpage", fail)
    with pytest.raises(DocumentError, match="none of its pages"):
        read(data)


def test_a_file_that_ends_too_soon_is_read_and_said_to() -> None:
    data = pdf([SENTENCE])
    extract = read(data[: data.rindex(b"%%EOF")])
    assert extract.text == SENTENCE
    assert extract.notes == ("Its end mark is missing: it may have been cut off, and text may be missing.",)
    assert extract.remedy == "Get a complete copy of it."


def test_a_form_that_only_its_own_program_shows_is_said_to_be_unread() -> None:
    data = written(
        "<</Type/Catalog/Pages 2 0 R/NeedsRendering true/AcroForm<</Fields[]/XFA 5 0 R>>>>",
        "<</Type/Pages/Kids[4 0 R]/Count 1>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>/Contents 6 0 R>>",
        "{form}",
        "{content}",
        form="<xdp:xdp/>",
        content="BT /F 11 Tf 72 700 Td (Please wait...) Tj ET",
    )
    extract = read(data)
    assert extract.text == "Please wait..."
    assert extract.notes == ("What is filled in its form was not read.",)
    assert "Print the form" in extract.remedy


# Order


def test_the_same_bytes_give_the_same_extract() -> None:
    data = pdf(*PAGES, title="Title")
    assert read(data) == read(data)


def test_one_page_at_a_time_is_open_and_nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[pypdfium2.PdfDocument | pypdfium2.PdfPage] = []

    class Document(pypdfium2.PdfDocument):
        def get_page(self, index: int) -> pypdfium2.PdfPage:
            assert not any(page.raw for page in opened)
            page = super().get_page(index)
            opened.append(page)
            return page

        def close(self) -> None:
            opened.append(self)
            super().close()

    monkeypatch.setattr(pypdfium2, "PdfDocument", Document)
    read(pdf(*PAGES))
    with pytest.raises(DocumentError):
        read(pdf(*PAGES), LoadOptions(max_pages=2))
    assert len(opened) == len(PAGES) + 2
    assert not any(thing.raw for thing in opened)


@pytest.mark.parametrize(
    ("stated", "day"),
    [
        ("/ModDate (D:20240501233000-08'00') /CreationDate (D:20200101)", "2024-05-01"),
        ("/CreationDate (D:20200101)", "2020-01-01"),
        ("/ModDate (D:00000000) /CreationDate (2020-01-01)", "2020-01-01"),
        ("/ModDate (\377\376\0\330)", ""),
        ("", ""),
    ],
)
def test_the_date_is_that_of_the_last_change_else_of_its_making(stated: str, day: str) -> None:
    data = pdf([SENTENCE])
    start = data.index(b"/CreationDate (")
    end = data.index(b"/ModDate (")
    end = data.index(b")", end) + 1
    assert start < end
    changed_data = data[:start] + stated.encode("latin-1") + data[end:]
    assert read(changed_data).date == day
