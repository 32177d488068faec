"""The page on which a question is asked: passages first, then the answer as it is written, sources under it.

It draws and does not decide: what is found and written comes from the query engine.
This module knows nothing of indexes or model files.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.datatypes import Answer, Passage
from rag_app.errors import ModelError, RagAppError
from rag_app.models.catalogue import BUNDLED, load_catalogue
from rag_app.store.layout import knowledge_base_names
from rag_app.ui.parts import answer_html, busy_html, show_problem, sources_html, text_html, unexpected
from rag_app.ui.resources import load_embedder, load_generator, open_knowledge_base

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from rag_app.answering.query_engine import CitedQueryEngine
    from rag_app.datatypes import Fingerprint
    from rag_app.store.knowledge_base import KnowledgeBase

PASSAGES_ONLY = "Passages only"
_DEFAULT_GENERATOR = "Default for this machine"
_TURNS = "turns"


@dataclass
class Turn:
    """A question of this session and what has come of it so far.

    It is changed in place while the answer is written: after a click on Stop, session state cannot be written any more.
    """

    question: str
    knowledge_base: str
    passages: tuple[Passage, ...] = ()
    written: str = ""
    answer: Answer | None = None
    problem: RagAppError | None = None


@dataclass(frozen=True)
class Choice:
    """What is chosen in the sidebar. `generator`: None for passages only, empty for the machine's default."""

    knowledge_base: KnowledgeBase
    fingerprint: Fingerprint
    generator: str | None


def ask_page(settings: Settings) -> None:
    """Draw the page."""
    names = knowledge_base_names(settings.indexes)
    if not names:
        _draw_empty_state(settings)
        return
    choice = _draw_sidebar(settings, names)
    counts = choice.knowledge_base.manifest.counts
    st.title("Ask your documents")
    facts = st.empty()
    facts.text(
        f"{choice.knowledge_base.name}: {counts['documents']} documents, {counts['chunks']} passages, "
        f"embedded by {choice.fingerprint.model}"
    )
    turns: list[Turn] = st.session_state.setdefault(_TURNS, [])
    for turn in turns:
        _draw_turn(turn)
    question = st.chat_input(
        "Ask a question about your documents",
        key="question",
        max_chars=settings.limits.question_characters,
        submit_mode="stop",
    )
    if question:
        turn = Turn(str(question), choice.knowledge_base.name)
        turns.append(turn)
        _answer(turn, choice, settings)
    else:
        _warm_up(choice, settings)


def _draw_empty_state(settings: Settings) -> None:
    st.title("Ask your documents")
    st.text(f"There is no knowledge base in {settings.indexes.absolute()} yet. Build one from a folder of documents:")
    st.code("python -m ingest path/to/folder", language="bash")
    st.text(f"Its default embedding model is {settings.embed_model}. To try without a download:")
    st.code(f"python -m ingest path/to/folder --embed-model {BUNDLED}", language="bash")
    st.text("Then reload this page.")


def _draw_sidebar(settings: Settings, names: list[str]) -> Choice:
    with st.sidebar:
        name = st.selectbox("Knowledge base", names, key="kb", bind="query-params")
        knowledge_base = open_knowledge_base(settings.indexes, name or names[0])
        models = {model.model: model for model in knowledge_base.models}
        model = st.selectbox("Embedding model", list(models), key=f"model {knowledge_base.name}")
        generator = st.selectbox("Answers written by", _generators(settings), key="generator")
        built = datetime.fromisoformat(knowledge_base.manifest.created_at).astimezone()
        st.caption(f"Built {built:%Y-%m-%d %H:%M}")
    fingerprint = models[model] if model in models else knowledge_base.models[0]
    chosen = {PASSAGES_ONLY: None, _DEFAULT_GENERATOR: ""}.get(generator or "", generator)
    return Choice(knowledge_base, fingerprint, chosen)


def _generators(settings: Settings) -> list[str]:
    """Return what may write the answers: what is configured, else the default, then what is on this machine."""
    from rag_app.models.hub import find_on_machine

    rows = load_catalogue().generators
    here = [row.alias or row.id for row in rows if find_on_machine(row.id, row) is not None]
    first = settings.generator or _DEFAULT_GENERATOR
    return [first, *(name for name in here if name != first), PASSAGES_ONLY]


def _warm_up(choice: Choice, settings: Settings) -> None:
    """Load the models once everything is on the screen, so that the first question need not wait for them."""
    slot = st.empty()
    slot.html(busy_html("Loading the models ..."))
    try:
        _, problem = _engine(choice, settings)
    finally:
        slot.empty()
    if problem is not None:
        show_problem(problem)


def _engine(choice: Choice, settings: Settings) -> tuple[CitedQueryEngine, ModelError | None]:
    """Return the engine, and why it has no generator where one was asked for and cannot be loaded."""
    from rag_app.answering.assembly import assemble_engine

    fingerprint = choice.fingerprint
    embedder = load_embedder(fingerprint.model, fingerprint.digest, settings.device)
    llm, problem = None, None
    if choice.generator is not None:
        try:
            llm = load_generator(choice.generator or None, settings.device, settings.answering.max_new_tokens)
        except ModelError as error:
            problem = error
    return assemble_engine(choice.knowledge_base, embedder, llm, settings), problem


def _answer(turn: Turn, choice: Choice, settings: Settings) -> None:
    """Draw a turn while it happens."""
    with st.chat_message("user"):
        st.html(text_html(turn.question))
    with st.chat_message("assistant"):
        status, text, sources = st.empty(), st.empty(), st.empty()
        try:
            status.html(busy_html("Loading the models ..."))
            engine, turn.problem = _engine(choice, settings)
            _follow(engine, turn, status, text, sources)
        except RagAppError as error:  # the passages that were found stay
            turn.problem = error
        except Exception as error:  # noqa: BLE001 - the edge: the turn is kept with a sentence
            turn.problem = unexpected(error)
        finally:
            status.empty()
        if turn.problem is not None:
            show_problem(turn.problem)


def _follow(
    engine: CitedQueryEngine, turn: Turn, status: DeltaGenerator, text: DeltaGenerator, sources: DeltaGenerator
) -> None:
    from rag_app.answering.query_engine import Answered, Retrieved, Written

    status.html(busy_html("Searching ..."))
    with closing(engine.ask(turn.question)) as events:  # type: ignore[type-var]
        for event in events:
            match event:
                case Retrieved():
                    turn.passages = event.passages
                    sources.html(sources_html(event.passages))
                    status.html(busy_html("Writing ..."))
                case Written():
                    turn.written += event.text
                    text.html(text_html(turn.written))
                case Answered():
                    turn.answer = event.answer
                    _draw_answer(turn, text, sources)


def _draw_turn(turn: Turn) -> None:
    with st.chat_message("user"):
        st.html(text_html(turn.question))
    with st.chat_message("assistant"):
        _draw_answer(turn, st.empty(), st.empty())
        if turn.problem is not None:
            show_problem(turn.problem)
        elif turn.answer is None:
            st.caption("Stopped.")


def _draw_answer(turn: Turn, text: DeltaGenerator, sources: DeltaGenerator) -> None:
    if turn.answer is None:
        if turn.written:
            text.html(text_html(turn.written))
    elif turn.answer.text is not None or turn.answer.abstained:
        text.html(answer_html(turn.answer))
    citations = (
        [citation for sentence in turn.answer.sentences for citation in sentence.citations] if turn.answer else []
    )
    if turn.passages:
        sources.html(sources_html(turn.passages, citations))
