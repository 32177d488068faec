"""What lies on a page of a PDF beside its text: values in form fields, typed text, comments, attached files.

This module knows nothing of text layers or of whole documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ingest.loaders.pdf.lines import Line, Rectangle, make_line, words_of

_HIDDEN = 0x2 | 0x20  # annotation flags Hidden and NoView in ISO 32000-1, table 165
_PASSWORD = 0x2000  # field flag in ISO 32000-1, table 228
# A name that a program gave: `form1[0].#subform[0].FamilyName[0]`.
_NAME_IN_PATH = re.compile(r"\S*\.#?(\w+)(?:\[\d+\])?")


@dataclass(frozen=True)
class Annotations:
    """The lines to be read after a page's own, the names of attached files, and how many stamps are pictures."""

    lines: tuple[Line, ...]
    attachments: tuple[str, ...]
    pictures: int


def read_annotations(page: Any, seen: Callable[[Rectangle], Rectangle]) -> Annotations:
    """Return what lies on a page (a `pypdfium2.PdfPage`).

    Args:
        page: of a document whose forms were initialised, if it has any.
        seen: turns places as they are stored into places as they are seen.
    """
    from pypdfium2 import raw

    lines: list[Line] = []
    attachments = []
    pictures = 0
    for annotation in _annotations(page):
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        if kind == raw.FPDF_ANNOT_FILEATTACHMENT:
            attachments.append(_attachment_name(annotation))
        elif kind in {raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP} or raw.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
            continue
        elif kind == raw.FPDF_ANNOT_WIDGET:
            lines += _lines(_field_text(annotation, page.formenv), annotation, seen)
        elif words := _string(annotation, b"Contents").strip():
            author = "" if kind == raw.FPDF_ANNOT_FREETEXT else _string(annotation, b"T").strip()
            is_comment = kind != raw.FPDF_ANNOT_FREETEXT  # which is text typed on the page
            label = f"Comment by {author}: " if author else "Comment: " if is_comment else ""
            lines += _lines(f"{label}{words}", annotation, seen)
        else:
            pictures += kind == raw.FPDF_ANNOT_STAMP
    return Annotations(tuple(lines), tuple(attachments), pictures)


def _annotations(page: Any) -> Iterator[Any]:
    from pypdfium2 import raw

    for number in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, number)
        if annotation:
            try:
                yield annotation
            finally:
                raw.FPDFPage_CloseAnnot(annotation)


def _field_text(annotation: Any, form: Any) -> str:
    """Return `name: value` of a form field that is filled in, else nothing; a password is not shown, so it is not read."""
    from pypdfium2 import raw

    if form is None:  # fields that belong to no form are seen all the same
        has_text = _string(annotation, b"FT") in {"Tx", "Ch"}
        value = _string(annotation, b"V") if has_text else ""
        return _named(_string(annotation, b"TU") or _string(annotation, b"T"), value)
    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in {raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON}:
        is_shown = bool(raw.FPDFAnnot_IsChecked(form, annotation))
    else:
        is_shown = kind in {raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX}
    if not is_shown or raw.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD:
        return ""
    label = wide_string(raw.FPDFAnnot_GetFormFieldAlternateName, form, annotation)
    name = label or wide_string(raw.FPDFAnnot_GetFormFieldName, form, annotation)
    return _named(name, wide_string(raw.FPDFAnnot_GetFormFieldValue, form, annotation))


def _named(name: str, value: str) -> str:
    if not value.strip():
        return ""
    path = _NAME_IN_PATH.fullmatch(name)
    words = (path[1] if path else name).strip().rstrip(":")
    return f"{words}: {value.strip()}" if words else value.strip()


def _lines(text: str, annotation: Any, seen: Callable[[Rectangle], Rectangle]) -> Iterator[Line]:
    """Yield the lines of a text, parted from what comes before; each of its words stands in the annotation's rectangle."""
    from pypdfium2 import raw

    rectangle = raw.FS_RECTF()
    raw.FPDFAnnot_GetRect(annotation, rectangle)
    left, right = sorted((rectangle.left, rectangle.right))
    bottom, top = sorted((rectangle.bottom, rectangle.top))
    place = seen((left, bottom, right, top))
    lines = text.splitlines()
    if any(line.strip() for line in lines):
        yield Line("")
    for line in lines:
        yield make_line((separator, line[start:end], place) for separator, start, end in words_of(line))


def attachment_names(document: Any) -> list[str]:
    """Return the names of the files attached to a whole document (a `pypdfium2.PdfDocument`)."""
    from pypdfium2 import raw

    attachments = (raw.FPDFDoc_GetAttachment(document, number) for number in range(document.count_attachments()))
    return [wide_string(raw.FPDFAttachment_GetName, attachment) if attachment else "" for attachment in attachments]


def _attachment_name(annotation: Any) -> str:
    from pypdfium2 import raw

    attachment = raw.FPDFAnnot_GetFileAttachment(annotation)
    name = wide_string(raw.FPDFAttachment_GetName, attachment) if attachment else ""
    return name or _string(annotation, b"Contents")


def _string(annotation: Any, key: bytes) -> str:
    from pypdfium2 import raw

    return wide_string(raw.FPDFAnnot_GetStringValue, annotation, key)


def wide_string(function: Callable[..., int], *arguments: Any) -> str:
    """Return a string that pdfium writes in UTF-16 where it is told to, and whose length in bytes it gives."""
    from pypdfium2 import raw

    length = function(*arguments, None, 0)
    if length <= raw.sizeof(raw.FPDF_WCHAR):  # the zero at its end
        return ""
    buffer = (raw.FPDF_WCHAR * -(-length // 2))()
    function(*arguments, buffer, length)
    return bytes(buffer)[:length].decode("utf-16-le", "replace").rstrip("\0")
