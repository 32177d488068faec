"""How the scores of several retrievers become one: pure functions over arrays.

This module knows nothing of questions, texts or indexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The last digit of float32 is noise: seven times 0.1 has a mean that is not 0.1.
_NOISE = 5e-7


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of all scores that a retriever gives for a question, or of a fair sample of them."""

    mean: float
    deviation: float


def spread_of(scores: NDArray[np.float32]) -> Spread:
    """Return mean and standard deviation of all scores; zeros where there are none."""
    if not len(scores):
        return Spread(0.0, 0.0)
    return Spread(float(scores.mean(dtype=np.float64)), float(scores.std(dtype=np.float64)))


def standard_scores(scores: NDArray[np.float32], spread: Spread) -> NDArray[np.float32]:
    """Return how many standard deviations each score lies above the mean; zeros where all scores are equal.

    A retriever in which one passage stands out gives it a large number; one to which all passages look alike gives none
    of them much, and so has little say. Reciprocal ranks throw just this away.

    Args:
        scores: of any of the passages.
        spread: that of the scores of all passages.
    """
    if spread.deviation <= _NOISE * abs(spread.mean):
        return np.zeros_like(scores)
    result: NDArray[np.float32] = ((scores.astype(np.float64) - spread.mean) / spread.deviation).astype(np.float32)
    return result


def fuse(
    scores: Sequence[NDArray[np.float32]], spreads: Sequence[Spread], weights: Sequence[float]
) -> NDArray[np.float32]:
    """Return the weighted sum of the standard scores.

    Args:
        scores: one array a retriever, each of shape (passages,), of the same passages.
        spreads: one a retriever, that of its scores of all passages.
        weights: one a retriever.

    Returns:
        Shape (passages,); unbounded, higher is better.
    """
    fused = np.zeros_like(scores[0])
    for one, spread, weight in zip(scores, spreads, weights, strict=True):
        fused += np.float32(weight) * standard_scores(one, spread)
    return fused


def best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the positions of the `count` highest scores, highest first; of equal ones the lower position first."""
    count = min(count, len(scores))
    if not count:
        return np.empty(0, dtype=np.int64)
    threshold = np.partition(scores, -count)[-count]
    above = np.flatnonzero(scores > threshold)
    # Of a million passages nearly all may have the same score, 0: only as many as are wanted are sorted.
    candidates = np.concatenate([above, np.flatnonzero(scores == threshold)[: count - len(above)]])
    result: NDArray[np.int64] = candidates[np.lexsort((candidates, -scores[candidates]))]
    return result
