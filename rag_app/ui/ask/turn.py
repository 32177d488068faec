"""A question on the page and what comes of it: passages first, then the answer as it is written, remarks under it.

This module knows nothing of the page around it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.datatypes import Answer, Passage
from rag_app.errors import RagAppError
from rag_app.ui.ask.choice import Choice, afresh, chosen_engine, chosen_generator
from rag_app.ui.ask.narrowing import narrowed_to
from rag_app.ui.parts import (
    answer_html,
    asked_html,
    busy_html,
    counted,
    note_html,
    show_notice,
    show_problem,
    sources_html,
    text_html,
    unexpected,
)
from rag_app.ui.resources import load_embedder

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from rag_app.answering.conversation import Exchange
    from rag_app.answering.query_engine import CitedQueryEngine
    from rag_app.store.live import Served, SumCheck

# A question waits so long for files that are still being read; then it is answered, and the page says so.
_PATIENCE_SECONDS = 2.0
# The whole text is sent to the browser each time: a quick model must not keep both busy with it.
_DRAWN_SECONDS = 0.05


@dataclass
class Turn:
    """A question of this session and what has come of it so far.

    It is changed in place while the answer is written: after a click on Stop, session state cannot be written any more.
    `standalone` is what a follow-up was understood to ask, else empty. `version` is the generation that was asked and when it
    was built, `check` reads its files; neither keeps it open. `fell_back` is true where it stood in for a live one that was
    damaged. `only_in` holds the terms that it was narrowed to. `lacks_generator`: the one that was chosen cannot be loaded.
    """

    question: str
    knowledge_base: str
    standalone: str = ""
    only_in: tuple[str, ...] = ()
    version: str = ""
    check: SumCheck | None = None
    fell_back: bool = False
    passages: tuple[Passage, ...] = ()
    written: str = ""
    answer: Answer | None = None
    problem: RagAppError | None = None
    lacks_generator: bool = False


@dataclass(frozen=True)
class Slots:
    """The places of a turn on the page: what a follow-up was understood to ask, what goes on, the answer, the passages."""

    asked: DeltaGenerator
    status: DeltaGenerator
    text: DeltaGenerator
    sources: DeltaGenerator


def history_of(turns: Sequence[Turn], name: str) -> list[Exchange]:
    """Return what was asked of this knowledge base before, as far as it was answered."""
    from rag_app.answering.conversation import Exchange

    return [
        Exchange(turn.question, turn.standalone or turn.question, turn.written.strip())
        for turn in turns
        if turn.knowledge_base == name and turn.problem is None
    ]


def answer_turn(turn: Turn, history: Sequence[Exchange], choice: Choice, settings: Settings) -> None:
    """Draw a turn while it happens. One that has a problem already is not asked."""
    with st.chat_message("user"):
        st.html(text_html(turn.question))
    with st.chat_message("assistant"):
        slots = Slots(*(st.empty() for _ in fields(Slots)))
        try:
            if turn.problem is None:
                _ask(turn, history, choice, settings, slots)
        except RagAppError as error:  # the passages that were found stay
            turn.problem = afresh(error)
        except Exception as error:  # noqa: BLE001 - the edge: the turn is kept with a sentence
            turn.problem = unexpected(error)
        finally:
            slots.status.empty()
        _draw_remarks(turn, choice.served)


def _ask(turn: Turn, history: Sequence[Exchange], choice: Choice, settings: Settings, slots: Slots) -> None:
    """Load the models, then ask the generation that is whole by then."""
    slots.status.html(busy_html("Loading the models ..."))
    load_embedder(choice.fingerprint, settings)
    llm, turn.problem = chosen_generator(choice, settings)
    turn.lacks_generator = turn.problem is not None
    served = choice.live.current()
    if served.check.is_running:
        slots.status.html(busy_html("Verifying the files ..."))
        served.check.wait(_PATIENCE_SECONDS)
        served = choice.live.current()
    turn.version, turn.check, turn.fell_back = served.version, served.check, bool(served.notice)
    _follow(chosen_engine(choice, served, llm, settings, turn.only_in), history, turn, slots)


def _follow(engine: CitedQueryEngine, history: Sequence[Exchange], turn: Turn, slots: Slots) -> None:
    from rag_app.answering.query_engine import Answered, Rephrased, Retrieved
    from rag_app.answering.writers import Waiting, Written

    drawn = 0.0
    slots.status.html(busy_html("Searching ..."))
    with closing(engine.ask(turn.question, history)) as events:  # type: ignore[type-var]
        for event in events:
            match event:
                case Rephrased():
                    turn.standalone = event.standalone.question
                    slots.asked.html(asked_html(turn.standalone))
                case Retrieved():
                    turn.passages = event.passages
                    slots.sources.html(sources_html(event.passages, turn.standalone or turn.question))
                    if event.is_found:
                        slots.status.html(busy_html("Writing ..."))
                case Waiting():
                    slots.status.html(busy_html(_stage(event.place, turn.written)))
                case Written():
                    if not turn.written:
                        slots.status.html(busy_html("Writing ..."))
                    turn.written += event.text
                    if time.monotonic() - drawn >= _DRAWN_SECONDS:
                        slots.text.html(text_html(turn.written))
                        drawn = time.monotonic()
                case Answered():
                    turn.answer = event.answer
                    _draw_answer(turn, slots)


def _stage(place: int, written: str) -> str:
    if place:
        return f"Waiting: {counted(place, 'answer')} before this one ..."
    return "Writing ..." if written else "Reading the passages ..."


def draw_turn(turn: Turn, served: Served) -> None:
    """Draw what came of a turn before."""
    with st.chat_message("user"):
        st.html(text_html(turn.question))
    with st.chat_message("assistant"):
        _draw_answer(turn, Slots(*(st.empty() for _ in fields(Slots))))
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


def _draw_answer(turn: Turn, slots: Slots) -> None:
    if turn.standalone:
        slots.asked.html(asked_html(turn.standalone))
    if turn.answer is None:
        if turn.written:
            slots.text.html(text_html(turn.written))
    elif turn.answer.text is not None or turn.answer.abstained:
        slots.text.html(answer_html(turn.answer))
    citations = (
        [citation for sentence in turn.answer.sentences for citation in sentence.citations] if turn.answer else []
    )
    if turn.passages:
        slots.sources.html(sources_html(turn.passages, turn.standalone or turn.question, citations))
