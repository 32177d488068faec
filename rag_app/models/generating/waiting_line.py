"""One answer at a time for each model: who asked first is answered first, and everybody knows how many are before them.

This module knows nothing of models.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from rag_app.errors import GeneratorBusy


class GenerationQueue:
    """A fair queue for one model. Who stands first has the model."""

    def __init__(self) -> None:
        """Begin with nobody in it."""
        self._changed = threading.Condition()
        self._tickets: deque[Ticket] = deque()

    def enter(self) -> Ticket:
        """Return a place behind all that entered before."""
        ticket = Ticket(self._changed, self._tickets)
        with self._changed:
            self._tickets.append(ticket)
        return ticket


class Ticket:
    """A place in the queue, to be left by whoever holds it."""

    def __init__(self, changed: threading.Condition, tickets: deque[Ticket]) -> None:
        """Stand nowhere yet."""
        self._changed = changed
        self._tickets = tickets

    def wait(self, seconds: float, on_place: Callable[[int], None]) -> bool:
        """Wait for the turn; whether it came: false where the ticket was withdrawn.

        Args:
            seconds: how long at most.
            on_place: told how many answers are before this one, at once where it is any, and whenever that changes.

        Raises:
            GeneratorBusy: the turn did not come in that time; the place is left.
        """
        deadline = time.monotonic() + seconds
        told = -1
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._place() != told, timeout=max(deadline - time.monotonic(), 0))
                place = self._place()
            if place is None:
                return False
            if place == 0:
                return True
            if time.monotonic() >= deadline:
                self.leave()
                raise _waited(place, seconds)
            on_place(told := place)

    def withdraw(self) -> None:
        """Leave while waiting. One whose turn it is stays until it leaves: the model still works for it."""
        with self._changed:
            if self._place():
                self._leave()

    def leave(self) -> None:
        """Make room for the next. Leaving twice does nothing."""
        with self._changed:
            self._leave()

    def _place(self) -> int | None:
        return self._tickets.index(self) if self in self._tickets else None

    def _leave(self) -> None:
        if self in self._tickets:
            self._tickets.remove(self)
            self._changed.notify_all()


class QueuedAnswer:
    """One answer: waits for its turn and writes, in a thread that is not the reader's."""

    def __init__(
        self, queue: GenerationQueue, wait_seconds: int, write: Callable[[Callable[[str], None], threading.Event], str]
    ) -> None:
        """Enter nothing yet. `write` is given what to put text into and what tells it to stop, and returns why it ended."""
        self._queue = queue
        self._wait_seconds = wait_seconds
        self._write = write
        self._stop = threading.Event()
        self._ticket: Ticket | None = None
        self.place = 0
        self.finish_reason = ""

    def work(self, put: Callable[[str | None], None]) -> None:
        """Put the pieces of the answer, and None whenever the place in the queue changes."""

        def on_place(place: int) -> None:
            self.place = place
            put(None)

        self._ticket = self._queue.enter()
        try:
            if self._stop.is_set() or not self._ticket.wait(self._wait_seconds, on_place):
                return
            self.place = 0
            self.finish_reason = self._write(put, self._stop)
        finally:
            self._ticket.leave()

    def interrupt(self) -> None:
        """Leave the queue, or stop the model after the forward pass it is at."""
        self._stop.set()
        if self._ticket is not None:
            self._ticket.withdraw()


def _waited(place: int, seconds: float) -> GeneratorBusy:
    before = "1 answer is" if place == 1 else f"{place} answers are"
    return GeneratorBusy(
        f"{before} before this one; waited {seconds:.0f} s.",
        "Ask again later, raise RAG_APP_ANSWERING__WAIT_SECONDS, or use --generator quote, for which nobody waits.",
    )
