"""The choice of an embedding model, and which models a knowledge base has.

This module knows nothing of what a model is beyond what the catalogue says.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from rag_app.config import Settings
from rag_app.datatypes import Fingerprint
from rag_app.models.embedder_choices import EmbedderChoice, embedder_choices
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.ui.choices import keep_chosen
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.markup import card_html
from rag_app.ui.knowledge_bases.progress import show_start
from rag_app.ui.models.languages import language_name
from rag_app.ui.parts import note_html
from rag_app.ui.words import say

_DROPPING = "embedding model to be dropped"


def draw_model_choice(settings: Settings, key: str, without: Sequence[str] = ()) -> str:
    """Draw the choice of an embedding model and return its id; empty where there is none to choose."""
    choices = {choice.id: choice for choice in embedder_choices(settings, without)}
    if not choices:
        st.text(say("knowledge_bases.models.none_left"))
        return ""

    def name_of(model: str) -> str:
        return _shown(choices.get(model), model)

    keep_chosen(key, choices, name_of)
    chosen = st.selectbox(
        say("knowledge_bases.models.label"),
        list(choices),
        format_func=name_of,
        key=key,
        help=say("knowledge_bases.models.help"),
    )
    choice = choices.get(chosen or "")
    if choice is not None:
        st.html(note_html(_remark(choice)))
    return chosen or ""


def _shown(choice: EmbedderChoice | None, model: str) -> str:
    if choice is None or choice.is_here:
        return model
    return f"{model} ↓"


def _remark(choice: EmbedderChoice) -> str:
    size = f"{choice.download_gb:.2g}"
    where = "here" if choice.is_here else "download" if choice.download_gb else "unknown"
    remark = say(f"knowledge_bases.models.{where}", size=size)
    if choice.languages:
        return f"{remark} {say('knowledge_bases.models.languages', languages=', '.join(map(language_name, choice.languages)))}"
    return remark


def draw_models(settings: Settings, knowledge_base: KnowledgeBase) -> None:
    """Draw the models that a base has vectors of, the addition of another, and the removal of one."""
    name, models = knowledge_base.name, knowledge_base.models
    is_changing = work.is_changing(name)
    for model in models:
        _draw_model(settings, name, model, may_drop=len(models) > 1 and not is_changing, is_default=model is models[0])
    with st.container(border=True):
        st.subheader(say("knowledge_bases.models.add_title"))
        st.text(say("knowledge_bases.models.add_about"))
        without = [model.model for model in models]
        added = draw_model_choice(settings, f"add model {name}", without)
        if st.button(
            say("knowledge_bases.models.add"),
            icon=":material/add:",
            disabled=not added or is_changing,
            key=f"add model button {name}",
        ):
            show_start(work.start_build(settings, name, models=[added]), name)


def _draw_model(settings: Settings, name: str, model: Fingerprint, *, may_drop: bool, is_default: bool) -> None:
    with st.container(border=True):
        kind = say("knowledge_bases.models.default") if is_default else say("knowledge_bases.models.other")
        fields = (
            (kind, model.model),
            (say("knowledge_bases.card.dimension"), str(model.dimension)),
            (say("knowledge_bases.card.max_tokens"), str(model.max_tokens)),
        )
        st.html(card_html(fields))
        if st.session_state.get(_DROPPING) != (name, model.model):
            st.button(
                say("knowledge_bases.models.drop"),
                key=f"drop {model.digest}",
                icon=":material/remove:",
                disabled=not may_drop,
                on_click=_choose_to_drop,
                args=((name, model.model),),
            )
            return
        st.text(say("knowledge_bases.models.drop_question", name=name))
        with st.container(horizontal=True):
            is_sure = st.button(say("knowledge_bases.models.drop_yes"), key=f"drop yes {model.digest}", type="primary")
            st.button(
                say("knowledge_bases.keep"), key=f"drop no {model.digest}", on_click=_choose_to_drop, args=(None,)
            )
        if is_sure:
            is_started = work.start_build(settings, name, drop_models=[model.model])
            if is_started:
                _choose_to_drop(None)
            show_start(is_started, name)


def _choose_to_drop(what: tuple[str, str] | None) -> None:
    st.session_state[_DROPPING] = what
