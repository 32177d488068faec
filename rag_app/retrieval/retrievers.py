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
from rag_app.retrieval.fusion import Spread, best, fuse, spread_of
from rag_app.retrieval.nodes import read_nodes
from rag_app.retrieval.question_vector import question_vector
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.vectors import VectorIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of each retriever so many passages take part in fusion: the best of the fused is among the best of either.
DEPTH = 1000
_RANKING_SCORE = {"hybrid": "fused", "dense": "cosine", "keyword": "bm25"}


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
        question = query_bundle.query_str
        vector = None
        if self._embed_model is not None:
            vector = question_vector(self._embed_model.get_query_embedding(question))
        words = self._knowledge_base.keywords.scores(question)
        candidates = self._candidates(vector, words)
        scores = self._scores(vector, words, candidates)
        ranking = scores[_RANKING_SCORE[self._settings.retriever]]
        order = best(ranking, self._settings.top_k)
        nodes = read_nodes(
            self._knowledge_base.chunks,
            candidates[order].tolist(),
            [{name: float(values[position]) for name, values in scores.items()} for position in order],
        )
        return [NodeWithScore(node=node, score=float(score)) for node, score in zip(nodes, ranking[order], strict=True)]

    def _candidates(self, vector: NDArray[np.float32] | None, words: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the numbers of the passages that may be among the best, sorted; all of them where there are few.

        Args:
            vector: the question's, of unit length.
            words: shape (chunks,), the BM25 scores of all passages.
        """
        if self._settings.retriever == "keyword":
            found = best(words, self._settings.top_k)
            return np.sort(found[words[found] > 0])  # a passage that shares no word was not found by keyword search
        assert self._vectors is not None
        assert vector is not None
        if self._settings.retriever == "dense":
            return np.sort(self._vectors.search(vector, self._settings.top_k)[0])
        return np.union1d(self._vectors.search(vector, DEPTH)[0], best(words, DEPTH))

    def _scores(
        self, vector: NDArray[np.float32] | None, words: NDArray[np.float32], candidates: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the scores of the candidates by name, shape (candidates,) each."""
        bm25 = words[candidates]
        if self._vectors is None or vector is None:
            return {"bm25": bm25}
        scores = {"cosine": self._vectors.cosines(vector, candidates), "bm25": bm25}
        if self._settings.retriever == "hybrid":
            dense = self._settings.dense_weight
            spreads = [Spread(*self._vectors.spread(vector)), spread_of(words)]
            scores["fused"] = fuse([scores["cosine"], bm25], spreads, [dense, 1 - dense])
        return scores
