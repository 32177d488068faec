"""Small vector indexes of each kind, and what a search of them must find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_app.datatypes import IndexKind, VectorCode
from rag_app.store.vector_plan import VectorPlan
from rag_app.store.vectors import VectorIndex, write_planned
from tests.fakes import fake_fingerprint

Numbers = NDArray[np.int64]
Vectors = NDArray[np.float32]

LISTS = 32
PLANS = {
    "exact": VectorPlan(IndexKind.EXACT, VectorCode.FLOAT32, 0),
    "ivf": VectorPlan(IndexKind.IVF, VectorCode.FLOAT32, LISTS),
    "ivf 8-bit": VectorPlan(IndexKind.IVF, VectorCode.BYTE, LISTS),
}
FILES = {
    "exact": ["fingerprint.json", "rows.npy", "vectors.faiss"],
    "ivf": ["bounds.npy", "centroids.npy", "fingerprint.json", "rows.npy", "vectors.faiss"],
    "ivf 8-bit": ["bounds.npy", "centroids.npy", "fingerprint.json", "floats.npy", "rows.npy", "vectors.faiss"],
}


def units(*rows: list[float]) -> Vectors:
    """Return vectors of four numbers at unit length."""
    array = np.array(rows, dtype=np.float32).reshape(-1, 4)
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def written(folder: Path, vectors: Vectors, rows: Numbers | Sequence[int], kind: str = "exact") -> VectorIndex:
    """Write an index of one of the kinds and open it."""
    fingerprint = fake_fingerprint(dimension=vectors.shape[1])
    plan = replace(PLANS[kind], lists=min(PLANS[kind].lists, len(vectors)))
    description = write_planned(folder, vectors, np.array(rows, dtype=np.int64), fingerprint, plan)
    return VectorIndex(folder, fingerprint, description)


def nearest(
    vectors: Vectors, rows: Numbers, question: Vectors, count: int, allowed: Numbers | None = None
) -> tuple[list[int], list[float]]:
    """Return what a search must find: chunks by the best cosine of their rows, of equals the lower number first."""
    best: dict[int, float] = {}
    passes = None if allowed is None else set(allowed.tolist())
    for number, cosine in zip(rows.tolist(), (vectors @ question).tolist(), strict=True):
        if passes is None or number in passes:
            best[number] = max(cosine, best.get(number, -2))
    ranking = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:count]
    return [number for number, _ in ranking], [cosine for _, cosine in ranking]
