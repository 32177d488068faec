"""Inverted lists: rows sorted by the centroid they are nearest to, so that a list is a run of rows.

A question looks at the lists of its nearest centroids, until as many rows have been covered as were needed when the index was
made. Under a filter only rows that pass are counted, so that it looks further, and at all of them where there are few.
This module knows nothing of chunks, of codes or of how a row is scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import faiss
import numpy as np

from rag_app.store.cosines import cosines_of_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 10
_SEED = 20261124
_TRAINING_ROWS_A_LIST = 64
_ITERATIONS = 10
_RECALL = 0.99
_SAMPLE = 1000
_WIDEN = 4
# A question is farther from its answer than a passage is from the next. A row that is pulled towards another until its cosine
# with itself is 0.9 stands for one: of 60 thousand sentences such rows needed 221 of 1,024 lists for this recall, 1,500 real
# questions 219, and the rows as they are 178 (docs/benchmarks.md, "Scale").
_COSINE_OF_PULLED = np.float32(0.9)


@dataclass(frozen=True)
class VectorLists:
    """Centroids, shape (lists, dimension), and where each list begins: list i holds the rows `bounds[i]:bounds[i + 1]`."""

    centroids: NDArray[np.float32]
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of lists."""
        return len(self.centroids)

    def nearest(self, question: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the lists in the order in which a question looks at them."""
        cosines = cosines_of_rows(question, self.centroids, np.arange(len(self)))
        return np.argsort(-cosines, kind="stable")

    def covers(
        self, question: NDArray[np.float32], wanted: int, allowed: NDArray[np.int64] | None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield ever more lists to look at, with the rows in them that are allowed, until all of those have been given.

        Args:
            question: shape (dimension,).
            wanted: how many allowed rows are covered the first time, where there are as many.
            allowed: sorted rows that may be found; None for all.
        """
        bounds = self.bounds if allowed is None else np.searchsorted(allowed, self.bounds)
        nearest = self.nearest(question)
        nearest = nearest[bounds[nearest + 1] > bounds[nearest]]  # a list without an allowed row is skipped
        covered = np.cumsum(bounds[nearest + 1] - bounds[nearest])
        taken = 0
        while taken < len(nearest):
            taken = min(int(np.searchsorted(covered, wanted)) + 1, len(nearest))
            lists = nearest[:taken]
            rows = runs(bounds[lists], bounds[lists + 1])
            yield lists, rows if allowed is None else allowed[rows]
            wanted = int(covered[taken - 1]) * _WIDEN


def runs(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers from each start up to its end, one run after another."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())


def make_lists(vectors: NDArray[np.float32], count: int) -> tuple[VectorLists, NDArray[np.int64]]:
    """Cluster vectors and return the lists with the order of rows that they want: row i is to be `vectors[order[i]]`.

    The same vectors give the same lists, however many threads FAISS uses.

    Args:
        vectors: shape (rows, dimension), unit length.
        count: of lists, at most as many as there are rows.
    """
    generator = np.random.default_rng(_SEED)
    size = min(len(vectors), count * _TRAINING_ROWS_A_LIST)
    sample = vectors[np.sort(generator.choice(len(vectors), size, replace=False))]
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=_ITERATIONS,
        seed=_SEED,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=_TRAINING_ROWS_A_LIST,
    )
    kmeans.train(sample)
    _, nearest = faiss.knn(vectors, kmeans.centroids, 1, metric=faiss.METRIC_INNER_PRODUCT)
    list_of_row = nearest[:, 0]
    bounds = np.concatenate([[0], np.cumsum(np.bincount(list_of_row, minlength=count))])
    return VectorLists(kmeans.centroids, bounds), np.argsort(list_of_row, kind="stable")


def choose_probes(vectors: NDArray[np.float32], lists: VectorLists, order: NDArray[np.int64]) -> int:
    """Return the smallest number of probes that finds 99 of 100 nearest neighbours, of rows and of what stands for questions.

    Args:
        vectors: shape (rows, dimension), as given to `make_lists`.
        lists: from `make_lists`.
        order: from `make_lists`.
    """
    generator = np.random.default_rng(_SEED + 1)
    list_of_row = np.empty(len(order), dtype=np.int64)
    list_of_row[order] = np.repeat(np.arange(len(lists)), np.diff(lists.bounds))
    rows, others = generator.integers(len(vectors), size=(2, _SAMPLE))
    questions = _COSINE_OF_PULLED * vectors[rows] + np.sqrt(1 - _COSINE_OF_PULLED**2) * vectors[others]
    norms = np.linalg.norm(questions, axis=1, keepdims=True)
    questions = questions / np.where(norms > 0, norms, np.float32(1))
    return max(
        _probes_for(vectors[rows], rows, vectors, lists, list_of_row),
        _probes_for(questions, rows, vectors, lists, list_of_row),
    )


def _probes_for(
    questions: NDArray[np.float32],
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    lists: VectorLists,
    list_of_row: NDArray[np.int64],
) -> int:
    """Return the probes needed by questions made of `rows`, each of which leaves its own row out."""
    _, neighbours = faiss.knn(questions, vectors, NEIGHBOURS + 1, metric=faiss.METRIC_INNER_PRODUCT)
    nearest = np.argsort(-(questions @ lists.centroids.T), axis=1, kind="stable")
    sizes = np.diff(lists.bounds)[nearest]
    rows_before = np.empty_like(nearest)
    np.put_along_axis(rows_before, nearest, np.cumsum(sizes, axis=1) - sizes, axis=1)
    rows_before = np.take_along_axis(rows_before, list_of_row[neighbours], axis=1)
    others = (neighbours != rows[:, np.newaxis]) & (neighbours >= 0)  # -1 where there are not as many rows
    others &= np.cumsum(others, axis=1) <= NEIGHBOURS
    needed = np.sort(rows_before[others])
    if not len(needed):
        return 1
    # A list is looked at while fewer rows than the budget came before it.
    budget = int(needed[math.ceil(_RECALL * len(needed)) - 1]) + 1
    return min(math.ceil(budget * len(lists) / len(vectors)), len(lists))
