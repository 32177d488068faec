"""What is embedded before a passage: the document's name, its title and headings, the header row of a table.

All of it is bounded, so that it never crowds out the text. This module knows nothing of how a document is cut.
"""

from __future__ import annotations

from bisect import bisect_right

from rag_app.datatypes import Block, BlockKind, Document
from rag_app.text import first_units, size_in_units

# The heading path gets at most this share of a chunk, and so does the header row of a table.
HEADER_SHARE = 0.25
# What stands before a heading in so large a share of a passage is no part of its section: the running head of a page.
_LEAD_SHARE = 0.25
# What a file's name may take where the document has no title of its own. It is set aside whatever the name is, so that
# two files with the same text are cut alike.
_NAME_UNITS = 16


class Outline:
    """The heading path at each position of a document, without headings too long for their share of a chunk."""

    def __init__(self, document: Document, chunk_tokens: int) -> None:
        """Read the headings of a document; `chunk_tokens` 0 sets no bound."""
        headings = [block for block in document.blocks if block.kind is BlockKind.HEADING]
        self._title = document.title
        self._starts = [heading.start for heading in headings]
        self._headings = headings
        self._allowance = int(chunk_tokens * HEADER_SHARE) if chunk_tokens else None
        self._above: list[tuple[Block, ...]] = []  # of each heading: those it stands under
        above: tuple[Block, ...] = ()
        for heading in headings:
            above = tuple(other for other in above if other.level < heading.level)
            self._above.append(above)
            above = (*above, heading)
        self._known: dict[tuple[int, bool], tuple[tuple[str, ...], int]] = {}
        self.name = ""
        self._name_units = 0
        if document.name and not document.title:
            most = _NAME_UNITS if self._allowance is None else min(_NAME_UNITS, self._allowance // 2)
            self.name = first_units(document.name, most)
            self._name_units = most + 1 if most else 0  # and the sign between it and the headings

    def path_at(self, position: int) -> tuple[str, ...]:
        """Return the title and the headings above a position; the heading that begins there is in the text itself."""
        return self._path_and_units(position)[0]

    def path_of(self, start: int, end: int) -> tuple[str, ...]:
        """Return the title and the headings above a passage: those above the heading that it soon comes to, if it does."""
        number = bisect_right(self._starts, start)
        begins_with_heading = number > 0 and self._starts[number - 1] == start
        if number < len(self._starts) and not begins_with_heading:
            following = self._starts[number]
            if following <= start + _LEAD_SHARE * (end - start):
                return self.path_at(following)  # fewer than at the start, never others
        return self.path_at(start)

    def units_at(self, position: int) -> int:
        """Return the size of what is embedded before a text that begins at a position."""
        return self._path_and_units(position)[1]

    def table_header(self, block: Block) -> str:
        """Return the header row of a table, as much of it as its share of a chunk holds; of any other block nothing."""
        if block.kind is not BlockKind.TABLE or self._allowance is None:
            return ""
        return first_units(block.label, self._allowance)

    def _path_and_units(self, position: int) -> tuple[tuple[str, ...], int]:
        number = bisect_right(self._starts, position) - 1
        key = (number, number >= 0 and self._starts[number] < position)
        if key not in self._known:
            path = self._fitting_path(*key)
            self._known[key] = path, _path_units(path) + self._name_units
        return self._known[key]

    def _fitting_path(self, number: int, is_below: bool) -> tuple[str, ...]:
        above: tuple[Block, ...] = ()
        if number >= 0:
            above = self._above[number] + ((self._headings[number],) if is_below else ())
        path = [heading.label for heading in above if heading.label]
        if self._title and self._title not in path:
            path.insert(0, self._title)
        while path and self._allowance is not None and _path_units(path) > self._allowance - self._name_units:
            path.pop(len(path) // 2)  # the title and the nearest heading say the most
        return tuple(path)


def _path_units(path: list[str] | tuple[str, ...]) -> int:
    return size_in_units(" > ".join(path))
