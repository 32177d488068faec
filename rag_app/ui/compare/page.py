"""The page on which two or three systems answer the same question side by side.

It draws and does not decide: what is found and written comes from the query engine, what differs from `evaluation`, votes
from the records.
"""

from __future__ import annotations

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import RagAppError
from rag_app.store.layout import knowledge_base_names
from rag_app.ui.compare.choice import Choice, draw_choice
from rag_app.ui.compare.round import Round, begin_round, draw_question, draw_round, follow_round
from rag_app.ui.compare.vote import draw_tallies, draw_told, draw_vote, needs_vote
from rag_app.ui.links import draw_link
from rag_app.ui.words import say

_ROUND = "compared"


def draw_page(settings: Settings) -> None:
    """Draw the page."""
    st.text(say("compare.lead"))
    names = knowledge_base_names(settings.indexes)
    if not names:
        st.text(say("compare.empty"))
        draw_link("knowledge_bases")
        return
    choice = draw_choice(settings, names)
    can_ask = len(choice.systems) > 1
    if choice.systems and not can_ask:
        st.text(say("compare.too_few"))
    question = st.container().chat_input(
        say("compare.question"),
        key="compare_question",
        max_chars=settings.limits.question_characters,
        submit_mode="stop",
        disabled=not can_ask,
    )
    one: Round | None = st.session_state.get(_ROUND)
    if question and can_ask:
        one = st.session_state[_ROUND] = begin_round(str(question), choice)
        _ask(one, choice, settings)
    elif one is not None and one.knowledge_base == choice.name:
        draw_question(one)
        _draw_outcome(one, settings)
    draw_tallies(settings, choice.name)


def _ask(one: Round, choice: Choice, settings: Settings) -> None:
    """Ask, drawing what comes; where names are hidden, what came is drawn at its end."""
    was_seen = one.is_revealed
    try:
        follow_round(one, choice.live, settings)
    except RagAppError:
        del st.session_state[_ROUND]
        raise
    if not was_seen:
        _draw_outcome(one, settings)


def _draw_outcome(one: Round, settings: Settings) -> None:
    if needs_vote(one):
        draw_vote(one, settings)
    else:
        draw_told(one)
        draw_round(one)
