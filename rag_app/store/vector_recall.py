"""How much of what is nearest a search finds: measured against exact search, on rows of the index used as questions.

The rows are others than those that the number of probes was chosen on.
This module knows nothing of files or of how the search works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import faiss
import numpy as np

from rag_app.datatypes import IndexDescription
from rag_app.store.vector_lists import NEIGHBOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Search = Callable[["NDArray[np.float32]", int], tuple["NDArray[np.int64]", "NDArray[np.float32]"]]

_SEED = 4
_SAMPLE = 500


def measure_recall(
    search: Search, description: IndexDescription, vectors: NDArray[np.float32], rows: NDArray[np.int64]
) -> IndexDescription:
    """Return the description with the share of the ten nearest chunks that a search finds, the question's own left out.

    Args:
        search: takes a question, shape (dimension,), and how many chunks are wanted; gives numbers and cosines.
        description: of the index.
        vectors: shape (rows, dimension).
        rows: shape (rows,), the chunk of each vector.
    """
    sample = np.sort(np.random.default_rng(_SEED).choice(len(vectors), min(len(vectors), _SAMPLE), replace=False))
    _, nearest = faiss.knn(vectors[sample], vectors, NEIGHBOURS + 1, metric=faiss.METRIC_INNER_PRODUCT)
    found = there = 0
    for row, neighbours in zip(sample, nearest, strict=True):
        # Rows come best first, so the chunks of the first ones are the nearest chunks, if perhaps fewer than ten.
        chunks = dict.fromkeys(rows[neighbours[neighbours >= 0]].tolist())
        chunks.pop(int(rows[row]), None)
        expected = list(chunks)[:NEIGHBOURS]
        numbers = [number for number in search(vectors[row], len(expected) + 1)[0].tolist() if number != rows[row]]
        found += len(set(expected) & set(numbers[: len(expected)]))
        there += len(expected)
    return replace(description, recall=found / there if there else 1.0, sample=len(sample))
