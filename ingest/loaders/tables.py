"""CSV and TSV: each row becomes a line of text that names its columns.

The same way of writing rows serves spreadsheets (`row_sentences`).
This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from ingest.loaders.encoding import decode
from ingest.loaders.extract import Extract, LoadOptions, TextBuilder

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 20
_STATED_DELIMITER = re.compile(r"\"?sep=([,;\t|])\"?\n", re.IGNORECASE)  # Excel's first line, meant for itself
_NAMED_LINES = 5
_MOST_TITLES = 3
_NUMBER = re.compile(r"^\s*[-+]?[\d.,]+\s*%?\s*$")


def load_csv(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield a table separated by commas, semicolons, tabs or bars; its first row names the columns."""
    decoded = decode(data)
    stated = _STATED_DELIMITER.match(decoded.text)
    lines = _lines(decoded.text)
    if stated:
        lines[0] = "\n"
    yield _table(lines, stated[1] if stated else _delimiter(lines), decoded.encoding)


def load_tsv(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield a tab-separated table; its first row names the columns."""
    decoded = decode(data)
    yield _table(_lines(decoded.text), "\t", decoded.encoding)


def row_sentences(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a line for each row, `column: value; column: value`; the first row with words names the columns.

    Empty cells are left out and line breaks in cells become spaces. A table of nothing but names gives those, and names that
    no row has a value for come last.
    """
    cleaned = ([" ".join(cell.split()) for cell in row] for row in rows)
    filled = (row for row in cleaned if any(row))
    columns = next(filled, [])
    unused = dict.fromkeys(i for i, name in enumerate(columns) if name)
    has_records = False
    for row in filled:
        has_records = True
        yield "; ".join(
            f"{columns[i]}: {value}" if i < len(columns) and columns[i] else value
            for i, value in enumerate(row)
            if value
        )
        if unused:
            unused = {i: None for i in unused if i >= len(row) or not row[i]}
    if unused:
        names = "; ".join(columns[i] for i in unused)
        yield f"No values: {names}" if has_records else names


def _lines(text: str) -> list[str]:
    r"""Return the lines with their ends. Only `\n` ends one: what else Python takes for a line end may stand in a cell."""
    # A cell may be as long as the file; the library's own limit is 131,072 characters.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    return [f"{line}\n" for line in text.split("\n")]


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that cuts the first rows most evenly into more than one cell; a comma where none does."""

    def evenness(delimiter: str) -> tuple[float, int]:
        rows = [row for row in islice(_rows(lines, delimiter, []), _SAMPLE_ROWS) if any(row)]
        width = len(rows[0]) if rows else 0
        return (sum(len(row) == width for row in rows) / len(rows), width) if width > 1 else (0, 0)

    return max(_DELIMITERS, key=evenness)


def _table(lines: Sequence[str], delimiter: str, encoding: str) -> Extract:
    broken: list[int] = []
    builder = TextBuilder()
    rows = _rows(lines, delimiter, broken)
    first = _titles(builder, rows)
    for sentence in row_sentences(chain(first, rows)):
        builder.paragraph(sentence)
    return builder.build(Extract("", notes=_notes(broken), encoding=encoding))


def _titles(builder: TextBuilder, rows: Iterator[Sequence[str]]) -> list[Sequence[str]]:
    """Add the rows of one cell that stand above a table as what they are, its titles; return the rows read beyond them.

    What follows them must look like a row of column names, several and none of them a number, and have a record below it.
    """
    seen = [row for row in islice(rows, 2 * _MOST_TITLES + 2) if any(cell.strip() for cell in row)]
    for count, row in enumerate(seen[: _MOST_TITLES + 1]):
        filled = [cell for cell in row if cell.strip()]
        if len(filled) > 1:
            if not count or len(seen) == count + 1 or any(_NUMBER.search(cell) for cell in filled):
                break
            for title in seen[:count]:
                builder.paragraph(" ".join(title))
            return seen[count:]
    return seen


def _rows(lines: Sequence[str], delimiter: str, broken: list[int]) -> Iterator[list[str]]:
    """Yield the rows; a line whose quotes do not match is cut at every delimiter, and its number added to `broken`.

    One quote that is never closed would otherwise make a single cell of all that follows.
    """
    start = 0
    while start < len(lines):
        reader = csv.reader((lines[i] for i in range(start, len(lines))), delimiter=delimiter, strict=True)
        read = 0
        try:
            for row in reader:
                yield row
                read = reader.line_num
        except csv.Error:
            yield lines[start + read].split(delimiter)
            read += 1
            broken.append(start + read)
        start += read


def _notes(broken: Sequence[int]) -> tuple[str, ...]:
    if not broken:
        return ()
    named = ", ".join(map(str, broken[:_NAMED_LINES])) + (" and others" if broken[_NAMED_LINES:] else "")
    return (f"Quotation marks do not match in line {named}: cells there may be cut in the wrong places.",)
