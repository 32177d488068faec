"""How sure the figures of a comparison are: means and differences with intervals, and a verdict on each pair of systems.

Questions on one document stand or fall together, so documents are resampled, not questions (see `resampling`). What was chosen
and how well it holds is in docs/statistics.md. This module knows nothing of models or of how a question is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rag_app.errors import UsageError
from rag_app.evaluation.comparison import Estimate, Pair
from rag_app.evaluation.resampling import FLIPS, GroupedSample, HalfSums, grouped
from rag_app.evaluation.verdicts import ERROR, MARGIN, Spread, holm, more_questions, smallest_difference, verdict_of

FEWEST_GROUPS = 35
# Values of either extreme that are added before an interval is read off: without them, all right is "100 % to 100 %". Two, as by
# Agresti and Coull, "Approximate is better than exact for interval estimation of binomial proportions", 1998.
_ADDED = 2

Values = Sequence[float | None]


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

    The interval holds 0 exactly where p is above 0.05: its end nearer to 0 is that of the test. The other end, and the interval of
    equivalence, allow for some differences more than were seen: questions without any difference do not prove that there is none.

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
    weight, size = _weight_in_differences(sample), _size(differences)
    added = np.array([[weight * size, weight], [-weight * size, weight]] * _ADDED)
    low, high = halves.interval(ERROR)
    wide_low, wide_high = halves.interval(ERROR, added)
    near_low, near_high = halves.interval(2 * ERROR)
    far_low, far_high = halves.interval(2 * ERROR, added)
    if sample.mean >= 0:
        high = max(high, wide_high)
    if sample.mean <= 0:
        low = min(low, wide_low)
    return PairedTest(
        difference=sample.mean,
        low=max(low, -1.0),
        high=min(high, 1.0),
        p=halves.p(),
        effect=_effect(differences),
        equivalence=(min(near_low, far_low), max(near_high, far_high)),
        spread=Spread(
            sample.spread, sample.questions, sample.groups, 2 * _ADDED * weight, 2 * _ADDED * (weight * size) ** 2
        ),
    )


def estimates_of(
    values_by_system: Mapping[str, Mapping[str, Values]], groups: Sequence[int], seed: int
) -> dict[str, dict[str, Estimate]]:
    """Return each system's mean by each metric, over the questions that have a value; a metric without any is left out.

    Args:
        values_by_system: by system and metric, one value a question, None where the metric says nothing of it.
        groups: the document of each question.
        seed: of the resampling.

    Raises:
        ValueError: a value is not between 0 and 1, or not each has a group.
    """
    found: dict[str, dict[str, Estimate]] = {}
    for system, metrics in values_by_system.items():
        found[system] = {}
        for metric, values in metrics.items():
            (kept,), kept_groups = _shared(groups, values)
            if kept:
                found[system][metric] = estimate(kept, kept_groups, seed)
    return found


def pairs_of(
    values_by_system: Mapping[str, Mapping[str, Values]], groups: Sequence[int], margin: float = MARGIN, seed: int = 0
) -> tuple[Pair, ...]:
    """Compare every two systems by every metric, over the questions that both have; p is adjusted over all of them.

    Args:
        values_by_system: by system and metric, one value a question, None where the metric says nothing of it.
        groups: the document of each question.
        margin: differences below it do not matter; above 0, below 1.
        seed: of the resampling.

    Raises:
        UsageError: the margin is not between 0 and 1.
        ValueError: a value is not between 0 and 1, or not each has a group.
    """
    if not 0 < margin < 1:
        raise UsageError(f"The margin of equivalence is {margin}.", "Choose one above 0 and below 1, such as 0.02.")
    asked: list[tuple[str, str, str, list[float], list[float], list[int]]] = []
    for a, b in combinations(values_by_system, 2):
        for metric in values_by_system[a].keys() & values_by_system[b].keys():
            pass
    return ()
