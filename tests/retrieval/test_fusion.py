"""Fusing the scores of several retrievers: properties of pure functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag_app.retrieval.fusion import Spread, best, fuse, spread_of, standard_scores

# Whole numbers: their differences survive float32, so that what is equal stays equal and what is not does not.
SCORES = st.lists(st.integers(-1000, 1000), min_size=1, max_size=60).map(lambda values: np.array(values, np.float32))


def standardised(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard scores of all passages."""
    return standard_scores(scores, spread_of(scores))


def fused(scores: list[NDArray[np.float32]], weights: list[float]) -> NDArray[np.float32]:
    """Return the fused scores of all passages."""
    return fuse(scores, [spread_of(one) for one in scores], weights)


@given(SCORES)
def test_standard_scores_have_mean_zero_and_deviation_one(scores: NDArray[np.float32]) -> None:
    standard = standardised(scores)
    assert standard.dtype == np.float32
    assert abs(float(standard.mean())) < 1e-3
    assert abs(float(standard.std()) - 1) < 1e-3 or len(set(scores.tolist())) == 1


@given(SCORES, st.sampled_from([0.25, 0.5, 2.0, 64.0]), st.integers(-500, 500))
def test_standard_scores_do_not_depend_on_scale_and_shift(
    scores: NDArray[np.float32], scale: float, shift: int
) -> None:
    moved = (scores * scale + shift).astype(np.float32)
    np.testing.assert_allclose(standardised(moved), standardised(scores), atol=2e-3)


@given(SCORES)
def test_standard_scores_keep_the_order(scores: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(np.argsort(standardised(scores), kind="stable"), np.argsort(scores, kind="stable"))


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 0.1])
def test_equal_scores_become_zeros_and_not_noise(value: float) -> None:
    scores = np.full(7, value, np.float32)
    np.testing.assert_array_equal(standardised(scores), np.zeros(7, np.float32))
    scores[3] = np.nextafter(scores[3], np.float32(value + 1)) if value else 0
    np.testing.assert_array_equal(standardised(scores), np.zeros(7, np.float32))


@given(SCORES, st.data())
def test_the_standard_score_of_a_passage_does_not_depend_on_which_others_are_scored_with_it(
    scores: NDArray[np.float32], data: st.DataObject
) -> None:
    some = np.array(data.draw(st.lists(st.integers(0, len(scores) - 1), max_size=5)), dtype=np.int64)
    np.testing.assert_array_equal(standard_scores(scores[some], spread_of(scores)), standardised(scores)[some])


def test_the_spread_is_that_of_all_scores() -> None:
    assert spread_of(np.array([1, 1, 3, 3], np.float32)) == Spread(2.0, 1.0)
    # A million float32 sevens summed in float32 have a mean that is not seven.
    assert spread_of(np.full(1_000_000, 0.7, np.float32)).deviation < 1e-7


def test_no_scores_at_all() -> None:
    assert standardised(np.empty(0, np.float32)).shape == (0,)


@given(SCORES, st.floats(0, 1), st.integers(-5, 5))
def test_a_retriever_to_which_all_passages_look_alike_has_no_say(
    scores: NDArray[np.float32], weight: float, constant: int
) -> None:
    alike = np.full(len(scores), constant, np.float32)
    np.testing.assert_array_equal(fused([scores, alike], [1.0, weight]), fused([scores], [1.0]))


@given(SCORES)
def test_the_weight_of_a_retriever_alone_changes_no_order(scores: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(best(fused([scores], [0.3]), len(scores)), best(scores, len(scores)))


def test_fused_scores_are_the_weighted_sum() -> None:
    first, second = np.array([0, 1, 2], np.float32), np.array([10, 0, 5], np.float32)
    expected = 0.7 * standardised(first) + 0.3 * standardised(second)
    np.testing.assert_allclose(fused([first, second], [0.7, 0.3]), expected, rtol=1e-6)


def test_the_scale_of_a_retriever_is_no_weight() -> None:
    cosine = np.array([0.60, 0.61, 0.62, 0.90], np.float32)
    bm25 = np.array([25.0, 0.0, 3.0, 1.0], np.float32)
    np.testing.assert_allclose(fused([cosine, bm25], [0.7, 0.3]), fused([cosine, bm25 * 100], [0.7, 0.3]), atol=1e-5)
    assert best(fused([cosine, bm25], [0.7, 0.3]), 1).tolist() == [3]


def test_a_weight_and_a_spread_are_needed_for_each_retriever() -> None:
    with pytest.raises(ValueError, match="zip"):
        fused([np.zeros(2, np.float32)], [0.5, 0.5])
    with pytest.raises(ValueError, match="zip"):
        fuse([np.zeros(2, np.float32)], [], [0.5])


@given(SCORES, st.integers(0, 80))
def test_best_is_what_sorting_everything_gives(scores: NDArray[np.float32], count: int) -> None:
    expected = sorted(range(len(scores)), key=lambda number: (-scores[number], number))[:count]
    assert best(scores, count).tolist() == expected


def test_of_equal_scores_the_lower_number_is_first() -> None:
    scores = np.array([1, 3, 2, 3, 3, 0], np.float32)
    assert best(scores, 2).tolist() == [1, 3]
    assert best(scores, 4).tolist() == [1, 3, 4, 2]


@pytest.mark.parametrize(("size", "count", "expected"), [(0, 5, []), (3, 0, []), (3, 99, [2, 1, 0])])
def test_best_of_few(size: int, count: int, expected: list[int]) -> None:
    assert best(np.arange(size, dtype=np.float32), count).tolist() == expected
