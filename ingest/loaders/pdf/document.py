"""PDF, by pdfium: the text of each page with the place of each word, scanned pages by OCR where that is asked for.

How characters become lines is in `page`, how lines become a text in `text`.
This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.pdf import ocr
from ingest.loaders.pdf.annotations import attachment_names, read_annotations, wide_string
from ingest.loaders.pdf.findings import Findings
from ingest.loaders.pdf.lines import Line, words_in
from ingest.loaders.pdf.page import PageKind, read_text_layer, seen_places
from ingest.loaders.pdf.text import PagedText
from rag_app.dates import stated_day
from rag_app.errors import DocumentError, first_line
from rag_app.text import normalise

_PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD in pdfium's fpdfview.h
_END_MARK = b"%%EOF"
_MOST_BYTES_AFTER_END = 2048
_POINTS_PER_INCH = 72
_DOTS_PER_INCH = 300
_MOST_PIXELS = 25_000_000
_LONGEST_SIDE = 30_000  # pixels; tesseract takes 32,767
# Titles that programs give: no words of an author.
_NO_TITLE = re.compile(
    r"\(?(?:untitled|anonymous)\)?|(?:Microsoft \w+ - )?.+\.(?:docx?|pptx?|xlsx?|indd|tex|dvi|pdf)", re.IGNORECASE
)


def load_pdf(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the text of a PDF with its pages, its blocks, and where its words stand.

    Pages that are pictures of text are named in the notes, or read by OCR where `options` names languages.

    Raises:
        DocumentError: not a PDF, damaged, encrypted with a password, or with more pages than allowed.
    """
    document = _open(data)
    try:
        _check(document, options)
        reader = _Reader(document, options, is_cut=_END_MARK not in data[-_MOST_BYTES_AFTER_END:])
        extract = reader.read()
    finally:
        document.close()
    yield extract


def _open(data: bytes) -> Any:
    import pypdfium2

    with contextlib.suppress(pypdfium2.PdfiumError):
        pypdfium2.PdfDocument(
            b""
        )  # pdfium sets no error for some files: then the one of the file before would be reported
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_ERROR:
            raise DocumentError("It is encrypted: a password is needed.", "Save a copy without one.") from error
        raise DocumentError(f"It is not a readable PDF: {first_line(error)}.") from error


def _check(document: Any, options: LoadOptions) -> None:
    pages = len(document)
    if not pages:
        raise DocumentError("It is not a readable PDF (it has no pages).")
    if pages > options.max_pages:
        raise DocumentError(
            f"It has {pages} pages, more than {options.max_pages}.",
            "To have it read all the same, raise RAG_APP_LIMITS__PDF_PAGES.",
        )


class _Reader:
    """Reads a document page by page."""

    def __init__(self, document: Any, options: LoadOptions, *, is_cut: bool) -> None:
        from pypdfium2 import raw

        self._document = document
        self._found = Findings(
            len(document),
            options.ocr_languages,
            options.ocr_remedy,
            attachments=attachment_names(document),
            has_unread_form=document.get_formtype() == raw.FORMTYPE_XFA_FULL,
            is_cut=is_cut,
        )

    def read(self) -> Extract:
        import pypdfium2

        found = self._found
        try:
            self._document.init_forms()  # before any page is opened: else fields have no values
        except pypdfium2.PdfiumError:
            found.has_unread_form = True
        pages = [self._page(number) for number in range(1, found.pages + 1)]
        if len(found.failed) == found.pages:
            raise DocumentError("It is not a readable PDF (none of its pages can be opened).")
        text = PagedText(words_in(line for own, _ in pages for line in own))
        for own, added in pages:
            # What a scanner stamps on every page is not the text of a document.
            text.add_page(added if found.has_no_text_layer else [*own, *added])
        built = text.build(Extract("", title=_title(self._document), date=_date(self._document)))
        found.has_text = bool(built.text)
        return replace(built, notes=found.notes, remedy=found.remedy, scanned_pages=found.unread)

    def _page(self, number: int) -> tuple[Sequence[Line], Sequence[Line]]:
        """Return the lines of a page, and those of fields and notes laid on it; none of what cannot be read."""
        import pypdfium2

        try:
            page = self._document[number - 1]
        except pypdfium2.PdfiumError:
            self._found.failed.append(number)
            return (), ()
        try:
            return self._open_page(page, number)
        except pypdfium2.PdfiumError:
            self._found.failed.append(number)
            return (), ()
        finally:
            page.close()

    def _open_page(self, page: Any, number: int) -> tuple[Sequence[Line], Sequence[Line]]:
        found = self._found
        content = read_text_layer(page)
        annotations = read_annotations(page, seen_places(page))
        found.attachments += annotations.attachments
        found.pictures += content.pictures + annotations.pictures
        if content.kind is PageKind.BLANK and not annotations.lines:
            found.blank.append(number)
        if content.kind in {PageKind.TEXT, PageKind.BLANK}:
            return content.lines, annotations.lines
        legible = content.lines if content.kind is PageKind.SCANNED else ()
        if found.ocr_languages:
            with contextlib.suppress(DocumentError):  # one page: the others are read
                lines = _read_picture(page, found.ocr_languages)
                found.read_by_ocr.append(number)
                return lines or legible, annotations.lines
        (found.scanned if content.kind is PageKind.SCANNED else found.unreadable).append(number)
        return legible, annotations.lines


def _read_picture(page: Any, languages: str) -> list[Line]:
    """Return the lines that OCR finds on a page.

    Raises:
        DocumentError: it cannot be read.
    """
    width, height = page.get_size()
    if width <= 0 or height <= 0:
        raise DocumentError("The page has no size.")
    scale = min(
        _DOTS_PER_INCH / _POINTS_PER_INCH,
        math.sqrt(_MOST_PIXELS / (width * height)),
        _LONGEST_SIDE / max(width, height),
    )
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        image = bitmap.to_pil()
        words = ocr.read_page(image, languages, dots_per_inch=max(round(scale * _POINTS_PER_INCH), 1))
        return ocr.lines_of(words, image.size, (width, height))
    finally:
        bitmap.close()


def _title(document: Any) -> str:
    """Return the title that the document's author gave, if any."""
    title = normalise(" ".join(_stated(document, b"Title").split()))
    return "" if _NO_TITLE.fullmatch(title) else title


def _date(document: Any) -> str:
    """Return the day of its last change, else that of its making; an empty string where it states neither."""
    return stated_day(_stated(document, b"ModDate")) or stated_day(_stated(document, b"CreationDate"))


def _stated(document: Any, key: bytes) -> str:
    from pypdfium2 import raw

    return wide_string(raw.FPDF_GetMetaText, document, key)
