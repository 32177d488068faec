"""Text to vector by a server: a LlamaIndex embedding that uses a served model as the same model would be used here.

Prompts are put before the texts on this side; vectors are cut and brought to length one on this side.
This module knows nothing of documents or indexes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager

from rag_app.config import ModelSettings
from rag_app.datatypes import Fingerprint
from rag_app.models.embedder_spec import SERVED, EmbedderSpec, reads
from rag_app.models.embedding_server import EmbeddingServer
from rag_app.models.unit_vectors import unit_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Texts a request. Servers take more, but a request must end within the time it is given.
BATCH_SIZE = 32


class ServedEmbedding(BaseEmbedding):
    """An embedding model that a server runs. Vectors are float32 and of unit length."""

    _spec: EmbedderSpec = PrivateAttr()
    _server: EmbeddingServer = PrivateAttr()

    def __init__(self, spec: EmbedderSpec, models: ModelSettings) -> None:
        """Connect to nothing yet."""
        name = spec.model_id.removeprefix(SERVED)
        if spec.fingerprint.dimension < spec.full_dimension:
            name = name.removesuffix(f"@{spec.fingerprint.dimension}")
        super().__init__(model_name=spec.model_id, embed_batch_size=BATCH_SIZE, callback_manager=CallbackManager([]))
        self._spec = spec
        self._server = EmbeddingServer(name, models)

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises the class under."""
        return "ServedEmbedding"

    @property
    def fingerprint(self) -> Fingerprint:
        """What the vectors are, as far as can be known of what a server runs."""
        return self._spec.fingerprint

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of passages, shape (texts, dimension), unit length, in the order given.

        Raises:
            EmbeddingError: the server gives something else.
            ModelNotAvailable: the server cannot be reached, or does not know the model.
        """
        return self._encode(texts, self.fingerprint.passage_prompt)

    def embed_and_count(
        self, texts: Sequence[str], on_progress: Callable[[int], None] = lambda _: None
    ) -> tuple[NDArray[np.float32], list[int]]:
        """Return the vectors of passages, and what `count_tokens` says of them.

        Raises:
            EmbeddingError, ModelNotAvailable: as `embed_passages`.
        """
        return self._encode(texts, self.fingerprint.passage_prompt, on_progress), self.count_tokens(texts)

    def embed_question(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question, shape (dimension,), unit length."""
        vector: NDArray[np.float32] = self.embed_questions([text])[0]
        return vector

    def embed_questions(
        self, texts: Sequence[str], on_progress: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.float32]:
        """Return the vectors of questions, shape (texts, dimension), unit length, in the order given."""
        return self._encode(texts, self.fingerprint.query_prompt, on_progress)

    def reads(self, text: str) -> bool:
        """Whether the model was made for the language of a text, as far as the catalogue knows."""
        return reads(self._spec, text)

    @property
    def is_quick(self) -> bool:
        """Whether sentences are embedded while a person waits: of a server nobody can tell."""
        return False

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens the model reads of each passage, or more: a text that fits by this count does fit.

        A server says what it read of a whole request only. No tokenizer makes more tokens of a text than it has bytes in UTF-8,
        so most texts need not be asked about; one that is too long by its bytes is sent alone.
        """
        prompt = self.fingerprint.passage_prompt
        special = 2  # at both ends
        counts = [len((prompt + text).encode()) + special for text in texts]
        for row, count in enumerate(counts):
            if count > self.fingerprint.max_tokens:
                _, tokens = self._server.embed([prompt + texts[row]])
                counts[row] = count if tokens is None else tokens
        return counts

    def _encode(
        self, texts: Sequence[str], prompt: str, on_progress: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.float32]:
        parts = [np.empty((0, self.fingerprint.dimension), dtype=np.float32)]
        for first in range(0, len(texts), BATCH_SIZE):
            batch = texts[first : first + BATCH_SIZE]
            vectors, _ = self._server.embed([prompt + text for text in batch])
            parts.append(unit_vectors(vectors, batch, self._spec))
            on_progress(first + len(batch))
        return np.concatenate(parts)

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self.embed_question(query).tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self.embed_passages(texts).tolist()
        return vectors
