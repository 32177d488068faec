"""Sentences of errors, of files that were not read and of evaluations, in the language that is chosen.

They are made in English below the pages, their places filled in, and some are kept on the disk like that. So a catalogue is
looked up by the text: each language but English has `sentences/*.toml`, whose keys are the English templates as they stand
in the code, places numbered (`"It cannot be read: {0}."`). A text may be several sentences, and what fills a place may be one.
Of all readings the one counts that knows the most letters; what is not known stays as it is. The templates of
`fragments.toml` are for places alone.
tests/ui/test_translation.py holds the catalogues against the code. This module knows nothing of who says what.
"""

from __future__ import annotations

import re
import string
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from rag_app.ui.words import language

# Between two sentences; a sentence here begins with a capital, a digit or a quotation.
_BETWEEN = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9'])")
_PLACE = "(.*?)"
FRAGMENTS = "fragments"


@dataclass(frozen=True)
class _Reading:
    """A translation, and how many letters of the English the catalogue knew."""

    known: int
    text: str


def translated(text: str) -> str:
    """Return a text in the chosen language, as far as the catalogue has it."""
    return translated_to(language(), text)


def translated_to(code: str, text: str) -> str:
    """Return a text in a language: for tests, and for whoever has no session."""
    return _read(code, text).text


@cache
def catalogues_of(code: str) -> dict[str, dict[str, str]]:
    """Return a language's catalogues by name: English templates and what they become. English has none."""
    folder = files("rag_app.ui.words") / code / "sentences"
    if not folder.is_dir():
        return {}
    return {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir()
    }


@lru_cache(maxsize=8192)
def _read(code: str, text: str, *, is_place: bool = False) -> _Reading:
    """Return the best reading of a text: as one sentence, or as some that follow one another."""
    best = _read_whole(code, text, is_place=is_place)
    for end in _BETWEEN.finditer(text):
        first, rest = _read_whole(code, text[: end.start()]), _read(code, text[end.end() :])
        if first.known and first.known + rest.known > best.known:
            best = _Reading(first.known + rest.known, first.text + rest.text)
    return best


@lru_cache(maxsize=8192)
def _read_whole(code: str, text: str, *, is_place: bool = False) -> _Reading:
    exact, sentences, fragments = _catalogue(code)
    if text in exact:
        return _Reading(len(text), exact[text])
    best = _Reading(0, text)
    for letters, pattern, translation in (*sentences, *fragments) if is_place else sentences:
        if found := pattern.fullmatch(text):
            places = [_read(code, value, is_place=True) for value in found.groups()]
            # Half, so that of two templates that say the same the one with more words of its own is taken.
            known = letters + sum(place.known for place in places) // 2
            if known > best.known:
                best = _Reading(known, translation.format(*(place.text for place in places)))
    return best


_Templates = list[tuple[int, re.Pattern[str], str]]


@cache
def _catalogue(code: str) -> tuple[dict[str, str], _Templates, _Templates]:
    """Return what has no places by itself, then sentences and fragments as patterns; how many letters of each are its own."""
    exact: dict[str, str] = {}
    sentences: _Templates = []
    fragments: _Templates = []
    for name, table in catalogues_of(code).items():
        for english, other in table.items():
            letters, pattern = 0, ""
            for literal, place, _, _ in string.Formatter().parse(english):
                letters += len(literal)
                pattern += re.escape(literal) + ("" if place is None else _PLACE)
            if _PLACE in pattern:
                templates = fragments if name == FRAGMENTS else sentences
                templates.append((letters, re.compile(pattern, re.DOTALL), other))
            else:
                exact[english.format()] = other.format()
    return exact, sentences, fragments
