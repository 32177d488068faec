"""The text of a document from the lines of its pages, with its blocks, and with the place of each word.

This module knows nothing of PDF, pictures or files.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

from ingest.loaders.extract import Extract
from ingest.loaders.pdf.lines import WIDE, Line, is_same_size, is_tight, join_lines, width_of
from rag_app.datatypes import Block, BlockKind, Box

# A list item, but neither `1.1 Scope` nor `0.5 kg`. Private characters are what symbol fonts make of bullets.
_LIST_ITEM = re.compile(rf"(?:[-*–]\s+|[•·‣▪\ue000-\uf8ff]\s*|\(?\d{{1,3}}(?:[.)](?:\s+|(?=[{WIDE}]))|、))\S")
# A heading is set in letters this much larger than the running text, and has at most so many half-width characters ...
_HEADING_SIZE = 1.09
_LONGEST_HEADING = 120
_HEADING_WORDS = re.compile(rf"[^\W\d_]{{2}}|[{WIDE}]")  # formulas and labels in pictures have none
# ... in so many lines. Little else is set in its size, and headings are a small part of a text.
_MOST_HEADING_LINES = 3
_HEADINGS_OF_SIZE = 0.8
_HEADING_SHARE = 0.2
_HEADING_LEVELS = 3
_ONE_SIZE = 1.03  # sizes that differ less are of one level


@dataclass(frozen=True)
class _Span:
    """Where a joined line stands in the document's text; `is_apart` where a blank line or a new page comes before it."""

    start: int
    end: int
    size: float
    is_full: bool
    is_apart: bool


class PagedText:
    """Puts the text of a document together, page by page: pages are parted by a blank line."""

    def __init__(self, words: Container[str] = ()) -> None:
        """Nothing is there yet; `words` are those of all lines (`words_in`), by which broken ones are told."""
        self._words = words
        self._parts: list[str] = []
        self._length = 0
        self._boxes: list[Box] = []
        self._spans: list[_Span] = []
        self._page_starts: list[int] = []
        self._pages = 0

    def add_page(self, lines: Sequence[Line]) -> None:
        """Add a page; one without text begins where the next one does."""
        self._pages += 1
        is_first = is_apart = True
        for line in join_lines(lines, self._words):
            if not line.text:
                is_apart = True
                continue
            if self._parts:
                self._append("\n\n" if is_apart else "\n")
            if is_first:
                self._page_starts += [self._length] * (self._pages - len(self._page_starts))
            start = self._length
            self._append(line.text)
            self._boxes += (Box(start + run.start, start + run.end, self._pages, *run.place) for run in line.runs)
            self._spans.append(_Span(start, self._length, line.size, line.is_full, is_apart))
            is_first = is_apart = False

    def build(self, extract: Extract) -> Extract:
        """Return `extract` (title, notes and the like) with the text of all pages, its blocks and its boxes."""
        text = "".join(self._parts)
        return replace(
            extract,
            text=text,
            page_starts=(*self._page_starts, *([self._length] * (self._pages - len(self._page_starts)))),
            blocks=tuple(_blocks(text, self._spans)),
            boxes=tuple(self._boxes),
        )

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)


def _blocks(text: str, spans: Sequence[_Span]) -> Iterator[Block]:
    """Yield the blocks of a text: headings, list items, paragraphs.

    A line that reaches the margin and ends with a sentence may be in the middle of its paragraph: the next line belongs to it.
    """
    current: Block | None = None
    before: _Span | None = None
    for span, level in zip(spans, _heading_levels(text, spans), strict=True):
        line = text[span.start : span.end]
        is_item = bool(_LIST_ITEM.match(line))
        if current and before and level == current.level and not is_item and _may_go_on(before, span, level):
            space = "" if is_tight(current.label, line) else " "
            current = replace(current, end=span.end, label=f"{current.label}{space}{line}" if level else "")
        else:
            if current:
                yield current
            kind = BlockKind.HEADING if level else BlockKind.LIST_ITEM if is_item else BlockKind.PARAGRAPH
            current = Block(kind, span.start, span.end, level, line if level else "")
        before = span
    if current:
        yield current


def _may_go_on(before: _Span, span: _Span, level: int) -> bool:
    return not span.is_apart and (level > 0 or (before.is_full and is_same_size(before.size, span.size)))


def _heading_levels(text: str, spans: Sequence[_Span]) -> list[int]:
    """Return the heading level of each line, 0 for what is no heading.

    Headings are short lines in letters clearly larger than the middle letter's, of a size that little else is set in.
    """
    widths: Counter[float] = Counter()
    short_widths: Counter[float] = Counter()
    can_be_heading = []
    for span in spans:
        line = text[span.start : span.end]
        can_be_heading.append(_is_like_heading(line))
        widths[span.size] += width_of(line)
        short_widths[span.size] += width_of(line) if can_be_heading[-1] else 0
    known = widths.total() - widths[0.0]
    least = _HEADING_SIZE * _middle_size(widths, known)
    sizes = [size for size in widths if size >= least > 0 and short_widths[size] >= _HEADINGS_OF_SIZE * widths[size]]
    if sum(widths[size] for size in sizes) > _HEADING_SHARE * known:
        return [0] * len(spans)
    levels = dict.fromkeys(widths, 0)
    level, largest = 0, math.inf
    for size in sorted(sizes, reverse=True):
        if size * _ONE_SIZE < largest:
            level, largest = level + 1, size
        levels[size] = min(level, _HEADING_LEVELS)
    found = [levels[span.size] if is_short else 0 for span, is_short in zip(spans, can_be_heading, strict=True)]
    return _without_long_runs(found, spans)


def _without_long_runs(levels: list[int], spans: Sequence[_Span]) -> list[int]:
    """Return the levels without those of many lines in a row: a diagram, an address, a list."""
    start = 0
    for end in range(1, len(levels) + 1):
        if end == len(levels) or spans[end].is_apart or levels[end] != levels[start]:
            if end - start > _MOST_HEADING_LINES:
                levels[start:end] = [0] * (end - start)
            start = end
    return levels


def _middle_size(widths: Counter[float], known: int) -> float:
    """Return the size of the middle letter of a text; 0 where no size is known."""
    seen = 0
    for size in sorted(size for size in widths if size):
        seen += widths[size]
        if 2 * seen >= known:
            return size
    return 0.0


def _is_like_heading(line: str) -> bool:
    is_sentence = line.endswith((".", ";", ",", "。", "；", "，"))
    return width_of(line) <= _LONGEST_HEADING and not is_sentence and bool(_HEADING_WORDS.search(line))
