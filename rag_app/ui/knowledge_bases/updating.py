"""More documents for a knowledge base, and its update from the sources that it has.

This module knows nothing of what a build does with them.
"""

from __future__ import annotations

import streamlit as st

from rag_app.config import Settings
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.progress import show_start
from rag_app.ui.knowledge_bases.uploading import build_from, draw_sources
from rag_app.ui.words import say


def draw_additions(settings: Settings, name: str) -> None:
    """Draw the addition of documents, and the update."""
    is_changing = work.is_changing(name)
    with st.container(border=True):
        st.subheader(say("knowledge_bases.add.title"))
        given = draw_sources(settings, name)
        is_wanted = st.button(
            say("knowledge_bases.add.button"), type="primary", icon=":material/add:", disabled=is_changing
        )
        if is_wanted and build_from(given, settings, name):
            st.rerun()
    with st.container(border=True):
        st.subheader(say("knowledge_bases.update.title"))
        st.text(say("knowledge_bases.update.about"))
        if st.button(say("knowledge_bases.update.button"), icon=":material/sync:", disabled=is_changing):
            show_start(work.start_build(settings, name), name)
