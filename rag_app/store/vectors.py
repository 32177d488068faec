"""The vectors of one embedding model over one generation: a FAISS inner-product index, exact, over unit vectors.

`rows.npy` says which chunk each row of the index belongs to; a chunk may have several rows, or none. The inner product
of unit vectors is their cosine, so a higher score is always a better match.
This module knows nothing of the texts or of the model.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np

from rag_app.datatypes import Fingerprint
from rag_app.errors import EmbedderMismatch, KnowledgeBaseDamaged
from rag_app.store.layout import rebuild_command, write_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

INDEX_FILE = "vectors.faiss"
ROWS_FILE = "rows.npy"
FINGERPRINT_FILE = "fingerprint.json"
# A range search above this returns every row, exactly and without sorting them.
_BELOW_EVERY_COSINE = -2.0


def write_vectors(
    folder: Path, vectors: NDArray[np.float32], rows: NDArray[np.int64], fingerprint: Fingerprint
) -> None:
    """Write the index and read it back: FAISS's own writer can lose the end of a file on a full disk without a word.

    Args:
        folder: the folder to create.
        vectors: shape (rows, dimension), unit length.
        rows: shape (rows,), the number of the chunk of each vector.
        fingerprint: of the model that made them.

    Raises:
        OSError: what was read back is not what was written.
    """
    folder.mkdir(parents=True)
    index = faiss.IndexFlatIP(fingerprint.dimension)
    index.add(vectors)
    faiss.write_index(index, str(folder / INDEX_FILE))
    np.save(folder / ROWS_FILE, rows)
    write_text(folder / FINGERPRINT_FILE, json.dumps(asdict(fingerprint), ensure_ascii=False, indent=1) + "\n")
    written = VectorIndex(folder, fingerprint)
    if not np.array_equal(written.vectors, vectors) or not np.array_equal(written.rows, rows):
        raise OSError(f"{folder / INDEX_FILE} could not be written whole: is the disk full?")


class VectorIndex:
    """The vectors of one model, read-only. Safe to use from several threads."""

    def __init__(self, folder: Path, fingerprint: Fingerprint) -> None:
        """Open the index of a folder.

        Raises:
            KnowledgeBaseDamaged: the files do not fit one another or the fingerprint.
        """
        try:
            index = faiss.read_index(str(folder / INDEX_FILE))
            self.rows: NDArray[np.int64] = np.load(folder / ROWS_FILE)
        except (RuntimeError, OSError, ValueError) as error:
            raise KnowledgeBaseDamaged(
                f"{folder} cannot be read: {str(error)[:200]}.", rebuild_command(folder.parent.parent.parent)
            ) from error
        if (
            not isinstance(index, faiss.IndexFlat)
            or index.metric_type != faiss.METRIC_INNER_PRODUCT
            or index.d != fingerprint.dimension
            or index.ntotal != len(self.rows)
        ):
            raise KnowledgeBaseDamaged(
                f"{folder / INDEX_FILE} holds {index.ntotal} vectors of {index.d} numbers; expected {len(self.rows)} "
                f"of {fingerprint.dimension}, compared by inner product.",
                rebuild_command(folder.parent.parent.parent),
            )
        self.fingerprint = fingerprint
        self._index = index  # owns the memory below
        self.vectors: NDArray[np.float32] = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(
            index.ntotal, index.d
        )

    def cosines(self, question: NDArray[np.float32], chunk_count: int) -> NDArray[np.float32]:
        """Return the cosine of a question with every chunk, the best of its rows; -1 for a chunk without one.

        Args:
            question: shape (dimension,), unit length.
            chunk_count: number of chunks in the generation.

        Returns:
            Shape (chunk_count,), by chunk number.

        Raises:
            EmbedderMismatch: a question vector of another length.
        """
        if question.shape != (self.fingerprint.dimension,):
            raise EmbedderMismatch(
                f"The question's vector has {question.shape[-1]} numbers; the index of {self.fingerprint.model} "
                f"has {self.fingerprint.dimension}.",
                "Ask with the embedding model the knowledge base was built with: rag-app kb show NAME",
            )
        scores = np.full(chunk_count, -1.0, dtype=np.float32)
        _, cosines, rows = self._index.range_search(question[np.newaxis], _BELOW_EVERY_COSINE)
        np.maximum.at(scores, self.rows[rows], cosines)
        return scores
