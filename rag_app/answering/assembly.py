"""Puts a query engine together: which embedder a knowledge base wants, the retriever over it, the engine.

The one place that joins retrieval, models and answering, for the commands and the app alike.
This module knows nothing of screens or flags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rag_app.answering.neighbours import Neighbours
from rag_app.answering.query_engine import CitedQueryEngine
from rag_app.answering.writer_by_language import writer_of
from rag_app.config import ModelSettings, RetrievalSettings, Settings, load_settings
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
    llm: LLM | Literal["quote"] | None,
    settings: Settings,
    *,
    reranker: CatalogueReranker | None = None,
    filters: MetadataFilters | None = None,
    announce: Announce = quietly,
) -> CitedQueryEngine:
    """Return the engine that answers from a knowledge base.

    More passages are found than are kept: the reranker chooses among them, and duplicates are collapsed. `llm` writes the
    answer; `quote` stands for the passages' own sentences, None for none. `filters` decide which passages may be found. Where a
    calibration holds for the search, passages get a `probability`; with filters none does, since it was made without.
    `announce` is told of calibrations that cannot be used.

    Raises:
        EmbedderMismatch: the base has no vectors of exactly this embedding model.
        UsageError: a filter that makes no sense.
    """
    fingerprint = embed_model.fingerprint
    retrieval = settings.retrieval
    depth = retrieval.top_k * DEPTH_FACTOR if reranker is None else max(retrieval.rerank_depth, retrieval.top_k)
    retriever = _retriever(knowledge_base, embed_model, retrieval.model_copy(update={"top_k": depth}), filters)
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
        writer_of(llm, settings.answering, _quick(embed_model)),
        answering=settings.answering,
        limits=settings.limits,
        embedder_name=fingerprint.model,
        reranker_name=reranker_name,
        node_postprocessors=postprocessors,
        neighbours=Neighbours(knowledge_base, filters),
    )


def open_engine(
    name: str, llm: LLM | Literal["quote"] | None = "quote", *, settings: Settings | None = None
) -> CitedQueryEngine:
    """Open a knowledge base with its first embedding model, from files that were read to the end; nothing is downloaded.

    Args:
        name: of the knowledge base.
        llm: what writes: any LlamaIndex `LLM`, `quote` for the passages' own sentences, None for passages only.
        settings: None: those of rag.toml and the environment.

    Raises:
        KnowledgeBaseError: there is none of that name, or it is damaged.
        ModelError: its embedding model is not on this machine, or cannot be loaded.
    """
    settings = load_settings() if settings is None else settings
    knowledge_base, embed_model = _opened(name, settings)
    return assemble_engine(knowledge_base, embed_model, llm, settings)


def open_retriever(
    name: str, *, settings: Settings | None = None, filters: MetadataFilters | None = None
) -> KnowledgeBaseRetriever:
    """Open a knowledge base for an engine of one's own; the rest is as in `open_engine`.

    Raises:
        KnowledgeBaseError, ModelError: as `open_engine`.
        UsageError: a filter that makes no sense.
    """
    settings = load_settings() if settings is None else settings
    knowledge_base, embed_model = _opened(name, settings)
    return _retriever(knowledge_base, embed_model, settings.retrieval, filters)


def _opened(name: str, settings: Settings) -> tuple[KnowledgeBase, Embedder]:
    from rag_app.models.embedder import load_embedder
    from rag_app.store.live import LiveKnowledgeBase

    knowledge_base = LiveKnowledgeBase(settings.indexes, name).verified().knowledge_base
    spec = choose_embedder(knowledge_base, None, offline=True, models=settings.models)
    return knowledge_base, load_embedder(spec, device=settings.device, models=settings.models)


def _quick(embed_model: Embedder) -> Embedder | None:
    """Return the model where it embeds sentences while a person waits."""
    return embed_model if embed_model.is_quick else None


def _retriever(
    knowledge_base: KnowledgeBase, embed_model: Embedder, retrieval: RetrievalSettings, filters: MetadataFilters | None
) -> KnowledgeBaseRetriever:
    vectors = knowledge_base.vectors(embed_model.fingerprint)
    return KnowledgeBaseRetriever(knowledge_base, vectors, embed_model, retrieval, filters, _quick(embed_model))
