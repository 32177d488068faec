"""A new knowledge base: from uploads or a folder, with a name and a model that are proposed, built by one click.

This module knows nothing of how a base is built.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import KnowledgeBaseNameError
from rag_app.store.layout import checked_name, holds_something_else, proposed_name
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.links import close_base, open_base
from rag_app.ui.knowledge_bases.models import draw_model_choice
from rag_app.ui.knowledge_bases.uploading import Given, build_from, draw_sources, given_so_far
from rag_app.ui.parts import show_notice
from rag_app.ui.words import say

_PLACE = "new"
_NAME = "name of the new knowledge base"
_PROPOSED = "name that was proposed"


def draw_creation(settings: Settings, names: Sequence[str]) -> None:
    """Draw everything a new base needs; each part has a default but for the documents themselves."""
    with st.container(border=True):
        st.subheader(say("knowledge_bases.new.title"))
        given = draw_sources(settings, _PLACE, lambda: _propose(names))
        left, right = st.columns(2)
        with left:
            name = st.text_input(
                say("knowledge_bases.new.name"), key=_NAME, max_chars=64, help=say("knowledge_bases.new.name_help")
            )
        with right:
            model = draw_model_choice(settings, "model of the new knowledge base")
        with st.container(horizontal=True):
            is_wanted = st.button(
                say("knowledge_bases.new.build"), type="primary", icon=":material/build:", disabled=not model
            )
            if names:
                st.button(say("knowledge_bases.new.back"), on_click=close_base)
        if is_wanted:
            _create(settings, name.strip(), names, given, model)


def _propose(names: Sequence[str]) -> None:
    """Propose a name made of what was given, unless another was typed."""
    if st.session_state.get(_NAME, "") in ("", st.session_state.get(_PROPOSED)):
        given = given_so_far(_PLACE)
        proposed = proposed_name(given.name, names) if given.name else ""
        st.session_state[_NAME] = st.session_state[_PROPOSED] = proposed


def _create(settings: Settings, name: str, names: Sequence[str], given: Given, model: str) -> None:
    problem = _name_problem(settings, name, names)
    if problem:
        show_notice(problem)
    elif build_from(given, settings, name, [model]):
        open_base(name)
        st.rerun()


def _name_problem(settings: Settings, name: str, names: Sequence[str]) -> str:
    if not name:
        return say("knowledge_bases.refused.no_name")
    try:
        checked_name(name)
    except KnowledgeBaseNameError:
        return say("knowledge_bases.refused.name")
    if name in names or work.is_changing(name):
        return say("knowledge_bases.refused.name_taken", name=name)
    if holds_something_else(settings.indexes / name):
        return say("knowledge_bases.refused.folder_taken", name=name)
    return ""
