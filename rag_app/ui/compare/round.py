"""One question asked of the systems side by side: passages as they are found, answers as they are written.

The systems are asked one after the other, so that neither slows the other, and only one embedding model need be in memory.
Where the names are hidden, nothing is shown before all is there. This module knows nothing of votes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import streamlit as st

from rag_app.config import Settings
from rag_app.datatypes import Answer, Passage
from rag_app.errors import RagAppError
from rag_app.evaluation.side_by_side import SideSystem
from rag_app.evaluation.systems import NO_GENERATOR
from rag_app.models.catalogue import QUOTE
from rag_app.ui.ask.state import version_words
from rag_app.ui.compare.cards import question_html, remark_html
from rag_app.ui.compare.choice import Choice, Kind, side_name
from rag_app.ui.compare.sides import Slots, draw_answer, draw_overlaps, draw_passages, draw_side, side_slots
from rag_app.ui.parts import busy_html, show_notice, unexpected
from rag_app.ui.resources import import_libraries, load_embedder, load_generator, load_reranker
from rag_app.ui.words import say

if TYPE_CHECKING:
    from llama_index.core.llms import LLM
    from streamlit.delta_generator import DeltaGenerator

    from rag_app.answering.query_engine import CitedQueryEngine
    from rag_app.store.live import LiveKnowledgeBase, Served

# A question waits so long for files that are still being read.
_PATIENCE_SECONDS = 2.0
# The whole text is sent to the browser each time.
_DRAWN_SECONDS = 0.1
# Asked before a system is timed: what a model does once only is no part of how long it takes.
_WARM_UP = "warm up"


@dataclass
class Side:
    """A system and what it did; changed in place while it does it. `ranked`: the passages as they were found."""

    system: SideSystem
    ranked: tuple[Passage, ...] = ()
    is_asked: bool = False
    written: str = ""
    answer: Answer | None = None
    problem: RagAppError | None = None


@dataclass
class Round:
    """A question with all sides. `pair` are the numbers of those shown as A and B until a vote, in this order; None: no vote.

    `generation` is the one that is asked, `built` when, in ISO 8601. `is_revealed`: the names are seen.
    `told` names what is said of the vote. `is_done`: every side was asked to its end.
    """

    question: str
    knowledge_base: str
    kind: Kind
    sides: list[Side]
    pair: tuple[int, int] | None = None
    generation: str = ""
    built: str = ""
    is_revealed: bool = True
    is_done: bool = False
    told: str = ""
    notices: list[str] = field(default_factory=list)

    def name_of(self, number: int) -> str:
        """Return the name of a side in the chosen language."""
        return side_name(self.kind, self.sides[number].system)

    def reveal(self, told: str) -> None:
        """Let the names be seen, and remember what is to be said of it."""
        self.is_revealed, self.told = True, told

    @property
    def names(self) -> list[str]:
        """The names of all sides."""
        return [self.name_of(number) for number in range(len(self.sides))]


def begin_round(question: str, choice: Choice) -> Round:
    """Return a question about to be asked. Where names are hidden, two sides are drawn for A and B."""
    sides = [Side(system) for system in choice.systems]
    drawn = random.SystemRandom().sample(range(len(sides)), 2) if choice.is_hidden else None
    pair = (drawn[0], drawn[1]) if drawn else None
    return Round(question, choice.name, choice.kind, sides, pair, is_revealed=pair is None)


def follow_round(one: Round, live: LiveKnowledgeBase, settings: Settings) -> None:
    """Ask all sides, drawing what comes where names are seen.

    Raises:
        KnowledgeBaseError: there is no generation that can be asked.
    """
    st.html(question_html(one.question))
    facts = st.empty()
    status = st.empty()
    overlaps = st.empty()
    slots = side_slots(one.names) if one.is_revealed else []
    served = _served(live)
    manifest = served.knowledge_base.manifest
    one.generation, one.built = manifest.generation, manifest.created_at
    one.notices += [served.notice] if served.notice else []
    with facts.container():
        _draw_facts(one)
    for number in range(len(one.sides)):
        status.html(busy_html(say("compare.loading") if slots else say("compare.hidden")))
        _ask(one, number, served, settings, slots, status)
        if slots:
            _draw_all(one, slots, overlaps)
    one.is_done = True
    status.empty()
    with facts.container():  # once more, since what was assembled may have said something
        _draw_facts(one)


def _served(live: LiveKnowledgeBase) -> Served:
    served = live.current()
    if served.check.is_running:
        served.check.wait(_PATIENCE_SECONDS)
        served = live.current()
    return served


def _ask(
    one: Round, number: int, served: Served, settings: Settings, slots: Sequence[Slots], status: DeltaGenerator
) -> None:
    """Ask one side. What goes wrong with it is kept with it: the others are asked all the same."""
    side = one.sides[number]
    slot = slots[number] if slots else None
    try:
        engine = _engine(side.system, served, settings, one.notices)
        side.is_asked = True
        if slot is not None:
            status.html(busy_html(say("compare.searching")))
        _follow(engine, one, number, slot, status)
    except RagAppError as error:  # without its traceback, which would keep the generation open
        side.problem = RagAppError(error.found, error.remedy)
    except Exception as error:  # noqa: BLE001 - the edge: the side is kept with a sentence
        side.problem = unexpected(error)


def _engine(system: SideSystem, served: Served, settings: Settings, notices: list[str]) -> CitedQueryEngine:
    """Return the engine of a side with its models loaded and used once."""
    import_libraries()
    from llama_index.core.schema import QueryBundle

    from rag_app.answering.assembly import assemble_engine

    knowledge_base = served.knowledge_base
    knowledge_base.check_has_model(system.embed_model)
    fingerprint = next(model for model in knowledge_base.models if model.model == system.embed_model)
    embedder = load_embedder(fingerprint, settings)
    reranker = load_reranker(settings.reranker, settings.device) if settings.reranker else None
    llm = _writer(system.generator, settings)
    own = system.settings(settings)
    engine = assemble_engine(knowledge_base, embedder, llm, own, reranker=reranker, announce=notices.append)
    if reranker is None:  # one takes seconds each time, beside which what it does once is little
        engine.retrieve(QueryBundle(_WARM_UP))
    return engine


def _writer(generator: str, settings: Settings) -> LLM | Literal["quote"] | None:
    if generator == NO_GENERATOR:
        return None
    return "quote" if generator == QUOTE else load_generator(generator, settings)


def _follow(engine: CitedQueryEngine, one: Round, number: int, slot: Slots | None, status: DeltaGenerator) -> None:
    from rag_app.answering.query_engine import Answered, Retrieved
    from rag_app.answering.writers import Written

    side, drawn = one.sides[number], 0.0
    with closing(engine.ask(one.question)) as events:
        for event in events:
            match event:
                case Retrieved():
                    side.ranked = event.ranked
                    if slot is not None:
                        draw_passages(slot, one, number)
                        status.html(busy_html(say("compare.writing")))
                case Written():
                    side.written += event.text
                    if slot is not None and time.monotonic() - drawn >= _DRAWN_SECONDS:
                        draw_answer(slot, side)
                        drawn = time.monotonic()
                case Answered():
                    side.answer = event.answer


def _draw_all(one: Round, slots: Sequence[Slots], overlaps: DeltaGenerator) -> None:
    for number, slot in enumerate(slots):
        draw_side(slot, one, number)
    with overlaps.container():
        draw_overlaps(one)


def draw_round(one: Round) -> None:
    """Draw a round again, as far as it came; one whose names are hidden is drawn by who asks for the vote."""
    overlaps = st.empty()
    _draw_all(one, side_slots(one.names), overlaps)
    if not one.is_done:
        st.text(say("app.stopped"))


def draw_question(one: Round) -> None:
    """Say what was asked, of which generation, and what has to be known of it."""
    st.html(question_html(one.question))
    _draw_facts(one)


def _draw_facts(one: Round) -> None:
    if one.generation:
        version = version_words(one.generation, one.built)
        st.html(remark_html(say("compare.from", name=one.knowledge_base, version=version)))
    for notice in dict.fromkeys(one.notices):
        show_notice(notice)
