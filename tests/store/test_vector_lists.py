"""Inverted lists: rows near their centroid, looked at from the nearest on, as many under a filter as without one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag_app.store.vector_lists import VectorLists, choose_probes, make_lists, runs
from tests.store.clusters import clustered


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return clustered(3000, seed=1)


@pytest.fixture(scope="module")
def made(vectors: NDArray[np.float32]) -> tuple[VectorLists, NDArray[np.int64]]:
    return make_lists(vectors, 32)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4)), max_size=10))
def test_runs_stand_one_after_another(pairs: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in pairs], dtype=np.int64)
    ends = starts + np.array([length for _, length in pairs], dtype=np.int64)
    expected = [number for start, length in pairs for number in range(start, start + length)]
    assert runs(starts, ends).tolist() == expected


def test_every_row_is_in_the_list_of_its_nearest_centroid(
    vectors: NDArray[np.float32], made: tuple[VectorLists, NDArray[np.int64]]
) -> None:
    lists, order = made
    assert sorted(order.tolist()) == list(range(len(vectors)))
    assert lists.bounds[0] == 0
    assert lists.bounds[-1] == len(vectors)
    for number, (start, end) in enumerate(zip(lists.bounds[:-1], lists.bounds[1:], strict=True)):
        rows = order[start:end]
        assert rows.tolist() == sorted(rows.tolist())
        cosines = vectors[rows] @ lists.centroids.T
        assert (cosines[:, number] >= cosines.max(axis=1, initial=-1) - 1e-6).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_vectors_give_the_same_lists_on_any_number_of_threads(
    threads: int, vectors: NDArray[np.float32], made: tuple[VectorLists, NDArray[np.int64]]
) -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        lists, order = make_lists(vectors, 32)
    finally:
        faiss.omp_set_num_threads(before)
    assert lists.centroids.tobytes() == made[0].centroids.tobytes()
    assert lists.bounds.tobytes() == made[0].bounds.tobytes()
    assert order.tobytes() == made[1].tobytes()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_there_may_be_as_many_lists_as_rows(count: int) -> None:
    lists, order = make_lists(clustered(count, seed=1), count)
    assert len(lists) == count
    assert sorted(order.tolist()) == list(range(count))


def steps(lists: VectorLists, wanted: int, allowed: NDArray[np.int64] | None) -> Iterator[tuple[list[int], list[int]]]:
    for looked_at, rows in lists.covers(np.array([1, 0], dtype=np.float32), wanted, allowed):
        yield looked_at.tolist(), rows.tolist()


@pytest.fixture
def quarters() -> VectorLists:
    """Four lists of 2, 0, 1 and 5 rows; the question [1, 0] is nearest to the last, then to the one before, and so on."""
    centroids = np.array([[-1, 0], [0, -1], [0.6, 0.8], [1, 0]], dtype=np.float32)
    return VectorLists(centroids, np.array([0, 2, 2, 3, 8]))


def test_the_nearest_lists_are_looked_at_first_and_in_the_end_all(quarters: VectorLists) -> None:
    assert list(steps(quarters, 2, None)) == [([3], [3, 4, 5, 6, 7]), ([3, 2, 0], [3, 4, 5, 6, 7, 2, 0, 1])]


def test_lists_are_looked_at_until_as_many_rows_are_covered_as_are_wanted(quarters: VectorLists) -> None:
    assert next(steps(quarters, 5, None))[0] == [3]
    assert next(steps(quarters, 6, None))[0] == [3, 2]
    assert next(steps(quarters, 7, None))[0] == [3, 2, 0]
    assert next(steps(quarters, 100, None))[0] == [3, 2, 0]


def test_only_rows_that_pass_the_filter_count_and_lists_without_one_are_skipped(quarters: VectorLists) -> None:
    assert list(steps(quarters, 2, np.array([0, 2, 7]))) == [([3, 2], [7, 2]), ([3, 2, 0], [7, 2, 0])]
    assert list(steps(quarters, 2, np.array([0, 1]))) == [([0], [0, 1])]
    assert list(steps(quarters, 2, np.array([], dtype=np.int64))) == []


@given(st.integers(0, 2**20), st.integers(1, 200), st.floats(0, 1))
def test_as_many_rows_are_covered_as_are_wanted_and_where_fewer_are_allowed_all_are(
    seed: int, wanted: int, kept: float
) -> None:
    generator = np.random.default_rng(seed)
    bounds = np.concatenate([[0], np.cumsum(generator.integers(0, 9, 32))])
    lists = VectorLists(generator.normal(size=(32, 4)).astype(np.float32), bounds)
    allowed = np.flatnonzero(generator.random(bounds[-1]) < kept)
    question = generator.normal(size=4).astype(np.float32)
    covers = [rows for _, rows in lists.covers(question, wanted, allowed)]
    if not len(allowed):
        assert covers == []
        return
    first, last = covers[0], covers[-1]
    assert sorted(last.tolist()) == allowed.tolist()
    assert len(first) >= min(len(allowed), wanted)
    for smaller, larger in pairwise(covers):
        assert larger[: len(smaller)].tolist() == smaller.tolist()
        assert len(larger) > len(smaller)


def recall(vectors: NDArray[np.float32], lists: VectorLists, order: NDArray[np.int64], probes: int) -> float:
    questions = clustered(400, seed=2)
    nearest = np.argsort(-(questions @ vectors.T), axis=1)[:, :10]
    found = 0
    for question, expected in zip(questions, nearest, strict=True):
        _, rows = next(lists.covers(question, probes * len(vectors) // len(lists), None))
        found += len(set(order[rows].tolist()) & set(expected.tolist()))
    return found / nearest.size


def test_the_probes_find_what_questions_that_are_no_rows_ask_for_and_not_many_would_do_less(
    vectors: NDArray[np.float32], made: tuple[VectorLists, NDArray[np.int64]]
) -> None:
    probes = choose_probes(vectors, *made)
    assert recall(vectors, *made, probes) >= 0.98
    assert recall(vectors, *made, probes // 3) < 0.98
    assert probes < 32


@pytest.mark.parametrize("count", [1, 2, 9])
def test_probes_can_be_chosen_for_the_fewest_rows(count: int) -> None:
    vectors = clustered(count, seed=1)
    assert 1 <= choose_probes(vectors, *make_lists(vectors, count)) <= count


def test_probes_can_be_chosen_where_rows_cancel_one_another() -> None:
    vectors = np.array([[1, 0], [-1, 0]] * 8, dtype=np.float32)
    assert 1 <= choose_probes(vectors, *make_lists(vectors, 2)) <= 2
