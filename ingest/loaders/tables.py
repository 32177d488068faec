"""CSV and TSV: each row becomes a line of text that names its columns.

This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from ingest.loaders.extract import Extract, decode
from rag_app.errors import DocumentError


def load_csv(data: bytes) -> Iterator[Extract]:
    """Yield a comma- or semicolon-separated table; its first row names the columns."""
    text = decode(data)
    first_line = text.lstrip("\n").partition("\n")[0]
    yield _table(text, ";" if first_line.count(";") > first_line.count(",") else ",")


def load_tsv(data: bytes) -> Iterator[Extract]:
    """Yield a tab-separated table; its first row names the columns."""
    yield _table(decode(data), "\t")


def _table(text: str, delimiter: str) -> Extract:
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error as error:
        raise DocumentError(f"It is not a readable table ({error}).") from error
    if not rows:
        return Extract("")
    columns, *records = rows
    lines = [
        "; ".join(
            f"{columns[i]}: {value}" if i < len(columns) and columns[i] else value
            for i, value in enumerate(" ".join(cell.split()) for cell in record)
            if value
        )
        for record in records
    ]
    return Extract("\n\n".join(lines or ["; ".join(columns)]))
