"""The markers of an answer, `[n]`: read and taken out; while it is written, all in one style, and none of no passage.

Models write them in many ways: `[1, 2]`, `[1-3]`, `【1】`, `[^1]`, `[Passage 1]`, `(passages 1 and 2)`, `（段落1）`. Code has
what looks like one, `argv[1]` or `[1-9]`: where a passage holds just that, it is text.
This module knows nothing of sentences, or of what supports them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag_app.datatypes import Passage

# The markers of a sentence stand before these at its end; the bar is that of a table's row.
STOPS = ".!?。！？；;… |"
_WORDS = ("passages", "passage", "段落")
_WORD = rf"(?:{'|'.join(_WORDS)})"
_WORD_BEGUN = rf"(?:{'|'.join(word[:length] for word in _WORDS for length in range(len(word), 0, -1))})"
# `[0-9]` is what a program takes for a digit, and never a marker.
_RANGE = r"[1-9]\d{0,2}\s*[-–—~～]\s*[1-9]\d{0,2}"
_NUMBERS = rf"(?:{_RANGE}|\d{{1,3}})"
_LIST = rf"{_NUMBERS}(?:\s*(?:[,，、;&和与]|and)\s*{_NUMBERS})*"
_LIST_BEGUN = r"(?:\d(?:[-\d\s,，、;&和与–—~～]|and?|a)*)?"
# A marker and what could become one are allowed the same length, so that nothing else is held back while it arrives.
_MARKER_BEGUN = re.compile(
    rf"[\[【［](?=[^\]】］]{{0,80}}\Z)(?i:\s*(?:{_WORD_BEGUN}|(?:{_WORD}\s*|\^)?{_LIST_BEGUN}))\Z"
    rf"|[(（](?=[^)）]{{0,80}}\Z)(?i:\s*(?:{_WORD_BEGUN}|{_WORD}\s*{_LIST_BEGUN})?)\Z"
)
_NUMBER_OR_RANGE = re.compile(r"(\d{1,3})(?:\s*[-–—~～]\s*(\d{1,3}))?")
_CODE = re.compile(rf"(?<![A-Za-z0-9_])[A-Za-z_][A-Za-z0-9_]*(?:\[[0-9]{{1,3}}\])+|\[{_RANGE}\]")


class Markers:
    """What is a marker in an answer from some passages."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        """Take the passages that were given to the generator, in the order of their numbers."""
        self._count = len(passages)
        code = {one for passage in passages for one in _code_in(passage.text)}
        # How many characters before a marker tell whether it is one: those of a name, and the one before it.
        self.looked_back = max(map(len, code), default=0) + 1
        marker = (
            rf"(?:[\[【［]{''.join(map(_is_not, sorted(code)))}(?=[^\]】］]{{1,80}}[\]】］])"
            rf"(?i:\s*(?:{_WORD}\s*|\^)?{_LIST}\s*)[\]】］]"
            rf"|[(（](?=[^)）]{{1,80}}[)）])(?i:\s*{_WORD}\s*{_LIST}\s*)[)）])"
        )
        self._marker = re.compile(marker)
        self._space_and_marker = re.compile(rf"[ \t]*{marker}")
        self._leading = re.compile(rf"(?:\s*{marker})*")
        self._after_stop = re.compile(rf"(?<=[.!?])(?={marker})")

    def of_passages(self, text: str, start: int = 0) -> str:
        """Return `text[start:]` with each marker reduced to the numbers that passages have; one without any is removed."""
        parts = []
        for match in self._marker.finditer(text, start):
            parts.append(text[start : match.start()])
            parts += [f"[{number}]" for number in _numbers(match) if 1 <= number <= self._count]
            start = match.end()
        return "".join([*parts, text[start:]])

    def numbers(self, text: str) -> frozenset[int]:
        """Return the numbers in the markers of a text."""
        return frozenset(number for match in self._marker.finditer(text) for number in _numbers(match))

    def without(self, text: str) -> str:
        """Return the text without its markers, and without the white space before each."""
        while self._marker.search(text):  # what is left of `[[1]2]` is one again
            text = self._space_and_marker.sub("", text)
        return text

    def leading(self, text: str) -> str:
        """Return the markers that a text begins with."""
        found = self._leading.match(text)
        return found[0] if found else ""

    def apart(self, text: str) -> str:
        """Return the text with white space before a marker that follows a full stop: "Locked.[1] Call us." is two sentences."""
        return self._after_stop.sub(" ", text)


class MarkerFilter:
    """Lets the text of an answer through as it is written, without markers of passages that do not exist.

    A marker may arrive in several pieces, so text is held back from an opening bracket until it is decided.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        """Take the passages that were given to the generator."""
        self._markers = Markers(passages)
        self._before = ""
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be shown after the next piece of the answer."""
        start = len(self._before)
        text = f"{self._before}{self._held}{piece}"
        begun = _MARKER_BEGUN.search(text, start)
        cut = begun.start() if begun else len(text)
        self._before, self._held = text[max(cut - self._markers.looked_back, 0) : cut], text[cut:]
        return self._markers.of_passages(text[:cut], start)

    def finish(self) -> str:
        """Return what is left when the answer has ended."""
        rest = self._markers.of_passages(f"{self._before}{self._held}", len(self._before))
        self._before = self._held = ""
        return rest


def _code_in(text: str) -> Iterator[str]:
    """Yield what looks like a marker and is code; of `matrix[0][1]` both `matrix[0]` and the whole."""
    for match in _CODE.finditer(text):
        yield from (match[0][: place + 1] for place, character in enumerate(match[0]) if character == "]")


def _is_not(code: str) -> str:
    """Return an expression that fails behind the last opening bracket of a piece of code."""
    name, _, rest = code.rpartition("[")
    begins = r"(?a:\b)" if name else ""
    return rf"(?<!{begins}{re.escape(name)}\[(?={re.escape(rest)}))"


def _numbers(match: re.Match[str]) -> Iterator[int]:
    for first, last in _NUMBER_OR_RANGE.findall(match[0]):
        low, high = sorted((int(first), int(last or first)))
        yield from range(low, high + 1)
