"""What is compared: the knowledge base, what the systems differ in, which they are, and what is the same for all.

This module knows nothing of questions or of what comes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, get_args

import streamlit as st

from rag_app.config import RetrieverName, Settings
from rag_app.evaluation.side_by_side import SideSystem
from rag_app.evaluation.systems import NO_GENERATOR
from rag_app.models.catalogue import QUOTE
from rag_app.models.generating.on_machine import generators_on_machine
from rag_app.ui.choices import keep_chosen
from rag_app.ui.links import draw_link
from rag_app.ui.resources import live_knowledge_base
from rag_app.ui.words import say

if TYPE_CHECKING:
    from rag_app.store.live import LiveKnowledgeBase

MOST = 3  # systems side by side: more are not read
RETRIEVERS: tuple[RetrieverName, ...] = get_args(RetrieverName)


class Kind(StrEnum):
    """What the systems of a comparison differ in."""

    MODELS = "models"
    SEARCHES = "searches"
    WRITERS = "writers"


@dataclass(frozen=True)
class Choice:
    """What is chosen. Fewer than two `systems` cannot be compared. `is_hidden`: names are shown after a vote."""

    live: LiveKnowledgeBase
    name: str
    kind: Kind
    systems: tuple[SideSystem, ...]
    is_hidden: bool


def writers(settings: Settings) -> list[str]:
    """Return what may write answers: quotes, the generator of the settings, those on this machine, nothing."""
    configured = [settings.generator] if settings.generator is not None else []
    return list(dict.fromkeys([QUOTE, *configured, *generators_on_machine(), NO_GENERATOR]))


def writer_name(writer: str) -> str:
    """Return what writes answers, as a person reads it."""
    return say(f"compare.writers.{writer}") if writer in (QUOTE, NO_GENERATOR) else writer


def search_name(retriever: str) -> str:
    """Return a search as a person reads it."""
    return say(f"compare.searches.{retriever}")


def side_name(kind: Kind, system: SideSystem) -> str:
    """Return what tells a system from the others beside it."""
    if kind is Kind.MODELS:
        return system.embed_model
    return search_name(system.retriever) if kind is Kind.SEARCHES else writer_name(system.generator)


def draw_choice(settings: Settings, names: list[str]) -> Choice:
    """Draw what can be chosen; return what is."""
    left, right = st.columns([1, 2])
    name = left.selectbox(say("compare.base"), names, key="compare_base", persist_state="session") or names[0]
    live = live_knowledge_base(settings.indexes, name)
    models = [model.model for model in live.current().knowledge_base.models]
    kind = right.segmented_control(
        say("compare.kind"),
        list(Kind),
        format_func=lambda one: say(f"compare.kinds.{one}"),
        default=Kind.MODELS if len(models) > 1 else Kind.SEARCHES,
        required=True,
        key=f"compare_kind {name}",
        persist_state="session",
    )
    kind = Kind(kind or Kind.SEARCHES)
    if kind is Kind.MODELS and len(models) < 2:
        st.text(say("compare.one_model"))
        draw_link("knowledge_bases")
        return Choice(live, name, kind, (), is_hidden=False)
    systems = _draw_systems(kind, name, models, settings)
    is_hidden = st.toggle(
        say("compare.shuffle"), key="compare_shuffle", help=say("compare.shuffle_help"), persist_state="session"
    )
    return Choice(live, name, kind, systems, is_hidden=is_hidden)


def _draw_systems(kind: Kind, name: str, models: list[str], settings: Settings) -> tuple[SideSystem, ...]:
    """Draw the systems, and what is the same for all of them; return the systems."""
    can_write = writers(settings)
    several: dict[Kind, list[str]] = {Kind.MODELS: models, Kind.SEARCHES: list(RETRIEVERS), Kind.WRITERS: can_write}
    key = f"compare_systems {kind} {name}"
    st.session_state.setdefault(key, several[kind][:2])
    keep_chosen(key, several[kind], _shown_as(kind))
    chosen = st.multiselect(
        say(f"compare.choose.{kind}"),
        several[kind],
        format_func=_shown_as(kind),
        max_selections=MOST,
        key=key,
        persist_state="session",
    )
    one: dict[Kind, str] = {}
    with st.expander(say("compare.same"), icon=":material/tune:"), st.container(horizontal=True):
        for other, label in (
            (Kind.MODELS, say("compare.model")),
            (Kind.SEARCHES, say("compare.search")),
            (Kind.WRITERS, say("compare.writer")),
        ):
            if other is not kind:
                one[other] = _draw_one(other, label, several[other], f"compare_one {other} {name}")
    return tuple(_system({**one, kind: part}) for part in chosen)


def _draw_one(kind: Kind, label: str, options: list[str], key: str) -> str:
    keep_chosen(key, options, _shown_as(kind))
    found = st.selectbox(label, options, format_func=_shown_as(kind), key=key, persist_state="session")
    return found or options[0]


def _shown_as(kind: Kind) -> Callable[[str], str]:
    """Return what names the options of a kind."""
    names: dict[Kind, Callable[[str], str]] = {Kind.SEARCHES: search_name, Kind.WRITERS: writer_name}
    return names.get(kind, str)


def _system(parts: dict[Kind, str]) -> SideSystem:
    retriever = next(name for name in RETRIEVERS if name == parts[Kind.SEARCHES])
    return SideSystem(parts[Kind.MODELS], retriever, parts[Kind.WRITERS])
