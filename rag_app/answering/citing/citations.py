"""The `[n]` of an answer: checked, not trusted. Each sentence is cited to the passages that support it, or called unsupported.

While an answer is written, markers of passages that do not exist are left out; when it has ended, `support.py` tells which span
of which passage supports each sentence. This module knows nothing of generators, prompts, or how support is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from rag_app.answering.citing.claims import claim_of, is_courtesy, is_yes_or_no, statements_of
from rag_app.answering.citing.support import Alignment, Span, align
from rag_app.datatypes import Citation, Passage, Sentence
from rag_app.text import CJK_CHARACTER, sentence_spans

if TYPE_CHECKING:
    from rag_app.retrieval.second_stage import SentenceEmbedder

# [1], [1, 2], [1][2], 【1】; also ［1］ as full-width typing gives it.
# Both expressions allow the same length, so that what is held back while it arrives is just what could be a marker.
_MARKER = re.compile(r"[\[【［](?=[\d\s,，、;]{1,80}[\]】］])\s*(\d{1,3}(?:\s*[,，、;]\s*\d{1,3})*)\s*[\]】］]")
_MARKER_BEGUN = re.compile(r"[\[【［][\d\s,，、;]{0,80}\Z")
# "Locked.[1] Call us.": a full stop ends a sentence only before white space.
_STOP_BEFORE_MARKER = re.compile(rf"(?<=[.!?])(?={_MARKER.pattern})")
_LEADING_MARKERS = re.compile(rf"(?:\s*{_MARKER.pattern})+")
_SPACE_AND_MARKER = re.compile(rf"[ \t]*{_MARKER.pattern}")
_SPACE_BEFORE_STOP = re.compile(r"[ \t]+([.,;!?。，；！？])")
# The markers of a sentence stand before these at its end; the bar is that of a table's row.
_STOPS = ".!?。！？；;… |"


class MarkerFilter:
    """Lets the text of an answer through as it is written, without markers of passages that do not exist.

    A marker may arrive in several pieces, so text is held back from an opening bracket until it is decided.
    """

    def __init__(self, passage_count: int) -> None:
        """Take the number of passages that were given to the generator."""
        self._count = passage_count
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be shown after the next piece of the answer."""
        text = self._held + piece
        begun = _MARKER_BEGUN.search(text)
        cut = begun.start() if begun else len(text)
        self._held = text[cut:]
        return without_unknown_markers(text[:cut], self._count)

    def finish(self) -> str:
        """Return what is left when the answer has ended."""
        held, self._held = self._held, ""
        return without_unknown_markers(held, self._count)


def without_unknown_markers(text: str, passage_count: int) -> str:
    """Return the text with each marker reduced to the numbers from 1 to `passage_count`; one without any is removed."""

    def kept(match: re.Match[str]) -> str:
        return "".join(f"[{number}]" for number in _numbers(match) if 1 <= number <= passage_count)

    return _MARKER.sub(kept, text)


def _numbers(match: re.Match[str]) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", match[1])]


def cite(
    answer: str, passages: Sequence[Passage], embedder: SentenceEmbedder | None = None, question: str = ""
) -> tuple[Sentence, ...]:
    """Return the sentences of an answer, each with the passages that support it.

    What the generator stated is kept where the passage supports the sentence; where it does not, the best passage that does is
    cited instead, as computed; where none does, nothing is cited, and the sentence is not supported. A sentence that claims
    nothing needs no citation.

    Args:
        answer: as the generator wrote it.
        passages: those given to the generator, in the order of their numbers.
        embedder: tells what words leave open; None: words alone decide.
        question: that it answers: "30 minutes." is understood with it.
    """
    parts = _split(answer)
    alignments = align([part.text for part in parts], passages, embedder, question)
    sentences = []
    for part, alignment in zip(parts, alignments, strict=True):
        claims_nothing = is_courtesy(part.text)  # a heading stands in its passage, and answers nothing
        citations = (
            ()
            if claims_nothing
            else _citations(part, alignment, passages) or _joined_citations(part, passages, embedder)
        )
        is_supported = bool(citations) or claims_nothing
        sentences.append(Sentence(part.text, citations, is_supported, () if is_supported else alignment.missing))
    for i, sentence in reversed(list(enumerate(sentences[:-1]))):
        following = sentences[i + 1]
        if is_yes_or_no(sentence.text) and following.citations:  # it affirms what follows, and shares its support
            sentences[i] = replace(following, text=sentence.text)
    return tuple(sentences)


def marked(answer: str, sentences: Sequence[Sentence]) -> str:
    """Return the answer with the citations of its sentences in place of the generator's markers.

    Args:
        answer: as it was given to `cite`.
        sentences: what `cite` returned for it.
    """
    return "".join(
        f"{part.gap}{_with_markers(part.text, ''.join(f'[{citation.n}]' for citation in sentence.citations))}"
        for part, sentence in zip(_split(answer), sentences, strict=True)
    ).strip()


def _with_markers(text: str, markers: str) -> str:
    """Return the sentence with its markers before the full stop, or behind it where nothing else is."""
    if not markers:
        return text
    words = text.rstrip(_STOPS)
    space = "" if not words or CJK_CHARACTER.match(words[-1]) else " "
    return f"{words}{space}{markers}{text[len(words) :]}" if words else f"{text}{markers}"


@dataclass(frozen=True)
class _SentencePart:
    """A sentence of an answer: the white space before it, its text without markers, and their numbers."""

    gap: str
    text: str
    numbers: frozenset[int]


def _split(answer: str) -> list[_SentencePart]:
    """Return the sentences of an answer; markers after a full stop belong before it."""
    parts: list[_SentencePart] = []
    answer = _STOP_BEFORE_MARKER.sub(" ", answer)
    done = 0
    for start, end in sentence_spans(answer):
        gap, text = answer[done:start], answer[start:end]
        done = end
        leading = _LEADING_MARKERS.match(text)
        if leading and parts:
            parts[-1] = replace(parts[-1], numbers=parts[-1].numbers | _numbers_in(leading[0]))
            rest = text[leading.end() :]
            gap, text = rest[: len(rest) - len(rest.lstrip())] or gap, rest
        numbers = _numbers_in(text)
        while _MARKER.search(text):  # what is left of `[[1]2]` is one again
            text = _SPACE_AND_MARKER.sub("", text)
        text = _SPACE_BEFORE_STOP.sub(r"\1", text).strip()
        if text:
            parts.append(_SentencePart(gap, text, numbers))
        elif parts:
            parts[-1] = replace(parts[-1], numbers=parts[-1].numbers | numbers)
    return parts


def _numbers_in(text: str) -> frozenset[int]:
    return frozenset(number for match in _MARKER.finditer(text) for number in _numbers(match))


def _citations(part: _SentencePart, alignment: Alignment, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Return the citations that the generator stated and that hold; where there are none, the best that does, if any."""
    found = {
        passage.n: (passage, span) for passage, span in zip(passages, alignment.spans, strict=True) if span is not None
    }
    stated = sorted(part.numbers & found.keys())
    best = sorted(found, key=lambda n: (-found[n][1].share, n))[:1]
    return tuple(_citation(*found[n], computed=not stated) for n in stated or best)


def _joined_citations(
    part: _SentencePart, passages: Sequence[Passage], embedder: SentenceEmbedder | None
) -> tuple[Citation, ...]:
    """Return the citations of a sentence that the generator made of several passages, where each of its parts has one."""
    statements = statements_of(claim_of(part.text))
    stated = [passage for passage in passages if passage.n in part.numbers]
    if len(stated) < 2 or len(statements) < 2:
        return ()
    each = [_citations(part, one, stated) for one in align(statements, stated, embedder)]
    if not all(each):
        return ()
    by_number = {citation.n: citation for citation in chain.from_iterable(each)}
    return tuple(by_number[n] for n in sorted(by_number))


def _citation(passage: Passage, span: Span, *, computed: bool) -> Citation:
    start, end = passage.start + span.start, passage.start + span.end
    return Citation(passage.n, passage.document, passage.page, start, end, computed)
