"""What differs between systems that were asked the same question: which passages both found, and which moved.

A passage is the same in two systems where it stands in the same place, or in one of the other places where its text stands
too. This module knows nothing of models, votes or pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag_app.config import RetrieverName, Settings
from rag_app.datatypes import Answer, Citation, Passage

Span = tuple[str, int, int]


@dataclass(frozen=True)
class SideSystem:
    """One system of a comparison side by side. `generator`: `none`, `quote`, or that of a model.

    `embed_model` is one of the base. It gives each passage its cosine and percentile also where keywords alone decide.
    """

    embed_model: str
    retriever: RetrieverName
    generator: str

    @property
    def full_name(self) -> str:
        """Return everything that tells it from others, as votes name it."""
        return f"{self.embed_model}, {self.retriever}, {self.generator}"

    def settings(self, settings: Settings) -> Settings:
        """Return the settings with its retriever."""
        retrieval = settings.retrieval.model_copy(update={"retriever": self.retriever})
        return settings.model_copy(update={"retrieval": retrieval})


@dataclass(frozen=True)
class Overlap:
    """How many of the `k` best passages two systems share; `same_first` is whether the best one is the same."""

    shared: int
    k: int
    same_first: bool

    @property
    def share(self) -> float:
        """The overlap at k, between 0 and 1."""
        return self.shared / self.k


@dataclass(frozen=True)
class Move:
    """Where a passage is, and where the system that it is compared with has it. `before` None: nowhere.

    `is_alone` is true where no other system has it at all.
    """

    now: int
    before: int | None
    is_alone: bool


def overlap(first: Sequence[Passage], second: Sequence[Passage]) -> Overlap | None:
    """Return what two rankings share, down to the longer one's length; None where both are empty."""
    k = max(len(first), len(second))
    if not k:
        return None
    shared = sum(_rank(passage, second) is not None for passage in first)
    return Overlap(shared, k, bool(first and second) and _is_same(first[0], second[0]))


def moves(rankings: Sequence[Sequence[Passage]], number: int) -> list[Move]:
    """Return where each passage of a ranking was in the first one; for the first ranking itself, in the second.

    Args:
        rankings: of all systems, two at least.
        number: of the ranking, from 0.
    """
    others = [ranking for place, ranking in enumerate(rankings) if place != number]
    found = []
    for now, passage in enumerate(rankings[number], start=1):
        ranks = [_rank(passage, other) for other in others]
        found.append(Move(now, ranks[0], all(rank is None for rank in ranks)))
    return found


def is_same_outcome(first: Sequence[Passage], second: Sequence[Passage], answers: Sequence[Answer | None]) -> bool:
    """Return whether two systems show the same: the same passages in the same order, and the same text."""
    texts = {answer.text if answer is not None else None for answer in answers}
    is_same_ranking = len(first) == len(second) and all(map(_is_same, first, second))
    return len(texts) == 1 and is_same_ranking


def cited_by_rank(answer: Answer, ranked: Sequence[Passage]) -> Answer:
    """Return an answer whose citations have the ranks of the passages as they were found.

    A generator reads passages with what stands around them, and counts those; a reader sees the ranking.
    """
    sentences = tuple(
        replace(one, citations=tuple(_ranked(citation, answer, ranked) for citation in one.citations))
        for one in answer.sentences
    )
    return replace(answer, sentences=sentences, passages=tuple(ranked))


def _ranked(citation: Citation, answer: Answer, ranked: Sequence[Passage]) -> Citation:
    read = next((passage for passage in answer.passages if passage.n == citation.n), None)
    spans = [(citation.document, citation.start, citation.end)]
    spans += [(read.document, start, end) for start, end in read.found_spans] if read is not None else []
    for span in spans:
        for rank, passage in enumerate(ranked, start=1):
            if _overlaps(span, (passage.document, passage.start, passage.end)):
                return replace(citation, n=rank)
    return citation


def _rank(passage: Passage, ranking: Sequence[Passage]) -> int | None:
    return next((rank for rank, other in enumerate(ranking, start=1) if _is_same(passage, other)), None)


def _is_same(one: Passage, other: Passage) -> bool:
    return not _places(one).isdisjoint(_places(other))


def _places(passage: Passage) -> set[Span]:
    return {
        (passage.document, passage.start, passage.end),
        *((place.document, place.start, place.end) for place in passage.also_in),
    }


def _overlaps(one: Span, other: Span) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
