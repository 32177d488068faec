"""What every embedder does with the vectors a model gives: cut to length, brought to length one, refused if useless.

This module knows nothing of how vectors are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rag_app.errors import EmbeddingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag_app.models.embedder_spec import EmbedderSpec


def unit_vectors(vectors: NDArray[np.float32], texts: Sequence[str], spec: EmbedderSpec) -> NDArray[np.float32]:
    """Return the vectors of texts as the specification wants them.

    The first numbers of a vector trained the Matryoshka way (Kusupati and others, 2022, arXiv 2205.13147) are a vector of their
    own, which must be brought to length one again. Where the authors apply a layer normalisation before the cut, only its
    subtraction of the mean matters: its division changes the length alone.

    Args:
        vectors: as the model gives them, shape (texts, full dimension).
        texts: for the message about one that cannot be used.
        spec: of the model.

    Returns:
        Shape (texts, dimension), float32, length one.

    Raises:
        EmbeddingError: a vector of another dimension, with a value that is not finite, or of length zero.
    """
    if vectors.shape != (len(texts), spec.full_dimension):
        raise EmbeddingError(
            f"{spec.model_id} gave vectors of shape {vectors.shape}, expected {(len(texts), spec.full_dimension)}.",
            "Use another model.",
        )
    dimension = spec.fingerprint.dimension
    if dimension < spec.full_dimension:
        if spec.row is not None and spec.row.layer_norm_before_cut:
            vectors = vectors - vectors.mean(axis=1, keepdims=True)
        vectors = vectors[:, :dimension]
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    unusable = np.flatnonzero(~np.isfinite(lengths) | (lengths < 1e-12))
    if unusable.size:
        row = int(unusable[0])
        raise EmbeddingError(
            f"{spec.model_id} gave {unusable.size} vectors that cannot be searched (length {lengths[row]:.3g}), "
            f"the first for the text '{texts[row][:80]}'.",
            "Run on another device (--device cpu), or use another model.",
            row=row,
        )
    return np.ascontiguousarray(vectors / lengths[:, None], dtype=np.float32)
