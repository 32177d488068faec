"""The page of the knowledge bases: all of them, a new one, or one with its documents, models and identity.

It draws and does not decide. Everything that takes long is a job (`work`), so that a closed tab harms nothing.
This module knows nothing of what is on the disk.
"""

from __future__ import annotations

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import KnowledgeBaseError, KnowledgeBaseNameError, KnowledgeBaseNotFound
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.summaries import BaseState, BaseSummary, summaries, summary_of
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.creation import draw_creation
from rag_app.ui.knowledge_bases.documents import draw_documents
from rag_app.ui.knowledge_bases.identity import draw_deletion, draw_identity, draw_verification
from rag_app.ui.knowledge_bases.links import close_base, draw_ask_button, is_creating, opened
from rag_app.ui.knowledge_bases.markup import heading_html
from rag_app.ui.knowledge_bases.models import draw_models
from rag_app.ui.knowledge_bases.overview import draw_overview, draw_state, facts_of
from rag_app.ui.knowledge_bases.progress import draw_work, follow_others, show_start
from rag_app.ui.knowledge_bases.updating import draw_additions
from rag_app.ui.parts import show_problem
from rag_app.ui.words import say

DOCUMENTS, ADD, MODELS, CARD, DELETE = "documents", "add", "models", "card", "delete"


def draw_page(settings: Settings) -> None:
    """Draw the page."""
    if name := opened():
        _draw_one(settings, name)
        return
    found = summaries(settings.indexes)
    if is_creating() or not (found or work.names_being_built()):
        if not found:
            st.text(say("knowledge_bases.empty"))
        draw_creation(settings, [summary.name for summary in found])
        return
    draw_overview(found)


def _draw_one(settings: Settings, name: str) -> None:
    row = st.container(horizontal=True)
    row.button(say("knowledge_bases.all"), icon=":material/arrow_back:", on_click=close_base)
    try:
        summary = summary_of(settings.indexes, name)
    except KnowledgeBaseNameError as error:
        show_problem(error)
        return
    except KnowledgeBaseNotFound as error:  # it is being built for the first time, or that came to nothing
        if work.change_of(name) is None:
            show_problem(error)
            return
        st.html(heading_html(name))
        draw_work(settings, name)
        follow_others(settings, name)
        return
    st.html(heading_html(name, facts_of(summary)))
    if summary.problem is not None:
        _draw_damaged(settings, summary, summary.problem)
        return
    with row:
        draw_ask_button(name)
    draw_work(settings, name)
    _draw_sections(settings, name)
    follow_others(settings, name)


def _draw_damaged(settings: Settings, summary: BaseSummary, problem: KnowledgeBaseError) -> None:
    """Draw a base that cannot be read: what is wrong, what mends it, and what else can be done with it."""
    draw_state(summary.state)
    show_problem(problem)
    draw_work(settings, summary.name)
    can_mend = summary.state is not BaseState.UNREADABLE and not work.is_changing(summary.name)
    if can_mend and st.button(
        say("knowledge_bases.rebuild"), icon=":material/build:", type="primary", key=f"rebuild {summary.name}"
    ):
        show_start(work.start_build(settings, summary.name, rebuild=True), summary.name)
    draw_verification(settings, summary.name)
    draw_deletion(settings, summary.name)


def _draw_sections(settings: Settings, name: str) -> None:
    section = st.segmented_control(
        say("knowledge_bases.section.label"),
        [DOCUMENTS, ADD, MODELS, CARD, DELETE],
        default=DOCUMENTS,
        required=True,
        format_func=lambda option: say(f"knowledge_bases.section.{option}"),
        label_visibility="collapsed",
        key=f"section {name}",
    )
    if section == DELETE:
        draw_deletion(settings, name)
        return
    if section == ADD:
        draw_additions(settings, name)
        return
    knowledge_base = KnowledgeBase.open(settings.indexes, name)
    try:
        if section == DOCUMENTS:
            draw_documents(settings, knowledge_base)
        elif section == MODELS:
            draw_models(settings, knowledge_base)
        else:
            draw_verification(settings, name)
            draw_identity(knowledge_base)
    finally:
        knowledge_base.close()
