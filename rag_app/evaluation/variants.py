"""Searches that the app does not do, for comparison: BM25 with other settings, fused by reciprocal rank or z-scores.

Every passage of the base is scored, so they are exact, and slow on large bases. Formulas: docs/comparing.md.
This module knows nothing of questions with answers or of how anything is judged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_app.retrieval.fusion import best
from rag_app.retrieval.nodes import read_nodes
from rag_app.text import search_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rag_app.evaluation.systems import KeywordSpec, SystemSpec
    from rag_app.models.embedder import Embedder
    from rag_app.store.knowledge_base import KnowledgeBase

_WORD = re.compile(r"\b\w\w+\b")  # as bm25s and scikit-learn cut words


class KeywordVariant:
    """BM25 (Lucene's variety, by bm25s) over all passages of a base."""

    def __init__(self, knowledge_base: KnowledgeBase, spec: KeywordSpec) -> None:
        """Read all passages, and index them in memory."""
        import bm25s

        self._spec = spec
        chunks = knowledge_base.chunks.all_chunks()
        texts = [chunk.text if spec.text == "passage" else chunk.embedded_text for chunk in chunks]
        self._count = len(texts)
        self._index = bm25s.BM25(k1=spec.k1, b=spec.b)
        self._index.index([self._tokens(text) for text in texts], show_progress=False)

    def scores(self, question: str) -> NDArray[np.float32]:
        """Return the score of every passage, shape (passages,)."""
        tokens = self._tokens(question)
        if not tokens:
            return np.zeros(self._count, np.float32)
        scores: NDArray[np.float32] = self._index.get_scores(tokens)
        return scores

    def _tokens(self, text: str) -> list[str]:
        if self._spec.tokenizer == "ours":
            return search_tokens(text)
        from bm25s.stopwords import STOPWORDS_EN

        words = _WORD.findall(text.lower())
        if self._spec.stop_words == "en":
            words = [word for word in words if word not in STOPWORDS_EN]
        return _stems(words) if self._spec.stemming else words


def _stems(words: Sequence[str]) -> list[str]:
    import Stemmer

    stems: list[str] = Stemmer.Stemmer("english").stemWords(list(words))
    return stems


class VariantRetriever(BaseRetriever):
    """Ranks all passages of a base as a system says that is not the app's own."""

    def __init__(
        self,
        knowledge_base: KnowledgeBase,
        embedder: Embedder | None,
        spec: SystemSpec,
        keywords: KeywordVariant | None,
        top_k: int,
    ) -> None:
        """Put the parts together; `keywords` None where the app's own keyword search is fused, or none."""
        super().__init__(callback_manager=CallbackManager([]))
        self._knowledge_base = knowledge_base
        self._embedder = embedder
        self._spec = spec
        self._keywords = keywords
        self._top_k = top_k

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        question = query_bundle.query_str
        scores: dict[str, NDArray[np.floating]] = {}
        if self._embedder is not None:
            vectors = self._knowledge_base.vectors(self._embedder.fingerprint)
            everything = np.arange(self._knowledge_base.chunk_count)
            scores["cosine"] = vectors.cosines(self._embedder.embed_question(question), everything)
        scores["bm25"] = self._bm25(question)
        ranking = self._ranking(scores)
        order = best(ranking, self._top_k)
        if self._spec.retriever == "keyword":
            order = order[scores["bm25"][order] > 0]
        numbers = order.tolist()
        named = [{name: float(values[number]) for name, values in scores.items()} for number in numbers]
        nodes = read_nodes(self._knowledge_base.chunks, numbers, named)
        return [
            NodeWithScore(node=node, score=float(ranking[number])) for node, number in zip(nodes, numbers, strict=True)
        ]

    def _bm25(self, question: str) -> NDArray[np.floating]:
        if self._keywords is not None:
            return self._keywords.scores(question)
        index = self._knowledge_base.keywords
        return index.scores_of(index.read(question))

    def _ranking(self, scores: dict[str, NDArray[np.floating]]) -> NDArray[np.floating]:
        if self._spec.retriever == "keyword":
            return scores["bm25"]
        if self._spec.retriever == "dense":
            return scores["cosine"]
        if self._spec.fusion == "z-scores":
            weight = self._spec.dense_weight
            scores["fused"] = weight * z_scores(scores["cosine"]) + (1 - weight) * z_scores(scores["bm25"])
        else:
            scores["fused"] = reciprocal_ranks(
                [scores["cosine"], scores["bm25"]], self._spec.constant, self._spec.depth
            )
        return scores["fused"]


def z_scores(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return scores in standard deviations from the mean of all passages; zeros where they are all alike."""
    values = scores.astype(np.float64)
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def reciprocal_ranks(rankings: Sequence[NDArray[np.floating]], constant: int, depth: int) -> NDArray[np.float64]:
    """Return the sum of 1 / (constant + rank) over the rankings, ranks from 1, of the `depth` best of each."""
    fused = np.zeros(len(rankings[0]))
    for scores in rankings:
        order = best(scores, min(depth, len(scores)))
        fused[order] += 1 / (constant + np.arange(1, len(order) + 1))
    return fused
