"""What a question's vector must be before an index is searched with it.

This module knows nothing of indexes or of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rag_app.errors import EmbeddingError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def question_vector(embedding: Sequence[float]) -> NDArray[np.float32]:
    """Return an embedding at length one: any LlamaIndex embedding may be plugged in, and not all normalise.

    Raises:
        EmbeddingError: it is not finite, or zero, and so has no direction.
    """
    vector = np.asarray(embedding, dtype=np.float64)
    with np.errstate(over="ignore"):  # a length that is too long for a number is infinite, and refused
        length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        raise EmbeddingError(
            f"The question's vector cannot be searched: its length is {length}.", "Rephrase the question."
        )
    result: NDArray[np.float32] = (vector / length).astype(np.float32)
    return result
