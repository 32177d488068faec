"""How the sides of a comparison are drawn: a column each, with name, times, answer and passages; what they share, above.

This module knows nothing of how anything is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.evaluation.side_by_side import cited_by_rank, moves, overlap
from rag_app.evaluation.systems import NO_GENERATOR
from rag_app.ui.compare.cards import name_html, passages_html, remark_html
from rag_app.ui.parts import answer_html, show_problem, text_html
from rag_app.ui.words import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlit.delta_generator import DeltaGenerator

    from rag_app.datatypes import Answer
    from rag_app.ui.compare.round import Round, Side


@dataclass(frozen=True)
class Slots:
    """The places of a side on the page."""

    times: DeltaGenerator
    answer: DeltaGenerator
    passages: DeltaGenerator


def side_slots(names: Sequence[str]) -> list[Slots]:
    """Draw a column a side with its name; return the places below it. On a narrow screen they stand one below the other."""
    slots = []
    for column, name in zip(st.columns(len(names), border=True), names, strict=True):
        with column:
            st.html(name_html(name))
            slots.append(Slots(st.empty(), st.empty(), st.empty()))
    return slots


def draw_side(slot: Slots, one: Round, number: int) -> None:
    """Draw all of a side as far as it came."""
    side = one.sides[number]
    slot.times.html(remark_html(_times(side.answer)))
    draw_answer(slot, side)
    draw_passages(slot, one, number)


def draw_answer(slot: Slots, side: Side) -> None:
    """Draw what a side wrote, or why it did not."""
    if side.problem is not None:
        with slot.answer.container():
            show_problem(side.problem)
    elif side.answer is not None:
        slot.answer.html(shown_answer(side))
    elif side.written:
        slot.answer.html(text_html(side.written))


def shown_answer(side: Side) -> str:
    """Return a whole answer as HTML, its citations by the ranks of the passages."""
    assert side.answer is not None
    answer = side.answer
    if side.system.generator == NO_GENERATOR and not answer.abstained:
        return remark_html(say("compare.no_answer"))
    return answer_html(cited_by_rank(answer, side.ranked))


def draw_passages(slot: Slots, one: Round, number: int) -> None:
    """Draw the passages of a side; where another was asked too, with what moved."""
    side = one.sides[number]
    if not side.is_asked or (not side.ranked and side.answer is None):
        return
    if not side.ranked:
        slot.passages.html(remark_html(say("compare.no_passages")))
        return
    asked = [place for place, other in enumerate(one.sides) if other.ranked]
    place = asked.index(number)
    moved = moves([one.sides[other].ranked for other in asked], place) if len(asked) > 1 else []
    reference = one.name_of(asked[0]) if place else ""
    title = say("compare.best_passages")
    if moved and reference:
        title = say("compare.moved_passages", name=reference)
    cards = passages_html(side.ranked, one.question, moved, reference, _cited(side))
    slot.passages.html(remark_html(title) + cards)


def _cited(side: Side) -> list[int]:
    """Return the ranks of the passages that the answer cites."""
    if side.answer is None:
        return []
    answer = cited_by_rank(side.answer, side.ranked)
    return [citation.n for sentence in answer.sentences for citation in sentence.citations]


def draw_overlaps(one: Round) -> None:
    """Say of each pair of sides what they share."""
    lines = []
    for first, second in combinations(range(len(one.sides)), 2):
        found = overlap(one.sides[first].ranked, one.sides[second].ranked)
        if found is not None and one.sides[first].answer and one.sides[second].answer:
            lines.append(
                say(
                    "compare.overlap",
                    first=one.name_of(first),
                    second=one.name_of(second),
                    count=found.shared,
                    k=found.k,
                    share=f"{found.share:.2f}",
                    best=say("compare.best.same") if found.same_first else say("compare.best.differs"),
                )
            )
    for line in lines:
        st.text(line)
    if lines:
        st.html(remark_html(say("compare.scale")))


def _times(answer: Answer | None) -> str:
    """Return how long passages and answer took; empty where that was not measured to its end."""
    if answer is None:
        return ""
    timings = answer.timings
    found = sum(timings.get(stage, 0.0) for stage in ("retrieval", "reranking"))
    parts = [say("compare.time.found", seconds=f"{found:.2f}")]
    if "generation" in timings:
        wrote = timings["generation"] + timings.get("neighbours", 0.0)
        parts.append(say("compare.time.answered", seconds=f"{wrote:.2f}"))
    return " · ".join(parts)
