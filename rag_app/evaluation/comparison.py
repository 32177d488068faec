"""What a comparison of systems is, as values: the systems, what each did with each question, and what that comes to.

A system is a retriever with its embedding model, a reranker and a generator, any of them perhaps none. All systems of a
comparison are asked the same questions over the same passages. This module knows nothing of how anything is measured or shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rag_app.datatypes import Answer


class Verdict(StrEnum):
    """What a comparison of two systems comes to, of the first against the second."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Found:
    """A passage as one system ranked it, best first: where it stands, its text, its scores by name, and whether it is right.

    `gain` is how right it is by the judgements: 0 for not at all, 1 for right; data sets may have higher ones.
    """

    document: str
    start: int
    end: int
    text: str
    scores: Mapping[str, float]
    gain: float


@dataclass(frozen=True)
class Outcome:
    """What a system did with a question.

    `values` holds each metric by its name, None where the metric says nothing of this question. `seconds` is the time of the
    whole question by the clock. `failure` says why there is no outcome, else it is empty: a failure counts as 0 in each metric.
    """

    found: tuple[Found, ...]
    answer: Answer | None
    values: Mapping[str, float | None]
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class AskedQuestion:
    """A question of the comparison: its key (unique), its text, known answers, and the group (document) it belongs to."""

    key: str
    text: str
    answers: tuple[str, ...]
    is_answerable: bool
    group: int


@dataclass(frozen=True)
class SystemResult:
    """One system with all it did. `card` says exactly what it is; `outcomes` has one entry a question, in their order.

    `cost` holds figures by name, with the unit in the name: `milliseconds a question`, `passages a second`, `index megabytes`,
    `memory megabytes`, `model megabytes`, and `licence` as a text. `truncated` counts passages that the model did not read
    whole.
    """

    name: str
    card: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]
    cost: Mapping[str, float | str | None]
    truncated: int = 0

    @property
    def failures(self) -> int:
        """How many questions came to nothing."""
        return sum(bool(outcome.failure) for outcome in self.outcomes)


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval of 95 %; `count` questions have a value."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Pair:
    """The comparison of system `a` with `b` by one metric: mean of a minus mean of b, over the questions that both have.

    `p` is that of a paired randomisation test, two-sided; `p_adjusted` is Holm's over all pairs and metrics of the comparison.
    `effect` is the mean difference over the standard deviation of the differences (0 where they do not differ). `smallest` is
    the smallest difference that this sample would show four times in five; `more_questions` how many more a verdict needs, None
    where there is one, or where no number would do.
    """

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    effect: float
    verdict: Verdict
    smallest: float
    more_questions: int | None


@dataclass(frozen=True)
class Comparison:
    """The whole of it. `metrics` has, by system and metric, the mean and its interval; `margin` is that of equivalence.

    `groups` counts the documents that the questions are on; those that share a question count as one, and a question without an
    answer is on none.
    `notes` are what a reader has to know: few documents, questions left out and why, failures.
    """

    dataset: str
    questions: tuple[AskedQuestion, ...]
    systems: tuple[SystemResult, ...]
    metrics: Mapping[str, Mapping[str, Estimate]]
    pairs: tuple[Pair, ...]
    seed: int
    margin: float
    groups: int
    notes: tuple[str, ...] = ()
    made: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what `compare --json` prints."""
        return {
            "dataset": self.dataset,
            "questions": len(self.questions),
            "documents": self.groups,
            "systems": [
                {
                    "name": system.name,
                    "metrics": {
                        name: {"mean": one.mean, "low": one.low, "high": one.high, "questions": one.count}
                        for name, one in self.metrics[system.name].items()
                    },
                    "cost": dict(system.cost),
                    "failures": system.failures,
                    "truncated": system.truncated,
                    "card": dict(system.card),
                }
                for system in self.systems
            ],
            "pairs": [
                {
                    "a": pair.a,
                    "b": pair.b,
                    "metric": pair.metric,
                    "difference": pair.difference,
                    "low": pair.low,
                    "high": pair.high,
                    "p": pair.p,
                    "p_adjusted": pair.p_adjusted,
                    "effect": pair.effect,
                    "verdict": pair.verdict.value,
                    "smallest": pair.smallest,
                    "more_questions": pair.more_questions,
                }
                for pair in self.pairs
            ],
            "seed": self.seed,
            "margin": self.margin,
            "notes": list(self.notes),
        }
