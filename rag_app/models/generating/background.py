"""Runs what may not be waited for in a thread of its own, and hands on what it says: the reader has control all the time.

This module knows nothing of models or servers.
"""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

# Where nothing came for so many seconds the reader is given control: a page finds out that its reader went away.
BEAT_SECONDS = 0.25
# A thread that computes while the interpreter ends makes it abort: so long it is waited for, once told to stop. One forward
# pass of a large model over 256 tokens takes tens of seconds on a slow CPU; a second Ctrl-C ends the waiting.
_EXIT_SECONDS = 60.0

_running: dict[threading.Thread, Callable[[], None]] = {}


@dataclass(frozen=True)
class _Ended:
    """The work has ended, by itself or by an error."""

    error: BaseException | None = None


def in_background(work: Callable[[Callable[[T], None]], None], interrupt: Callable[[], None]) -> Generator[T | None]:
    """Yield what `work` puts, in order; None whenever nothing came for `BEAT_SECONDS`.

    Closing calls `interrupt` and returns at once: the thread goes on until the work heeds that.

    Args:
        work: called in the thread, with what it puts its pieces into; what it raises is raised here.
        interrupt: tells the work to end; called in any case, also more than once and after the end.
    """
    pieces: queue.SimpleQueue[T | _Ended] = queue.SimpleQueue()

    def run() -> None:
        try:
            work(pieces.put)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the reader must not wait for ever: it is raised there
            pieces.put(_Ended(error))
        else:
            pieces.put(_Ended())
        finally:
            _running.pop(thread, None)

    thread = threading.Thread(target=run, name="generator", daemon=True)
    _running[thread] = interrupt
    thread.start()
    try:
        while True:
            try:
                piece = pieces.get(timeout=BEAT_SECONDS)
            except queue.Empty:
                yield None
                continue
            if not isinstance(piece, _Ended):
                yield piece
            elif piece.error is None:
                return
            else:
                raise piece.error
    finally:
        interrupt()


@atexit.register
def _stop_all() -> None:
    for interrupt in list(_running.values()):
        interrupt()
    for thread in list(_running):
        thread.join(_EXIT_SECONDS)
