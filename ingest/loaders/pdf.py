"""PDF, by pdfium: the text of each page, its lines joined to paragraphs again.

This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from statistics import quantiles

from ingest.loaders.extract import Extract
from rag_app.errors import DocumentError
from rag_app.text import normalise

_PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD in pdfium's fpdfview.h
_SENTENCE_END = re.compile(r"[.!?:;。！？：；][”’\"')\]』」）]*$")
_LIST_ITEM = re.compile(r"(?:[-*•·‣▪–]|\(?\d{1,3}[.)、])\s*\S")
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7a3\uff00-\uffef]")
# A line this much shorter than the long lines of its page was ended by its author, not by the margin.
_FULL_LINE = 0.75


def load_pdf(data: bytes) -> Iterator[Extract]:
    """Yield the text of a PDF with the offsets at which its pages start.

    Raises:
        DocumentError: not a PDF, damaged, or encrypted with a password.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_ERROR:
            raise DocumentError("It is encrypted: a password is needed.", "Save a copy without one.") from error
        raise DocumentError(f"It is not a readable PDF ({error}).") from error
    try:
        title = normalise(document.get_metadata_value("Title")).strip()
        pages = []
        for page in document:
            text_page = page.get_textpage()
            pages.append(join_lines(normalise(text_page.get_text_range())))
            text_page.close()
            page.close()
    except pypdfium2.PdfiumError as error:
        raise DocumentError(f"Page {len(pages) + 1} cannot be read ({error}).") from error
    finally:
        document.close()
    if pages and not any(page.strip() for page in pages):
        raise DocumentError(f"None of its {len(pages)} pages has a text layer: it is probably scanned.")
    starts = []
    offset = 0
    for page in pages:
        starts.append(offset)
        offset += len(page) + 2
    yield Extract("\n\n".join(pages), title=title, page_starts=tuple(starts))


def join_lines(page: str) -> str:
    """Return the text of a page with the lines that the margin broke joined again.

    A line goes on where it is about as long as the page's long lines and no sentence ends with it. Two CJK characters are
    joined without a space, and a word that was hyphenated keeps its hyphen: it may be its own.
    """
    lines = [line.strip() for line in page.replace("\ufffe", "-").split("\n")]
    lengths = [_width(line) for line in lines if line]
    full = _FULL_LINE * (quantiles(lengths, n=10, method="inclusive")[-1] if len(lengths) > 1 else 0)
    joined: list[str] = []
    goes_on = False
    for line in lines:
        if goes_on and line and not _LIST_ITEM.match(line):
            previous = joined[-1]
            tight = previous.endswith("-") or (_WIDE.match(previous[-1]) and _WIDE.match(line[0]))
            joined[-1] = previous + ("" if tight else " ") + line
        else:
            joined.append(line)
        goes_on = bool(line) and _width(line) >= full and not _SENTENCE_END.search(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(joined)).strip("\n")


def _width(line: str) -> int:
    """Return how wide a line is, in half-width characters."""
    return len(line) + len(_WIDE.findall(line))
