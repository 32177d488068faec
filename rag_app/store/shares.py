"""Work on many rows, shared among threads that sleep while they wait.

FAISS's own threads (OpenMP) wait by spinning: on a busy machine a look at a hundred rows was seen to take 19 ms with two of
them and 0.01 ms with one. So FAISS is asked on one thread at a time, on several of Python's at once: it frees the interpreter.
This module knows nothing of what the work is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import faiss

# Reading so many numbers takes some five times as long as handing them to another thread.
_NUMBERS_A_SHARE = 1_000_000
_Result = TypeVar("_Result")


def in_shares(work: Callable[[int, int], _Result], size: int, numbers: int) -> list[_Result]:
    """Do some work in as many shares as there are threads and it is worth, and return what each gave, in order.

    Args:
        work: takes where a share begins and ends.
        size: where the last one ends.
        numbers: how many numbers are read in all.
    """
    threads = faiss.omp_get_max_threads()  # whoever limits FAISS's threads limits these
    count = max(1, min(threads, size, numbers // _NUMBERS_A_SHARE))
    edges = [size * share // count for share in range(count + 1)]
    if count == 1:
        return [_on_one_thread(work, 0, size)]
    return list(_pool().map(lambda start, end: _on_one_thread(work, start, end), edges[:-1], edges[1:]))


def _on_one_thread(work: Callable[[int, int], _Result], start: int, end: int) -> _Result:
    before = faiss.omp_get_max_threads()  # of this thread: others keep theirs
    faiss.omp_set_num_threads(1)
    try:
        return work(start, end)
    finally:
        faiss.omp_set_num_threads(before)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="vectors")
