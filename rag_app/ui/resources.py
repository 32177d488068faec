"""What all sessions share: knowledge bases and models, loaded once, after the first paint.

Nothing here belongs to one session. This module knows nothing of how anything is drawn.
"""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import DeviceName

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag_app.config import Settings
    from rag_app.datatypes import Fingerprint
    from rag_app.models.embedder import Embedder
    from rag_app.models.held_embedders import HeldEmbedders
    from rag_app.models.reranker import CatalogueReranker
    from rag_app.store.live import LiveKnowledgeBase

_importing = threading.Lock()
# By their front door: who enters a library by another module, while it is imported, does not wait for it.
_LIBRARIES = ("torch", "llama_index.core")
_KNOWLEDGE_BASES = 8
# Two sessions may use two generators; a third pushes the oldest out, so that memory stays bounded.
_GENERATORS = 2


def import_libraries() -> None:
    """Import the libraries that answering stands on, in one thread, the others waiting.

    A page that still loads its models is left running when a question is asked, and the question runs in a second thread. Two
    threads that import different modules of one library fail each other ("partially initialized module"). To be called
    before anything is imported that needs these libraries.
    """
    with _importing:
        for library in _LIBRARIES:
            import_module(library)


@st.cache_resource(show_spinner=False, max_entries=_KNOWLEDGE_BASES)
def live_knowledge_base(indexes: Path, name: str) -> LiveKnowledgeBase:
    """Return what follows the live generation of a knowledge base, one for all sessions: ask it again before each question.

    Raises:
        KnowledgeBaseNameError: not a plain folder name.
    """
    from rag_app.store.live import LiveKnowledgeBase

    return LiveKnowledgeBase(indexes, name)


@st.cache_resource(show_spinner=False)
def held_embedders(limit: int) -> HeldEmbedders:
    """Return the embedding models that all sessions share."""
    from rag_app.models.held_embedders import HeldEmbedders

    return HeldEmbedders(limit)


def load_embedder(fingerprint: Fingerprint, settings: Settings) -> Embedder:
    """Return the embedding model of an index, loaded once for all sessions. The page never downloads.

    Args:
        fingerprint: of the index's vectors: another one is another model.
        settings: where it runs, how many are held.

    Raises:
        ModelError: it is not on this machine, or cannot be loaded.
    """

    def load() -> Embedder:
        import_libraries()
        from rag_app.models.embedder import load_embedder as load_on
        from rag_app.models.embedder_spec import resolve_embedder

        spec = resolve_embedder(fingerprint.model, offline=True, models=settings.models)
        return load_on(spec, device=settings.device, models=settings.models)

    return held_embedders(settings.models.held).get(f"{fingerprint.digest} {settings.device}", load)


@st.cache_resource(show_spinner=False, max_entries=1)
def load_reranker(model_id: str, device: DeviceName) -> CatalogueReranker:
    """Return a reranker, loaded once for all sessions. The page never downloads.

    Raises:
        ModelError: it is not on this machine, or cannot be loaded.
    """
    import_libraries()
    from rag_app.models.reranker import load_reranker as load
    from rag_app.models.reranker_spec import resolve_reranker

    return load(resolve_reranker(model_id, offline=True), device=device)


@st.cache_resource(show_spinner=False, max_entries=_GENERATORS)
def load_generator(model_id: str | None, settings: Settings) -> LLM:
    """Return a generator, loaded once for all sessions; None: the default for the device. The page never downloads.

    Raises:
        ModelError: it is not on this machine, or cannot be loaded.
    """
    import_libraries()
    from rag_app.models.generating.generator import load_generator as load

    return load(model_id, device=settings.device, offline=True, answering=settings.answering, models=settings.models)
