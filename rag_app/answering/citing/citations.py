"""The `[n]` of an answer: checked, not trusted. Each sentence is cited to the passages that support it, or called unsupported.

When an answer has ended, `support.py` tells which span of which passage supports each of its sentences.
This module knows nothing of generators, prompts, how markers are written, or how support is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from rag_app.answering.citing.claims import claim_of, is_courtesy, is_yes_or_no, says_nothing_is_there, statements_of
from rag_app.answering.citing.markers import STOPS, Markers
from rag_app.answering.citing.support import Alignment, Span, align
from rag_app.datatypes import Citation, Passage, Sentence
from rag_app.text import CJK_CHARACTER, sentence_spans

if TYPE_CHECKING:
    from rag_app.retrieval.second_stage import SentenceEmbedder

_SPACE_BEFORE_STOP = re.compile(r"[ \t]+([.,;!?。，；！？])")


def cite(
    answer: str, passages: Sequence[Passage], embedder: SentenceEmbedder | None = None, question: str = ""
) -> tuple[Sentence, ...]:
    """Return the sentences of an answer, each with the passages that support it.

    What the generator stated is kept where the passage supports the sentence; where it does not, the best passage that does is
    cited instead, as computed; where none does, nothing is cited, and the sentence is not supported. A sentence that claims
    nothing needs no citation. What reads like a refusal and stands in a passage is none.

    Args:
        answer: as the generator wrote it.
        passages: those given to the generator, in the order of their numbers.
        embedder: tells what words leave open; None: words alone decide.
        question: that it answers: "30 minutes." is understood with it.
    """
    parts = _split(answer, Markers(passages))
    alignments = align([part.text for part in parts], passages, embedder, question)
    sentences = []
    for part, alignment in zip(parts, alignments, strict=True):
        claims_nothing = is_courtesy(part.text) and not _is_quoted(part, alignment)
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


def marked(answer: str, passages: Sequence[Passage], sentences: Sequence[Sentence]) -> str:
    """Return the answer with the citations of its sentences in place of the generator's markers.

    Args:
        answer: as it was given to `cite`.
        passages: as they were.
        sentences: what `cite` returned for it.
    """
    return "".join(
        f"{part.gap}{_with_markers(part.text, ''.join(f'[{citation.n}]' for citation in sentence.citations))}"
        for part, sentence in zip(_split(answer, Markers(passages)), sentences, strict=True)
    ).strip()


def _with_markers(text: str, markers: str) -> str:
    """Return the sentence with its markers before the full stop, or behind it where nothing else is."""
    if not markers:
        return text
    words = text.rstrip(STOPS)
    space = "" if not words or CJK_CHARACTER.match(words[-1]) else " "
    return f"{words}{space}{markers}{text[len(words) :]}" if words else f"{text}{markers}"


@dataclass(frozen=True)
class _SentencePart:
    """A sentence of an answer: the white space before it, its text without markers, and their numbers."""

    gap: str
    text: str
    numbers: frozenset[int]


def _split(answer: str, markers: Markers) -> list[_SentencePart]:
    """Return the sentences of an answer; markers after a full stop belong before it."""
    parts: list[_SentencePart] = []
    answer = markers.apart(answer)
    done = 0
    for start, end in sentence_spans(answer):
        gap, text = answer[done:start], answer[start:end]
        done = end
        leading = markers.leading(text)
        if leading and parts:
            parts[-1] = replace(parts[-1], numbers=parts[-1].numbers | markers.numbers(leading))
            rest = text[len(leading) :]
            gap, text = rest[: len(rest) - len(rest.lstrip())] or gap, rest
        numbers = markers.numbers(text)
        text = _SPACE_BEFORE_STOP.sub(r"\1", markers.without(text)).strip()
        if text:
            parts.append(_SentencePart(gap, text, numbers))
        elif parts:
            parts[-1] = replace(parts[-1], numbers=parts[-1].numbers | numbers)
    return parts


def _is_quoted(part: _SentencePart, alignment: Alignment) -> bool:
    """Whether a passage says, in all its words, what reads like a refusal: a refusal shares words with what it is about.

    A heading stands in its passage too, and answers nothing.
    """
    return says_nothing_is_there(part.text) and any(span is not None and span.share == 1 for span in alignment.spans)


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
