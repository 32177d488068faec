"""What can be done with an answer: open a source, judge it, have the question answered by other models.

This module knows nothing of how answers come about or look.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from rag_app.config import Settings
from rag_app.store.records.conversations import Turn
from rag_app.ui.ask.choice import generator_name
from rag_app.ui.ask.conversation import Conversation
from rag_app.ui.ask.source import open_number
from rag_app.ui.words import language, say

_PENDING = "pending question"


@dataclass(frozen=True)
class Offered:
    """The embedding models of the knowledge base on the page, and what may write answers."""

    knowledge_base: str = ""
    embedders: tuple[str, ...] = ()
    generators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pending:
    """A question that a button asks; `again_of` is the turn whose question it is, with other models than are chosen."""

    question: str
    again_of: str = ""
    embedder: str = ""
    generator: str = ""


def take_pending() -> Pending | None:
    """Return the question that a button has asked, once."""
    pending: Pending | None = st.session_state.pop(_PENDING, None)
    return pending


def ask_next(pending: Pending) -> None:
    """Have a question asked by the next run of the page."""
    st.session_state[_PENDING] = pending


def draw_numbers(turn: Turn) -> None:
    """Draw the numbers of the sources, each of which opens one."""
    key = f"source {turn.id}"
    numbers = [passage.n for passage in turn.passages]
    st.pills(say("ask.actions.source"), numbers, key=key, on_change=open_number, args=(key, turn))


def draw_actions(turn: Turn, conversation: Conversation, offered: Offered, settings: Settings) -> None:
    """Draw the row of what can be done below a turn."""
    if turn.answer is not None:
        key = f"feedback {turn.id}"
        arguments = (key, turn, conversation, settings)
        st.feedback("thumbs", key=key, default=turn.feedback, on_change=_keep_feedback, args=arguments)
    if offered.embedders and turn.knowledge_base == offered.knowledge_base:
        _draw_again(turn, offered)


def _keep_feedback(key: str, turn: Turn, conversation: Conversation, settings: Settings) -> None:
    turn.feedback = st.session_state[key]
    conversation.keep(turn, settings)


def _draw_again(turn: Turn, offered: Offered) -> None:
    """Draw the choice of other models, once it is opened."""
    fold = st.expander(
        say("ask.actions.again"),
        icon=":material/refresh:",
        type="compact",
        on_change="rerun",
        key=f"again {turn.id}",
    )
    if not fold.open:
        return
    with fold:
        embedder = st.selectbox(
            say("ask.actions.again_model"),
            offered.embedders,
            index=_place(turn.embedder, offered.embedders),
            key=f"again by {turn.id}",
        )
        generator = st.selectbox(
            say("ask.actions.again_generator"),
            offered.generators,
            index=_place(turn.generator, offered.generators),
            format_func=generator_name,
            key=f"again with {turn.id} {language()}",
        )
        if st.button(say("ask.actions.again_now"), type="primary", key=f"again now {turn.id}"):
            ask_next(Pending(turn.question, turn.id, embedder or "", generator or ""))
            st.rerun()


def _place(name: str, names: tuple[str, ...]) -> int:
    return names.index(name) if name in names else 0
