"""What runs in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from rag_app.models.generating import background
from rag_app.models.generating.background import in_background


def test_pieces_come_in_order_and_an_error_after_them() -> None:
    interrupted: list[bool] = []

    def work(put: Callable[[int], None]) -> None:
        for number in range(3):
            put(number)
        raise ValueError("broken")

    pieces = in_background(work, lambda: interrupted.append(True))
    seen = [next(pieces) for _ in range(3)]
    assert seen == [0, 1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(pieces)
    assert interrupted == [True]


def test_the_end_of_the_program_interrupts_what_runs() -> None:
    stop, ended = threading.Event(), threading.Event()

    def work(put: Callable[[int], None]) -> None:
        put(1)
        stop.wait(10)
        ended.set()

    pieces = in_background(work, stop.set)
    assert next(pieces) == 1
    background._stop_all()
    assert ended.is_set()
    assert list(pieces) == []
    assert background._running == {}
