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
        self._lock = threading.Lock()

    def get(self, key: str, load: Callable[[], Embedder]) -> Embedder:
        """Return the model of a key, loaded if it is not held; room is made for it first.

        Two callers never load at once: what fits in memory is one model more, not two.

        Raises:
            ModelError: it cannot be loaded; what was let go for it is gone.
        """
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
            if len(self._held) >= self._limit:
                while len(self._held) >= self._limit:
                    self._held.popitem(last=False)
                _give_memory_back()
            embedder = self._held[key] = load()
            return embedder

    def clear(self) -> None:
        """Let all go."""
        with self._lock:
            self._held.clear()
            _give_memory_back()


def _give_memory_back() -> None:
    """Collect what a model leaves in circles of references, and have the C library return freed pages to the system."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # not glibc: its allocator returns them by itself
        return
