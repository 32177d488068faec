"""What blind votes come to: the exact interval, and a verdict only where it leaves out one half."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from rag_app.evaluation.comparison import Verdict
from rag_app.evaluation.preferences import preference


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (5, 0, Verdict.CANNOT_TELL),
        (6, 0, Verdict.BETTER),
        (0, 6, Verdict.WORSE),
        (7, 3, Verdict.CANNOT_TELL),
        (60, 40, Verdict.CANNOT_TELL),
        (61, 39, Verdict.BETTER),
    ],
)
def test_a_verdict_is_what_a_sign_test_at_five_percent_says(first: int, second: int, verdict: Verdict) -> None:
    found = preference(first, second)
    assert found is not None
    assert found.verdict is verdict
    assert (found.verdict is Verdict.CANNOT_TELL) == (binomtest(first, first + second).pvalue > 0.05)
    assert found.low <= found.share == first / (first + second) <= found.high


def test_without_a_vote_for_either_nothing_is_said() -> None:
    assert preference(0, 0) is None


def test_both_sides_of_a_pair_are_told_the_same() -> None:
    one, other = preference(8, 2), preference(2, 8)
    assert one is not None
    assert other is not None
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))
