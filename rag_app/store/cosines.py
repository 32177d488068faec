"""Cosines of a question with any set of rows, and the best chunks among them.

Every cosine that leaves the store comes from here, computed by FAISS one row at a time: it is the same number to the last bit
whatever else is looked at, so that equal vectors tie and a ranking does not depend on how its rows were found.
This module knows nothing of files or of how rows are chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np

from rag_app.store.shares import in_shares

if TYPE_CHECKING:
    from numpy.typing import NDArray


_NUMBERS_A_THREAD = 2_000_000  # a millisecond or two of work


def cosines_of_rows(
    question: NDArray[np.float32], vectors: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the inner product of a question with some rows of an array.

    Args:
        question: shape (dimension,).
        vectors: shape (any, dimension), row after row in memory, which may be a file's.
        rows: shape (rows,), each below `any`.

    Returns:
        Shape (rows,).
    """
    cosines = np.empty(len(rows), dtype=np.float32)

    def score(start: int, end: int) -> None:
        faiss.fvec_inner_products_by_idx(
            faiss.swig_ptr(cosines[start:end]),
            faiss.swig_ptr(question),
            faiss.swig_ptr(vectors),
            faiss.swig_ptr(rows[start:end]),
            len(question),
            1,
            end - start,
        )

    in_shares(score, len(rows), rows.size * len(question))
    return cosines


def best_chunks(
    numbers: NDArray[np.int64], cosines: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the best chunks among rows, each once with the cosine of its best row; of equals, the lower number first.

    Args:
        numbers: shape (rows,), the chunk of each row.
        cosines: shape (rows,), finite.
        count: how many chunks at most, from 1.
    """
    wanted = count
    while True:
        kept = np.arange(len(cosines))
        if wanted < len(cosines):  # all that tie with the last one wanted are kept with it
            kept = np.flatnonzero(cosines >= np.partition(cosines, -wanted)[-wanted])
        order = kept[np.lexsort((numbers[kept], -cosines[kept]))]
        _, first = np.unique(numbers[order], return_index=True)
        if len(first) >= count or len(kept) == len(cosines):
            best = order[np.sort(first)[:count]]
            return numbers[best], cosines[best]
        wanted *= 4  # several rows were of one chunk
