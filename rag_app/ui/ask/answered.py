"""A turn that is over, as it is drawn again at every run: the answer, what stands behind it, its sources, what can be done.

Each is a fragment of its own, so that a click in one draws that one only and does not disturb an answer that is being written.
This module knows nothing of how answers come about.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import streamlit as st

from rag_app.answering.strength import Strength, strength_of
from rag_app.config import Settings
from rag_app.datatypes import Citation
from rag_app.errors import RagAppError
from rag_app.models.catalogue import QUOTE
from rag_app.store.records.conversations import Turn
from rag_app.text import printable
from rag_app.ui.ask.actions import Offered, draw_actions, draw_numbers
from rag_app.ui.ask.cited_answer import draw_cited_answer
from rag_app.ui.ask.conversation import Conversation, is_being_answered
from rag_app.ui.ask.narrowing import narrowed_to
from rag_app.ui.ask.source import draw_opened, open_cited
from rag_app.ui.ask.state import version_words
from rag_app.ui.ask.transcript import answer_with_sources
from rag_app.ui.parts import (
    answer_html,
    asked_html,
    busy_html,
    note_html,
    notes_html,
    problems_shown,
    show_notice,
    show_problem,
    text_html,
)
from rag_app.ui.passages import sources_html
from rag_app.ui.words import language, say
from rag_app.ui.words.translation import translated

_POLL_SECONDS = 1.0
_BADGES = {
    Strength.NOTHING_FOUND: ":material/search_off:",
    Strength.REFUSED: ":material/help:",
    Strength.PASSAGES_ONLY: ":material/article:",
    Strength.UNSUPPORTED: ":material/warning:",
    Strength.WEAK: ":material/warning:",
}


@dataclass(frozen=True)
class Around:
    """What a turn is drawn in. `shown` is name and generation of the knowledge base on the page, both empty for none."""

    conversation: Conversation
    settings: Settings
    offered: Offered
    shown: tuple[str, str] = ("", "")


def draw_turn(turn: Turn, around: Around) -> None:
    """Draw a turn; one that another window has answered meanwhile is followed until it is over."""
    if is_being_answered(turn):
        _follow(turn, around)
    else:
        _draw_over(turn, around)


@st.fragment(run_every=_POLL_SECONDS)
def _follow(turn: Turn, around: Around) -> None:
    with problems_shown():
        latest = around.conversation.refreshed(turn, around.settings)
        if not is_being_answered(latest):
            st.rerun()
        _draw_question(latest)
        with st.chat_message("assistant"):
            st.html(busy_html(say("ask.turn.elsewhere")))
            if latest.written:
                st.html(text_html(latest.written))
            st.html(sources_html(latest.passages, latest.standalone or latest.question))


@st.fragment
def _draw_over(turn: Turn, around: Around) -> None:
    with problems_shown():
        _draw_turn(turn, around)
        draw_opened(turn, around.settings)


def _draw_turn(turn: Turn, around: Around) -> None:
    _draw_question(turn)
    with st.chat_message("assistant"):
        if turn.standalone:
            st.html(asked_html(turn.standalone))
        _draw_strength(turn)
        _draw_answer(turn)
        if turn.passages:
            st.html(sources_html(turn.passages, turn.standalone or turn.question, _citations(turn)))
            draw_numbers(turn)
        _draw_remarks(turn, around)
        draw_actions(turn, around.conversation, around.offered, around.settings)


def _draw_question(turn: Turn) -> None:
    with st.chat_message("user"):
        st.html(text_html(turn.question))


def _draw_strength(turn: Turn) -> None:
    """Say with a badge what is no plain answer."""
    if turn.answer is None:
        if turn.problem is None:
            st.badge(say("app.stopped"), icon=":material/stop_circle:", color="gray")
        return
    strength = strength_of(turn.answer)
    if strength in _BADGES and not turn.lacks_generator:
        st.badge(say(f"ask.strength.{strength}"), icon=_BADGES[strength], color=_color(strength))
    if strength is Strength.WEAK:
        st.html(note_html(say("ask.strength.weak_why")))


def _color(strength: Strength) -> Literal["gray", "orange"]:
    return "gray" if strength is Strength.PASSAGES_ONLY else "orange"


def _draw_answer(turn: Turn) -> None:
    answer = turn.answer
    if answer is None:
        if turn.written:
            st.html(text_html(turn.written))
    elif answer.text and answer.sentences:
        key = f"answer {turn.id}"
        draw_cited_answer(answer, answer_with_sources(turn, language()), key, partial(open_cited, key, turn))
        st.html(notes_html(answer))
    elif answer.text is not None or answer.abstained:
        st.html(answer_html(answer))


def _citations(turn: Turn) -> list[Citation]:
    sentences = turn.answer.sentences if turn.answer is not None else ()
    return [citation for sentence in sentences for citation in sentence.citations]


def _draw_remarks(turn: Turn, around: Around) -> None:
    """Say under a turn who wrote it, to what it was narrowed, from which version it is if not the shown, what went wrong."""
    if turn.answer is not None:
        st.html(note_html(_by(turn)))
    if turn.only_in:
        st.html(note_html(narrowed_to(turn.only_in)))
    if turn.generation and (turn.fell_back or (turn.knowledge_base, turn.generation) != around.shown):
        version = version_words(turn.generation, turn.built)
        if turn.fell_back:
            st.html(note_html(say("ask.turn.from_older", name=turn.knowledge_base, version=version)))
        else:
            st.html(note_html(say("ask.turn.from", name=turn.knowledge_base, version=version)))
    check = around.conversation.checks.get(turn.id)
    if check is not None and check.problem:
        show_notice(say("ask.turn.suspect", problem=translated(check.problem)))
    if turn.problem is not None:
        show_problem(RagAppError(turn.problem.found, turn.problem.remedy))


def _by(turn: Turn) -> str:
    assert turn.answer is not None
    embedder, generator = printable(turn.answer.embedder or ""), turn.answer.generator
    if generator is None or not turn.answer.text:
        return say("ask.turn.found_by", embedder=embedder)
    if generator == QUOTE:
        return say("ask.turn.quoted", embedder=embedder)
    return say("ask.turn.by", generator=printable(generator), embedder=embedder)
