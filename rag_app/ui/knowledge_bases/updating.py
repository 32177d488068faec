"""More documents for a knowledge base, and its update from the sources that it has.

This module knows nothing of what a build does with them.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import RagAppError
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.uploading import draw_sources, keep_files, problem_of
from rag_app.ui.parts import show_notice, show_problem
from rag_app.ui.words import say


def draw_additions(settings: Settings, name: str) -> None:
    """Draw the addition of documents, and the update."""
    is_changing = work.is_changing(name)
    with st.container(border=True):
        st.subheader(say("knowledge_bases.add.title"))
        given = draw_sources(settings, name)
        if st.button(say("knowledge_bases.add.button"), type="primary", icon=":material/add:", disabled=is_changing):
            problem = problem_of(given, settings)
            if problem:
                show_notice(problem)
                return
            try:
                upload = keep_files(given, settings, name)
            except RagAppError as error:
                show_problem(error)
                return
            sources = [Path(given.path).expanduser()] if given.path else []
            _show(name, is_started=work.start_build(settings, name, sources=sources, upload=upload))
    with st.container(border=True):
        st.subheader(say("knowledge_bases.update.title"))
        st.text(say("knowledge_bases.update.about"))
        if st.button(say("knowledge_bases.update.button"), icon=":material/sync:", disabled=is_changing):
            _show(name, is_started=work.start_build(settings, name))


def _show(name: str, *, is_started: bool) -> None:
    """Draw the page anew, which shows the work, or say why there is none."""
    if is_started:
        st.rerun()
    show_notice(say("knowledge_bases.work.busy", name=name))
