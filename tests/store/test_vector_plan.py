"""Which index a number of vectors gets: by their count, their length and the memory they may take, and nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.datatypes import IndexKind, VectorCode
from rag_app.store.vector_plan import EXACT_NUMBERS, VectorPlan, plan_vectors

EXACT = VectorPlan(IndexKind.EXACT, VectorCode.FLOAT32, lists=0)


def ivf(lists: int, code: VectorCode = VectorCode.FLOAT32) -> VectorPlan:
    return VectorPlan(IndexKind.IVF, code, lists)


@pytest.mark.parametrize(
    ("count", "dimension", "plan"),
    [
        (0, 384, EXACT),
        (1, 384, EXACT),
        (100_000, 384, EXACT),
        (EXACT_NUMBERS // 500, 500, EXACT),
        (EXACT_NUMBERS // 500 + 1, 500, ivf(1024)),
        (200_000, 1024, ivf(2048)),
        (1_000_000, 384, ivf(4096)),
        (10_000_000, 384, ivf(16384)),
    ],
)
def test_up_to_fifty_million_numbers_search_is_exact_and_beyond_it_looks_at_lists(
    count: int, dimension: int, plan: VectorPlan
) -> None:
    assert plan_vectors(count, dimension) == plan


@pytest.mark.parametrize(
    ("count", "memory_gb", "plan"),
    [
        (1_000_000, 1.536, ivf(4096)),
        (1_000_000, 1.535, ivf(4096, VectorCode.BYTE)),
        (1_000_000, 0.001, ivf(4096, VectorCode.BYTE)),
        (100_000, 0.1536, EXACT),
        (100_000, 0.15, ivf(1024, VectorCode.BYTE)),
        (3, 1e-9, ivf(2, VectorCode.BYTE)),
        (1, 1e-9, ivf(1, VectorCode.BYTE)),
        (0, 1e-9, EXACT),
    ],
)
def test_vectors_are_coded_in_bytes_where_they_do_not_fit_the_memory(
    count: int, memory_gb: float, plan: VectorPlan
) -> None:
    assert plan_vectors(count, 384, memory_gb) == plan


@given(st.integers(16, 10**9), st.integers(1, 4096), st.none() | st.floats(1e-9, 1e6))
def test_lists_are_a_power_of_two_near_four_times_the_square_root(
    count: int, dimension: int, memory_gb: float | None
) -> None:
    lists = plan_vectors(count, dimension, memory_gb).lists
    if lists:
        assert math.log2(lists).is_integer()
        assert 1 / 2 <= lists / (4 * math.sqrt(count)) <= 1.5
        assert lists <= count
