"""OCR: pictures of text to words and lines. What needs tesseract is skipped without it, unless RAG_APP_REQUIRE_OCR is 1."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from reportlab.pdfgen.canvas import Canvas

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.pdf import ocr
from ingest.loaders.pdf.document import load_pdf
from ingest.loaders.pdf.ocr import PictureWord, installed_languages, lines_of, read_page
from rag_app.errors import DocumentError
from tests.ingest.loaders.pdf.pdf_files import (
    CHINESE_FONT,
    drawn,
    in_font_without_unicode,
    pdf,
    picture_of,
    scanned,
    show_picture,
)

# Read here: the fixtures take the variables of this project out of the environment of every test.
IS_REQUIRED = os.environ.get("RAG_APP_REQUIRE_OCR") == "1"
ENGLISH = [
    "Every laptop has a number on its back, and the helpdesk asks for",
    "it. The winter break begins on 24 December.",
]
CHINESE = ["忘记密码时，请打开重置页面设置新密码。连续输错五次密码，账号会", "被锁定三十分钟。"]
TABLE_HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"


def needs(languages: str) -> None:
    """Skip the test, or fail it, where tesseract does not have all of these languages."""
    if not (shutil.which("tesseract") and installed_languages(languages) == languages):
        if IS_REQUIRED:
            pytest.fail(f"tesseract with {languages} is wanted and not there")
        pytest.skip(f"tesseract with {languages} is not installed")


def needs_chinese_letters() -> None:
    """Skip the test, or fail it, where no font of this machine shows Chinese: two characters then look the same."""
    first, second = (picture_of(pdf([character], font=CHINESE_FONT)).tobytes() for character in "密码")
    if first == second:
        if IS_REQUIRED:
            pytest.fail("a font with Chinese is wanted and not there")
        pytest.skip("no font with Chinese is installed")


def read(data: bytes, languages: str) -> Extract:
    (extract,) = load_pdf(data, LoadOptions(ocr_languages=languages))
    return extract


def row(text: str, confidence: float, line: int = 1) -> str:
    return f"5\t1\t1\t1\t{line}\t1\t10\t20\t30\t40\t{confidence}\t{text}\n"


def answer(monkeypatch: pytest.MonkeyPatch, table: str | Exception) -> None:
    """Let tesseract answer so."""
    pytesseract = pytest.importorskip("pytesseract")

    def image_to_data(*_: object, **__: object) -> str:
        if isinstance(table, Exception):
            raise table
        return table

    monkeypatch.setattr(pytesseract, "image_to_data", image_to_data)


# Reading


def test_a_scanned_page_in_english_is_read_with_the_places_of_its_words() -> None:
    needs("eng")
    written_pdf = pdf(["Leave handbook", "", *ENGLISH])
    extract = read(scanned(written_pdf), "eng")
    assert extract.text == f"Leave handbook\n\n{' '.join(ENGLISH)}"
    assert extract.notes == ("Page 1 was read by OCR (eng): expect mistakes.",)
    assert extract.remedy == "OCR makes mistakes: check what matters against the pages themselves."
    assert (extract.scanned_pages, extract.page_starts) == ((), (0,))
    (expected,) = load_pdf(written_pdf, LoadOptions())
    places = {expected.text[box.start : box.end]: box for box in expected.boxes}
    boxes = {extract.text[box.start : box.end]: box for box in extract.boxes}
    assert boxes.keys() == places.keys()
    for word in ("Leave", "laptop", "December."):
        assert boxes[word].page == 1
        assert (boxes[word].left, boxes[word].right) == pytest.approx((places[word].left, places[word].right), abs=3)
        assert (boxes[word].bottom, boxes[word].top) == pytest.approx((places[word].bottom, places[word].top), abs=3)


def test_a_scanned_page_in_chinese_is_read_without_spaces() -> None:
    needs("chi_sim")
    needs_chinese_letters()
    extract = read(scanned(pdf(CHINESE, font=CHINESE_FONT)), "chi_sim")
    assert "请打开重置页面设置新密码" in extract.text
    assert "账号会被锁定三十分钟" in extract.text  # joined where the margin broke it
    assert " " not in extract.text
    for box in extract.boxes:
        assert not re.search(r"\s", extract.text[box.start : box.end])
        assert 70 < box.left < box.right < 595


def test_only_scanned_pages_are_read_by_ocr() -> None:
    needs("eng")
    picture = show_picture(picture_of(pdf(ENGLISH)))

    def text(canvas: Canvas) -> None:
        canvas.drawString(72, 760, "This page has a text layer of its own.")

    extract = read(drawn(text, picture, text), "eng")
    assert extract.text.startswith("This page has a text layer of its own.\n\nEvery laptop")
    assert extract.notes == ("Page 2 was read by OCR (eng): expect mistakes.",)


def test_a_page_that_hides_its_letters_is_read_by_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, TABLE_HEAD + row("legible", 96))
    extract = read(in_font_without_unicode("\u1234\u2345\u3456\u4567"), "eng")
    assert extract.text == "legible"
    assert extract.notes == ("Page 1 was read by OCR (eng): expect mistakes.",)


def test_where_ocr_finds_nothing_what_stands_on_the_page_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(canvas: Canvas) -> None:
        show_picture(Image.new("L", (10, 10), 128))(canvas)
        canvas.drawString(72, 72, "Open day")

    answer(monkeypatch, TABLE_HEAD)
    assert read(drawn(page), "eng").text == "Open day"


@pytest.mark.parametrize("size", [(14_000, 7_000), (14_000, 10)], ids=["large", "long"])
def test_the_picture_of_a_very_large_page_stays_within_bounds(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    seen: list[tuple[int, int]] = []

    def remember(image: Image.Image, *_: object, **__: object) -> list[PictureWord]:
        seen.append(image.size)
        return []

    def page(canvas: Canvas) -> None:
        canvas.setPageSize(size)
        canvas.drawInlineImage(Image.new("L", (10, 10)), 0, 0, *size)

    monkeypatch.setattr(ocr, "read_page", remember)
    extract = read(drawn(page), "eng")
    ((width, height),) = seen
    assert width * height < 25_100_000
    assert width * height > 24_000_000 or 29_000 < width < 30_100
    assert extract.text == ""


# Failing


def test_where_tesseract_gives_up_the_other_pages_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pytesseract = pytest.importorskip("pytesseract")
    answer(monkeypatch, pytesseract.TesseractError(1, "out of memory"))
    extract = read(drawn(show_picture(picture_of(pdf(ENGLISH))), lambda canvas: canvas.drawString(9, 9, "text")), "eng")
    assert extract.text == "text"
    assert extract.notes == ("1 of 2 pages is scanned and could not be read by OCR: 1.",)
    assert extract.scanned_pages == (1,)
    assert "RAG_APP_READING__OCR_LANGUAGES" in extract.remedy


@pytest.mark.parametrize("confidences", [(30, 45, 40), (0,)], ids=["another language", "noise"])
def test_guesses_are_not_taken_for_text(monkeypatch: pytest.MonkeyPatch, confidences: tuple[int, ...]) -> None:
    answer(monkeypatch, TABLE_HEAD + "".join(row("FALE", confidence) for confidence in confidences))
    extract = read(scanned(pdf(ENGLISH)), "eng")
    assert extract.text == ""
    assert extract.notes == ("Its only page is scanned and could not be read by OCR.",)


@pytest.mark.parametrize("error", [OSError("No space left"), RuntimeError("timeout")], ids=str)
def test_errors_of_tesseract_say_what_it_was(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    answer(monkeypatch, error)
    with pytest.raises(DocumentError, match=f"could not read the picture.*{error}"):
        read_page(Image.new("L", (10, 10)), "eng")


def test_rows_without_words_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row("line", -1), row(" ", 95), row("one", 96.5), row("two", 0), row("three", 90, line=2), "cut\trow\n"]
    answer(monkeypatch, TABLE_HEAD + "".join(rows))
    words = read_page(Image.new("L", (10, 10)), "eng")
    assert [(word.text, word.line) for word in words] == [("one", 1), ("two", 1), ("three", 2)]
    assert (words[0].left, words[0].top, words[0].right, words[0].bottom) == (10, 20, 40, 60)


def test_a_picture_of_nothing_has_no_words() -> None:
    needs("eng")
    assert read_page(Image.new("L", (600, 800), 255), "eng") == []
    dots = Image.new("L", (600, 800), 255)
    ImageDraw.Draw(dots).ellipse((300, 300, 304, 304), fill=0)
    assert read_page(dots, "eng") == []


# Lines


def words(*texts: str, paragraph: int = 1, line: int = 1) -> list[PictureWord]:
    return [
        PictureWord(text, (1, paragraph), line, 100 * number, 40, 100 * number + 90, 60)
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        pytest.param(["two", "words"], "two words", id="Latin"),
        pytest.param(["a", "-", "dash"], "a - dash", id="dash"),
        pytest.param(["忘记", "密码", "，", "请"], "忘记密码，请", id="Chinese"),
        pytest.param(["型号", "LF-230", "的"], "型号 LF-230 的", id="both"),
        pytest.param(["他说", "“", "好", "”", "。"], "他说“好”。", id="punctuation"),
    ],
)
def test_words_of_a_line_are_parted_as_they_are_written(texts: list[str], line: str) -> None:
    assert [found.text for found in lines_of(words(*texts), (1000, 1000), (500.0, 500.0))] == [line]


def test_places_are_in_points_from_the_lower_left_corner() -> None:
    (line,) = lines_of(words("a", "b"), (1000, 2000), (500.0, 800.0))
    assert line.runs[1].place == pytest.approx((50, 776, 95, 784))


def test_paragraphs_are_parted_by_an_empty_line() -> None:
    found = lines_of(
        [*words("one"), *words("two", line=2), *words("three", paragraph=2), *words("four", paragraph=2, line=2)],
        (100, 100),
        (100.0, 100.0),
    )
    assert [line.text for line in found] == ["one", "two", "", "three", "four"]
    assert lines_of([], (100, 100), (100.0, 100.0)) == []


# Languages


def test_the_wanted_languages_that_are_installed_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytesseract = pytest.importorskip("pytesseract")
    monkeypatch.setattr(pytesseract, "get_languages", lambda: ["osd", "chi_sim", "eng"])
    assert installed_languages("eng+deu+chi_sim") == "eng+chi_sim"
    assert installed_languages("deu") == ""


def test_without_the_program_there_is_no_language(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pytesseract")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed_languages("eng") == ""


def test_without_the_library_there_is_no_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytesseract", None)
    assert installed_languages("eng") == ""


@pytest.mark.parametrize(
    ("is_wanted", "is_installed", "remedy"),
    [
        pytest.param(False, True, "RAG_APP_READING__OCR=true", id="turned off"),
        pytest.param(True, True, "no data for tlh: install them", id="without the language"),
        pytest.param(True, False, 'pip install "rag-app[ocr]"', id="not installed"),
    ],
)
def test_the_way_to_have_pages_read_is_the_one_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, *, is_wanted: bool, is_installed: bool, remedy: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if is_installed else None)
    monkeypatch.setattr(ocr, "find_spec", lambda name: object() if is_installed else None)
    assert remedy in ocr.how_to_read("tlh", is_wanted=is_wanted)
