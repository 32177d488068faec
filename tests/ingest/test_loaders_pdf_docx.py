"""The loaders of PDF and Word files: what a reader would see, and a reason where that cannot be had."""

from __future__ import annotations

import io
import zipfile

import docx
import pytest
from docx.document import Document as WordDocument
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from ingest.loaders.extract import Extract
from ingest.loaders.office import load_docx
from ingest.loaders.pdf import join_lines, load_pdf
from rag_app.errors import DocumentError


def only(extracts: object) -> Extract:
    (extract,) = extracts  # type: ignore[misc]
    return extract


# PDF


def pdf(
    *pages: list[str], title: str = "", encrypt: StandardEncryption | None = None, font: str = "Helvetica"
) -> bytes:
    """Return a PDF with these lines on its pages."""
    stream = io.BytesIO()
    canvas = Canvas(stream, encrypt=encrypt)
    canvas.setTitle(title)
    for lines in pages:
        canvas.setFont(font, 11)
        for number, line in enumerate(lines):
            canvas.drawString(72, 760 - 14 * number, line)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def test_pdf_gives_each_page_at_its_offset() -> None:
    extract = only(load_pdf(pdf(["First page."], ["Second page."], ["Third."], title="Manual")))
    assert extract.title == "Manual"
    assert len(extract.page_starts) == 3
    for start, words in zip(extract.page_starts, ("First page.", "Second page.", "Third."), strict=True):
        assert extract.text[start:].startswith(words)


def test_a_page_without_text_still_counts() -> None:
    extract = only(load_pdf(pdf(["One."], [], ["Three."])))
    assert [extract.text[start:][:3] for start in extract.page_starts[::2]] == ["One", "Thr"]
    assert len(extract.page_starts) == 3


def test_pdf_joins_the_lines_that_the_margin_broke() -> None:
    lines = ["An account is locked for thirty minutes after", "five failed sign-ins in a row.", "Ask the helpdesk."]
    assert "minutes after five failed" in only(load_pdf(pdf(lines))).text


def test_pdf_in_chinese() -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    text = only(load_pdf(pdf(["连续输错五次密码，账号会被锁定", "三十分钟。"], font="STSong-Light"))).text
    assert text == "连续输错五次密码，账号会被锁定三十分钟。"


@pytest.mark.parametrize(
    ("page", "joined"),
    [
        pytest.param(
            "a line that is long and\nfull to its margin.", "a line that is long and full to its margin.", id="en"
        ),
        pytest.param(
            "short\nfull lines of some words here\nmore", "short\nfull lines of some words here more", id="short"
        ),
        pytest.param("Ends here, a full line.\nBegins a new one here", None, id="a sentence ended"),
        pytest.param("things you will need now\n- a card for the door", None, id="bullet"),
        pytest.param("the steps to be followed\n1. open the page at once", None, id="number"),
        pytest.param(
            "this is by now a wide-\nspread use of a word", "this is by now a wide-spread use of a word", id="hyphen"
        ),
        pytest.param("one paragraph of words\n\nanother one of words", None, id="blank line"),
        pytest.param("one\n\n\n\n\ntwo", "one\n\ntwo", id="many blank lines"),
    ],
)
def test_lines_are_joined_only_where_the_margin_broke_them(page: str, joined: str | None) -> None:
    assert join_lines(page) == (page if joined is None else joined)


def test_a_pdf_with_a_password_is_refused_with_what_to_do() -> None:
    data = pdf(["Secret."], encrypt=StandardEncryption("user", "owner", strength=128))
    with pytest.raises(DocumentError, match=r"encrypted: a password is needed\. Save a copy without one\."):
        list(load_pdf(data))


def test_a_pdf_that_only_its_owner_may_change_is_read() -> None:
    data = pdf(["Readable."], encrypt=StandardEncryption("", "owner", strength=128))
    assert only(load_pdf(data)).text == "Readable."


def test_a_pdf_without_a_text_layer_is_refused_and_counted() -> None:
    with pytest.raises(DocumentError, match="None of its 2 pages has a text layer: it is probably scanned"):
        list(load_pdf(pdf([], [])))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4 and nothing", pdf(["x"])[:200]], ids=["empty", "header", "cut"])
def test_a_damaged_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not a readable PDF"):
        list(load_pdf(data))


# DOCX


def saved(document: WordDocument) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def test_docx_gives_headings_lists_and_tables_in_their_order() -> None:
    document = docx.Document()
    document.add_heading("设备", 1)
    document.add_paragraph("Every laptop has a number.")
    document.add_heading("Printers", 2)
    document.add_paragraph("Second floor", style="List Bullet")
    document.add_paragraph("")
    table = document.add_table(rows=2, cols=2)
    for cell, words in zip(table._cells, ("Model", "Price", "L14", "900\nEUR"), strict=True):
        cell.text = words
    document.add_paragraph("The end.")
    extract = only(load_docx(saved(document)))
    assert extract.text == (
        "# 设备\n\nEvery laptop has a number.\n\n## Printers\n\n- Second floor\n\nModel | Price\nL14 | 900 EUR\n\nThe end."
    )
    assert [(heading.level, heading.text) for heading in extract.headings] == [(1, "设备"), (2, "Printers")]
    assert extract.title == "设备"


def test_a_merged_table_cell_is_given_once_in_its_row() -> None:
    document = docx.Document()
    table = document.add_table(rows=2, cols=3)
    for number, cell in enumerate(table._cells):
        cell.text = f"c{number}"
    merged = table.cell(0, 0).merge(table.cell(0, 1))
    merged.text = "wide"
    assert only(load_docx(saved(document))).text == "wide | c2\nc3 | c4 | c5"


def test_the_title_of_a_docx_is_its_property_if_it_has_one() -> None:
    document = docx.Document()
    document.core_properties.title = "Handbook"
    document.add_paragraph("On the cover", style="Title")
    extract = only(load_docx(saved(document)))
    assert extract.title == "Handbook"
    assert [heading.text for heading in extract.headings] == ["On the cover"]


def test_a_deep_heading_of_a_docx_is_still_a_heading() -> None:
    document = docx.Document()
    document.add_heading("Deep", 8)
    assert [(heading.level, heading.text) for heading in only(load_docx(saved(document))).headings] == [(6, "Deep")]


def rewritten(data: bytes, name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w") as target:
        for member in source.namelist():
            target.writestr(member, content if member == name else source.read(member))
    return stream.getvalue()


def damaged_docx() -> dict[str, bytes]:
    good = saved(docx.Document())
    packed = good.index(b"word/document.xml") + 40
    return {
        "empty": b"",
        "no zip": b"PK\3\4 nonsense",
        "cut": good[: len(good) // 2],
        "another zip": rewritten(good, "[Content_Types].xml", b"<Types/>"),
        "broken XML": rewritten(good, "word/document.xml", b"<w:document"),
        "broken compression": good[:packed] + b"\xff" * 160 + good[packed + 160 :],
    }


@pytest.mark.parametrize("data", damaged_docx().values(), ids=damaged_docx())
def test_a_damaged_docx_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not a readable Word document"):
        list(load_docx(data))
