"""Whether a passage holds the answer to a labelled question, and which questions belong to one document.

This module knows nothing of how passages were found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from rag_app.datatypes import Passage
from rag_app.evaluation.datasets import LabelledQuestion

_LATIN = re.compile(r"[a-z0-9]")


def holds_answer(passage: Passage, question: LabelledQuestion) -> bool:
    """Whether a passage holds the answer to a question; never for a question without one.

    Where spans are known: it covers one of them, at any of its places. Where the paragraph is known: the passage is that
    paragraph or a part of it, or has it in it, and the answer stands in it. Else: its document is a source, and the answer
    stands in it. Case, white space and compatibility forms (NFKC) are not compared; Latin letters and digits match as whole
    words.
    """
    if not question.is_answerable:
        return False
    if question.spans:
        places = [(passage.document, passage.start, passage.end)]
        places += [(place.document, place.start, place.end) for place in passage.also_in]
        return any(
            is_source(document, span.source) and start <= span.start and span.end <= end
            for document, start, end in places
            for span in question.spans
        )
    text = _plain(passage.text)
    if not any(_stands_in(_plain(answer), text) for answer in question.answers):
        return False
    if question.context:
        context = _plain(question.context)
        return text in context or context in text
    documents = (passage.document, *(place.document for place in passage.also_in))
    return any(is_source(document, source) for document in documents for source in question.sources)


def is_source(document: str, source: str) -> bool:
    """Whether a document is what a source names: its path, or the end of it after a `/` or `#`."""
    return document == source or document.endswith((f"/{source}", f"#{source}"))


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _stands_in(answer: str, text: str) -> bool:
    before = r"(?<![a-z0-9])" if _LATIN.match(answer) else ""
    after = r"(?![a-z0-9])" if answer and _LATIN.match(answer[-1]) else ""
    return bool(answer) and re.search(f"{before}{re.escape(answer)}{after}", text) is not None


def document_groups(questions: Sequence[LabelledQuestion]) -> list[int]:
    """Return a number for each question: the same for all that share a document or article, directly or through others."""
    parents = list(range(len(questions)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    first_with: dict[str, int] = {}
    for number, question in enumerate(questions):
        for key in (*question.sources, *((f"article {question.article}",) if question.article else ())):
            parents[root(number)] = root(first_with.setdefault(key, number))
    return [root(number) for number in range(len(questions))]
