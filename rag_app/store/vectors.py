"""The vectors of one embedding model over one generation: written, and searched.

`rows.npy` says which chunk each row of the index belongs to; a chunk may have several rows, or none. The inner product
of unit vectors is their cosine, so a higher score is always a better match. What is small is searched exactly; of what is
large the nearest lists are looked at, and every cosine is exact all the same.
This module knows nothing of the texts or of the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_app.datatypes import Fingerprint, IndexDescription, IndexKind
from rag_app.errors import EmbedderMismatch, EmbeddingError, KnowledgeBaseDamaged, StorageError
from rag_app.store.cosines import best_chunks, cosines_of_rows
from rag_app.store.layout import rebuild_command
from rag_app.store.vector_codes import code_candidates
from rag_app.store.vector_files import FLOATS_FILE, INDEX_FILE, open_files, write_files
from rag_app.store.vector_lists import choose_probes, make_lists
from rag_app.store.vector_plan import EXACT_NUMBERS, VectorPlan, plan_vectors
from rag_app.store.vector_recall import measure_recall

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 65536
_SPREAD_SAMPLE = 4096
_NORM_TOLERANCE = 1e-3
WITHOUT_VECTOR = -1.0  # the cosine of a chunk that has no row


def write_vectors(
    folder: Path,
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    fingerprint: Fingerprint,
    *,
    memory_gb: float | None = None,
) -> IndexDescription:
    """Write the index that suits the number of vectors, reopen it and compare.

    The same vectors give the same files. At its peak it takes the memory of the vectors once more than they take themselves,
    and some 200 MB; with 8-bit codes half as much.

    Args:
        folder: the folder to create.
        vectors: shape (rows, dimension), unit length.
        rows: shape (rows,), the number of the chunk of each vector.
        fingerprint: of the model that made them.
        memory_gb: memory that the vectors may take while they are searched, in 10^9 bytes; None for no limit.

    Raises:
        EmbeddingError: vectors that are not finite, of unit length and of the dimension of the fingerprint.
        OSError: a write failed.
        StorageError: what was read back is not what was written.
    """
    return write_planned(
        folder, vectors, rows, fingerprint, plan_vectors(len(vectors), fingerprint.dimension, memory_gb)
    )


def write_planned(
    folder: Path,
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    fingerprint: Fingerprint,
    plan: VectorPlan,
) -> IndexDescription:
    """Write an index as planned; see `write_vectors`."""
    assert rows.shape == (len(vectors),)
    _check_units(vectors, rows, fingerprint)
    order, lists, parameters = np.arange(len(vectors)), None, {}
    if plan.kind is IndexKind.IVF:
        lists, order = make_lists(vectors, plan.lists)
        parameters = {"lists": len(lists), "probes": choose_probes(vectors, lists, order)}
    write_files(folder, vectors, rows, fingerprint, plan.code, lists, order)
    description = IndexDescription(plan.kind, plan.code, parameters, recall=1.0, sample=0)
    written = VectorIndex(folder, fingerprint, description)
    if not np.array_equal(written.rows, rows[order]) or not all(
        np.array_equal(written.vectors(block), vectors[order[block]]) for block in _blocks(len(order))
    ):
        raise StorageError(
            f"What was read back from {folder} is not what was written.", "Check the disk, make room, then run again."
        )
    return description if plan.kind is IndexKind.EXACT else measure_recall(written.search, description, vectors, rows)


class VectorIndex:
    """The vectors of one model, read-only. Safe to use from several threads."""

    def __init__(self, folder: Path, fingerprint: Fingerprint, description: IndexDescription) -> None:
        """Open the index of a folder, memory-mapped.

        Raises:
            KnowledgeBaseDamaged: a file is missing, or does not fit the others, the fingerprint or the description.
        """
        self.fingerprint = fingerprint
        self.description = description
        self._folder = folder
        self._files = open_files(folder, fingerprint, description)
        self.rows = self._files.rows
        self.count = len(self.rows)

    def search(
        self, question: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the numbers of the nearest chunks and their cosines, best first; of equals, the lower number first.

        Args:
            question: shape (dimension,), unit length.
            count: how many chunks at most; there are fewer only where fewer are allowed and have a row.
            allowed: shape (any,), numbers of the chunks that may be found; None for all.

        Raises:
            EmbedderMismatch: a question vector of another length.
            EmbeddingError: a question vector that is not finite.
            KnowledgeBaseDamaged: the index holds what no vectors of unit length can give.
        """
        question = self._checked(question)
        numbers, cosines = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        if count < 1:
            return numbers, cosines
        for rows in self._candidates(question, count, None if allowed is None else self._rows_of(allowed)):
            numbers, cosines = best_chunks(self.rows[rows], self._cosines(question, rows), count)
            if len(numbers) == count:
                break
        if self._files.lists is not None and self._has_shared_chunks:  # the best row of a chunk may lie in another list
            cosines = self.cosines(question, numbers)
            order = np.lexsort((numbers, -cosines))
            return numbers[order], cosines[order]
        return numbers, cosines

    def cosines(self, question: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine of a question with each of these chunks, the best of its rows; -1 for a chunk without one.

        Args:
            question: shape (dimension,), unit length.
            numbers: shape (chunks,).

        Returns:
            Shape (chunks,).

        Raises:
            EmbedderMismatch, EmbeddingError, KnowledgeBaseDamaged: as of `search`.
        """
        question = self._checked(question)
        distinct, inverse = np.unique(numbers, return_inverse=True)
        best = np.full(len(distinct), WITHOUT_VECTOR, dtype=np.float32)
        rows = self._rows_of(distinct)
        np.maximum.at(best, np.searchsorted(distinct, self.rows[rows]), self._cosines(question, rows))
        return best[inverse]

    def spread(self, question: NDArray[np.float32]) -> tuple[float, float]:
        """Return mean and standard deviation of a question's cosines over an evenly spaced sample of at most 4,096 rows.

        Raises:
            EmbedderMismatch, EmbeddingError: as of `search`.
        """
        cosines = cosines_of_rows(self._checked(question), self._sample, np.arange(len(self._sample)))
        return (float(cosines.mean()), float(cosines.std())) if len(cosines) else (0.0, 0.0)

    def vectors(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Return stored vectors by row, exactly as they were given, shape (rows, dimension).

        Raises:
            KnowledgeBaseDamaged: they cannot be read.
        """
        if self._files.mapped is not None:
            return self._files.mapped[rows]
        assert self._files.floats is not None
        try:
            return self._files.floats.read(np.arange(self.count)[rows])
        except OSError as error:
            raise self._damaged(f"it cannot be read: {error}") from error

    def _checked(self, question: NDArray[np.float32]) -> NDArray[np.float32]:
        if question.shape != (self.fingerprint.dimension,):
            raise EmbedderMismatch(
                f"The question's vector has {question.shape[-1]} numbers; the index of {self.fingerprint.model} "
                f"has {self.fingerprint.dimension}.",
                "Ask with the embedding model the knowledge base was built with: rag-app kb show NAME",
            )
        if not np.isfinite(question).all():
            raise EmbeddingError("The question's vector holds numbers that are not finite.", "Rephrase the question.")
        return np.ascontiguousarray(question, dtype=np.float32)

    def _candidates(
        self, question: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the rows to be scored for the nearest `count` chunks, then ever more, until all that are allowed were given."""
        files = self._files
        if files.lists is None:
            if files.ahead is not None:
                files.ahead.ask_for(np.array([0]))
            yield np.arange(self.count) if allowed is None else allowed
            return
        wanted = math.ceil(self.description.parameters["probes"] * self.count / len(files.lists))
        if allowed is not None:  # as many rows as an index has that is searched whole: where fewer pass, all are seen
            wanted = max(wanted, EXACT_NUMBERS // self.fingerprint.dimension)
        for lists, rows in files.lists.covers(question, wanted, allowed):
            if files.ahead is not None:
                files.ahead.ask_for(lists)
                yield rows
            else:
                yield from code_candidates(files.index, question, lists, allowed, len(rows), count)

    def _cosines(self, question: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if self._files.mapped is not None:
            cosines = cosines_of_rows(question, self._files.mapped, rows)
        else:
            cosines = cosines_of_rows(question, self.vectors(rows), np.arange(len(rows)))
        # Vectors have unit length, so this is what their cosines cannot exceed; a damaged number shows here, NaN too.
        limit = float(np.linalg.norm(question)) * (1 + _NORM_TOLERANCE) + _NORM_TOLERANCE
        if not np.abs(cosines).max(initial=0) <= limit:
            raise self._damaged("it holds vectors that are not of unit length")
        return cosines

    def _rows_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the chunks with these numbers, in order."""
        numbers = numbers[numbers >= 0]
        wanted = np.zeros(int(numbers.max(initial=-1)) + 2, dtype=bool)  # the last stands for all higher numbers
        wanted[numbers] = True
        return np.flatnonzero(wanted.take(self.rows, mode="clip"))

    @cached_property
    def _has_shared_chunks(self) -> bool:
        return len(np.unique(self.rows)) < self.count

    @cached_property
    def _sample(self) -> NDArray[np.float32]:
        rows = np.linspace(0, self.count - 1, min(self.count, _SPREAD_SAMPLE)).astype(np.int64)
        return self.vectors(rows)

    def _damaged(self, found: str) -> KnowledgeBaseDamaged:
        name = INDEX_FILE if self._files.mapped is not None else FLOATS_FILE
        return KnowledgeBaseDamaged(
            f"{self._folder / name} is damaged: {found}.", rebuild_command(self._folder.parent.parent.parent)
        )


def _check_units(vectors: NDArray[np.float32], rows: NDArray[np.int64], fingerprint: Fingerprint) -> None:
    if vectors.shape[1:] != (fingerprint.dimension,):
        raise EmbeddingError(
            f"{fingerprint.model} gave vectors of shape {vectors.shape}; expected {fingerprint.dimension} numbers each.",
            "The embedding model is damaged: get it anew, or try another.",
        )
    for block in _blocks(len(vectors)):
        norms = np.linalg.norm(vectors[block], axis=1)
        wrong = np.flatnonzero(~(np.abs(norms - 1) <= _NORM_TOLERANCE))
        if len(wrong):
            raise EmbeddingError(
                f"{fingerprint.model} gave passage {rows[block][wrong[0]]} a vector of length {norms[wrong[0]]:.4g}; "
                "expected 1.",
                "The embedding model is damaged: get it anew, or try another.",
            )


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, count))
