"""A whole comparison: every two systems by every metric, verdicts and words, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rag_app.errors import UsageError
from rag_app.evaluation import statistics
from rag_app.evaluation.comparison import Pair, Verdict
from rag_app.evaluation.intervals import compare_pair, estimate
from rag_app.evaluation.statistics import estimates_of, note_on_groups, pairs_of
from rag_app.evaluation.verdicts import Spread, holm, more_questions, smallest_difference, words
from tests.evaluation.simulated_comparisons import SEED

PAIR = Pair("BGE-M3", "MiniLM", "hit@1", 0.08, 0.03, 0.13, 0.0002, 0.0024, 0.4, Verdict.BETTER, 0.07, None)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def right(count: int, of: int) -> list[float]:
    """Return values of which so many are 1, the others 0."""
    return [1.0] * count + [0.0] * (of - count)


def drawn(rng: np.random.Generator, count: int, share: float) -> list[float]:
    return [float(one) for one in rng.random(count) < share]


def test_one_question_or_one_document_tells_nothing() -> None:
    one = compare_pair([1.0], [0.0], [0], SEED)
    assert (one.difference, one.low, one.high, one.p) == (1, -1, 1, 1)
    a, b = {"m": right(20, 20)}, {"m": right(0, 20)}
    (pair,) = pairs_of({"a": a, "b": b}, [3] * 20, 0.02, SEED)
    assert (pair.verdict, pair.p, pair.smallest, pair.more_questions) == (Verdict.CANNOT_TELL, 1, 1, None)
    assert np.isfinite([pair.low, pair.high, pair.effect]).all()
    assert "100,000 more like these would not tell" in words(pair, comparisons=1, margin=0.02)


def test_holm_by_hand_and_as_statsmodels_has_it(rng: np.random.Generator) -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([]) == []
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    p_values = list(rng.random(50) ** 3)
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_p_is_adjusted_over_all_pairs_and_metrics(rng: np.random.Generator) -> None:
    values = {name: {metric: drawn(rng, 80, 0.5) for metric in ("hit@1", "mrr")} for name in "abc"}
    pairs = pairs_of(values, range(80), 0.02, SEED)
    assert [(pair.a, pair.b, pair.metric) for pair in pairs] == [
        (a, b, metric) for a, b in ("ab", "ac", "bc") for metric in ("hit@1", "mrr")
    ]
    assert [pair.p_adjusted for pair in pairs] == holm([pair.p for pair in pairs])


def test_with_many_comparisons_more_halves_are_drawn(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setattr(statistics, "FLIPS", 100)
    values = {f"bad {number}": {"m": drawn(rng, 60, 0.02)} for number in range(7)} | {
        "good": {"m": drawn(rng, 60, 0.98)}
    }
    pairs = pairs_of(values, range(60), 0.02, SEED)
    assert len(pairs) == 28
    assert {pair.verdict for pair in pairs if pair.b == "good"} == {Verdict.WORSE}


def verdict(a: list[float], b: list[float], groups: Sequence[int] | None = None, margin: float = 0.02) -> Pair:
    (pair,) = pairs_of({"a": {"m": a}, "b": {"m": b}}, groups or range(len(a)), margin, SEED)
    return pair


def test_better_and_worse() -> None:
    a, b = right(60, 100), right(40, 100)
    assert verdict(a, b).verdict is Verdict.BETTER
    assert verdict(b, a).verdict is Verdict.WORSE
    mirrored, plain = verdict(b, a), verdict(a, b)
    assert (mirrored.p, mirrored.low, mirrored.high) == pytest.approx((plain.p, -plain.high, -plain.low), abs=0.005)
    assert plain.more_questions is None


@pytest.mark.parametrize(("questions", "expected"), [(100, Verdict.CANNOT_TELL), (250, Verdict.EQUIVALENT)])
def test_no_difference_in_few_questions_is_not_equivalence(questions: int, expected: Verdict) -> None:
    """With a true difference of 0.02, a hundred questions show none with a probability of 0.98 to the 100th: 13 %."""
    assert verdict([1.0] * questions, [1.0] * questions).verdict is expected


def test_what_is_shown_to_be_small_is_equivalent() -> None:
    pair = verdict([0.505] * 2000, [0.5] * 2000)
    assert pair.p_adjusted < 0.001
    assert pair.verdict is Verdict.EQUIVALENT
    assert verdict([0.505] * 2000, [0.5] * 2000, margin=0.004).verdict is Verdict.BETTER


@pytest.mark.parametrize(("a", "b"), [(57, 50), (50, 50), (46, 50)])
def test_so_many_more_questions_give_a_verdict(a: int, b: int) -> None:
    """The sample is asked again, on other documents, until there are as many questions as were said to be needed."""
    first = np.array([*right(a, 100), *right(20, 100)])
    second = np.array([*right(b, 100), *right(0, 80), *right(20, 20)])
    pair = verdict(list(first), list(second))
    assert pair.verdict is Verdict.CANNOT_TELL
    assert pair.more_questions is not None
    times = -(-(pair.more_questions + 200) // 200)
    assert verdict(list(np.tile(first, times)), list(np.tile(second, times))).verdict is not Verdict.CANNOT_TELL
    few = max(1, times // 5)
    assert verdict(list(np.tile(first, few)), list(np.tile(second, few))).verdict is Verdict.CANNOT_TELL


def test_no_number_of_questions_shows_a_difference_that_is_the_margin(rng: np.random.Generator) -> None:
    scattered = rng.random(200)
    other = np.clip(np.roll(scattered, 1), 0, 1)
    pair = verdict(list(scattered), list(other), margin=0.001)
    assert (pair.verdict, pair.more_questions) == (Verdict.CANNOT_TELL, None)


def test_the_smallest_difference_shrinks_with_the_questions_and_grows_with_the_comparisons(
    rng: np.random.Generator,
) -> None:
    a, b = drawn(rng, 400, 0.5), drawn(rng, 400, 0.5)
    few, many = verdict(a[:100], b[:100]), verdict(a, b)
    assert many.smallest == pytest.approx(few.smallest / 2, rel=0.15)
    twice = pairs_of({"a": {"m": a, "n": a}, "b": {"m": b, "n": b}}, range(400), 0.02, SEED)[0]
    assert twice.smallest > many.smallest


def test_so_few_documents_show_no_difference_at_all() -> None:
    """Five documents toss their signs in 32 ways; all alike are 2 of them, 0.0625."""
    assert verdict(right(5, 5), right(0, 5)).smallest == 1
    assert verdict(right(6, 6), right(0, 6)).smallest < 1
    assert verdict(right(5, 5), right(0, 5)).verdict is Verdict.CANNOT_TELL
    assert verdict(right(6, 6), right(0, 6)).verdict is Verdict.BETTER


def test_more_documents_are_asked_for_where_these_could_show_nothing() -> None:
    """Nine signs are all alike in 2 of 512 throws, eight in 2 of 256: more often than 0.05 over 12 comparisons."""
    five_documents = Spread(variance=0.0, questions=10, groups=5, added_questions=4.0, added_squares=4.0)
    assert more_questions(1.0, five_documents, 0.05 / 12, 0.02) == 2 * 9 - 10
    assert smallest_difference(replace(five_documents, groups=8), 0.05 / 12) == 1
    assert smallest_difference(replace(five_documents, groups=9), 0.05 / 12) < 1


def test_a_pair_is_compared_over_the_questions_that_both_have() -> None:
    a: list[float | None] = [1.0, 1.0, None, 0.0, 1.0]
    b: list[float | None] = [0.0, None, 1.0, 0.0, 1.0]
    values = {"a": {"m": a, "only a": a}, "b": {"m": b, "never": [None] * 5}}
    (pair,) = pairs_of(values, range(5), 0.02, SEED)
    assert (pair.metric, pair.difference) == ("m", pytest.approx(1 / 3))
    found = estimates_of(values, range(5), SEED)
    assert found["a"]["m"].count == found["b"]["m"].count == 4
    assert found["a"]["m"].mean == 0.75
    assert found["b"].keys() == {"m"}


def test_a_single_system_has_no_pair() -> None:
    assert pairs_of({"a": {"m": [1.0]}}, [0], 0.02, SEED) == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.1, 12.0])
def test_what_is_no_share_is_refused(value: float) -> None:
    """Costs, such as milliseconds, are not compared; and nothing comes of what is not a number."""
    with pytest.raises(ValueError, match="from 0 to 1"):
        estimate([0.5, value], [0, 1], SEED)
    with pytest.raises(ValueError, match="from 0 to 1"):
        pairs_of({"a": {"m": [0.5, 0.5]}, "b": {"m": [0.5, value]}}, [0, 1], 0.02, SEED)


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0, float("nan")])
def test_a_margin_of_nothing_or_all_is_refused(margin: float) -> None:
    with pytest.raises(UsageError, match="margin") as caught:
        pairs_of({"a": {"m": [1.0]}, "b": {"m": [1.0]}}, [0], margin, SEED)
    assert caught.value.remedy


def test_few_documents_are_said() -> None:
    assert note_on_groups(range(35)) == ""
    assert "on 34 documents; with fewer than 35, intervals are rough" in note_on_groups([*range(34), 1, 2])
    assert "on one document;" in note_on_groups([4, 4])


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (
            PAIR,
            "BGE-M3 is better than MiniLM by hit@1: +0.080 (0.030 to 0.130), p 0.002 after correcting for 12 comparisons.",
        ),
        (
            replace(PAIR, verdict=Verdict.WORSE, difference=-0.08, low=-0.13, high=-0.03, p_adjusted=0.0001),
            "BGE-M3 is worse than MiniLM by hit@1: -0.080 (-0.130 to -0.030), p < 0.001 after correcting for 12 comparisons.",
        ),
        (
            replace(PAIR, verdict=Verdict.EQUIVALENT, difference=0.004, low=-0.01, high=0.018, p_adjusted=1),
            (
                "BGE-M3 and MiniLM are equivalent by hit@1, within 0.02: +0.004 (-0.010 to 0.018), "
                "p 1.000 after correcting for 12 comparisons."
            ),
        ),
        (
            replace(PAIR, verdict=Verdict.CANNOT_TELL, p_adjusted=0.31, more_questions=1233),
            (
                "Cannot tell yet whether BGE-M3 or MiniLM is better by hit@1: +0.080 (0.030 to 0.130), p 0.310 after "
                "correcting for 12 comparisons. Ask about 1,300 more questions. These could show a difference of 0.070."
            ),
        ),
    ],
)
def test_a_verdict_in_words(pair: Pair, sentence: str) -> None:
    assert words(pair, comparisons=12, margin=0.02) == sentence


def test_words_of_a_single_comparison_or_question() -> None:
    assert words(PAIR, comparisons=1, margin=0.02).endswith("p 0.002.")
    one = replace(PAIR, verdict=Verdict.CANNOT_TELL, more_questions=1, smallest=1.0)
    assert words(one, comparisons=1, margin=0.02).endswith("Ask about 1 more question. These could show none.")
