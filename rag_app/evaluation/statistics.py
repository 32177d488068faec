"""All systems of a comparison by all metrics: means with intervals, and a verdict on each pair of systems.

What was chosen and how well it holds is in docs/statistics.md. This module knows nothing of how a
question is asked or a figure shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from rag_app.errors import UsageError
from rag_app.evaluation.comparison import Estimate, Pair, Verdict
from rag_app.evaluation.intervals import PairedTest, compare_pair, estimate
from rag_app.evaluation.request import DEFAULT_MARGIN
from rag_app.evaluation.resampling import FLIPS
from rag_app.evaluation.verdicts import (
    ERROR,
    holm,
    more_questions,
    smallest_difference,
    verdict_of,
)

FEWEST_GROUPS = 35
# The least p that N halves can give is about 1 / N. With 40 a comparison it is still 0.025 after Holm's adjustment.
_FLIPS_A_PAIR = 40

Values = Sequence[float | None]


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
    values_by_system: Mapping[str, Mapping[str, Values]],
    groups: Sequence[int],
    margin: float = DEFAULT_MARGIN,
    seed: int = 0,
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
    flips = max(FLIPS, _FLIPS_A_PAIR * sum(1 for _ in _shared_metrics(values_by_system)))
    tests: list[tuple[str, str, str, PairedTest]] = []
    for a, b, metric in _shared_metrics(values_by_system):
        (first, second), kept = _shared(groups, values_by_system[a][metric], values_by_system[b][metric])
        if kept:
            tests.append((a, b, metric, compare_pair(first, second, kept, seed, flips=flips)))
    adjusted = holm([test.p for *_, test in tests])
    return tuple(
        _pair(a, b, metric, test, p_adjusted, len(tests), margin)
        for (a, b, metric, test), p_adjusted in zip(tests, adjusted, strict=True)
    )


def note_on_groups(groups: Sequence[int]) -> str:
    """Return what a reader has to know of so few documents, or an empty text.

    Args:
        groups: the document of each question.
    """
    count = len(set(groups))
    if count >= FEWEST_GROUPS:
        return ""
    if count == 1:
        return (
            f"The questions are on one document; with fewer than {FEWEST_GROUPS}, intervals are rough: "
            "they rest on documents being alike. Ask about more documents."
        )
    return (
        f"The questions are on {count} documents; with fewer than {FEWEST_GROUPS}, intervals are rough: "
        "they rest on documents being alike. Ask about more documents."
    )


def _pair(a: str, b: str, metric: str, test: PairedTest, p_adjusted: float, comparisons: int, margin: float) -> Pair:
    verdict = verdict_of(test.difference, p_adjusted, test.equivalence, margin)
    error = ERROR / comparisons
    needs_more = verdict is Verdict.CANNOT_TELL
    return Pair(
        a=a,
        b=b,
        metric=metric,
        difference=test.difference,
        low=test.low,
        high=test.high,
        p=test.p,
        p_adjusted=p_adjusted,
        effect=test.effect,
        verdict=verdict,
        smallest=smallest_difference(test.spread, error),
        more_questions=more_questions(test.difference, test.spread, error, margin) if needs_more else None,
    )


def _shared_metrics(values_by_system: Mapping[str, Mapping[str, Values]]) -> Iterator[tuple[str, str, str]]:
    """Yield every two systems with every metric that both have, in the order of the first."""
    for a, b in combinations(values_by_system, 2):
        for metric in values_by_system[a]:
            if metric in values_by_system[b]:
                yield a, b, metric


def _shared(groups: Sequence[int], *columns: Values) -> tuple[list[list[float]], list[int]]:
    """Return the values of the questions that have one in each column, and the groups of those questions."""
    rows = list(zip(groups, *columns, strict=True))
    kept = [row for row in rows if None not in row]
    return [[row[number] for row in kept] for number in range(1, len(columns) + 1)], [row[0] for row in kept]
