"""Vectors for a memory limit: one byte a number to search in, and the exact numbers in a file that is read, not kept.

The codes find candidates, a few times as many as are wanted; these are then scored by their exact numbers. The codes lie in an
inverted file of FAISS, whose lists are those of `vector_lists`.
This module knows nothing of chunks or of how lists are chosen.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np

from rag_app.store.files import checked_file
from rag_app.store.shares import in_shares
from rag_app.store.vector_lists import VectorLists

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many candidates are scored exactly: a quarter more than are wanted, and some for the few.
_MORE_CANDIDATES = 1.25
_SPARE_CANDIDATES = 30
_WIDEN = 4
_BYTES_READ_AS_ONE_NUMBER = 2  # a code is read as fast as half as many floats
_ROWS_AT_ONCE = 65536
_TRAINING_ROWS = 65536


def make_codes(vectors: NDArray[np.float32], lists: VectorLists, order: NDArray[np.int64]) -> faiss.IndexIVF:
    """Return an index of 8-bit codes; its ids are row numbers.

    Args:
        vectors: shape (rows, dimension).
        lists: of these vectors.
        order: row i is `vectors[order[i]]`.
    """
    dimension = vectors.shape[1]
    quantizer = faiss.IndexFlatIP(dimension)
    quantizer.add(lists.centroids)
    by_residual = False  # so that a code's score does not depend on the list it is found in
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, dimension, len(lists), faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, by_residual
    )
    index.train(vectors[:: max(1, len(vectors) // _TRAINING_ROWS)])
    list_of_row = np.repeat(np.arange(len(lists)), np.diff(lists.bounds))
    for start in range(0, len(order), _ROWS_AT_ONCE):
        block = np.ascontiguousarray(vectors[order[start : start + _ROWS_AT_ONCE]])
        rows = np.arange(start, start + len(block))
        index.add_core(len(block), faiss.swig_ptr(block), faiss.swig_ptr(rows), faiss.swig_ptr(list_of_row[start:]))
    return index


def code_candidates(
    index: faiss.IndexIVF,
    question: NDArray[np.float32],
    lists: NDArray[np.int64],
    allowed: NDArray[np.int64] | None,
    rows: int,
    count: int,
) -> Iterator[NDArray[np.int64]]:
    """Yield ever more rows of some lists, those with the best codes, until all have been given.

    Rows whose codes tie with the last are left out, so that which rows are given depends on no order of work.

    Args:
        index: from `make_codes`.
        question: shape (dimension,).
        lists: the lists to look at.
        allowed: sorted rows that may be found; None for all.
        rows: how many rows these lists hold, of those allowed.
        count: how many are wanted, about.
    """
    selector = None
    if allowed is not None:
        passes = np.zeros(index.ntotal, dtype=bool)
        passes[allowed] = True
        bits = np.packbits(passes, bitorder="little")
        selector = faiss.IDSelectorBitmap(bits)
    wanted = int(count * _MORE_CANDIDATES) + _SPARE_CANDIDATES
    while True:
        size = min(wanted, rows)
        look = partial(_best_codes, index, question, lists, selector, size)
        shares = in_shares(look, len(lists), rows * index.code_size // _BYTES_READ_AS_ONE_NUMBER)
        found = np.concatenate([numbers for numbers, _ in shares])
        scores = np.concatenate([scores for _, scores in shares])
        if size == rows:
            yield found
            return
        yield found[scores > np.partition(scores, -size)[-size]]
        wanted *= _WIDEN


def _best_codes(
    index: faiss.IndexIVF,
    question: NDArray[np.float32],
    lists: NDArray[np.int64],
    selector: faiss.IDSelector | None,
    size: int,
    start: int,
    end: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return up to `size` rows of the lists `start` to `end` with the scores of their codes."""
    scores = np.empty(size, dtype=np.float32)
    found = np.empty(size, dtype=np.int64)
    unused = np.zeros(end - start, dtype=np.float32)  # the centroids' scores count only for residuals
    index.search_preassigned_c(
        1,
        faiss.swig_ptr(question),
        size,
        faiss.swig_ptr(lists[start:end]),
        faiss.swig_ptr(unused),
        faiss.swig_ptr(scores),
        faiss.swig_ptr(found),
        False,  # ids, not places in lists
        faiss.SearchParametersIVF(nprobe=end - start, sel=selector),
    )
    return found[found >= 0], scores[found >= 0]  # -1 where these lists hold fewer


class FloatFile:
    """The exact vectors in a file of NumPy's format, read row by row: what was read does not stay in the process's memory."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not such a file, or was cut.
        """
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"it is in version {version} of NumPy's format; expected (1, 0)")
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
            self._offset = file.tell()
            if len(shape) != 2 or is_fortran or dtype != np.float32:
                raise ValueError(f"it holds {dtype} of shape {shape}; expected rows of float32")
            size = os.fstat(file.fileno()).st_size
            if size != self._offset + 4 * shape[0] * shape[1]:
                raise ValueError(f"it has {size} bytes; expected {shape[0]} rows of {shape[1]} numbers")
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self.shape: tuple[int, int] = shape

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return some rows, shape (rows, dimension).

        Raises:
            OSError: they cannot be read.
        """
        size = 4 * self.shape[1]
        order = np.argsort(rows, kind="stable")
        sorted_rows = rows[order]
        content = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        # Rows that follow one another are read at once.
        edges = np.flatnonzero(np.diff(sorted_rows, prepend=-2, append=-2) != 1)
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            self._read_into(content[start:end].data.cast("B"), self._offset + int(sorted_rows[start]) * size)
        result = np.empty_like(content)
        result[order] = content
        return result

    def _read_into(self, target: memoryview, offset: int) -> None:
        done = 0
        while done < len(target):
            count = os.preadv(self._descriptor, [target[done:]], offset + done)
            if count == 0:
                raise OSError("the file ends before its last row")
            done += count


def write_floats(path: Path, vectors: NDArray[np.float32], order: NDArray[np.int64]) -> None:
    """Write `vectors[order]` for `FloatFile`, without a copy of it all in memory.

    Raises:
        OSError: a write failed.
        StorageError: what was read back is not what was written.
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": vectors.shape}
    with checked_file(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(order), _ROWS_AT_ONCE):
            file.write(np.ascontiguousarray(vectors[order[start : start + _ROWS_AT_ONCE]]).data.cast("B"))
