"""Comparisons whose truth is known: questions on documents that resemble each other, asked of two imagined systems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag_app.evaluation.intervals import compare_pair, estimate
from rag_app.evaluation.verdicts import ERROR

SEED = 20261129
WITHIN = 0.015  # what is promised: 5 % false positives and 95 % coverage, to this
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scenario:
    """What is simulated. With `each` 0 the documents have from 1 to some dozens of questions, as a log-normal draws them.

    `disagreement` is the share of questions by which the systems differ, `for_a` the share of those that `a` does better.
    `correlation` is that of questions on one document, in both. `graded` differences are between 0 and 1, else 1.
    """

    documents: int
    each: int
    disagreement: float
    for_a: float
    correlation: float
    graded: bool

    @property
    def difference(self) -> float:
        """The true difference: Beta(2, 2) of a graded one has a mean of a half."""
        return self.disagreement * (2 * self.for_a - 1) * (0.5 if self.graded else 1)

    def groups(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the document of each question."""
        if self.each:
            return np.repeat(np.arange(self.documents), self.each)
        sizes = np.maximum(1, rng.lognormal(1.2, 0.9, self.documents).round()).astype(np.int64)
        return np.repeat(np.arange(self.documents), sizes)

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Return the values of `a` and of `b`, and the document of each question."""
        groups = self.groups(rng)
        differs = (
            rng.random(len(groups)) < by_document(self.disagreement, self.correlation, self.documents, rng)[groups]
        )
        is_for_a = rng.random(len(groups)) < by_document(self.for_a, self.correlation, self.documents, rng)[groups]
        size = rng.beta(2, 2, len(groups)) if self.graded else 1.0
        return differs * is_for_a * size, differs * ~is_for_a * size, groups

    def draw_right(self, mean: float, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
        """Return the values of a system that is right this often, and the document of each question."""
        groups = self.groups(rng)
        is_right = rng.random(len(groups)) < by_document(mean, self.correlation, self.documents, rng)[groups]
        return is_right.astype(np.float64), groups


def by_document(share: float, correlation: float, documents: int, rng: np.random.Generator) -> Floats:
    """Return the share of each document: Beta with this mean, under which questions of a document have this correlation."""
    if correlation == 0 or share in {0, 1}:
        return np.full(documents, share)
    both = 1 / correlation - 1
    return rng.beta(share * both, (1 - share) * both, documents)


def in_practice(rng: np.random.Generator, *, differs: bool) -> Iterator[Scenario]:
    """Yield what comparisons of one's own documents may be like: without a true difference, or with one of any size."""
    while True:
        yield Scenario(
            documents=int(rng.choice([35, 50, 80, 150])),
            each=int(rng.choice([0, 1, 3, 10])),
            disagreement=rng.uniform(0.1, 0.4),
            for_a=rng.uniform(0.1, 0.9) if differs else 0.5,
            correlation=rng.uniform(0, 0.3),
            graded=bool(rng.integers(2)),
        )


def measured(scenarios: Iterable[Scenario], rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the share of p up to 0.05, that of intervals which cover the truth, and the mean width of an interval."""
    rows = []
    for scenario in scenarios:
        test = compare_pair(*scenario.draw(rng), SEED)
        rows.append((test.p <= ERROR, test.low <= scenario.difference <= test.high, test.high - test.low))
    shown, covered, width = np.mean(rows, axis=0)
    return float(shown), float(covered), float(width)


def covers(mean: float, scenario: Scenario, rng: np.random.Generator) -> bool:
    """Return whether the interval of a system that is right this often, on documents as in the scenario, holds the truth."""
    found = estimate(*scenario.draw_right(mean, rng), SEED)
    return found.low <= mean <= found.high
