"""The tables of a page: which hold data and which only place things, and the rows of those that hold data.

This module knows nothing of what surrounds a table.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.loaders.extract import TextBuilder
from ingest.loaders.web.html_elements import HEADINGS, LISTS, PREFORMATTED, Words, collapse, traverse

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_LONG_CELL = 1000  # characters: a cell that is longer and has paragraphs or lists in it holds a text, not data
_MOST_COLUMNS_SPANNED = 20
_MOST_ROWS_SPANNED = 1000
_LONGEST_REPEATED = 200  # characters of a cell that are given again in each row that it spans
_MOST_REPEATED = 20_000  # cells given again, in one table: a few bytes could ask for billions


def holds_data(table: HtmlElement) -> bool:
    """Whether a table holds data: else it only places what is in it, which is read like any other text."""
    if table.get("role") in ("presentation", "none"):
        return False
    for inner in table.iter("table", *HEADINGS, *PREFORMATTED):
        if inner is not table and _places(inner):
            return False
    rows = [sum(1 for _ in row.iter("td", "th")) for row in table.iter("tr")]
    if sum(count > 0 for count in rows) < 2 or max(rows) < 2:
        return False
    return not any(_is_text(cell) for cell in table.iter("td"))


def add_table(builder: TextBuilder, table: HtmlElement) -> None:
    """Add a table that holds data: its caption (and what else stands outside its rows), then its rows."""
    collected = _Table()
    traverse(table, collected)
    builder.paragraph(collapse("".join(collected.parts)))
    if collected.rows:
        builder.table(_filled(collected.rows), has_header=_has_header(table, collected.rows))


def _places(inner: HtmlElement) -> bool:
    """Whether an element in a table shows that the table holds no data; a heading in a header cell does not."""
    if inner.tag in HEADINGS:
        return next(inner.iterancestors("th"), None) is None
    return inner.tag == "table" or "\n" in str(inner.text_content()).strip()


def _is_text(cell: HtmlElement) -> bool:
    return len(cell.text_content()) > _LONG_CELL and next(cell.iter("p", "blockquote", *LISTS), None) is not None


class _Cell:
    """A cell of a row, with the number of columns and rows it spans."""

    def __init__(self, element: HtmlElement | None = None) -> None:
        self.parts: list[str] = []
        self.is_header = element is not None and element.tag == "th"
        self.columns = _span(element, "colspan", _MOST_COLUMNS_SPANNED)
        self.rows = _span(element, "rowspan", _MOST_ROWS_SPANNED)

    @property
    def text(self) -> str:
        """What it says, in one line."""
        return " ".join(collapse("".join(self.parts)).split())


class _Row(Words):
    """Collects the cells of a row; text between two cells belongs to the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[_Cell] = []

    def start(self, element: HtmlElement) -> bool:
        if element.tag in ("td", "th"):
            self.cells.append(_Cell(element))
        return super().start(element)

    def text(self, text: str) -> None:
        if not self.cells and text.strip():
            self.cells.append(_Cell())
        if self.cells:
            self.cells[-1].parts.append(text)


class _Table(Words):
    """Collects the rows of a table, and the text that stands outside them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[_Cell]] = []

    def start(self, element: HtmlElement) -> bool:
        if element.tag != "tr":
            return super().start(element)
        row = _Row()
        traverse(element, row)
        if row.cells:
            self.rows.append(row.cells)
        return False


def _filled(rows: list[list[_Cell]]) -> list[list[str]]:
    """Return the text of all cells, each in its column: what spans rows is said in each of them, so that each can be read."""
    filled = []
    above: dict[int, tuple[str, int]] = {}  # by column: what reaches down into the next row, and for how many rows
    repeated = 0
    for cells in rows:
        line: list[str] = []
        below: dict[int, tuple[str, int]] = {}
        waiting = cells[::-1]
        while waiting or len(line) in above:
            column = len(line)
            if column in above:
                text, rows_left = above[column]
                columns = 1
                repeated += 1
            else:
                cell = waiting.pop()
                text, rows_left, columns = cell.text, cell.rows - 1, cell.columns
            line += [text, *[""] * (columns - 1)]
            if rows_left and repeated < _MOST_REPEATED:
                below[column] = (text if len(text) <= _LONGEST_REPEATED else "", rows_left - 1)
                below.update((column + i, ("", rows_left - 1)) for i in range(1, columns))
        while line and not line[-1]:
            line.pop()
        filled.append(line)
        above = below
    return filled


def _has_header(table: HtmlElement, rows: list[list[_Cell]]) -> bool:
    """Whether the first row names the columns. Where nothing is marked as a header, two columns are names and values."""
    if next(table.iter("thead"), None) is not None or all(cell.is_header for cell in rows[0]):
        return True
    return len(rows[0]) > 2 and not any(cell.is_header for cells in rows for cell in cells)


def _span(element: HtmlElement | None, name: str, most: int) -> int:
    value = "" if element is None else element.get(name, "").strip()
    return min(max(int(value), 1), most) if re.fullmatch("[0-9]{1,5}", value) else 1
