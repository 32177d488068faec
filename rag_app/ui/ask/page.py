"""The page on which a question is asked.

It draws and does not decide: what is found and written comes from the query engine, what is asked from the store. Each run
of the page asks for the generation anew, and a question is answered from one generation to its end.
This module knows nothing of indexes or model files.
"""

from __future__ import annotations

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import KnowledgeBaseError, RagAppError
from rag_app.models.catalogue import BUNDLED
from rag_app.store.layout import knowledge_base_names
from rag_app.store.records.conversations import MOST_TURNS, Problem, Turn
from rag_app.ui.ask.actions import Offered, Pending, ask_next, take_pending
from rag_app.ui.ask.answered import Around, draw_turn
from rag_app.ui.ask.choice import (
    Choice,
    afresh,
    choose_quotes,
    chosen_engine,
    chosen_generator,
    draw_sidebar,
    generators,
)
from rag_app.ui.ask.conversation import (
    Conversation,
    current_conversation,
    draw_conversation,
    draw_earlier,
    name_in_address,
)
from rag_app.ui.ask.state import draw_state, follow_state
from rag_app.ui.ask.suggestions import suggestions_for
from rag_app.ui.ask.turn import answer_turn, history_of
from rag_app.ui.links import draw_link
from rag_app.ui.parts import busy_html, note_html, show_problem
from rag_app.ui.resources import live_knowledge_base
from rag_app.ui.words import say

_SHOWN = "shown knowledge base"


def draw_page(settings: Settings) -> None:
    """Draw the page."""
    conversation = current_conversation(settings)
    names = knowledge_base_names(settings.indexes)
    gone = _problem_of_gone_base(settings, names)
    draw_conversation(conversation, settings)
    if not names:
        _draw_empty_state(settings, gone, conversation)
        return
    choice = draw_sidebar(settings, names)
    base = choice.served.knowledge_base
    st.session_state[_SHOWN] = base.name
    _draw_facts(choice)
    state = st.empty()
    is_verifying = draw_state(state, choice.served)
    offered = Offered(base.name, tuple(model.model for model in base.models), tuple(generators(settings)))
    _draw_turns(Around(conversation, settings, offered, (base.name, base.generation)))
    question = _draw_input(conversation, settings)
    pending = Pending(question) if question else take_pending()
    if pending is not None:
        _answer(pending, conversation, choice, settings, gone)
    if gone is not None:
        show_problem(gone)
    if conversation.turns and conversation.turns[-1].lacks_generator:
        _offer_quotes()
    _prepare(conversation, choice, settings)
    follow_state(state, choice.live, choice.served, is_verifying=is_verifying)


def _draw_turns(around: Around) -> None:
    for turn in draw_earlier(around.conversation):
        draw_turn(turn, around)
    if around.conversation.problem is not None:
        st.html(note_html(say("ask.conversation.not_kept")))
        show_problem(around.conversation.problem)


def _draw_input(conversation: Conversation, settings: Settings) -> str:
    """Draw where a question is typed; return what was asked."""
    is_full = len(conversation.turns) >= MOST_TURNS
    if is_full:
        st.html(note_html(say("ask.conversation.full", count=MOST_TURNS)))
    question = st.chat_input(
        say("ask.placeholder"),
        key="question",
        max_chars=settings.limits.question_characters,
        submit_mode="stop",
        disabled=is_full,
    )
    return str(question or "")


def _answer(
    pending: Pending, conversation: Conversation, choice: Choice, settings: Settings, gone: RagAppError | None
) -> None:
    """Answer a question, then draw the page anew with it."""
    before, only_in = list(conversation.turns), choice.only_in
    for number, turn in enumerate(conversation.turns):
        if turn.id == pending.again_of:  # it is asked as it was then, of other models
            choice = choice.with_models(pending.embedder, pending.generator)
            before, only_in = before[:number], turn.only_in
    name = choice.served.knowledge_base.name
    turn = Turn(
        pending.question,
        name,
        only_in=only_in,
        embedder=choice.fingerprint.model,
        generator=choice.generator,
        again_of=pending.again_of,
        problem=Problem(gone.found, gone.remedy) if gone is not None else None,
    )
    conversation.turns.append(turn)
    name_in_address(conversation)
    answer_turn(turn, history_of(before, name), conversation, choice, settings)
    st.rerun()


def _problem_of_gone_base(settings: Settings, names: list[str]) -> RagAppError | None:
    """Return what is to be said where the knowledge base that the page showed is no longer there.

    A question that is asked then was meant for it, and is not asked of another.
    """
    shown = st.session_state.pop(_SHOWN, None)
    if shown is None or shown in names:
        return None
    try:
        live_knowledge_base(settings.indexes, shown).current()
    except KnowledgeBaseError as error:
        return afresh(error)
    return None


def _draw_empty_state(settings: Settings, gone: RagAppError | None, conversation: Conversation) -> None:
    if gone is not None:
        show_problem(gone)
    st.text(say("ask.empty.none", folder=settings.indexes.absolute()))
    draw_link("knowledge_bases")
    st.text(say("ask.empty.command"))
    st.code("python -m ingest path/to/folder", language=None)
    st.text(say("ask.empty.trial", model=settings.embed_model))
    st.code(f"python -m ingest path/to/folder --embed-model {BUNDLED}", language=None)
    _draw_turns(Around(conversation, settings, Offered()))


def _draw_facts(choice: Choice) -> None:
    """Say what is asked: its contents and its model."""
    knowledge_base = choice.served.knowledge_base
    counts = knowledge_base.manifest.counts
    facts = say(
        "ask.facts",
        name=knowledge_base.name,
        documents=say("app.documents", count=counts["documents"]),
        passages=say("app.passages", count=counts["chunks"]),
        model=choice.fingerprint.model,
    )
    st.text(facts)


def _prepare(conversation: Conversation, choice: Choice, settings: Settings) -> None:
    """Once everything is on the screen: suggest questions where none was asked, load the models for the first.

    Where a model is not that of the index, it is said now.
    """
    suggestions, slot = st.container(), st.empty()
    if not conversation.turns:
        _draw_suggestions(suggestions, choice, conversation)
    slot.html(busy_html(say("ask.turn.loading")))
    try:
        _, problem = chosen_generator(choice, settings)
        chosen_engine(choice, choice.served, None, settings, ())
    finally:
        slot.empty()
    if problem is not None and not (conversation.turns and conversation.turns[-1].lacks_generator):
        show_problem(problem)
        _offer_quotes()


def _draw_suggestions(place: st.delta_generator.DeltaGenerator, choice: Choice, conversation: Conversation) -> None:
    questions = suggestions_for(choice.served.knowledge_base)
    if not questions:
        return
    with place:
        st.html(note_html(say("ask.empty.suggestions")))
        for number, question in enumerate(questions):
            st.button(
                question,
                icon=":material/lightbulb:",
                on_click=_ask_suggested,
                args=(question, conversation),
                key=f"suggestion {number}",
            )


def _ask_suggested(question: str, conversation: Conversation) -> None:
    """Ask a suggested question; a second click on it asks nothing more."""
    if not conversation.turns:
        ask_next(Pending(question))


def _offer_quotes() -> None:
    st.button(say("ask.choice.quote_instead"), icon=":material/format_quote:", on_click=choose_quotes)
