"""What all sessions share: knowledge bases and models, loaded once, after the first paint.

Nothing here belongs to one session. This module knows nothing of how anything is drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import DeviceName

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag_app.models.embedder import CatalogueEmbedding
    from rag_app.store.live import LiveKnowledgeBase

_KNOWLEDGE_BASES = 8
# Two sessions may use two models; a third pushes the oldest out, so that memory stays bounded.
_MODELS = 2


@st.cache_resource(show_spinner=False, max_entries=_KNOWLEDGE_BASES)
def live_knowledge_base(indexes: Path, name: str) -> LiveKnowledgeBase:
    """Return what follows the live generation of a knowledge base, one for all sessions: ask it again before each question.

    Raises:
        KnowledgeBaseNameError: not a plain folder name.
    """
    from rag_app.store.live import LiveKnowledgeBase

    return LiveKnowledgeBase(indexes, name)


@st.cache_resource(show_spinner=False, max_entries=_MODELS)
def load_embedder(model_id: str, fingerprint_digest: str, device: DeviceName) -> CatalogueEmbedding:  # noqa: ARG001
    """Return the embedding model of an index, loaded once for all sessions. The page never downloads.

    Args:
        model_id: as the index names it.
        fingerprint_digest: of the index's vectors, part of the key: another one is another model.
        device: where it runs.

    Raises:
        ModelError: it is not on this machine, or cannot be loaded.
    """
    from rag_app.models.embedder import CatalogueEmbedding
    from rag_app.models.embedder_spec import resolve_embedder

    return CatalogueEmbedding(resolve_embedder(model_id, offline=True), device=device)


@st.cache_resource(show_spinner=False, max_entries=_MODELS)
def load_generator(model_id: str | None, device: DeviceName, max_new_tokens: int) -> LLM:
    """Return a generator, loaded once for all sessions; None: the default for the device. The page never downloads.

    Raises:
        ModelError: it is not on this machine, or cannot be loaded.
    """
    from rag_app.models.generator import load_generator as load

    return load(model_id, device=device, offline=True, max_new_tokens=max_new_tokens)
