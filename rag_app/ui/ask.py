"""The page on which a question is asked: passages first, then the answer as it is written, sources under it.

It draws and does not decide: what is found and written comes from the query engine, what is asked from the store. Each run
of the page asks for the generation anew, and a question is answered from one generation to its end.
This module knows nothing of indexes or model files.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.datatypes import Answer, Passage
from rag_app.errors import KnowledgeBaseError, ModelError, RagAppError
from rag_app.models.catalogue import BUNDLED, load_catalogue
from rag_app.store.layout import knowledge_base_names
from rag_app.ui.narrowing import draw_narrowing, narrowed_to
from rag_app.ui.parts import (
    answer_html,
    busy_html,
    counted,
    note_html,
    show_notice,
    show_problem,
    sources_html,
    text_html,
    unexpected,
)
from rag_app.ui.resources import live_knowledge_base, load_embedder, load_generator, load_reranker
from rag_app.ui.state import draw_state, follow_state

if TYPE_CHECKING:
    from llama_index.core.llms import LLM
    from streamlit.delta_generator import DeltaGenerator

    from rag_app.answering.query_engine import CitedQueryEngine
    from rag_app.datatypes import Fingerprint
    from rag_app.store.live import LiveKnowledgeBase, Served, SumCheck

PASSAGES_ONLY = "Passages only"
_DEFAULT_GENERATOR = "Default for this machine"
_TURNS = "turns"
_SHOWN = "shown knowledge base"
# A question waits so long for files that are still being read; then it is answered, and the page says so.
_PATIENCE_SECONDS = 2.0


@dataclass
class Turn:
    """A question of this session and what has come of it so far.

    It is changed in place while the answer is written: after a click on Stop, session state cannot be written any more.
    `version` is the generation that was asked and when it was built, `check` reads its files; neither keeps it open.
    `fell_back` is true where it stood in for a live one that was damaged. `only_in` holds the terms that it was narrowed to.
    """

    question: str
    knowledge_base: str
    only_in: tuple[str, ...] = ()
    version: str = ""
    check: SumCheck | None = None
    fell_back: bool = False
    passages: tuple[Passage, ...] = ()
    written: str = ""
    answer: Answer | None = None
    problem: RagAppError | None = None


@dataclass(frozen=True)
class Choice:
    """What is chosen in the sidebar. `generator`: None for passages only, empty for the machine's default.

    `only_in` holds the terms to which questions are narrowed.
    """

    live: LiveKnowledgeBase
    served: Served
    fingerprint: Fingerprint
    generator: str | None
    only_in: tuple[str, ...]


def ask_page(settings: Settings) -> None:
    """Draw the page."""
    names = knowledge_base_names(settings.indexes)
    gone = _problem_of_gone_base(settings, names)
    if not names:
        _draw_empty_state(settings, gone)
        return
    choice = _draw_sidebar(settings, names)
    name = st.session_state[_SHOWN] = choice.served.knowledge_base.name
    st.title("Ask your documents")
    _draw_facts(choice)
    state = st.empty()
    is_verifying = draw_state(state, choice.served)
    turns: list[Turn] = st.session_state.setdefault(_TURNS, [])
    for turn in turns:
        _draw_turn(turn, choice.served)
    question = st.chat_input(
        "Ask a question about your documents",
        key="question",
        max_chars=settings.limits.question_characters,
        submit_mode="stop",
    )
    if question:
        turn = Turn(str(question), name, choice.only_in, problem=gone)
        turns.append(turn)
        _answer(turn, choice, settings)
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
        return _afresh(error)
    return None


def _afresh(error: RagAppError) -> RagAppError:
    """Return an error that can be kept: the traceback of the one raised would keep open the generation that was asked."""
    return RagAppError(error.found, error.remedy)


def _draw_empty_state(settings: Settings, gone: RagAppError | None) -> None:
    st.title("Ask your documents")
    if gone is not None:
        show_problem(gone)
    st.text(f"There is no knowledge base in {settings.indexes.absolute()} yet. Build one from a folder of documents:")
    st.code("python -m ingest path/to/folder", language="bash")
    st.text(f"Its default embedding model is {settings.embed_model}. To try without a download:")
    st.code(f"python -m ingest path/to/folder --embed-model {BUNDLED}", language="bash")
    st.text("Then reload this page.")


def _draw_sidebar(settings: Settings, names: list[str]) -> Choice:
    with st.sidebar:
        name = st.selectbox("Knowledge base", names, key="kb", bind="query-params") or names[0]
        live = live_knowledge_base(settings.indexes, name)
        served = live.current()
        models = {model.model: model for model in served.knowledge_base.models}
        model = st.selectbox("Embedding model", list(models), key=f"model {name}")
        generator = st.selectbox("Answers written by", _generators(settings), key="generator")
        only_in = draw_narrowing(served.knowledge_base)
    fingerprint = models[model] if model in models else served.knowledge_base.models[0]
    chosen = {PASSAGES_ONLY: None, _DEFAULT_GENERATOR: ""}.get(generator or "", generator)
    return Choice(live, served, fingerprint, chosen, only_in)


def _generators(settings: Settings) -> list[str]:
    """Return what may write the answers: what is configured, else the default, then what is on this machine."""
    from rag_app.models.hub import find_on_machine

    rows = load_catalogue().generators
    here = [row.alias or row.id for row in rows if find_on_machine(row.id, row) is not None]
    first = settings.generator or _DEFAULT_GENERATOR
    return [first, *(name for name in here if name != first), PASSAGES_ONLY]


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
        llm, problem = _load_generator(choice, settings)
        _engine(choice, choice.served, llm, settings, ())  # where the model is not that of the index, it is said now
    finally:
        slot.empty()
    if problem is not None:
        show_problem(problem)


def _load_generator(choice: Choice, settings: Settings) -> tuple[LLM | None, RagAppError | None]:
    """Return the generator, and why there is none where one was asked for and cannot be loaded."""
    if choice.generator is None:
        return None, None
    try:
        return load_generator(choice.generator or None, settings.device, settings.answering.max_new_tokens), None
    except ModelError as error:
        return None, _afresh(error)


def _engine(
    choice: Choice, served: Served, llm: LLM | None, settings: Settings, only_in: Sequence[str]
) -> CitedQueryEngine:
    """Return the engine over one generation, narrowed, with the chosen model as that generation has it."""
    from rag_app.answering.assembly import assemble_engine
    from rag_app.retrieval.filter_terms import filters_of

    knowledge_base = served.knowledge_base
    knowledge_base.check_has_model(choice.fingerprint.model)
    fingerprint = {model.model: model for model in knowledge_base.models}[choice.fingerprint.model]
    embedder = load_embedder(fingerprint, settings)
    reranker = load_reranker(settings.reranker, settings.device) if settings.reranker else None
    filters = filters_of(only_in, knowledge_base)
    return assemble_engine(
        knowledge_base, embedder, llm, settings, reranker=reranker, filters=filters, announce=show_notice
    )


def _answer(turn: Turn, choice: Choice, settings: Settings) -> None:
    """Draw a turn while it happens. One that has a problem already is not asked."""
    with st.chat_message("user"):
        st.html(text_html(turn.question))
    with st.chat_message("assistant"):
        status, text, sources = st.empty(), st.empty(), st.empty()
        try:
            if turn.problem is None:
                _ask(turn, choice, settings, status, text, sources)
        except RagAppError as error:  # the passages that were found stay
            turn.problem = _afresh(error)
        except Exception as error:  # noqa: BLE001 - the edge: the turn is kept with a sentence
            turn.problem = unexpected(error)
        finally:
            status.empty()
        _draw_remarks(turn, choice.served)


def _ask(
    turn: Turn,
    choice: Choice,
    settings: Settings,
    status: DeltaGenerator,
    text: DeltaGenerator,
    sources: DeltaGenerator,
) -> None:
    """Load the models, then ask the generation that is whole by then."""
    status.html(busy_html("Loading the models ..."))
    load_embedder(choice.fingerprint, settings)
    llm, turn.problem = _load_generator(choice, settings)
    served = choice.live.current()
    if served.check.is_running:
        status.html(busy_html("Verifying the files ..."))
        served.check.wait(_PATIENCE_SECONDS)
        served = choice.live.current()
    turn.version, turn.check, turn.fell_back = served.version, served.check, bool(served.notice)
    _follow(_engine(choice, served, llm, settings, turn.only_in), turn, status, text, sources)


def _follow(
    engine: CitedQueryEngine, turn: Turn, status: DeltaGenerator, text: DeltaGenerator, sources: DeltaGenerator
) -> None:
    from rag_app.answering.query_engine import Answered, Retrieved
    from rag_app.answering.writers import Written

    status.html(busy_html("Searching ..."))
    with closing(engine.ask(turn.question)) as events:  # type: ignore[type-var]
        for event in events:
            match event:
                case Retrieved():
                    turn.passages = event.passages
                    sources.html(sources_html(event.passages, turn.question))
                    if event.is_found:
                        status.html(busy_html("Writing ..."))
                case Written():
                    turn.written += event.text
                    text.html(text_html(turn.written))
                case Answered():
                    turn.answer = event.answer
                    _draw_answer(turn, text, sources)


def _draw_turn(turn: Turn, served: Served) -> None:
    with st.chat_message("user"):
        st.html(text_html(turn.question))
    with st.chat_message("assistant"):
        _draw_answer(turn, st.empty(), st.empty())
        _draw_remarks(turn, served)
        if turn.problem is None and turn.answer is None:
            st.caption("Stopped.")


def _draw_remarks(turn: Turn, served: Served) -> None:
    """Say under a turn to what it was narrowed, what went wrong, and from which version it is where another is shown."""
    if turn.only_in:
        st.html(note_html(narrowed_to(turn.only_in)))
    is_from_shown = (turn.knowledge_base, turn.version) == (served.knowledge_base.name, served.version)
    if turn.version and (turn.fell_back or not is_from_shown):
        reason = " The live version was damaged when it was asked." if turn.fell_back else ""
        st.html(note_html(f"From {turn.knowledge_base}, {turn.version}.{reason}"))
    if turn.check is not None and turn.check.problem:
        show_notice(f"{turn.check.problem} This came from that version: ask again.")
    if turn.problem is not None:
        show_problem(turn.problem)


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
        sources.html(sources_html(turn.passages, turn.question, citations))
