"""Work that is shared among threads, and what becomes of FAISS's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import faiss
import pytest

from rag_app.store.shares import in_shares

MANY = 10**9


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    yield
    faiss.omp_set_num_threads(before)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 1000])
@pytest.mark.parametrize("numbers", [0, MANY])
def test_the_shares_are_all_there_is_in_order(size: int, numbers: int) -> None:
    shares = in_shares(lambda start, end: list(range(start, end)), size, numbers)
    assert [number for share in shares for number in share] == list(range(size))
    assert len(shares) == (max(1, min(3, size)) if numbers else 1)


def test_what_is_little_is_done_where_it_was_asked_for() -> None:
    assert in_shares(lambda start, end: threading.current_thread(), 1000, 1000) == [threading.current_thread()]


@pytest.mark.parametrize("numbers", [0, MANY])
def test_faiss_is_on_one_thread_meanwhile_and_on_as_many_as_before_afterwards(numbers: int) -> None:
    assert set(in_shares(lambda start, end: faiss.omp_get_max_threads(), 10, numbers)) == {1}
    assert faiss.omp_get_max_threads() == 3


@pytest.mark.parametrize("numbers", [0, MANY])
def test_an_error_reaches_whoever_asked(numbers: int) -> None:
    def fail(start: int, end: int) -> None:
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        in_shares(fail, 10, numbers)
    assert faiss.omp_get_max_threads() == 3


def test_a_limit_on_the_threads_of_faiss_is_kept() -> None:
    faiss.omp_set_num_threads(1)
    assert len(in_shares(lambda start, end: None, 10, MANY)) == 1
