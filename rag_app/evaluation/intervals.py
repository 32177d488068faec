"""A metric's mean, or the difference of two systems by it, with its interval.

What was chosen and how well it holds is in docs/statistics.md. This module knows of one metric at a time, and of no system.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag_app.errors import UsageError
from rag_app.evaluation.comparison import Estimate
from rag_app.evaluation.resampling import FLIPS, GroupedSample, HalfSums, grouped
from rag_app.evaluation.verdicts import ERROR, Spread

# So many values of either extreme are added before an interval is read off; else all right would be "1 (1 to 1)". The number is
# that of Agresti and Coull, "Approximate is better than exact for interval estimation of binomial proportions", 1998.
_ADDED = 2


@dataclass(frozen=True)
class PairedTest:
    """The mean difference of two systems, its interval of 95 %, the p of its being 0, and its effect size.

    `equivalence` is the interval of 90 %, which two one-sided tests at 5 % would give.
    """

    difference: float
    low: float
    high: float
    p: float
    effect: float
    equivalence: tuple[float, float]
    spread: Spread


def estimate(values: Sequence[float], groups: Sequence[int], seed: int) -> Estimate:
    """Return the mean of a metric with its interval of 95 %.

    Args:
        values: one a question, between 0 and 1.
        groups: the document of each.
        seed: of the resampling.

    Raises:
        UsageError: there are no values.
        ValueError: a value is not between 0 and 1, or not each has a group.
    """
    sample = grouped(_checked(values, groups), groups)
    halves = HalfSums(sample, 2 * _ADDED, seed)
    weight = _weight_in_mean(sample)
    added = np.array([[weight, weight]] * _ADDED + [[0.0, weight]] * _ADDED)
    low, high = halves.interval(ERROR, added)
    low, high = max(min(low, sample.mean), 0.0), min(max(high, sample.mean), 1.0)
    return Estimate(sample.mean, low, high, sample.questions)


def compare_pair(
    a: Sequence[float], b: Sequence[float], groups: Sequence[int], seed: int, *, flips: int = FLIPS
) -> PairedTest:
    """Compare two systems by one metric, over the same questions.

    The interval holds 0 exactly where p is above 0.05: its end nearer to 0 is that of the test. The other end, and the interval
    of equivalence, allow for some more differences than were seen: that there was none in so many questions does not prove that
    there are none.

    Args:
        a: values of the first system, one a question, between 0 and 1.
        b: values of the second.
        groups: the document of each question.
        seed: of the resampling.
        flips: how many halves are drawn, where not all are taken.

    Raises:
        UsageError: there are no values.
        ValueError: a value is not between 0 and 1, or not each has its pair and its group.
    """
    differences = _checked(a, groups) - _checked(b, groups)
    sample = grouped(differences, groups)
    halves = HalfSums(sample, 2 * _ADDED, seed, flips)
    added = _added_differences(sample, differences)
    low, high = _interval(halves, added, sample.mean)
    near, far = halves.interval(2 * ERROR), halves.interval(2 * ERROR, added)
    return PairedTest(
        difference=sample.mean,
        low=low,
        high=high,
        p=halves.p(),
        effect=_effect(differences),
        equivalence=(min(near[0], far[0]), max(near[1], far[1])),
        spread=Spread(
            variance=sample.variance * sample.design_effect,
            questions=sample.questions,
            groups=sample.groups,
            added_questions=float(added[:, 1].sum()),
            added_squares=float((added[:, 0] ** 2).sum()),
        ),
    )


def _interval(halves: HalfSums, added: NDArray[np.float64], mean: float) -> tuple[float, float]:
    """Return the interval of a difference: its end towards 0 is that of the test, the other allows for what is added."""
    low, high = halves.interval(ERROR)
    wide_low, wide_high = halves.interval(ERROR, added)
    if mean >= 0:
        high = max(high, wide_high)
    if mean <= 0:
        low = min(low, wide_low)
    return max(low, -1.0), min(high, 1.0)


def _added_differences(sample: GroupedSample, differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return groups to add, as rows of sum and size: as large as the differences seen, the largest possible where none was."""
    seen = differences[differences != 0]
    size = float(np.sqrt((seen**2).mean())) if len(seen) else 1.0
    weight = _cautious_design_effect(sample)
    return np.array([[weight * size, weight], [-weight * size, weight]] * _ADDED)


def _checked(values: Sequence[float], groups: Sequence[int]) -> NDArray[np.float64]:
    checked = np.asarray(values, dtype=np.float64)
    if len(checked) == 0:
        raise UsageError("No question has a value: there is nothing to compare.", "Add questions.")
    if len(checked) != len(groups):
        raise ValueError(f"{len(checked)} values, but {len(groups)} groups.")
    # NaN is refused, too: it is not between any two numbers.
    if not ((checked >= 0) & (checked <= 1)).all():
        raise ValueError("A metric is compared only where each value is a number from 0 to 1.")
    return checked


def _weight_in_mean(sample: GroupedSample) -> float:
    """Return how many questions weigh as much as one independent question that is either right or wrong."""
    one = sample.mean * (1 - sample.mean)
    share = sample.variance / one if sample.variance > 0 and one > 0 else 1.0
    return share * _cautious_design_effect(sample)


def _cautious_design_effect(sample: GroupedSample) -> float:
    """Return the design effect, moved a quarter of the way, on a scale of ratios, to the largest that it can be.

    Few documents tell how much their questions resemble each other where nearly all values are the same, and it comes out too
    small. The share was chosen by simulation.
    """
    return sample.design_effect * math.pow(sample.largest_design_effect / sample.design_effect, 0.25)


def _effect(differences: NDArray[np.float64]) -> float:
    """Return the mean difference over the standard deviation, with one question without a difference added: it is never 0."""
    if not differences.any():
        return 0.0
    return float(differences.mean() / np.append(differences, 0.0).std(ddof=1))
