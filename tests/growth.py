"""How the time of work grows with what it is given: the measure is what this machine takes for less of it at that moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Given = TypeVar("Given")

# Other work on the machine may come between two measurements.
TRIES = 3


def assert_linear(work: Callable[[Given], object], small: Given, large: Given, *, times: int) -> None:
    """Assert that work takes for `large`, `times` as much as `small`, at most twice so many times as long, and a second."""
    tried = []
    for _ in range(TRIES):
        tried.append((_seconds(work, small), _seconds(work, large)))
        if tried[-1][1] <= 2 * times * tried[-1][0] + 1:
            return
    raise AssertionError(f"{times} times as much takes far more than {times} times as long; in seconds: {tried}")


def _seconds(work: Callable[[Given], object], given: Given) -> float:
    """Return the processor time of this thread."""
    began = time.thread_time()
    work(given)
    return time.thread_time() - began
