"""Synthetic vectors in clusters, as embeddings are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIMENSION = 24


def clustered(count: int, seed: int) -> NDArray[np.float32]:
    """Return unit vectors, shape (count, 24), of one distribution whatever the seed."""
    centres = np.random.default_rng(0).normal(size=(40, 8))
    spread_out = np.random.default_rng(1).normal(size=(8, DIMENSION))
    generator = np.random.default_rng(seed)
    latent = centres[generator.integers(len(centres), size=count)] + generator.normal(size=(count, 8))
    vectors = latent @ spread_out + 0.1 * generator.normal(size=(count, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
