"""The conversation on the page: which it is, that its address says so, that it is kept, begun anew, exported and deleted.

This module knows nothing of how a turn is drawn or answered.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import RagAppError
from rag_app.store.records.conversations import (
    Turn,
    TurnState,
    delete_conversation,
    is_conversation_id,
    keep_turn,
    kept_turn,
    kept_turns,
    new_id,
)
from rag_app.ui.ask.transcript import transcript_of
from rag_app.ui.parts import show_notice, show_problem
from rag_app.ui.words import language, say

if TYPE_CHECKING:
    from rag_app.store.live import SumCheck

_ADDRESS = "c"  # in the page's address
_CURRENT = "conversation"
_BEGUN = "conversations"  # of this session: what each is listed as, by its id
_CHOICE = "chosen conversation"
_NOT_DELETED = "conversation that could not be deleted"
_TITLE = 60  # characters of a first question
_SHOWN = 8  # turns that are drawn before someone asks for the earlier ones


@dataclass
class Conversation:
    """A conversation as this session has it. `checks` read the files of the generations that were asked, by turn.

    Its latest turns are drawn, or all where `shows_all`. `problem` says why it is not kept, where it is not.
    """

    id: str = field(default_factory=new_id)
    turns: list[Turn] = field(default_factory=list)
    checks: dict[str, SumCheck] = field(default_factory=dict)
    shows_all: bool = False
    problem: RagAppError | None = None

    def keep(self, turn: Turn, settings: Settings) -> None:
        """Write a turn as it is now. Where that fails the page has it all the same, and says so."""
        try:
            keep_turn(settings.indexes, self.id, turn)
            self.problem = None
        except RagAppError as error:
            self.problem = RagAppError(error.found, error.remedy)

    def refreshed(self, turn: Turn, settings: Settings) -> Turn:
        """Return a turn as it was kept last, which takes its place."""
        latest = kept_turn(settings.indexes, turn.id) or turn
        self.turns[:] = [latest if one.id == turn.id else one for one in self.turns]
        return latest


class _Running:
    """The turns that are being answered by any session of this server."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.lock = threading.Lock()


@st.cache_resource(show_spinner=False)
def _running() -> _Running:
    return _Running()


@contextmanager
def being_answered(turn: Turn) -> Iterator[None]:
    """Have every session know that a turn is being answered until the block ends."""
    running = _running()
    with running.lock:
        running.ids.add(turn.id)
    try:
        yield
    finally:
        with running.lock:
            running.ids.discard(turn.id)


def is_being_answered(turn: Turn) -> bool:
    """Whether a session of this server is answering a turn."""
    return turn.state is TurnState.UNDER_WAY and turn.id in _running().ids


def current_conversation(settings: Settings) -> Conversation:
    """Return the conversation that the page's address names, else that of this session, else a new one."""
    wanted = st.query_params.get(_ADDRESS, "")
    conversation: Conversation = st.session_state.setdefault(_CURRENT, Conversation())
    if wanted and wanted != conversation.id:
        turns = kept_turns(settings.indexes, wanted) if is_conversation_id(wanted) else []
        if turns:
            conversation = st.session_state[_CURRENT] = Conversation(wanted, turns)
            _show_its_base(turns)
        else:
            del st.query_params[_ADDRESS]
            show_notice(say("ask.conversation.unknown"))
    if conversation.turns:
        name_in_address(conversation)
    return conversation


def _show_its_base(turns: list[Turn]) -> None:
    """Choose the knowledge base that was asked last, unless the address names one."""
    if "kb" not in st.query_params and "kb" not in st.session_state and turns[-1].knowledge_base:
        st.session_state["kb"] = turns[-1].knowledge_base


def name_in_address(conversation: Conversation) -> None:
    """Have the page's address lead back to a conversation, and the list of this session's know it."""
    if st.query_params.get(_ADDRESS) != conversation.id:
        st.query_params[_ADDRESS] = conversation.id
    begun: dict[str, str] = st.session_state.setdefault(_BEGUN, {})
    if conversation.id not in begun:
        begun[conversation.id] = _title(conversation.turns[0].question, begun.values())


def _title(question: str, others: Collection[str]) -> str:
    """Return what a conversation is listed as. A browser says which of a list was chosen by its text, so each has its own."""
    title = question[:_TITLE]
    numbered = (title if number == 1 else f"{title} ({number})" for number in count(1))
    return next(one for one in numbered if one not in others)


def draw_conversation(conversation: Conversation, settings: Settings) -> None:
    """Draw in the sidebar what can be done with conversations."""
    if (problem := st.session_state.pop(_NOT_DELETED, None)) is not None:
        show_problem(problem)
    with st.sidebar:
        has_begun = bool(conversation.turns)
        st.button(
            say("ask.conversation.new"),
            icon=":material/add_comment:",
            on_click=_show,
            args=(None,),
            disabled=not has_begun,
            width="stretch",
            key="new conversation",
        )
        _draw_list(conversation)
        if has_begun:
            with st.container(horizontal=True, key="conversation actions"):
                st.download_button(
                    say("ask.conversation.export"),
                    partial(transcript_of, list(conversation.turns), language()),
                    file_name="conversation.md",
                    mime="text/markdown",
                    icon=":material/download:",
                    on_click="ignore",
                )
                _draw_deletion(conversation, settings)
            st.caption(say("ask.conversation.kept"))


def _draw_list(conversation: Conversation) -> None:
    begun: dict[str, str] = st.session_state.get(_BEGUN, {})
    others = [*reversed(begun)] if conversation.turns else [conversation.id, *reversed(begun)]
    if len(others) > 1:
        st.session_state[_CHOICE] = conversation.id
        st.selectbox(
            say("ask.conversation.choose"),
            others,
            key=_CHOICE,
            format_func=lambda one: begun.get(one) or say("ask.conversation.untitled"),
            on_change=_show_chosen,
        )


def _draw_deletion(conversation: Conversation, settings: Settings) -> None:
    with st.popover(say("ask.conversation.delete"), icon=":material/delete:"):
        st.text(say("ask.conversation.confirm"))
        st.button(
            say("ask.conversation.delete"),
            type="primary",
            on_click=_delete,
            args=(conversation.id, settings),
            key="delete conversation",
        )


def _show_chosen() -> None:
    _show(st.session_state[_CHOICE])


def _show(conversation_id: str | None) -> None:
    """Show another conversation of this session; None: a new one."""
    st.session_state.pop(_CURRENT, None)
    if conversation_id is None or conversation_id not in st.session_state.get(_BEGUN, {}):
        with suppress(KeyError):
            del st.query_params[_ADDRESS]
    else:
        st.query_params[_ADDRESS] = conversation_id


def _delete(conversation_id: str, settings: Settings) -> None:
    try:
        delete_conversation(settings.indexes, conversation_id)
    except RagAppError as error:  # no page is drawn in a callback that could show it
        st.session_state[_NOT_DELETED] = RagAppError(error.found, error.remedy)
        return
    st.session_state.get(_BEGUN, {}).pop(conversation_id, None)
    _show(None)


def draw_earlier(conversation: Conversation) -> list[Turn]:
    """Return the turns that are drawn, the latest; draw what shows the earlier ones."""
    hidden = len(conversation.turns) - _SHOWN
    if hidden <= 0 or conversation.shows_all:
        return list(conversation.turns)
    st.button(
        say("ask.conversation.earlier", count=hidden),
        icon=":material/history:",
        on_click=_show_all,
        args=(conversation,),
        key="earlier turns",
    )
    return conversation.turns[hidden:]


def _show_all(conversation: Conversation) -> None:
    conversation.shows_all = True
