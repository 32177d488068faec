"""The questions of a comparison on which two systems differ, by one metric: which the first won, which it lost.

This module knows nothing of how they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rag_app.evaluation.comparison import AskedQuestion, Comparison, Outcome, SystemResult


class Show(StrEnum):
    """Which questions are looked at: those where the first system is better, worse, not the same, the same, or all."""

    WON = "won"
    LOST = "lost"
    DIFFER = "differ"
    SAME = "same"
    ALL = "all"


@dataclass(frozen=True)
class Difference:
    """A question with what both systems did; the values are those of the metric, None where it says nothing of it."""

    question: AskedQuestion
    a: Outcome
    b: Outcome
    a_value: float | None
    b_value: float | None

    @property
    def by(self) -> float:
        """By how much the first system is better; 0 where the metric says nothing."""
        return 0.0 if self.a_value is None or self.b_value is None else self.a_value - self.b_value

    def is_in(self, show: Show) -> bool:
        """Return whether it is one of those that are looked at."""
        match show:
            case Show.WON:
                return self.by > 0
            case Show.LOST:
                return self.by < 0
            case Show.DIFFER:
                return self.by != 0
            case Show.SAME:
                return self.by == 0
            case Show.ALL:
                return True


def differences(comparison: Comparison, a: str, b: str, metric: str) -> list[Difference]:
    """Return all questions with what two systems did, the largest differences first, else in their order.

    Args:
        comparison: of these systems and others.
        a: name of the first.
        b: name of the second.
        metric: name of the metric.
    """
    first, second = _system(comparison, a), _system(comparison, b)
    found = [
        Difference(question, one, other, one.values.get(metric), other.values.get(metric))
        for question, one, other in zip(comparison.questions, first.outcomes, second.outcomes, strict=True)
    ]
    return sorted(found, key=lambda one: -abs(one.by))


def _system(comparison: Comparison, name: str) -> SystemResult:
    return next(system for system in comparison.systems if system.name == name)
