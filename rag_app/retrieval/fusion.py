"""How the scores of several retrievers become one: pure functions over arrays.

This module knows nothing of questions, texts or indexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def standard_scores(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how many standard deviations each score lies above the mean of all; zeros where all are equal.

    A retriever in which one passage stands out gives it a large number; one to which all passages look alike gives none
    of them much, and so has little say. Reciprocal ranks throw just this away.
    """
    # The last digit of float32 is noise: seven times 0.1 has a mean that is not 0.1.
    if not len(scores) or np.ptp(scores) <= 1e-6 * np.abs(scores).max():
        return np.zeros_like(scores)
    exact = scores.astype(np.float64)
    result: NDArray[np.float32] = ((exact - exact.mean()) / exact.std()).astype(np.float32)
    return result


def fuse(scores: Sequence[NDArray[np.float32]], weights: Sequence[float]) -> NDArray[np.float32]:
    """Return the weighted sum of the standard scores.

    Args:
        scores: one array a retriever, each of shape (chunks,), by chunk number.
        weights: one a retriever.

    Returns:
        Shape (chunks,); unbounded, higher is better.
    """
    fused = np.zeros_like(scores[0])
    for one, weight in zip(scores, weights, strict=True):
        fused += np.float32(weight) * standard_scores(one)
    return fused


def best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the numbers of the `count` highest scores, highest first; of equal ones the lower number first."""
    count = min(count, len(scores))
    if not count:
        return np.empty(0, dtype=np.int64)
    threshold = np.partition(scores, -count)[-count]
    candidates = np.flatnonzero(scores >= threshold)
    order = np.lexsort((candidates, -scores[candidates]))[:count]
    result: NDArray[np.int64] = candidates[order]
    return result
