"""Embedding models kept in memory: so many and no more, the least recently used goes before another is loaded.

A model is gigabytes. Two of them in turn must not cost two, unless the user said so. This module knows nothing of sessions
or pages.
"""

from __future__ import annotations

import ctypes
import gc
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag_app.models.embedder import Embedder


class HeldEmbedders:
    """Up to `limit` embedding models by key, shared by threads. One that is in use when it is let go lives until it is done."""

    def __init__(self, limit: int) -> None:
        """Hold nothing yet."""
        self._limit = limit
        self._held: OrderedDict[str, Embedder] = OrderedDict()
        self._lock = threading.Lock()  # of what is held, never for long: who asks for a model in memory does not wait
        self._loading = threading.Lock()  # taken before the other

    def get(self, key: str, load: Callable[[], Embedder]) -> Embedder:
        """Return the model of a key, loaded if it is not held; room is made for it first.

        Two callers never load at once: what fits in memory is one model more, not two. One that is held is there at once, also
        while another is loaded.

        Raises:
            ModelError: it cannot be loaded; what was let go for it is gone.
        """
        if (embedder := self._found(key)) is not None:
            return embedder
        with self._loading:
            if (embedder := self._found(key)) is not None:  # who loaded before may have loaded this one
                return embedder
            self._make_room()
            embedder = load()
            with self._lock:
                self._held[key] = embedder
            return embedder

    def clear(self) -> None:
        """Let all go."""
        with self._loading:
            with self._lock:
                self._held.clear()
            _give_memory_back()

    def _found(self, key: str) -> Embedder | None:
        """Return the model of a key where it is held; it is then the last to go."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def _make_room(self) -> None:
        """Let models go until one more may be held; called by who loads, so that nobody else adds one."""
        with self._lock:
            too_many = len(self._held) - self._limit + 1
            for _ in range(too_many):
                self._held.popitem(last=False)
        if too_many > 0:
            _give_memory_back()


def _give_memory_back() -> None:
    """Collect what a model leaves in circles of references, and have the C library return freed pages to the system."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # not glibc: its allocator returns them by itself
        return
