"""Knowledge bases with vectors of one's own: for tests that need to know each cosine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_app.datatypes import Chunk, Document
from rag_app.store import writer
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Source
from rag_app.store.publishing import Draft, ModelVectors, publish
from rag_app.store.vectors import VectorIndex
from tests.conftest import report_of
from tests.fakes import fake_fingerprint

Cut = tuple[Document, Sequence[Chunk]]


def publish_vectors(
    indexes: Path, documents: Sequence[Cut], vectors: NDArray[np.float32], rows: NDArray[np.int64] | None = None
) -> tuple[KnowledgeBase, VectorIndex]:
    """Publish a knowledge base of these documents and open it.

    Args:
        indexes: the index root.
        documents: each with its chunks.
        vectors: of the passages, shape (rows, dimension), unit length.
        rows: the passage of each vector; None: one each, in order.
    """
    base = indexes / "own"
    fingerprint = fake_fingerprint(dimension=vectors.shape[1])
    made = ModelVectors(vectors, np.arange(len(vectors)) if rows is None else rows, ("fake 1.0",))
    with writer.writer_lock(base):
        report = report_of("own", writer.next_generation(base), documents, [fingerprint])
        publish(base, Draft(report, (Source("own", "/own"),), {}, documents, {fingerprint: made}))
    knowledge_base = KnowledgeBase.open(indexes, "own")
    return knowledge_base, knowledge_base.vectors(fingerprint)


def unit_vectors(count: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """Return random vectors of unit length."""
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
