"""Cosines that do not depend on what is looked at beside them, and the best chunks among rows."""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.store.cosines import best_chunks, cosines_of_rows


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(request.param)
    yield request.param
    faiss.omp_set_num_threads(before)


@pytest.mark.parametrize("dimension", [1, 4, 31, 384])
def test_a_cosine_is_the_same_to_the_last_bit_whatever_is_looked_at_beside_it(dimension: int, threads: int) -> None:
    generator = np.random.default_rng(dimension)
    vectors = generator.normal(size=(50, dimension)).astype(np.float32)
    question = generator.normal(size=dimension).astype(np.float32)
    alone = np.concatenate([cosines_of_rows(question, vectors, np.array([row])) for row in range(50)])
    np.testing.assert_allclose(alone, vectors @ question, rtol=1e-4, atol=1e-5)
    for count in (1, 2, 3, 17, 50):
        rows = generator.permutation(50)[:count]
        np.testing.assert_array_equal(cosines_of_rows(question, vectors, rows), alone[rows])


def test_no_rows_have_no_cosines(threads: int) -> None:
    question = np.ones(4, dtype=np.float32)
    assert cosines_of_rows(question, np.empty((0, 4), dtype=np.float32), np.empty(0, dtype=np.int64)).shape == (0,)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.75])), max_size=40),
    st.integers(1, 12),
)
def test_the_best_chunks_are_those_of_sorting_everything(rows: list[tuple[int, float]], count: int) -> None:
    numbers = np.array([number for number, _ in rows], dtype=np.int64)
    cosines = np.array([cosine for _, cosine in rows], dtype=np.float32)
    best = {number: max(cosine for other, cosine in rows if other == number) for number, _ in rows}
    expected = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:count]
    found, scores = best_chunks(numbers, cosines, count)
    assert list(zip(found.tolist(), scores.tolist(), strict=True)) == expected
