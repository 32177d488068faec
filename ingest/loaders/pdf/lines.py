"""Lines of a page: what they are made of, and how those that the margin broke are joined again.

The text layer of a PDF and what OCR reads both become lines.
This module knows nothing of PDF, pictures or documents.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import quantiles

from rag_app.text import normalise

# Left, bottom, right, top in points, from the lower left corner of the page as it is seen.
Rectangle = tuple[float, float, float, float]

# What is about as wide as it is high; Latin letters are half as wide.
WIDE = "\u1100-\u11ff\u2e80-\u2fff\u3001-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_WIDE_CHARACTER = re.compile(f"[{WIDE}]")
# Runs are cut where the width of characters changes, so that a box can be shared out evenly among its characters.
_RUN = re.compile(rf"[{WIDE}]+|[^\s{WIDE}]+")
_SENTENCE_END = re.compile(r"[.!?:;。！？：；][”’\"')\]』」）]*$")
_LETTERS = r"[^\W\d_]+"
_WORD = re.compile(rf"{_LETTERS}(?:-{_LETTERS})*")
_WORD_START = re.compile(_LETTERS)
_BROKEN_END = re.compile(rf"({_LETTERS})-$")
# What no line before it goes on into: a list item, or something with a number.
_BEGINNING = re.compile(r"(?:[-*•·‣▪–\ue000-\uf8ff]|\(?\d{1,3}[.)、])\s*\S")
# A line this much shorter than the long lines of its page was ended by its author, not by the margin.
_FULL_LINE = 0.75
# Lines of one paragraph may differ so much in the size of their letters.
_SAME_SIZE = 1.1
_LARGEST_COORDINATE = 1e6  # points; a page has 14,400 at most


@dataclass(frozen=True, slots=True)
class Run:
    """The characters `[start, end)` of a line, none of them white space, and where they stand."""

    start: int
    end: int
    place: Rectangle


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, normalised, without white space around it.

    `size` is that of its letters in points, 0 where it is not known. `is_broken` is true where its last word goes on in the
    next line.
    """

    text: str
    runs: tuple[Run, ...] = ()
    size: float = 0.0
    is_broken: bool = False


@dataclass(frozen=True)
class JoinedLine:
    """Lines of a page that are one line of its text. `is_full` is true where the last of them reaches the margin."""

    text: str
    runs: tuple[Run, ...] = ()
    size: float = 0.0
    is_full: bool = False


def words_of(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the parts of a line that get a box each, with what separates them from the part before: a space or nothing.

    In a part there is neither white space nor a change between wide and narrow characters.
    """
    end = 0
    for match in _RUN.finditer(text):
        yield " " if match.start() > end else "", match.start(), match.end()
        end = match.end()


def make_line(
    words: Iterable[tuple[str, str, Rectangle | None]], *, size: float = 0.0, is_broken: bool = False
) -> Line:
    """Return a line made of words, each with what separates it from the word before it and with its place.

    A place that cannot be drawn, because it is empty or not finite, is left out.
    """
    parts: list[str] = []
    runs: list[Run] = []
    length = 0
    for separator, raw, place in words:
        word = normalise(raw)
        if not word:
            continue
        start = length + (len(separator) if parts else 0)
        parts += [separator, word] if parts else [word]
        length = start + len(word)
        if place is not None and _can_be_drawn(place):
            runs.append(Run(start, length, place))
    return Line("".join(parts), tuple(runs), size, is_broken)


def is_wide(character: str) -> bool:
    """Whether a character is about as wide as it is high: Chinese, Japanese, Korean and their punctuation."""
    return bool(_WIDE_CHARACTER.match(character))


def is_tight(before: str, after: str) -> bool:
    """Whether two lines are joined without a space."""
    if not (before and after and unicodedata.is_normalized("NFC", before[-1] + after[0])):  # two would melt into one
        return False
    return before.endswith("-") or (is_wide(before[-1]) and is_wide(after[0]))


def is_same_size(first: float, second: float) -> bool:
    """Whether two lines may belong to one paragraph by the size of their letters; 0 is a size that is not known."""
    return not (first and second) or 1 / _SAME_SIZE <= first / second <= _SAME_SIZE


def words_in(lines: Iterable[Line]) -> set[str]:
    """Return the words of lines in lower case, those with hyphens inside as one word."""
    return {word for line in lines for word in _WORD.findall(line.text.lower())}


def join_lines(lines: Sequence[Line], words: Container[str] = ()) -> list[JoinedLine]:
    """Return the lines of a page with those joined that the margin broke.

    A line goes on where it is about as long as the page's long lines and no sentence ends with it. Two CJK characters are
    joined without a space. A word that was hyphenated at the margin keeps its hyphen, which may be its own, unless `words`,
    those of the whole document, hold it without one and not with one.
    """
    widths = [width_of(line.text) for line in lines if line.text]
    full = _FULL_LINE * (quantiles(widths, n=10, method="inclusive")[-1] if len(widths) > 1 else 0)
    groups: list[list[Line]] = []
    goes_on = False
    for line in lines:
        if goes_on and line.text and _continues(groups[-1][-1], line):
            groups[-1].append(line)
        else:
            groups.append([line])
        is_full = bool(line.text) and width_of(line.text) >= full
        goes_on = line.is_broken or (is_full and not _SENTENCE_END.search(line.text))
    return [_joined(group, words, is_full=width_of(group[-1].text) >= full) for group in groups]


def _continues(before: Line, line: Line) -> bool:
    return is_same_size(before.size, line.size) and (before.is_broken or not _BEGINNING.match(line.text))


def _joined(lines: Sequence[Line], words: Container[str], *, is_full: bool) -> JoinedLine:
    text = lines[0].text
    runs = list(lines[0].runs)
    for before, line in pairwise(lines):
        if before.is_broken and _is_one_word(before.text, line.text, words):
            text = text[:-1]
            if runs and runs[-1].end > len(text):
                runs[-1] = replace(runs[-1], end=len(text))  # the box still covers the hyphen that is drawn
        elif not is_tight(before.text, line.text):
            text += " "
        runs += (Run(run.start + len(text), run.end + len(text), run.place) for run in line.runs)
        text += line.text
    return JoinedLine(text, tuple(run for run in runs if run.start < run.end), lines[0].size, is_full)


def _is_one_word(before: str, after: str, words: Container[str]) -> bool:
    """Whether the document has the word that a line ends with and the next begins with, whole and never with its hyphen."""
    first, second = _BROKEN_END.search(before), _WORD_START.match(after)
    if not (first and second):
        return False
    halves = first[1].lower(), second[0].lower()
    return "".join(halves) in words and "-".join(halves) not in words


def width_of(line: str) -> int:
    """Return how wide a line is, in half-width characters."""
    return len(line) + len(_WIDE_CHARACTER.findall(line))


def _can_be_drawn(place: Rectangle) -> bool:
    left, bottom, right, top = place
    return (
        left < right
        and bottom < top
        and all(math.isfinite(edge) and abs(edge) <= _LARGEST_COORDINATE for edge in place)
    )
