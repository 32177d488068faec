"""A question while it is answered: passages first, then the answer as it is written, each step kept.

This module knows nothing of the page around it, nor of how a turn looks once it is over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import RagAppError
from rag_app.store.records.conversations import Problem, Turn, TurnState
from rag_app.ui.ask.choice import Choice, chosen_engine, chosen_generator
from rag_app.ui.ask.conversation import Conversation, being_answered
from rag_app.ui.parts import asked_html, busy_html, text_html, unexpected
from rag_app.ui.passages import sources_html
from rag_app.ui.resources import import_libraries, load_embedder
from rag_app.ui.words import say

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from rag_app.answering.conversation import Exchange
    from rag_app.answering.query_engine import AnswerEvent, CitedQueryEngine

# A question waits so long for files that are still being read; then it is answered, and the page says so.
_PATIENCE_SECONDS = 2.0
# The whole text is sent to the browser each time: a quick model must not keep both busy with it.
_DRAWN_SECONDS = 0.05
_KEPT_SECONDS = 1.0
# Streamlit follows what is drawn below only for who is at the end; who asks from further up would see nothing happen. The text
# is fixed: nothing of a question is in it.
_COME_INTO_SIGHT = """<script>
{
  const asked = [...document.querySelectorAll('[data-testid="stChatMessage"]')].at(-1);
  if (asked && asked.getBoundingClientRect().bottom > window.innerHeight - 120) asked.scrollIntoView();
}
</script>"""


@dataclass(frozen=True)
class Slots:
    """The places of a turn on the page: what a follow-up was understood to ask, what goes on, the answer, the passages."""

    asked: DeltaGenerator
    status: DeltaGenerator
    text: DeltaGenerator
    sources: DeltaGenerator


@dataclass(frozen=True)
class _Asking:
    """A turn that is being answered, with the conversation that keeps it, and what it is asked of."""

    turn: Turn
    conversation: Conversation
    choice: Choice
    settings: Settings
    slots: Slots

    def keep(self) -> None:
        self.conversation.keep(self.turn, self.settings)

    def busy(self, stage: str) -> None:
        self.slots.status.html(busy_html(stage))


def history_of(turns: Sequence[Turn], name: str) -> list[Exchange]:
    """Return what was asked of this knowledge base before, as far as it was answered."""
    import_libraries()
    from rag_app.answering.conversation import Exchange

    return [
        Exchange(turn.question, turn.standalone or turn.question, turn.written.strip())
        for turn in turns
        if turn.knowledge_base == name and turn.problem is None
    ]


def answer_turn(
    turn: Turn, history: Sequence[Exchange], conversation: Conversation, choice: Choice, settings: Settings
) -> None:
    """Draw a turn while it happens, and keep what comes of it. One that has a problem already is not asked.

    After a click on Stop nothing can be drawn and session state cannot be written any more; the turn can, and is kept.
    """
    with st.chat_message("user"):
        st.html(text_html(turn.question))
        st.html(_COME_INTO_SIGHT, unsafe_allow_javascript=True)
    with st.chat_message("assistant"), being_answered(turn):
        slots = Slots(*(st.empty() for _ in fields(Slots)))
        asking = _Asking(turn, conversation, choice, settings, slots)
        try:
            asking.keep()
            if turn.problem is None:
                _ask(asking, history)
            turn.state = TurnState.DONE if turn.answer is not None else TurnState.FAILED
        except RagAppError as error:  # the passages that were found stay
            _fail(turn, error)
        except Exception as error:  # noqa: BLE001 - the edge: the turn is kept with a sentence
            _fail(turn, unexpected(error))
        finally:
            if turn.state is TurnState.UNDER_WAY:
                turn.state = TurnState.STOPPED
            asking.keep()


def _fail(turn: Turn, error: RagAppError) -> None:
    turn.problem, turn.state = Problem(error.found, error.remedy), TurnState.FAILED


def _ask(asking: _Asking, history: Sequence[Exchange]) -> None:
    """Load the models, then ask the generation that is whole by then."""
    turn, choice, settings = asking.turn, asking.choice, asking.settings
    asking.busy(say("ask.turn.loading"))
    load_embedder(choice.fingerprint, settings)
    llm, problem = chosen_generator(choice, settings)
    turn.lacks_generator = problem is not None
    if problem is not None:
        turn.problem = Problem(problem.found, problem.remedy)
    served = choice.live.current()
    if served.check.is_running:
        asking.busy(say("ask.turn.verifying"))
        served.check.wait(_PATIENCE_SECONDS)
        served = choice.live.current()
    manifest = served.knowledge_base.manifest
    turn.generation, turn.built, turn.fell_back = manifest.generation, manifest.created_at, bool(served.notice)
    asking.conversation.checks[turn.id] = served.check
    _follow(chosen_engine(choice, served, llm, settings, turn.only_in), history, asking)


def _follow(engine: CitedQueryEngine, history: Sequence[Exchange], asking: _Asking) -> None:
    kept = time.monotonic()
    asking.busy(say("ask.turn.searching"))
    drawing = _Drawing(asking)
    with closing(engine.ask(asking.turn.question, history)) as events:
        for event in events:
            drawing.take(event)
            if time.monotonic() - kept >= _KEPT_SECONDS:
                asking.keep()
                kept = time.monotonic()


class _Drawing:
    """Draws what happens, and notes it in the turn."""

    def __init__(self, asking: _Asking) -> None:
        self._asking = asking
        self._drawn = 0.0

    def take(self, event: AnswerEvent) -> None:
        """Draw an event."""
        from rag_app.answering.query_engine import Answered, Rephrased, Retrieved
        from rag_app.answering.writers import Waiting, Written

        turn, slots = self._asking.turn, self._asking.slots
        match event:
            case Rephrased():
                turn.standalone = event.standalone.question
                slots.asked.html(asked_html(turn.standalone))
                self._asking.busy(say("ask.turn.searching"))
            case Retrieved():
                turn.passages = event.passages
                slots.sources.html(sources_html(event.passages, turn.standalone or turn.question))
                self._asking.keep()
                if event.is_found:
                    self._asking.busy(say("ask.turn.writing"))
            case Waiting():
                self._asking.busy(_stage(event.place, turn))
            case Written():
                self._write(event.text)
            case Answered():
                turn.answer = event.answer

    def _write(self, text: str) -> None:
        turn, slots = self._asking.turn, self._asking.slots
        if not turn.written:
            self._asking.busy(say("ask.turn.writing"))
        turn.written += text
        if time.monotonic() - self._drawn >= _DRAWN_SECONDS:
            slots.text.html(text_html(turn.written))
            self._drawn = time.monotonic()


def _stage(place: int, turn: Turn) -> str:
    if place:
        return say("ask.turn.waiting", count=place)
    if not turn.passages:
        return say("ask.turn.rephrasing")
    return say("ask.turn.writing") if turn.written else say("ask.turn.reading")
