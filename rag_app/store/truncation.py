"""How much of the passages a model does not read, because they are longer than its window.

This module knows nothing of models or of where token counts come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rag_app.config import MAX_CHUNK_TOKENS
from rag_app.text import size_in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Truncation:
    """How many passages are cut at the window, the share of their tokens behind it, and the `--chunk-tokens` that would fit."""

    truncated: int
    unseen_share: float
    fitting_chunk_tokens: int | None


def measure_truncation(texts: Sequence[str], tokens: NDArray[np.int64], window: int) -> Truncation:
    """Measure what a model does not read.

    Args:
        texts: what is embedded of each passage.
        tokens: shape (texts,), their token counts, were there no window.
        window: of the model, in tokens.
    """
    cut = np.flatnonzero(tokens > window)
    if not len(cut):
        return Truncation(0, 0.0, None)
    densest = max(int(tokens[row]) / max(size_in_units(texts[row]), 1) for row in cut.tolist())
    unseen, length = int((tokens[cut] - window).sum()), int(tokens[cut].sum())
    return Truncation(len(cut), round(unseen / length, 4), min(int(window / densest), MAX_CHUNK_TOKENS))
