"""How near texts are to one another by a model: the cosines of all pairs, and what to know before they are believed.

This module knows nothing of how a model is loaded, or of how a comparison is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rag_app.language import Language, language_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag_app.datatypes import Fingerprint
    from rag_app.models.catalogue import EmbedderRow


class TextEmbedder(Protocol):
    """What comparing needs of a model; see `CatalogueEmbedding`."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What the vectors are, exactly."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of passages, shape (texts, dimension), unit length."""
        ...

    def embed_question(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question, shape (dimension,), unit length."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens the model would read of each passage were there no window."""
        ...


@dataclass(frozen=True)
class Similarity:
    """The cosines of all pairs of texts by one model, shape (texts, texts), symmetric, from -1 to 1.

    `truncated`: which texts are longer than the model's window, so that only their beginnings were compared. `uncovered`: the
    language of each text that the model was not made for, None for one it was made for or of which that is not known.
    """

    fingerprint: Fingerprint
    cosines: NDArray[np.float32]
    truncated: tuple[bool, ...]
    uncovered: tuple[Language | None, ...]


def compare(
    embedder: TextEmbedder, row: EmbedderRow | None, texts: Sequence[str], *, first_is_question: bool = False
) -> Similarity:
    """Compare texts by a model.

    Args:
        embedder: the model.
        row: its catalogue row, which knows its languages.
        texts: two at least. All get the prompt of a passage, so that no order of them matters.
        first_is_question: the first gets the prompt of a question, as in a search among the others.

    Raises:
        EmbeddingError: a text of which the model makes no vector.
    """
    vectors = embedder.embed_passages(texts)
    read = list(texts)
    if first_is_question:
        vectors = np.concatenate([embedder.embed_question(texts[0])[None], vectors[1:]])
        # With both prompts: a question within a few tokens of the window counts as too long.
        read[0] = embedder.fingerprint.query_prompt + texts[0]
    window = embedder.fingerprint.max_tokens
    languages = [language_of(text) for text in texts]
    return Similarity(
        fingerprint=embedder.fingerprint,
        cosines=np.clip(vectors @ vectors.T, -1, 1),
        truncated=tuple(count > window for count in embedder.count_tokens(read)),
        uncovered=tuple(
            language if row is not None and not row.covers(language.code, language.script) else None
            for language in languages
        ),
    )
