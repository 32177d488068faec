"""Fusing the scores of several retrievers: properties of pure functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag_app.retrieval.fusion import PassageScores, Scales, below, best, fuse_first, fuse_second, keyword_scale

# Whole numbers: their differences survive float32, so that what is equal stays equal and what is not does not.
SCORES = st.lists(st.integers(-1000, 1000), min_size=1, max_size=60).map(lambda values: np.array(values, np.float32))
COSINES = np.array([0.9, 0.1, 0.5], np.float32)
BM25 = np.array([1, 12, 0], np.float32)


def second(sentences: NDArray[np.float32] | None, **changes: NDArray[np.float32]) -> PassageScores:
    nothing = np.zeros(3, np.float32)
    values = {"cosines": COSINES, "bm25": BM25, "sentence_words": nothing, "word_pairs": nothing} | changes
    return PassageScores(sentences=sentences, **values)


@given(SCORES)
def test_a_model_that_tells_nothing_changes_no_order(bm25: NDArray[np.float32]) -> None:
    cosines = np.linspace(1, -1, len(bm25), dtype=np.float32)
    fused = fuse_first(cosines, bm25, Scales(cosine=0.0, keywords=1.0))
    np.testing.assert_array_equal(best(fused, len(bm25)), best(bm25, len(bm25)))


@given(SCORES)
def test_a_question_without_a_known_word_is_ranked_by_cosine(cosines: NDArray[np.float32]) -> None:
    fused = fuse_first(cosines, np.zeros(len(cosines), np.float32), Scales(cosine=20.0, keywords=1.0))
    np.testing.assert_array_equal(best(fused, len(cosines)), best(cosines, len(cosines)))


def test_the_more_a_cosine_tells_the_more_it_counts() -> None:
    assert best(fuse_first(COSINES, BM25, Scales(cosine=10.0, keywords=1.0)), 1).tolist() == [1]
    assert best(fuse_first(COSINES, BM25, Scales(cosine=100.0, keywords=1.0)), 1).tolist() == [0]


def test_a_question_of_twice_the_weight_needs_more_words_for_the_same_evidence() -> None:
    assert keyword_scale(30.0) == 1.0
    assert keyword_scale(120.0) == 0.5
    assert keyword_scale(0.0) == 0.0  # it has no words, and so no score that could be scaled


def test_each_thing_that_is_seen_in_a_passage_is_evidence_for_it() -> None:
    scales = Scales(cosine=20.0, keywords=1.0)
    plain = fuse_second(second(COSINES), scales)
    third = np.array([0, 0, 1], np.float32)
    for name in ("sentence_words", "word_pairs"):
        more = fuse_second(second(COSINES, **{name: third}), scales)
        assert (more - plain > 0).tolist() == [False, False, True]
    nearer = fuse_second(second(COSINES + third), scales)
    assert (nearer - plain > 0).tolist() == [False, False, True]


def test_without_sentences_the_passages_cosine_counts_for_them() -> None:
    scales = Scales(cosine=20.0, keywords=0.0)
    without, beside = fuse_second(second(None), scales), fuse_second(second(COSINES), scales)
    np.testing.assert_array_equal(best(without, 3), best(beside, 3))


@given(SCORES, SCORES)
def test_what_was_not_looked_at_closely_stays_behind_what_was(
    first: NDArray[np.float32], looked_at: NDArray[np.float32]
) -> None:
    moved = below(first, looked_at)
    assert moved.max() <= looked_at.min()
    np.testing.assert_array_equal(best(moved, len(first)), best(first, len(first)))


def test_what_is_behind_already_stays_as_it_is() -> None:
    first, looked_at, nothing = np.array([1, 2], np.float32), np.array([3, 4], np.float32), np.empty(0, np.float32)
    assert below(first, looked_at).tolist() == [1, 2]
    assert below(first, nothing).tolist() == [1, 2]
    assert below(nothing, first).tolist() == []


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
