"""How right a passage is for a labelled question, and which questions belong to one document.

What is to be found for a question, its right things, are the documents judged right, or the places of the answer, or the
paragraph that holds it, or the documents that are its sources: the first of these that the question has. Passages are judged
by the span they cover, so that it does not matter how documents were cut.
This module knows nothing of how passages were found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import lru_cache

from rag_app.datatypes import Passage
from rag_app.evaluation.questions import LabelledQuestion

_LATIN = re.compile(r"[a-z0-9]")
_KEPT_TEXTS = 4096  # passages come again for other questions, and paragraphs for other passages


def gain_of(passage: Passage, question: LabelledQuestion) -> float:
    """Return how right a passage is: the highest gain of what it holds, 0 for nothing and for what nobody judged.

    A right document has its grade; a place, paragraph or source counts 1 (`right_things`).
    """
    things = things_to_find(question)
    return max((things[thing] for thing in right_things(passage, question)), default=0.0)


def holds_answer(passage: Passage, question: LabelledQuestion) -> bool:
    """Whether a passage holds the answer to a question; never for a question without one."""
    return bool(right_things(passage, question))


def things_to_find(question: LabelledQuestion) -> Mapping[Hashable, float]:
    """Return what there is to find for a question, with the gain of each; nothing for one without an answer."""
    if not question.is_answerable:
        return {}
    if question.judgements:
        return {name: question.judgements[name] for name in question.right_documents}
    if question.spans:
        return dict.fromkeys(question.spans, 1.0)
    return {question.context: 1.0} if question.context else dict.fromkeys(question.sources, 1.0)


def right_things(passage: Passage, question: LabelledQuestion) -> frozenset[Hashable]:
    """Return which things to find a passage holds, at any of its places.

    A document that is judged right: it is of it. A place: it covers it whole. The paragraph: it is that paragraph, or has it in
    it, or is a part of it that covers a place of the answer. A source: it is of it, and the answer stands in the passage. Where
    places in the paragraph are not known, the answer must stand in the passage (`stands_in`).
    """
    if not question.is_answerable:
        return frozenset()
    places = [(passage.document, passage.start, passage.end)]
    places += [(place.document, place.start, place.end) for place in passage.also_in]
    if question.judgements:
        named = {judged_name(document, question) for document, _, _ in places}
        return frozenset(name for name in named if name is not None and question.judgements[name] > 0)
    if question.spans:
        return frozenset(
            span
            for span in question.spans
            if any(
                is_source(place, span.source) and start <= span.start and span.end <= end
                for place, start, end in places
            )
        )
    if question.context:
        return frozenset({question.context} if _is_right_part(_plain_kept(passage.text), question) else ())
    if not _has_answer(_plain_kept(passage.text), question):
        return frozenset()
    return frozenset(
        source for source in question.sources if any(is_source(document, source) for document, _, _ in places)
    )


def touches_answer(passage: Passage, question: LabelledQuestion) -> bool:
    """Whether a span of a document, a citation's for instance, shares a character with a place of the answer.

    Where places in the document are not known, it must hold the answer as a passage must.
    """
    if not question.spans:
        return holds_answer(passage, question)
    return any(
        is_source(passage.document, span.source) and passage.start < span.end and span.start < passage.end
        for span in question.spans
    )


def judged_name(document: str, question: LabelledQuestion) -> str | None:
    """Return the name by which a document is judged for a question; None where it is not."""
    return next((name for name in document_names(document) if name in question.judgements), None)


def is_source(document: str, source: str) -> bool:
    """Whether a document is what a source names: its path, or the end of it after a `/` or `#`."""
    return document == source or document.endswith((f"/{source}", f"#{source}"))


def document_names(document: str) -> Iterator[str]:
    """Yield every source that names a document, the longest first."""
    yield document
    for place, character in enumerate(document):
        if character in "/#":
            yield document[place + 1 :]


def plain(text: str) -> str:
    """Return a text without what is not compared: case, white space and compatibility forms (NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def stands_in(answer: str, text: str) -> bool:
    """Whether an answer stands in a text, both `plain`: Latin letters and digits as whole words."""
    before = r"(?<![a-z0-9])" if _LATIN.match(answer) else ""
    after = r"(?![a-z0-9])" if answer and _LATIN.match(answer[-1]) else ""
    return bool(answer) and re.search(f"{before}{re.escape(answer)}{after}", text) is not None


def document_groups(questions: Sequence[LabelledQuestion]) -> list[int]:
    """Return a number for each question: the same for all that share a document or article, directly or through others.

    Questions on judged documents are together only where the same documents are right: one that has hundreds of them would
    join all others.
    """
    parents = list(range(len(questions)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    first_with: dict[str, int] = {}
    for number, question in enumerate(questions):
        for key in (*question.sources, *_group_names(question)):
            parents[root(number)] = root(first_with.setdefault(key, number))
    return [root(number) for number in range(len(questions))]


def _group_names(question: LabelledQuestion) -> Iterator[str]:
    if question.article:
        yield f"article {question.article}"
    if question.judgements:
        yield f"judged {sorted(question.right_documents)}"


_plain_kept = lru_cache(maxsize=_KEPT_TEXTS)(plain)


def _has_answer(text: str, question: LabelledQuestion) -> bool:
    return any(stands_in(plain(answer), text) for answer in question.answers)


def _is_right_part(text: str, question: LabelledQuestion) -> bool:
    """Whether a plain text is, holds, or is a part of the paragraph, and has the answer, at its place where that is known."""
    context = _plain_kept(question.context)
    if not text or (text not in context and context not in text):
        return False
    spans = [_plain_span(question.context, start, end) for start, end in question.context_spans]
    known = [span for span in spans if span is not None]
    if not known:
        return _has_answer(text, question)
    if context in text:
        return True
    return any(
        first <= start and end <= first + len(text) for first in _occurrences(text, context) for start, end in known
    )


def _occurrences(part: str, whole: str) -> Iterator[int]:
    first = whole.find(part)
    while first >= 0:
        yield first
        first = whole.find(part, first + 1)


@lru_cache(maxsize=_KEPT_TEXTS)
def _plain_span(context: str, start: int, end: int) -> tuple[int, int] | None:
    """Return where the characters `[start, end)` are once the context is plain; None where that cannot be told."""
    inside = plain(context[start:end])
    first = len(plain(f"{context[:start]}|")) - 1  # the bar keeps white space before it
    return (first, first + len(inside)) if _plain_kept(context).startswith(inside, first) else None
