"""What a comparison says first: which system leads by the metrics that matter most, and how sure that is.

Shared by the HTML report and the table of a terminal. This module knows nothing of either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag_app.evaluation.comparison import Comparison, Estimate, Pair, Verdict
from rag_app.evaluation.verdicts import words

# One metric of passages and one of answers stand for the others in what is said first: the first of these that was measured,
# at whatever depth.
_OF_PASSAGES = ("ndcg", "mrr", "hit", "contains")
_OF_ANSWERS = ("f1", "exact match", "answer contained", "answered")

_TURNED = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}


@dataclass(frozen=True)
class Headline:
    """What is said first of a metric: who leads, in a sentence, and the leader against each other system, in words."""

    metric: str
    lead: str
    verdicts: tuple[tuple[Pair, str], ...]


def metric_names(comparison: Comparison) -> list[str]:
    """Return the names of the metrics in the order in which the systems have them."""
    return list(
        dict.fromkeys(name for system in comparison.systems for name in comparison.metrics.get(system.name, {}))
    )


def estimate_of(comparison: Comparison, system: str, metric: str) -> Estimate | None:
    """Return a system's mean by a metric; None where it has no value."""
    found = comparison.metrics.get(system, {}).get(metric)
    return found if found is not None and found.count else None


def headline_metrics(comparison: Comparison) -> list[str]:
    """Return the metrics that are spoken of first: one of passages, and one of answers where there are answers."""
    names = [name for name in metric_names(comparison) if any(_means(comparison, name))]
    by_kind: dict[str, str] = {}
    for name in names:
        by_kind.setdefault(name.partition("@")[0], name)
    chosen = [next((by_kind[one] for one in wanted if one in by_kind), None) for wanted in (_OF_PASSAGES, _OF_ANSWERS)]
    return [name for name in chosen if name is not None] or names[:1]


def headlines(comparison: Comparison) -> list[Headline]:
    """Return what is said first, a headline a metric; of systems with the same mean the first in order leads."""
    return [_headline(comparison, metric) for metric in headline_metrics(comparison)]


def _headline(comparison: Comparison, metric: str) -> Headline:
    means = _means(comparison, metric)
    leader, best = max(means, key=lambda one: one[1].mean)
    even = [name for name, one in means if one.mean == best.mean]
    who = f"{leader} has the highest mean" if len(even) == 1 else f"{' and '.join(even)} have the same mean"
    pairs = [pair if pair.a == leader else turned(pair) for pair in comparison.pairs if metric == pair.metric]
    mine = [pair for pair in pairs if pair.a == leader]
    questions = "1 question" if best.count == 1 else f"{best.count:,} questions"
    lead = f"By {metric}, {who}: {best.mean:.3f} ({best.low:.3f} to {best.high:.3f}) over {questions}."
    return Headline(metric, lead, tuple((pair, _words(comparison, pair)) for pair in mine))


def _words(comparison: Comparison, pair: Pair) -> str:
    return words(pair, comparisons=len(comparison.pairs), margin=comparison.margin)


def _means(comparison: Comparison, metric: str) -> list[tuple[str, Estimate]]:
    found = ((system.name, estimate_of(comparison, system.name, metric)) for system in comparison.systems)
    return [(name, estimate) for name, estimate in found if estimate is not None]


def turned(pair: Pair) -> Pair:
    """Return the same comparison with the second system named first."""
    return replace(
        pair,
        a=pair.b,
        b=pair.a,
        difference=-pair.difference,
        low=-pair.high,
        high=-pair.low,
        effect=-pair.effect,
        verdict=_TURNED.get(pair.verdict, pair.verdict),
    )


def verdict_counts(pairs: Sequence[Pair]) -> str:
    """Return how many comparisons came to what, as a sentence's part: `4 differ, 1 equivalent, 7 cannot tell yet`."""
    counts = Counter(pair.verdict for pair in pairs)
    differing = counts[Verdict.BETTER] + counts[Verdict.WORSE]
    named = ((differing, "differ"), (counts[Verdict.EQUIVALENT], "equivalent"))
    return ", ".join(f"{count} {what}" for count, what in (*named, (counts[Verdict.CANNOT_TELL], "cannot tell yet")))
