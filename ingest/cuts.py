"""Where a sentence, a row or a line that is too long for a chunk is cut.

This module knows nothing of documents or chunks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from rag_app.text import LETTERS_PER_UNIT, size_in_units, splits_character, trimmed

# Where a sentence that is too long may be cut: `(?<=...)` at the place itself, else after what matched.
_SOFT_BREAK = re.compile(
    r"(?P<line>\s*\n\s*)|(?P<clause>[，、：；]+|(?<=[,:;])\s+)|(?P<space>\s+)"
    r"|(?P<cjk>(?<=[\u3040-\u30ff\u3400-\u9fff])(?=[\u3040-\u30ff\u3400-\u9fff]))"
)
_STRENGTHS = {"line": 3, "clause": 2, "space": 1, "cjk": 0}


def parts_of(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of parts of `text[start:end]`, each of at most `limit` units, cut where the text pauses.

    Of the places in the second half of a part, the best is taken: a line break, then after a clause, then white space, then
    between two CJK characters. A word, a number or an address is cut only where it alone is larger than a part, and never
    inside a grapheme cluster.
    """
    first, units = start, 0
    best: tuple[int, int] | None = None  # strength and position of the place to cut at
    position = start
    for stop, strength in _soft_breaks(text, start, end, limit):
        size = size_in_units(text[position:stop])
        while units + size > limit and position > first:
            cut = best[1] if best else position
            yield from trimmed(text, first, cut)
            first, best = cut, None
            units = size_in_units(text[first:position])
        units += size
        position = stop
        if units >= limit / 2 and (best is None or strength >= best[0]):
            best = (strength, stop)
    yield from trimmed(text, first, end)


def _soft_breaks(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """Yield the places where a text may be cut, each with its strength; between two of them are at most `limit` units."""
    step = max(limit // LETTERS_PER_UNIT * LETTERS_PER_UNIT, 1)  # characters: never more units than that
    enough = limit * LETTERS_PER_UNIT + 1  # characters of a word that show it to be too large
    position = start
    for match in _SOFT_BREAK.finditer(text, start, end):
        stop = match.end()
        if stop > position and not splits_character(text, stop):
            yield from _hard_breaks(text, position, stop, limit, step, enough)
            yield stop, _STRENGTHS[str(match.lastgroup)]
            position = stop
    if position < end:
        yield from _hard_breaks(text, position, end, limit, step, enough)
        yield end, 0


def _hard_breaks(text: str, position: int, stop: int, limit: int, step: int, enough: int) -> Iterator[tuple[int, int]]:
    """Yield cuts inside what has no place to be cut: after a sign where it has one (an address), else where it must be."""
    while size_in_units(text[position : min(stop, position + enough)]) > limit:
        whole = range(min(position + step, stop - 1), position, -1)
        cuts = (cut for cut in whole if not splits_character(text, cut))
        position = next(
            (
                cut
                for cut in whole
                if not (text[cut - 1].isalnum() and _goes_on(text[cut])) and not splits_character(text, cut)
            ),
            next(cuts, position + step),  # not even a whole character fits: one of nothing but marks
        )
        yield position, 0


def _goes_on(character: str) -> bool:
    return character.isalnum() or unicodedata.combining(character) > 0
