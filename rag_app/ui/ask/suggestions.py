"""Questions that an empty page suggests, made once for each generation. This module knows nothing of how they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from rag_app.errors import KnowledgeBaseError

if TYPE_CHECKING:
    from rag_app.store.knowledge_base import KnowledgeBase

_GENERATIONS = 32


def suggestions_for(knowledge_base: KnowledgeBase) -> tuple[str, ...]:
    """Return questions that the knowledge base can answer; none where it cannot be read: whoever asks is told then."""
    manifest = knowledge_base.manifest
    try:
        return _suggestions(knowledge_base, f"{knowledge_base.folder} {manifest.created_at}")
    except KnowledgeBaseError:
        return ()


@st.cache_data(show_spinner=False, max_entries=_GENERATIONS)
def _suggestions(_knowledge_base: KnowledgeBase, generation: str) -> tuple[str, ...]:
    from rag_app.evaluation.drafting.suggestions import suggested_questions

    del generation  # by which the questions are known again
    return suggested_questions(_knowledge_base)
