"""Puts a query engine together: which embedder a knowledge base wants, the retriever over it, the engine.

The one place that joins retrieval, models and answering, for the commands and the app alike.
This module knows nothing of screens or flags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag_app.answering.neighbours import Neighbours
from rag_app.answering.query_engine import CitedQueryEngine
from rag_app.answering.writers import GeneratorWriter
from rag_app.config import ModelSettings, Settings
from rag_app.models.embedder_spec import EmbedderSpec, embedder_name, resolve_embedder
from rag_app.models.hub import Announce, quietly
from rag_app.retrieval.calibrated import ProbabilityPostprocessor, find_calibration
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.retrieval.selection import DEPTH_FACTOR, PassageSelector
from rag_app.store.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from llama_index.core.llms import LLM
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.vector_stores.types import MetadataFilters

    from rag_app.models.embedder import Embedder
    from rag_app.models.reranker import CatalogueReranker


def choose_embedder(
    knowledge_base: KnowledgeBase,
    model_id: str | None,
    *,
    offline: bool,
    announce: Announce = quietly,
    models: ModelSettings | None = None,
) -> EmbedderSpec:
    """Return the embedding model to ask a knowledge base with; nothing is loaded.

    Args:
        knowledge_base: what is to be asked.
        model_id: the model asked for; None: the base's first.
        offline: never ask the hub.
        announce: told what is about to be downloaded.
        models: which hub, whose code may run, which server.

    Raises:
        EmbedderMismatch: the base has no vectors of exactly this model.
        ModelNotAvailable: the model is not on the machine and cannot be fetched.
    """
    name = embedder_name(model_id) if model_id else knowledge_base.models[0].model
    knowledge_base.check_has_model(name)  # before a model is fetched that could not be used
    spec = resolve_embedder(name, offline=offline, announce=announce, models=models)
    knowledge_base.vectors(spec.fingerprint)
    return spec


def assemble_engine(
    knowledge_base: KnowledgeBase,
    embed_model: Embedder,
    llm: LLM | None,
    settings: Settings,
    *,
    reranker: CatalogueReranker | None = None,
    filters: MetadataFilters | None = None,
    announce: Announce = quietly,
) -> CitedQueryEngine:
    """Return the engine that answers from a knowledge base.

    More passages are found than are kept: the reranker chooses among them, and duplicates are collapsed. `filters` decide which
    passages may be found. Where a calibration holds for the search, passages get a `probability`; with filters none does, since
    it was made without. `announce` is told of calibrations that cannot be used.

    Raises:
        EmbedderMismatch: the base has no vectors of exactly this embedding model.
        UsageError: a filter that makes no sense.
    """
    fingerprint = embed_model.fingerprint
    retrieval = settings.retrieval
    depth = retrieval.top_k * DEPTH_FACTOR if reranker is None else max(retrieval.rerank_depth, retrieval.top_k)
    retriever = KnowledgeBaseRetriever(
        knowledge_base,
        knowledge_base.vectors(fingerprint),
        embed_model,
        retrieval.model_copy(update={"top_k": depth}),
        filters,
        embed_model if embed_model.is_quick else None,
    )
    selector = PassageSelector(top_k=retrieval.top_k, per_document=retrieval.per_document)
    reranker_name = None if reranker is None else reranker.model_id
    postprocessors: list[BaseNodePostprocessor] = (
        [selector] if reranker is None else [reranker.keeping(depth), selector]
    )
    if filters is None:
        base = knowledge_base.folder.parent
        calibration = find_calibration(base, fingerprint, retrieval, reranker_name, announce)
        if calibration is not None:
            postprocessors.append(ProbabilityPostprocessor(calibration))
    return CitedQueryEngine(
        retriever,
        None
        if llm is None
        else GeneratorWriter(llm, settings.answering, embed_model if embed_model.is_quick else None),
        answering=settings.answering,
        limits=settings.limits,
        embedder_name=fingerprint.model,
        reranker_name=reranker_name,
        node_postprocessors=postprocessors,
        neighbours=Neighbours(knowledge_base, filters),
    )
