"""All knowledge bases at a glance. This module knows nothing of what is inside of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import streamlit as st

from rag_app.store.summaries import BaseState, BaseSummary
from rag_app.text import printable
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.links import create_base, draw_ask_button, open_base
from rag_app.ui.knowledge_bases.markup import heading_html
from rag_app.ui.words import say
from rag_app.ui.words.translation import translated

_LOOKS: dict[BaseState, tuple[str, Literal["green", "blue", "red"]]] = {
    BaseState.READY: (":material/check_circle:", "green"),
    BaseState.BUSY: (":material/hourglass_top:", "blue"),
    BaseState.DAMAGED: (":material/error:", "red"),
    BaseState.UNREADABLE: (":material/lock:", "red"),
    BaseState.OTHER_VERSION: (":material/error:", "red"),
}


def draw_overview(found: Sequence[BaseSummary]) -> None:
    """Draw a card for each base, those first that are being built for the first time."""
    st.button(say("knowledge_bases.new.button"), type="primary", icon=":material/add:", on_click=create_base)
    there = {summary.name for summary in found}
    for name in work.names_being_built():
        if name not in there:
            with st.container(border=True):
                st.html(heading_html(name))
                draw_state(BaseState.BUSY)
                _draw_open(name)
    for summary in found:
        with st.container(border=True):
            st.html(heading_html(summary.name, facts_of(summary)))
            draw_state(BaseState.BUSY if work.is_changing(summary.name) else summary.state)
            if summary.problem is not None:
                st.text(printable(translated(summary.problem.found)))
            with st.container(horizontal=True, vertical_alignment="center"):
                _draw_open(summary.name)
                if summary.problem is None:
                    draw_ask_button(summary.name)


def draw_state(state: BaseState) -> None:
    """Draw how a base is, in a word."""
    icon, colour = _LOOKS[state]
    st.badge(say(f"knowledge_bases.state.{state}"), icon=icon, color=colour)


def facts_of(summary: BaseSummary) -> str:
    """Return what a base holds, in a line."""
    if summary.documents is None or summary.passages is None:
        return size_of(summary.size)
    built = say("knowledge_bases.built", when=local_time(summary.created_at))
    models = ", ".join(Path(model).name if "/" in model else model for model in summary.models)
    parts = (
        say("app.documents", count=summary.documents),
        say("app.passages", count=summary.passages),
        models,
        size_of(summary.size),
        built,
    )
    return " · ".join(parts)


def size_of(size: int) -> str:
    """Return a size in words: `4.2 MB`."""
    return f"{size / 1e6:,.1f} MB" if size >= 1_000_000 else f"{size / 1e3:.0f} kB"


def local_time(moment: str) -> str:
    """Return a moment, in ISO 8601, in the time of this machine."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"


def _draw_open(name: str) -> None:
    st.button(
        say("knowledge_bases.open"), key=f"open {name}", icon=":material/folder_open:", on_click=open_base, args=(name,)
    )
