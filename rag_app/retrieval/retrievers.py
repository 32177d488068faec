"""Question to passages: the LlamaIndex retriever over a knowledge base, dense, by keyword, or both fused in two stages.

Whatever ranks, every passage carries its cosine (where there is an embedder, and it has a vector) and its BM25 score, each
under its name, and the percentile of the one that ranks. This module knows nothing of prompts or answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters

from rag_app.config import RetrievalSettings
from rag_app.retrieval.first_stage import Candidates, FirstStage
from rag_app.retrieval.fusion import PassageScores, below, best, fuse_second
from rag_app.retrieval.nodes import BEST_SENTENCE, node_with, read_nodes
from rag_app.retrieval.null_scores import NullScores, size_of
from rag_app.retrieval.places import place_table
from rag_app.retrieval.question_vector import question_vector
from rag_app.retrieval.second_stage import SentenceEmbedder, evidence_of
from rag_app.store.keywords import QuestionWords
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.vectors import WITHOUT_VECTOR, VectorIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANKING_SCORE = {"hybrid": "fused", "dense": "cosine", "keyword": "bm25"}


class KnowledgeBaseRetriever(BaseRetriever):
    """Retrieves passages of one generation of a knowledge base."""

    def __init__(
        self,
        knowledge_base: KnowledgeBase,
        vectors: VectorIndex | None,
        embed_model: BaseEmbedding | None,
        settings: RetrievalSettings,
        filters: MetadataFilters | None = None,
        sentence_embedder: SentenceEmbedder | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            knowledge_base: where passages come from.
            vectors: those of `embed_model`; both None for keyword search without cosines.
            embed_model: embeds the question.
            settings: which retriever ranks, how many passages, and how many are looked at by the sentence.
            filters: on the fields of `filters.FIELDS`; only passages with a place that they keep are found. None for all.
            sentence_embedder: the same model, where it is quick enough to embed the sentences of the best passages while a
                person waits; None: the second stage looks at words alone.

        Raises:
            UsageError: a filter that makes no sense.
            KnowledgeBaseDamaged: the statistics of the scores cannot be read.
        """
        if (vectors is None) != (embed_model is None):
            raise ValueError("vectors and embed_model are given together or not at all")
        if vectors is None and settings.retriever != "keyword":
            raise ValueError(f"the retriever '{settings.retriever}' needs vectors and an embed_model")
        super().__init__(callback_manager=CallbackManager([]))
        self._knowledge_base = knowledge_base
        self._embed_model = embed_model
        self._settings = settings
        self._sentence_embedder = sentence_embedder
        self._places = place_table(knowledge_base)
        self._selection = self._places.select(filters=filters)
        self._null_scores = _null_scores(knowledge_base, vectors)
        nats = self._null_scores.nats_per_cosine if self._null_scores else None
        self._first_stage = FirstStage(knowledge_base.keywords, vectors, nats)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        question = query_bundle.query_str
        vector = None
        if self._embed_model is not None:
            vector = question_vector(self._embed_model.get_query_embedding(question))
        words = self._knowledge_base.keywords.read(question)
        allowed = None if self._selection is None else self._selection.numbers
        found = self._first_stage.find(words, vector, self._settings.retriever, self._settings.top_k, allowed)
        scores: dict[str, NDArray[np.floating]] = {"bm25": found.bm25}
        if found.cosines is not None:
            scores = {"cosine": found.cosines, **scores}
        spans: dict[int, tuple[int, int]] = {}
        if self._settings.retriever == "hybrid":
            assert vector is not None
            scores |= self._look_closely(found, words, vector, spans, is_read=self._is_read(question))
        ranking = scores[_RANKING_SCORE[self._settings.retriever]]
        if self._null_scores is not None:
            compared = scores if found.evidence is None else scores | {"evidence": found.evidence}
            scores["percentile"] = self._null_scores.percentiles(self._settings.retriever, compared, size_of(words))
        if found.cosines is not None:  # a passage that has no vector has no cosine to show
            scores["cosine"] = np.where(found.cosines == WITHOUT_VECTOR, np.nan, found.cosines)
        order = best(ranking, self._settings.top_k)
        return self._nodes(found.numbers, scores, ranking, order, spans)

    def _look_closely(
        self,
        found: Candidates,
        words: QuestionWords,
        vector: NDArray[np.float32],
        spans: dict[int, tuple[int, int]],
        *,
        is_read: bool,
    ) -> dict[str, NDArray[np.floating]]:
        """Return the scores of the second stage by name, shape (candidates,) each, and put the best sentences into `spans`.

        Passages that it does not look at keep the order of the first stage, behind those that it does.
        """
        assert found.known_cosines is not None
        assert found.evidence is not None
        near = best(found.evidence, self._settings.evidence_depth)
        fused = found.evidence.copy()
        if not len(near):
            return {"fused": fused}
        chunks = self._knowledge_base.chunks.chunks(found.numbers[near].tolist())
        evidence = evidence_of(chunks, words, vector, self._sentence_embedder if is_read else None)
        fused[near] = fuse_second(
            PassageScores(
                found.known_cosines[near],
                found.bm25[near],
                evidence.sentences,
                evidence.sentence_words,
                evidence.word_pairs,
            ),
            found.scales,
        )
        is_far = np.ones(len(fused), dtype=np.bool_)
        is_far[near] = False
        fused[is_far] = below(found.evidence[is_far], fused[near])
        spans.update(zip(near.tolist(), evidence.best, strict=True))
        if evidence.sentences is None:
            return {"fused": fused}
        sentences = np.full(len(fused), np.nan, np.float32)
        sentences[near] = evidence.sentences
        return {"sentence": sentences, "fused": fused}

    def _is_read(self, question: str) -> bool:
        """Whether sentences are embedded: to a model that was not made for the language, short ones are all alike."""
        return self._sentence_embedder is not None and self._sentence_embedder.reads(question)

    def _nodes(
        self,
        numbers: NDArray[np.int64],
        scores: dict[str, NDArray[np.floating]],
        ranking: NDArray[np.floating],
        order: NDArray[np.int64],
        spans: dict[int, tuple[int, int]],
    ) -> list[NodeWithScore]:
        nodes = read_nodes(
            self._knowledge_base.chunks,
            numbers[order].tolist(),
            [
                {name: float(values[position]) for name, values in scores.items() if not np.isnan(values[position])}
                for position in order
            ],
            None if self._selection is None else self._places.shown_at(self._selection, numbers[order]),
        )
        scored = [
            NodeWithScore(node=node, score=float(score)) for node, score in zip(nodes, ranking[order], strict=True)
        ]
        return [
            node_with(one, {BEST_SENTENCE: [one.node.metadata["start"] + offset for offset in spans[position]]})
            if position in spans
            else one
            for position, one in zip(order.tolist(), scored, strict=True)
        ]


def _null_scores(knowledge_base: KnowledgeBase, vectors: VectorIndex | None) -> NullScores | None:
    """Return what the scores are worth; those of keywords are the same under each model of the base."""
    if vectors is None and not knowledge_base.models:
        return None
    values = knowledge_base.null_scores(knowledge_base.models[0] if vectors is None else vectors.fingerprint)
    return None if values is None else NullScores.from_json(values)
