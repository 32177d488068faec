"""The rows of a sheet as readable text: cells as people see them, and where tables begin among titles and empty rows.

This module knows nothing of workbooks.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any

from ingest.loaders.extract import TextBuilder
from ingest.loaders.tables import row_sentences

# Formats of dates and times that Excel for Chinese, Japanese and Korean has built in, and openpyxl does not know.
_EAST_ASIAN_DATES = frozenset({*range(27, 37), *range(50, 59)})
_DIGITS = 15  # that Excel computes and shows; what comes after them is the error of binary fractions
_SMALLEST, _LARGEST = 1e-9, 1e21  # beyond them, numbers are written with a power of ten
_QUOTED = re.compile(r'"[^"]*"|\\.')  # what a number format only shows
_AMOUNT = re.compile(r"[^\w]*\d[\d\W]*")  # a text that is a number: `$50,000`, `40 %`
_YEARS = range(1900, 2101)
_TITLE, _RECORDS, _PLAIN = "title", "records", "plain"


@dataclass(frozen=True)
class Row:
    """A row of a sheet.

    `cells` are the texts without the empty ones at the end. `is_text` is true where no cell is a number or a date;
    `is_header` where all could name columns: texts, and beside them years or dates.
    """

    cells: tuple[str, ...]
    is_text: bool
    is_header: bool

    @property
    def filled(self) -> frozenset[int]:
        """The columns (from 0) that hold something."""
        return frozenset(column for column, cell in enumerate(self.cells) if cell)


def row_of(cells: Sequence[Any], formulas: Sequence[Any] = ()) -> Row:
    """Return a row of openpyxl's cells; `formulas` are the same cells of the workbook read with formulas, where needed."""
    texts = [cell_text(cell) for cell in cells]
    for column, cell in enumerate(formulas[: len(texts)]):
        if is_unknown_result(cells[column], cell):
            texts[column] = str(getattr(cell.value, "text", cell.value) or "")
    while texts and not texts[-1]:
        texts.pop()
    values = [cell.value for cell, text in zip(cells, texts, strict=False) if text]
    others = [value for value in values if not isinstance(value, str) or _AMOUNT.fullmatch(value)]
    dates = [
        value for value in others if isinstance(value, datetime.date) or (isinstance(value, int) and value in _YEARS)
    ]
    is_header = not others or (len(values) > 2 and len(dates) == len(others) < len(values))
    return Row(tuple(texts), is_text=not others, is_header=is_header)


def is_unknown_result(cell: Any, formula: Any) -> bool:
    """Whether a cell holds a formula whose result nobody stored. An empty text is a result: its type says so."""
    return cell.value is None and bool(cell.data_type == "n" and formula.data_type == "f")


def cell_text(cell: Any) -> str:
    """Return a cell as people see it: 1 for 1.0, 12.5% for 0.125 in that format, dates in ISO 8601."""
    value = cell.value
    match value:
        case None:
            text = ""
        case bool():
            text = str(value).upper()
        case int() | float():
            text = _number(cell, value)
        case datetime.datetime() | datetime.time():
            text = _date(value)
        case datetime.timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            text = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        case _:
            text = str(value).replace("_x000D_", "").strip()  # Excel's way of writing a carriage return
    return text


def add_rows(builder: TextBuilder, rows: Iterable[Row]) -> None:
    """Add rows, a paragraph each: a title as it is, a record with the names of its columns.

    The first row of several cells names the columns, unless it holds numbers as a record would. A row of one cell above
    it, or after an empty row, is a title.
    """
    for (_, kind), group in groupby(_grouped(rows), key=lambda each: each[:2]):
        table = (row.cells for _, _, row in group)
        lines = row_sentences(table) if kind == _RECORDS else map(_plain, table)
        for line in lines:
            builder.paragraph(line)


def _number(cell: Any, value: float) -> str:
    from openpyxl.utils.datetime import from_excel

    if cell.style_array.numFmtId in _EAST_ASIAN_DATES:
        try:
            return _date(from_excel(value, cell.parent.parent.epoch))
        except (OverflowError, ValueError):
            return _digits(value)
    number_format = _QUOTED.sub("", cell.number_format)
    if "%" in number_format:
        return f"{_digits(value * 100)}%"
    digits = _digits(value)
    is_padded = number_format and not number_format.strip("0") and digits.isdigit()  # a number of staff: 00417
    return digits.zfill(len(number_format)) if is_padded else digits


def _digits(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    digits = f"{value:.{_DIGITS}g}"
    is_long = "e" in digits and _SMALLEST < abs(value) < _LARGEST
    return f"{Decimal(digits):f}" if is_long else digits


def _date(value: datetime.datetime | datetime.time) -> str:
    return value.isoformat(timespec="seconds").removesuffix("T00:00:00").replace("T", " ")


def _plain(cells: Sequence[str]) -> str:
    """Return a row without column names; of two cells the first is a name if it is no number."""
    filled = [cell for cell in cells if cell]
    is_named = len(filled) == 2 and not _AMOUNT.fullmatch(filled[0])
    return (": " if is_named else "; ").join(filled)


@dataclass
class _Table:
    """A table as it is read: its first row, and whether a later one holds numbers."""

    first: Row
    has_numbers: bool = False

    @property
    def kind(self) -> str:
        """Whether the rows are records of named columns."""
        return _RECORDS if self.first.is_header else _PLAIN

    def is_followed_by(self, row: Row) -> bool:
        """Whether a row after a gap begins another table: names alone, where this one has numbers or no such columns."""
        is_other = self.has_numbers or self.kind == _PLAIN or not row.filled <= self.first.filled
        return row.is_text and len(row.filled) > 1 and is_other


def _grouped(rows: Iterable[Row]) -> Iterator[tuple[int, str, Row]]:
    """Yield each row with the number and kind of the group it belongs to; groups of records begin with the column names."""
    table: _Table | None = None
    number = 0
    is_after_gap = is_interrupted = False
    for row in rows:
        if not row.cells:
            is_after_gap = True
            continue
        if len(row.filled) == 1 and (table is None or is_after_gap):
            number += 1
            yield number, _TITLE, row
            is_interrupted = True
            continue
        if table is None or (is_after_gap and table.is_followed_by(row)):
            table = _Table(row)
            number += 1
        else:
            table.has_numbers |= not row.is_text
            if is_interrupted and table.kind == _RECORDS:
                number += 1
                yield number, _RECORDS, table.first
        yield number, table.kind, row
        is_after_gap = is_interrupted = False
