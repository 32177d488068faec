"""Fusing the scores of several retrievers: properties of pure functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag_app.retrieval.fusion import best, fuse, standard_scores

# Whole numbers: their differences survive float32, so that what is equal stays equal and what is not does not.
SCORES = st.lists(st.integers(-1000, 1000), min_size=1, max_size=60).map(lambda values: np.array(values, np.float32))


@given(SCORES)
def test_standard_scores_have_mean_zero_and_deviation_one(scores: NDArray[np.float32]) -> None:
    standard = standard_scores(scores)
    assert standard.dtype == np.float32
    assert abs(float(standard.mean())) < 1e-3
    assert abs(float(standard.std()) - 1) < 1e-3 or len(set(scores.tolist())) == 1


@given(SCORES, st.sampled_from([0.25, 0.5, 2.0, 64.0]), st.integers(-500, 500))
def test_standard_scores_do_not_depend_on_scale_and_shift(
    scores: NDArray[np.float32], scale: float, shift: int
) -> None:
    moved = (scores * scale + shift).astype(np.float32)
    np.testing.assert_allclose(standard_scores(moved), standard_scores(scores), atol=2e-3)


@given(SCORES)
def test_standard_scores_keep_the_order(scores: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(np.argsort(standard_scores(scores), kind="stable"), np.argsort(scores, kind="stable"))


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 0.1])
def test_equal_scores_become_zeros_and_not_noise(value: float) -> None:
    scores = np.full(7, value, np.float32)
    np.testing.assert_array_equal(standard_scores(scores), np.zeros(7, np.float32))
    scores[3] = np.nextafter(scores[3], np.float32(value + 1)) if value else 0
    np.testing.assert_array_equal(standard_scores(scores), np.zeros(7, np.float32))


def test_no_scores_at_all() -> None:
    assert standard_scores(np.empty(0, np.float32)).shape == (0,)


@given(SCORES, st.floats(0, 1), st.integers(-5, 5))
def test_a_retriever_to_which_all_passages_look_alike_has_no_say(
    scores: NDArray[np.float32], weight: float, constant: int
) -> None:
    alike = np.full(len(scores), constant, np.float32)
    fused = fuse([scores, alike], [1.0, weight])
    np.testing.assert_array_equal(fused, fuse([scores], [1.0]))


@given(SCORES)
def test_the_weight_of_a_retriever_alone_changes_no_order(scores: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(best(fuse([scores], [0.3]), len(scores)), best(scores, len(scores)))


def test_fused_scores_are_the_weighted_sum() -> None:
    first, second = np.array([0, 1, 2], np.float32), np.array([10, 0, 5], np.float32)
    expected = 0.7 * standard_scores(first) + 0.3 * standard_scores(second)
    np.testing.assert_allclose(fuse([first, second], [0.7, 0.3]), expected, rtol=1e-6)


def test_the_scale_of_a_retriever_is_no_weight() -> None:
    cosine = np.array([0.60, 0.61, 0.62, 0.90], np.float32)
    bm25 = np.array([25.0, 0.0, 3.0, 1.0], np.float32)
    np.testing.assert_allclose(fuse([cosine, bm25], [0.7, 0.3]), fuse([cosine, bm25 * 100], [0.7, 0.3]), atol=1e-5)
    assert best(fuse([cosine, bm25], [0.7, 0.3]), 1).tolist() == [3]


def test_a_weight_is_needed_for_each_retriever() -> None:
    with pytest.raises(ValueError, match="zip"):
        fuse([np.zeros(2, np.float32)], [0.5, 0.5])


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
