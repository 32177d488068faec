"""Question to passages: the LlamaIndex retriever over a knowledge base, dense, by keyword, or both fused.

Whatever ranks, every passage carries its cosine (where there is an embedder) and its BM25 score, each under its name.
This module knows nothing of prompts or answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_app.config import RetrievalSettings
from rag_app.errors import EmbeddingError
from rag_app.retrieval.fusion import best, fuse
from rag_app.retrieval.nodes import node_of
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.vectors import VectorIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray


class KnowledgeBaseRetriever(BaseRetriever):
    """Retrieves passages of one generation of a knowledge base."""

    def __init__(
        self,
        knowledge_base: KnowledgeBase,
        vectors: VectorIndex | None,
        embed_model: BaseEmbedding | None,
        settings: RetrievalSettings,
    ) -> None:
        """Put the parts together.

        Args:
            knowledge_base: where passages come from.
            vectors: those of `embed_model`; both None for keyword search without cosines.
            embed_model: embeds the question.
            settings: which retriever ranks, how many passages, and the weight of the dense one.
        """
        if (vectors is None) != (embed_model is None):
            raise ValueError("vectors and embed_model are given together or not at all")
        if vectors is None and settings.retriever != "keyword":
            raise ValueError(f"the retriever '{settings.retriever}' needs vectors and an embed_model")
        super().__init__(callback_manager=CallbackManager([]))
        self._knowledge_base = knowledge_base
        self._vectors = vectors
        self._embed_model = embed_model
        self._settings = settings

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        scores = self._scores(query_bundle.query_str)
        ranking = scores[{"hybrid": "fused", "dense": "cosine", "keyword": "bm25"}[self._settings.retriever]]
        numbers = best(ranking, self._settings.top_k)
        if self._settings.retriever == "keyword":
            numbers = numbers[ranking[numbers] > 0]  # a passage that shares no word was not found by keyword search
        chunks = self._knowledge_base.chunks.chunks(numbers.tolist())
        places = self._knowledge_base.chunks.places(numbers.tolist())
        return [
            node_of(
                chunk,
                {name: float(values[number]) for name, values in scores.items()},
                float(ranking[number]),
                also_in=places[number][1:],
            )
            for number, chunk in zip(numbers.tolist(), chunks, strict=True)
        ]

    def _scores(self, question: str) -> dict[str, NDArray[np.float32]]:
        """Return the scores of every chunk by name, shape (chunks,) each."""
        scores = {"bm25": self._knowledge_base.keywords.scores(question)}
        if self._vectors is None or self._embed_model is None:
            return scores
        vector = _unit(np.asarray(self._embed_model.get_query_embedding(question), dtype=np.float32))
        scores = {"cosine": self._vectors.cosines(vector, self._knowledge_base.chunk_count)} | scores
        if self._settings.retriever == "hybrid":
            dense = self._settings.dense_weight
            scores["fused"] = fuse([scores["cosine"], scores["bm25"]], [dense, 1 - dense])
        return scores


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vector at length one; any LlamaIndex embedding may be plugged in, and not all normalise."""
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        raise EmbeddingError(
            f"The question's vector cannot be searched: its length is {length}.", "Rephrase the question."
        )
    result: NDArray[np.float32] = vector / np.float32(length)
    return result
