"""A passage in the parts that can be cited: sentences, rows of tables, and what stands above them.

This module knows nothing of answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from rag_app.answering.citing.names import names_in
from rag_app.answering.citing.quantities import Quantity, offered_quantities, plain
from rag_app.datatypes import Passage
from rag_app.text import search_tokens, searchable, sentence_spans, trimmed

# Of neighbouring sentences so many are one span at most.
_MOST_SENTENCES = 3
# Text without ends of sentences is cut after so many characters: what is cited must be short enough to be read.
_LONGEST = 600
_ROW = re.compile(r"^\||\S \| \S")
_DIGIT = re.compile(r"\d")


class Part:
    """A sentence of a passage, or a row of a table in it, which says what the table's header says as well."""

    def __init__(self, text: str, start: int, end: int, header: str) -> None:
        self.start, self.end = start, end
        self.text = plain(searchable(text[start:end]))
        self.is_row = bool(_ROW.search(text[start:end]))
        self.words = frozenset(search_tokens(f"{header}\n{self.text}"))

    @cached_property
    def quantities(self) -> list[Quantity]:
        """Whatever could be a number in it."""
        return offered_quantities(self.text)


def _parts_of(passage: Passage) -> list[Part]:
    """Return a passage in parts. The first row of a table is its header, unless it has figures or the passage continues one."""
    parts: list[Part] = []
    header: str | None = None
    for start, end in _spans(passage.text):
        text = passage.text[start:end]
        is_row = bool(_ROW.search(text))
        parts.append(Part(passage.text, start, end, (header or "") if is_row else ""))
        if not is_row:
            header = None
        elif header is None:
            header = "" if passage.table_header or _DIGIT.search(text) else text
    return parts


class Source:
    """A passage in parts, with what stands above each of them: headings, the table's header, the document's name."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self.parts = _parts_of(passage)
        above = "\n".join((*passage.heading_path, passage.table_header))
        self.words_above = frozenset(search_tokens(f"{above}\n{passage.document}"))
        self.quantities_above = offered_quantities(plain(above))

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of its text."""
        return frozenset(name.text for name in names_in(plain(self.passage.text)))

    def windows(self) -> Iterator[tuple[Part, ...]]:
        """Yield each part, and the sentences that stand side by side, up to three; a row of a table stands for itself."""
        for count in range(1, _MOST_SENTENCES + 1):
            for first in range(len(self.parts) - count + 1):
                window = tuple(self.parts[first : first + count])
                if count == 1 or not any(part.is_row for part in window):
                    yield window


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the sentences of a text; of a table its rows, and of what has no end of a sentence pieces."""
    for start, end in sentence_spans(text):
        if " | " not in text[start:end] and end - start <= _LONGEST:
            yield start, end
            continue
        first = start
        while first < end:
            line = text.find("\n", first, end)
            last = end if line < 0 else line
            if last - first > _LONGEST:
                space = text.rfind(" ", first + 1, first + _LONGEST)
                last = space if space > 0 else first + _LONGEST
            yield from trimmed(text, first, last)
            first = max(last, first + 1)
