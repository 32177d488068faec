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
from rag_app.ui.ask.choice import Choice, afresh, choose_quotes, chosen_engine, chosen_generator, draw_sidebar
from rag_app.ui.ask.state import draw_state, follow_state
from rag_app.ui.ask.turn import Turn, answer_turn, draw_turn, history_of
from rag_app.ui.parts import busy_html, counted, show_problem
from rag_app.ui.resources import live_knowledge_base

_TURNS = "turns"
_SHOWN = "shown knowledge base"


def draw_page(settings: Settings) -> None:
    """Draw the page."""
    names = knowledge_base_names(settings.indexes)
    gone = _problem_of_gone_base(settings, names)
    if not names:
        _draw_empty_state(settings, gone)
        return
    choice = draw_sidebar(settings, names)
    name = st.session_state[_SHOWN] = choice.served.knowledge_base.name
    st.title("Ask your documents")
    _draw_facts(choice)
    state = st.empty()
    is_verifying = draw_state(state, choice.served)
    turns: list[Turn] = st.session_state.setdefault(_TURNS, [])
    for turn in turns:
        draw_turn(turn, choice.served)
    question = st.chat_input(
        "Ask a question about your documents",
        key="question",
        max_chars=settings.limits.question_characters,
        submit_mode="stop",
    )
    if question:
        turn = Turn(str(question), name, only_in=choice.only_in, problem=gone)
        turns.append(turn)
        answer_turn(turn, history_of(turns[:-1], name), choice, settings)
        if turn.lacks_generator:
            _offer_quotes()
    else:
        if gone is not None:
            show_problem(gone)
        _warm_up(choice, settings)
    follow_state(state, choice.live, choice.served, is_verifying=is_verifying)


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


def _draw_empty_state(settings: Settings, gone: RagAppError | None) -> None:
    st.title("Ask your documents")
    if gone is not None:
        show_problem(gone)
    st.text(f"There is no knowledge base in {settings.indexes.absolute()} yet. Build one from a folder of documents:")
    st.code("python -m ingest path/to/folder", language="bash")
    st.text(f"Its default embedding model is {settings.embed_model}. To try without a download:")
    st.code(f"python -m ingest path/to/folder --embed-model {BUNDLED}", language="bash")
    st.text("Then reload this page.")


def _draw_facts(choice: Choice) -> None:
    """Say what is asked: its contents and its model."""
    knowledge_base = choice.served.knowledge_base
    counts = knowledge_base.manifest.counts
    documents, passages = counted(counts["documents"], "document"), counted(counts["chunks"], "passage")
    st.text(f"{knowledge_base.name}: {documents}, {passages}, embedded by {choice.fingerprint.model}")


def _warm_up(choice: Choice, settings: Settings) -> None:
    """Load the models once everything is on the screen, so that the first question need not wait for them."""
    slot = st.empty()
    slot.html(busy_html("Loading the models ..."))
    try:
        llm, problem = chosen_generator(choice, settings)
        chosen_engine(
            choice, choice.served, llm, settings, ()
        )  # where the model is not that of the index, it is said now
    finally:
        slot.empty()
    if problem is not None:
        show_problem(problem)
        _offer_quotes()


def _offer_quotes() -> None:
    st.button("Quote the passages instead", icon=":material/format_quote:", on_click=choose_quotes)
