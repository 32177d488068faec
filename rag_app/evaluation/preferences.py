"""What blind votes between two systems come to: how often the first was preferred, and whether that may be chance.

Votes that prefer neither system say nothing of which is better and are left out, as in a sign test. The interval is exact
(Clopper and Pearson 1934): it holds one half exactly where a two-sided binomial test at 5 % does not tell the two apart, and
it never promises more than it keeps, however few the votes. It holds for a number of votes that was settled before they were
counted. This module knows nothing of who voted.
"""

from __future__ import annotations

from dataclasses import dataclass

from rag_app.evaluation.comparison import Verdict

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Preference:
    """The share of votes for the first system, among those for either, with its interval of 95 %, and what it comes to."""

    share: float
    low: float
    high: float
    votes: int
    verdict: Verdict


def preference(first: int, second: int) -> Preference | None:
    """Return what so many votes for either system come to; None where there is none."""
    from scipy.stats import binomtest

    votes = first + second
    if not votes:
        return None
    interval = binomtest(first, votes).proportion_ci(CONFIDENCE, method="exact")
    low, high = float(interval.low), float(interval.high)
    verdict = Verdict.CANNOT_TELL
    if low > 0.5:
        verdict = Verdict.BETTER
    elif high < 0.5:
        verdict = Verdict.WORSE
    return Preference(first / votes, low, high, votes, verdict)
