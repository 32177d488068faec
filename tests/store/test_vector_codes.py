"""Bytes to search in, and exact numbers that are read from their file row by row."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag_app.store.vector_codes import FloatFile, code_candidates, make_codes, write_floats
from rag_app.store.vector_lists import VectorLists, make_lists
from tests.store.clusters import DIMENSION, clustered

ROWS = 600


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return clustered(ROWS, seed=1)


@pytest.fixture(scope="module")
def made(vectors: NDArray[np.float32]) -> tuple[VectorLists, NDArray[np.int64]]:
    return make_lists(vectors, 8)


@pytest.fixture(scope="module")
def floats(vectors: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> FloatFile:
    path = tmp_path_factory.mktemp("floats") / "floats.npy"
    write_floats(path, vectors, np.arange(ROWS))
    return FloatFile(path)


@given(st.lists(st.integers(0, ROWS - 1), max_size=30))
def test_any_rows_are_read_as_they_were_written(
    floats: FloatFile, vectors: NDArray[np.float32], rows: list[int]
) -> None:
    wanted = np.array(rows, dtype=np.int64)
    np.testing.assert_array_equal(floats.read(wanted), vectors[wanted])


def test_the_file_is_one_that_numpy_reads_in_the_order_that_was_asked_for(
    tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    order = np.random.default_rng(0).permutation(ROWS)
    write_floats(tmp_path / "floats.npy", vectors, order)
    np.testing.assert_array_equal(np.load(tmp_path / "floats.npy"), vectors[order])


def test_a_file_that_is_cut_while_it_is_open_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    path = tmp_path / "floats.npy"
    write_floats(path, vectors, np.arange(ROWS))
    floats = FloatFile(path)
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(OSError, match="ends before its last row"):
        floats.read(np.array([0, ROWS - 1]))


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((3, 4)), "holds float64 of shape"),
        (np.zeros(12, dtype=np.float32), r"float32 of shape \(12,\)"),
        (np.zeros((3, 4), dtype=np.float32, order="F"), "expected rows of float32"),
    ],
)
def test_what_is_no_file_of_float_rows_is_refused(array: NDArray[np.generic], found: str, tmp_path: Path) -> None:
    np.save(tmp_path / "floats.npy", array)
    with pytest.raises(ValueError, match=found):
        FloatFile(tmp_path / "floats.npy")


def test_a_file_is_closed_when_nobody_reads_it_any_more(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    write_floats(tmp_path / "floats.npy", vectors, np.arange(ROWS))
    floats = FloatFile(tmp_path / "floats.npy")
    descriptor = floats._descriptor
    os.fstat(descriptor)
    del floats
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("kept", [1.0, 0.5, 0.02])
def test_the_rows_with_the_best_codes_come_first_and_in_the_end_all_that_are_allowed(
    kept: float, vectors: NDArray[np.float32], made: tuple[VectorLists, NDArray[np.int64]]
) -> None:
    lists, order = made
    index = make_codes(vectors, lists, order)
    allowed = None if kept == 1 else np.flatnonzero(np.random.default_rng(0).random(ROWS) < kept)
    rows = np.arange(ROWS) if allowed is None else allowed
    for question in clustered(20, seed=2):
        given = list(code_candidates(index, question, np.arange(8), allowed, len(rows), 10))
        nearest = rows[np.argsort(-(vectors[order[rows]] @ question))][:10]
        assert set(nearest.tolist()) <= set(given[0].tolist())
        assert sorted(given[-1].tolist()) == rows.tolist()
        for fewer, more in pairwise(given):
            assert set(fewer.tolist()) < set(more.tolist())


def test_of_rows_with_equal_codes_all_are_candidates_or_none() -> None:
    distinct = clustered(40, seed=1)
    vectors = np.repeat(distinct, 25, axis=0)
    lists, order = make_lists(vectors, 4)
    index = make_codes(vectors, lists, order)
    group = order // 25
    for question in clustered(20, seed=2):
        for rows in code_candidates(index, question, np.arange(4), None, 1000, 10):
            found, sizes = np.unique(group[rows], return_counts=True)
            assert (sizes == 25).all()
            assert len(found) * 25 == len(rows)


def test_codes_take_a_quarter_of_the_memory(
    vectors: NDArray[np.float32], made: tuple[VectorLists, NDArray[np.int64]]
) -> None:
    assert make_codes(vectors, *made).code_size == DIMENSION
