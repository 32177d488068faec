"""Models as several commands load them: those that a knowledge base and the settings ask for, with what is said meanwhile.

This module knows nothing of flags. What is slow to import is imported inside a function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rag_app.terminal import say

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag_app.config import Settings
    from rag_app.models.embedder import Embedder
    from rag_app.models.reranker import CatalogueReranker
    from rag_app.store.knowledge_base import KnowledgeBase


def embedder_of(knowledge_base: KnowledgeBase, model_id: str | None, settings: Settings) -> Embedder:
    """Load one of a base's embedding models; None for its first.

    Raises:
        EmbedderMismatch: the base has no vectors of exactly this model.
        ModelError: it is not at hand, or cannot be loaded.
    """
    from rag_app.answering.assembly import choose_embedder
    from rag_app.models.embedder import load_embedder

    spec = choose_embedder(knowledge_base, model_id, offline=settings.offline, announce=say, models=settings.models)
    return load_embedder(spec, device=settings.device, models=settings.models)


def reranker_of(settings: Settings) -> CatalogueReranker | None:
    """Load the reranker of the settings, if there is one.

    Raises:
        ModelError: it is not at hand, or cannot be loaded.
    """
    if settings.reranker is None:
        return None
    from rag_app.models.reranker import load_reranker
    from rag_app.models.reranker_spec import resolve_reranker

    spec = resolve_reranker(settings.reranker, offline=settings.offline, announce=say, models=settings.models)
    return load_reranker(spec, device=settings.device)


def generator_of(settings: Settings) -> LLM | Literal["quote"]:
    """Load what writes the answers; nothing is loaded where they are quoted.

    Raises:
        ModelError: it is not at hand, or cannot be loaded.
    """
    from rag_app.models.catalogue import QUOTE

    if settings.generator == QUOTE:
        return "quote"
    from rag_app.models.generating.generator import load_generator

    return load_generator(
        settings.generator,
        device=settings.device,
        offline=settings.offline,
        answering=settings.answering,
        models=settings.models,
        announce=say,
    )
