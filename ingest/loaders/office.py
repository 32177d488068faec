"""Word documents: paragraphs, headings, lists and tables in their order, as Markdown-like text.

This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.loaders.extract import Extract, first_title, markdown_headings
from rag_app.errors import DocumentError
from rag_app.text import normalise

if TYPE_CHECKING:
    from docx.table import Table, _Cell
    from docx.text.paragraph import Paragraph

_HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)


def load_docx(data: bytes) -> Iterator[Extract]:
    """Yield the text of a Word document.

    Raises:
        DocumentError: not a Word document.
    """
    import docx
    from docx.opc.exceptions import OpcError
    from docx.text.paragraph import Paragraph

    try:
        document = docx.Document(io.BytesIO(data))
        blocks = [
            _paragraph(block) if isinstance(block, Paragraph) else _table(block)
            for block in document.iter_inner_content()
        ]
    # lxml's errors are SyntaxErrors; an element of the wrong kind lacks an attribute
    except (OpcError, zipfile.BadZipFile, zlib.error, SyntaxError, KeyError, ValueError, AttributeError) as error:
        raise DocumentError(f"It is not a readable Word document ({error}).") from error
    text = normalise("\n\n".join(block for block in blocks if block))
    headings = markdown_headings(text)
    title = normalise(document.core_properties.title or "").strip()
    yield Extract(text, title=title or first_title(headings), headings=headings)


def _paragraph(paragraph: Paragraph) -> str:
    text = paragraph.text.strip()
    style = paragraph.style.name or "" if paragraph.style is not None else ""
    heading = _HEADING_STYLE.match(style)
    if not text:
        return ""
    if heading or style == "Title":
        return f"{'#' * min(int(heading[1]), 6) if heading else '#'} {text}"
    return f"- {text}" if style.startswith("List") else text


def _table(table: Table) -> str:
    """Return a table, a row a line; a cell that spans columns is given once."""
    rows = []
    for row in table.rows:
        cells: list[_Cell] = []
        for cell in row.cells:
            if not cells or cell._tc is not cells[-1]._tc:  # noqa: SLF001 - python-docx has no other name for it
                cells.append(cell)
        rows.append(" | ".join(" ".join(cell.text.split()) for cell in cells))
    return "\n".join(rows)
