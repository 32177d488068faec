"""Pictures of text to words with their places, by tesseract, where it is installed.

This module knows nothing of PDF or of files. It takes no time limit: the process it runs in has one.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from statistics import fmean
from typing import TYPE_CHECKING

from ingest.loaders.pdf.lines import Line, is_wide, make_line
from rag_app.errors import DocumentError

if TYPE_CHECKING:
    from PIL.Image import Image

# The program, as pytesseract starts it.
TESSERACT = "tesseract"

_COLUMNS = 12  # of tesseract's table (TSV): ten whole numbers, the confidence, the word
# The mean confidence is about 90 for a clean page, and 30 to 42 where the language or the picture is none of tesseract's.
_LEAST_CONFIDENCE = 50


@dataclass(frozen=True)
class PictureWord:
    """A word in a picture, or a few characters of Chinese.

    Words with equal `line` stand in one line, lines with equal `paragraph` in one paragraph. The place is in pixels from the
    upper left corner.
    """

    text: str
    paragraph: tuple[int, int]
    line: int
    left: int
    top: int
    right: int
    bottom: int


def installed_languages(wanted: str) -> str:
    """Return those of the wanted languages that tesseract can read here, written as they came: `eng+chi_sim`.

    Nothing is returned where tesseract, or what calls it, is not installed.
    """
    try:
        import pytesseract

        known = set(pytesseract.get_languages())
    except (ImportError, OSError):  # its TesseractNotFoundError is an OSError
        return ""
    return "+".join(language for language in wanted.split("+") if language in known)


def how_to_read(wanted: str, *, is_wanted: bool) -> str:
    """Return what to do to have scanned pages read in these languages, where that is not done now."""
    if not is_wanted:
        return "Reading scanned pages is turned off: set RAG_APP_READING__OCR=true, then run it again."
    if shutil.which(TESSERACT) and find_spec("pytesseract"):
        return f"tesseract has no data for {wanted}: install them, or name others in RAG_APP_READING__OCR_LANGUAGES."
    return (
        'To have it read: pip install "rag-app[ocr]" and install the program tesseract with the languages of the document'
        " (docs/documents.md), then run it again."
    )


@cache
def tesseract_version() -> str:
    """Return the version of the program; call it only where `installed_languages` found some."""
    import pytesseract

    return str(pytesseract.get_tesseract_version())


def read_page(image: Image, languages: str, *, dots_per_inch: int = 300) -> list[PictureWord]:
    """Return the words in the picture of a page, in reading order.

    Args:
        image: the page, upright.
        languages: tesseract's names, joined by `+`; all must be installed.
        dots_per_inch: of the picture.

    Raises:
        DocumentError: tesseract gave up on it, or guessed.
    """
    import pytesseract

    try:
        table = pytesseract.image_to_data(image, lang=languages, config=f"--dpi {dots_per_inch}")
    except (RuntimeError, OSError, ValueError) as error:  # TesseractError, the folder for its files, its output
        raise DocumentError(f"tesseract could not read the picture ({error}).") from error
    rows = [row.split("\t") for row in table.split("\n")[1:]]
    # Rows about a line or a block have the confidence -1.
    rows = [row for row in rows if len(row) == _COLUMNS and float(row[10]) >= 0 and row[11].strip()]
    if rows and fmean(float(row[10]) for row in rows) < _LEAST_CONFIDENCE:
        raise DocumentError("tesseract found no text that it is sure of.")
    return [_word(row) for row in rows]


def _word(row: Sequence[str]) -> PictureWord:
    _, _, block, paragraph, line, _, left, top, width, height = (int(cell) for cell in row[:10])
    return PictureWord(row[11], (block, paragraph), line, left, top, left + width, top + height)


def lines_of(words: Sequence[PictureWord], pixels: tuple[int, int], points: tuple[float, float]) -> list[Line]:
    """Return the lines that words form, with an empty one between paragraphs.

    Args:
        words: in reading order.
        pixels: width and height of the picture.
        points: width and height of the page that it shows.
    """
    lines: list[Line] = []
    current: list[PictureWord] = []
    for word in words:
        if current and (word.paragraph, word.line) != (current[-1].paragraph, current[-1].line):
            lines.append(_line(current, pixels, points))
            if word.paragraph != current[-1].paragraph:
                lines.append(Line(""))
            current = []
        current.append(word)
    return [*lines, _line(current, pixels, points)] if current else lines


def _line(words: Sequence[PictureWord], pixels: tuple[int, int], points: tuple[float, float]) -> Line:
    across, down = points[0] / pixels[0], points[1] / pixels[1]
    pieces = []
    before = ""
    for word in words:
        place = (
            word.left * across,
            points[1] - word.bottom * down,
            word.right * across,
            points[1] - word.top * down,
        )
        pieces.append((_space_between(before, word.text), word.text, place))
        before = word.text
    return make_line(pieces)


def _space_between(before: str, after: str) -> str:
    """Return what separates two words of a line: Chinese, and punctuation beside it, is written without spaces."""
    if not before:
        return ""
    wide_before, wide_after = is_wide(before[-1]), is_wide(after[0])
    if wide_before and wide_after:
        return ""
    if wide_before or wide_after:
        other = after[0] if wide_before else before[-1]
        return " " if other.isalnum() else ""
    return " "
