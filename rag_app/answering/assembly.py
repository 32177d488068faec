"""Puts a query engine together: which embedder a knowledge base wants, the retriever over it, the engine.

The one place that joins retrieval, models and answering, for the commands and the app alike.
This module knows nothing of screens or flags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag_app.answering.query_engine import CitedQueryEngine
from rag_app.config import ModelSettings, Settings
from rag_app.models.embedder_spec import EmbedderSpec, embedder_name, resolve_embedder
from rag_app.models.hub import Announce, quietly
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag_app.models.embedder import Embedder


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
    knowledge_base: KnowledgeBase, embed_model: Embedder, llm: LLM | None, settings: Settings
) -> CitedQueryEngine:
    """Return the engine that answers from a knowledge base.

    Raises:
        EmbedderMismatch: the base has no vectors of exactly this embedding model.
    """
    fingerprint = embed_model.fingerprint
    retriever = KnowledgeBaseRetriever(
        knowledge_base, knowledge_base.vectors(fingerprint), embed_model, settings.retrieval
    )
    return CitedQueryEngine(
        retriever, llm, answering=settings.answering, limits=settings.limits, embedder_name=fingerprint.model
    )
