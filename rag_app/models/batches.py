"""Which texts go through a network together, and on which threads.

A batch is bounded by its tokens, padding included, so that its memory is, and so that what it works on stays near the
processor. On a CPU every batch has one thread, and as many batches run at once as torch would use threads: nobody waits for
the others after every operation. This module knows nothing of models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeVar

import torch

Result = TypeVar("Result")

# torch's number of threads is partly that of a thread, partly that of the process: who changes it does so alone.
_ALONE = threading.Lock()


def token_batches(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Return rows that go together, longest first, each row once; the same for the same lengths.

    Args:
        lengths: tokens of each text.
        most: tokens of a batch, padding included. A text that is longer is a batch of its own.
    """
    batches: list[list[int]] = []
    room = 0  # texts that the last batch can still take
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if room < 1:
            batches.append([])
            room = max(1, most // max(1, lengths[row]))
        batches[-1].append(row)
        room -= 1
    return batches


def run_each(
    calls: Sequence[Callable[[], Result]], *, together: bool, stop: threading.Event
) -> Generator[tuple[int, Result]]:
    """Give what each call returns, with its number, as they end.

    Args:
        calls: what to run.
        together: as many at once as torch would use threads, each with one; else one after the other, with all of them.
        stop: set where one has failed, or Ctrl-C was pressed: those that are running are waited for, and had better end soon.

    Raises:
        Exception: what a call raises, at once; calls that have not begun are dropped.
    """
    if not together or torch.get_num_threads() == 1 or len(calls) <= 1:
        for number, call in enumerate(calls):
            yield number, call()
        return
    with _ALONE:
        yield from _run_together(calls, torch.get_num_threads(), stop)


def _run_together(
    calls: Sequence[Callable[[], Result]], threads: int, stop: threading.Event
) -> Generator[tuple[int, Result]]:
    pool = ThreadPoolExecutor(min(threads, len(calls)), "batch", initializer=torch.set_num_threads, initargs=(1,))
    try:
        numbers: dict[Future[Result], int] = {pool.submit(call): number for number, call in enumerate(calls)}
        for future in as_completed(numbers):
            yield numbers[future], future.result()
    except BaseException:  # Ctrl-C and a closed generator, too: whatever ends the loop ends what is running
        stop.set()
        raise
    finally:
        try:
            pool.shutdown(cancel_futures=True)
        finally:  # also after a second Ctrl-C: MKL's threads are those of the process, and each batch's thread asked for one
            torch.set_num_threads(threads)
