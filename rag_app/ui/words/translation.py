"""Sentences of errors, of files that were not read and of evaluations, in the language that is chosen.

They are made in English below the pages, their places filled in, and some are kept on the disk like that. So a catalogue is
looked up by the text: each language but English has `sentences/*.toml`, whose keys are the English templates as they stand
in the code, places numbered (`"It cannot be read: {0}."`). A text may be several sentences, and what fills a place may be one.
Of all readings the one counts that knows the most letters; what is not known stays as it is. The templates of
`fragments.toml` fill a place of the sentences that are listed beside them, and nothing else: a place may hold the name of a
file, which is not to be read as one of them.
tests/ui/test_translation.py holds the catalogues against the code. This module knows nothing of who says what.
"""

from __future__ import annotations

import re
import string
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from rag_app.ui.words import language

# Between two sentences; a sentence here begins with a capital, a digit or a quotation.
_BETWEEN = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9'])")
_PLACE = "(.*?)"
_FRAGMENTS = "fragments"


@dataclass(frozen=True)
class _Reading:
    """A translation, and how many letters of the English the catalogue knew."""

    known: int
    text: str


@dataclass(frozen=True)
class Fragments:
    """Templates that fill a place `within` some sentences, by their templates: English ones and what they become."""

    within: tuple[str, ...]
    texts: dict[str, str]


def translated(text: str) -> str:
    """Return a text in the chosen language, as far as the catalogue has it."""
    return translated_to(language(), text)


def translated_to(code: str, text: str) -> str:
    """Return a text in a language: for tests, and for whoever has no session."""
    return _read(code, text).text


@cache
def catalogues_of(code: str) -> dict[str, dict[str, str]]:
    """Return a language's catalogues of sentences by name: English templates and what they become. English has none."""
    return {name: table for name, table in _files_of(code).items() if name != _FRAGMENTS}


@cache
def fragments_of(code: str) -> list[Fragments]:
    """Return a language's fragments. English has none."""
    groups = _files_of(code).get(_FRAGMENTS, {}).values()
    return [Fragments(tuple(group["within"]), group["texts"]) for group in groups]


@cache
def _files_of(code: str) -> dict[str, dict[str, Any]]:
    folder = files("rag_app.ui.words") / code / "sentences"
    if not folder.is_dir():
        return {}
    return {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir()
    }


@lru_cache(maxsize=8192)
def _read(code: str, text: str, within: str = "") -> _Reading:
    """Return the best reading of a text: as one sentence, or as some that follow one another.

    `within` is the English template in whose place it stands, where that has fragments.
    """
    best = _read_whole(code, text, within)
    for end in _BETWEEN.finditer(text):
        first, rest = _read_whole(code, text[: end.start()]), _read(code, text[end.end() :])
        if first.known and first.known + rest.known > best.known:
            best = _Reading(first.known + rest.known, first.text + rest.text)
    return best


@lru_cache(maxsize=8192)
def _read_whole(code: str, text: str, within: str = "") -> _Reading:
    exact, sentences, fragments = _catalogue(code)
    if text in exact:
        return _Reading(len(text), exact[text])
    best = _Reading(0, text)
    for template in (*sentences, *fragments.get(within, ())):
        if found := template.pattern.fullmatch(text):
            inside = template.english if template.english in fragments else ""
            places = [_read(code, value, inside) for value in found.groups()]
            # Half, so that of two templates that say the same the one with more words of its own is taken.
            known = template.letters + sum(place.known for place in places) // 2
            if known > best.known:
                best = _Reading(known, template.other.format(*(place.text for place in places)))
    return best


@dataclass(frozen=True)
class _Template:
    """A text with places: as English and in the other language, and how many letters of the English are its own."""

    english: str
    other: str
    letters: int
    pattern: re.Pattern[str]


@cache
def _catalogue(code: str) -> tuple[dict[str, str], list[_Template], dict[str, list[_Template]]]:
    """Return what has no places, sentences with places, and fragments by the sentence in whose places they may stand."""
    exact: dict[str, str] = {}
    sentences: list[_Template] = []
    for table in catalogues_of(code).values():
        for english, other in table.items():
            if any(place is not None for _, place, _, _ in string.Formatter().parse(english)):
                sentences.append(_template(english, other))
            else:
                exact[english.format()] = other.format()
    fragments: dict[str, list[_Template]] = {}
    for group in fragments_of(code):
        for sentence in group.within:
            fragments.setdefault(sentence, []).extend(_template(*pair) for pair in group.texts.items())
    return exact, sentences, fragments


def _template(english: str, other: str) -> _Template:
    letters, pattern = 0, ""
    for literal, place, _, _ in string.Formatter().parse(english):
        letters += len(literal)
        pattern += re.escape(literal) + ("" if place is None else _PLACE)
    return _Template(english, other, letters, re.compile(pattern, re.DOTALL))
