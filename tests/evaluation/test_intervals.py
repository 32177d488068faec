"""Intervals and tests of one metric: against other tools, against known truths, and what is refused."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test

from rag_app.errors import UsageError
from rag_app.evaluation.comparison import Estimate
from rag_app.evaluation.intervals import compare_pair, estimate
from rag_app.evaluation.resampling import HalfSums, grouped
from tests.evaluation.simulated_comparisons import SEED, WITHIN, Scenario, covers, in_practice, measured


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def drawn(rng: np.random.Generator, count: int, share: float) -> list[float]:
    return [float(one) for one in rng.random(count) < share]


def test_the_test_is_exact_by_hand() -> None:
    # Eight ways to toss three signs; only both ways of all alike give a sum as far from 0.
    assert compare_pair([0.1, 0.2, 0.3], [0, 0, 0], [0, 1, 2], SEED).p == 2 / 8
    assert compare_pair([0, 0.2, 0.3], [0.1, 0, 0], [0, 1, 2], SEED).p == 4 / 8
    assert compare_pair([0.4, 0.4], [0.4, 0.4], [0, 1], SEED).p == 1


def test_questions_on_a_document_are_tossed_together() -> None:
    assert compare_pair([0.1, 0.1, 0.1, 0.3], [0, 0, 0, 0], [0, 0, 1, 1], SEED).p == 2 / 4


@pytest.mark.parametrize(("questions", "tolerance"), [(8, 1e-12), (12, 1e-12), (60, 0.01)])
def test_the_p_is_that_of_scipy(questions: int, tolerance: float, rng: np.random.Generator) -> None:
    a, b = rng.random(questions), rng.random(questions) * 0.8
    theirs = permutation_test(
        (a, b), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples", n_resamples=20_000, rng=SEED
    )
    assert compare_pair(a, b, range(questions), SEED).p == pytest.approx(theirs.pvalue, abs=tolerance)


@pytest.mark.matrix
def test_the_p_is_that_of_ranx(rng: np.random.Generator) -> None:
    tests = pytest.importorskip("ranx.statistical_tests")
    for better in (0.0, 0.1, 0.2):
        a, b = rng.random(80) * (1 - better), rng.random(80)
        theirs, _ = tests.fisher_randomization_test(a, b, n_permutations=20_000)
        assert compare_pair(a, b, range(80), SEED).p == pytest.approx(theirs, abs=0.015)


def test_the_intervals_are_close_to_the_bootstrap_of_scipy(rng: np.random.Generator) -> None:
    a, b = np.array(drawn(rng, 400, 0.7)), np.array(drawn(rng, 400, 0.6))
    ours = compare_pair(a, b, range(400), SEED)
    theirs = bootstrap((a - b,), np.mean, method="BCa", rng=SEED).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)
    mean = estimate(a, range(400), SEED)
    theirs = bootstrap((a,), np.mean, method="BCa", rng=SEED).confidence_interval
    assert (mean.low, mean.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_the_same_question_ten_times_on_its_document_teaches_nothing(rng: np.random.Generator) -> None:
    a, b = drawn(rng, 60, 0.6), drawn(rng, 60, 0.4)
    once = compare_pair(a, b, range(60), SEED)
    again = compare_pair(np.repeat(a, 10), np.repeat(b, 10), np.repeat(range(60), 10), SEED)
    assert (again.p, again.low, again.difference) == pytest.approx((once.p, once.low, once.difference))
    assert (again.high, *again.equivalence) == pytest.approx((once.high, *once.equivalence))
    mean = estimate(a, range(60), SEED)
    mean_again = estimate(np.repeat(a, 10), np.repeat(range(60), 10), SEED)
    assert (mean_again.low, mean_again.high) == pytest.approx((mean.low, mean.high), abs=0.003)
    apart = compare_pair(np.repeat(a, 10), np.repeat(b, 10), range(600), SEED)
    assert apart.high - apart.low < 0.5 * (again.high - again.low)


@pytest.mark.parametrize("documents", [7, 40])
def test_the_interval_is_what_the_test_does_not_refuse(documents: int, rng: np.random.Generator) -> None:
    groups = np.repeat(range(documents), 3)
    differences = rng.normal(0.1, 0.3, len(groups))
    low, high = HalfSums(grouped(differences, groups), 0, SEED).interval(0.05)
    for end, outwards in ((low, -1e-6), (high, 1e-6)):
        inside = HalfSums(grouped(differences - end + outwards, groups), 0, SEED).p()
        outside = HalfSums(grouped(differences - end - outwards, groups), 0, SEED).p()
        assert outside <= 0.05 < inside


def test_the_interval_holds_0_exactly_where_p_is_above_5_percent(rng: np.random.Generator) -> None:
    shown = 0
    for _ in range(150):
        test = compare_pair(*Scenario(35, 0, 0.2, 0.7, 0.1, graded=bool(rng.integers(2))).draw(rng), SEED)
        assert (test.low <= 1e-12 and test.high >= -1e-12) == (test.p > 0.05)
        shown += test.p <= 0.05
    assert 30 < shown < 120


def test_the_seed_decides(rng: np.random.Generator) -> None:
    a, b = rng.random(100), rng.random(100)
    assert compare_pair(a, b, range(100), 1) == compare_pair(a, b, range(100), 1)
    assert compare_pair(a, b, range(100), 1).low != compare_pair(a, b, range(100), 2).low
    assert estimate(a, range(100), 1) == estimate(a, range(100), 1)
    assert estimate(a, range(100), 1) != estimate(a, range(100), 2)


def test_all_right_is_not_certain() -> None:
    assert estimate([1.0], [0], SEED) == Estimate(1.0, 0.0, 1.0, 1)
    assert estimate([1.0] * 3, [5, 6, 7], SEED).low == 0
    many = estimate([1.0] * 40, range(40), SEED)
    assert many.high == 1
    assert 0.85 < many.low < 0.92  # by Clopper and Pearson 0.912; 0.90 by Agresti and Coull
    none = estimate([0.0] * 40, range(40), SEED)
    assert (none.low, none.high) == pytest.approx((0, 1 - many.low))


def test_all_right_on_few_documents_is_less_certain_than_on_many() -> None:
    few, many = estimate([1.0] * 350, np.repeat(range(35), 10), SEED), estimate([1.0] * 350, range(350), SEED)
    assert few.low < many.low - 0.005


def test_no_difference_is_not_certain_either() -> None:
    none = compare_pair([1.0] * 40, [1.0] * 40, range(40), SEED)
    assert (none.low, none.high) == pytest.approx((-0.09, 0.09), abs=0.02)
    one = compare_pair([1.0] * 40, [0.0] + [1.0] * 39, range(40), SEED)
    assert one.low == 0
    assert one.high > none.high
    assert compare_pair([0.0] + [1.0] * 39, [1.0] * 40, range(40), SEED).low == pytest.approx(-one.high, abs=0.01)


def test_the_interval_of_equivalence_is_one_of_90_percent(rng: np.random.Generator) -> None:
    a, b = rng.random(900), rng.random(900)
    test, differences = compare_pair(a, b, range(900), SEED), a - b
    error = differences.std(ddof=1) / 30
    assert test.equivalence == pytest.approx(
        (differences.mean() - 1.645 * error, differences.mean() + 1.645 * error), abs=0.002
    )


def test_the_effect_is_the_difference_over_its_standard_deviation(rng: np.random.Generator) -> None:
    a, b = rng.random(500), rng.random(500) * 0.7
    differences = a - b
    expected = differences.mean() / differences.std(ddof=1)
    assert compare_pair(a, b, range(500), SEED).effect == pytest.approx(expected, rel=0.01)
    assert compare_pair([0.5] * 9, [0.5] * 9, range(9), SEED).effect == 0
    assert 1 < compare_pair([1.0] * 9, [0.0] * 9, range(9), SEED).effect < 10


def test_no_values_are_refused() -> None:
    with pytest.raises(UsageError, match="nothing to compare") as caught:
        estimate([], [], SEED)
    assert caught.value.remedy
    with pytest.raises(UsageError, match="nothing to compare"):
        compare_pair([], [], [], SEED)


def test_each_value_has_a_group() -> None:
    with pytest.raises(ValueError, match="2 values, but 3 groups"):
        compare_pair([1.0, 0.0], [1.0, 0.0], [0, 1, 2], SEED)


def promised(count: int, within: float) -> None:
    rng = np.random.default_rng(SEED)
    false_positives, covered, _ = measured(islice(in_practice(rng, differs=False), count), rng)
    assert abs(false_positives - 0.05) <= within
    assert abs(covered - 0.95) <= within
    _, covered, _ = measured(islice(in_practice(rng, differs=True), count), rng)
    assert abs(covered - 0.95) <= within
    scenarios = islice(in_practice(rng, differs=False), count)
    means = np.mean([covers(rng.uniform(0.1, 0.9), scenario, rng) for scenario in scenarios])
    assert abs(means - 0.95) <= within


def test_a_sample_of_simulated_comparisons_keeps_what_is_promised() -> None:
    promised(150, within=0.045)


@pytest.mark.matrix
def test_ten_thousand_simulated_comparisons_keep_what_is_promised() -> None:
    promised(10_000, WITHIN)


@pytest.mark.parametrize("ends", [(0.02, 0.06), (0.9, 0.98)])
def test_intervals_hold_near_the_ends(ends: tuple[float, float], rng: np.random.Generator) -> None:
    for each, correlation in ((1, 0.0), (10, 0.3), (0, 0.1)):
        scenario = Scenario(35, each, 0.2, 0.5, correlation, graded=False)
        assert np.mean([covers(rng.uniform(*ends), scenario, rng) for _ in range(200)]) >= 0.9


def test_a_difference_as_large_as_the_margin_is_seldom_called_equivalent(rng: np.random.Generator) -> None:
    scenario = Scenario(200, 1, 0.02, 1.0, 0.0, graded=False)
    tests = [compare_pair(*scenario.draw(rng), SEED).equivalence for _ in range(200)]
    assert np.mean([low > -0.02 and high < 0.02 for low, high in tests]) <= 0.08
