"""The blind vote: two sides as A and B in random order, a vote, then the names; and what all votes come to.

This module knows nothing of how the sides came about.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

import streamlit as st

from rag_app.config import Settings
from rag_app.evaluation.comparison import Verdict
from rag_app.evaluation.preferences import preference
from rag_app.evaluation.side_by_side import is_same_outcome
from rag_app.store.records.votes import Choice, Tally, Vote, keep_vote, tallies
from rag_app.text import printable
from rag_app.ui.compare.cards import blind_passages_html, name_html, remark_html
from rag_app.ui.compare.round import Round, Side
from rag_app.ui.compare.sides import shown_answer
from rag_app.ui.words import say

_SESSION = "voting session"
_LETTERS = ("A", "B")
_BUTTONS = (
    ("a", Choice.FIRST, ":material/looks_one:"),
    ("b", Choice.SECOND, ":material/looks_two:"),
    ("equal", Choice.EQUAL, ":material/balance:"),
    ("neither", Choice.NEITHER, ":material/thumb_down:"),
)


def needs_vote(one: Round) -> bool:
    """Return whether the names are hidden until a vote; where there is nothing to vote on, they are shown at once."""
    if one.is_revealed or one.pair is None:
        return False
    a, b = (one.sides[number] for number in one.pair)
    if not one.is_done or a.problem is not None or b.problem is not None:
        one.reveal("")
    elif is_same_outcome(a.ranked, b.ranked, [a.answer, b.answer]):
        one.reveal("same")
    return not one.is_revealed


def draw_vote(one: Round, settings: Settings) -> None:
    """Draw A and B and the four votes.

    Raises:
        StorageError: the vote cannot be kept.
    """
    assert one.pair is not None
    if len(one.sides) > len(one.pair):
        st.text(say("compare.drawn"))
    for column, letter, number in zip(st.columns(2, border=True), _LETTERS, one.pair, strict=True):
        with column:
            _draw_blind(one.sides[number], letter, one.question)
    st.subheader(say("compare.vote.ask"), anchor=False)
    with st.container(horizontal=True):
        for key, choice, icon in _BUTTONS:
            if st.button(say(f"compare.vote.{key}"), icon=icon, key=f"compare_vote_{key}"):
                _vote(one, choice, settings)
                st.rerun()


def _draw_blind(side: Side, letter: str, question: str) -> None:
    st.html(name_html(letter))
    if side.answer is not None and (side.answer.text or side.answer.abstained):
        # That a generator was not asked is said by its name.
        st.html(shown_answer(replace(side, answer=replace(side.answer, not_asked=""))))
    st.html(blind_passages_html(side.ranked, question) if side.ranked else remark_html(say("compare.no_passages")))


def _vote(one: Round, choice: Choice, settings: Settings) -> None:
    assert one.pair is not None
    a, b = (one.sides[number].system.full_name for number in one.pair)
    session = st.session_state.setdefault(_SESSION, secrets.token_hex(8))
    counts = keep_vote(settings.indexes, Vote(session, one.knowledge_base, one.question, a, b, choice))
    one.reveal("kept" if counts else "again")


def draw_told(one: Round) -> None:
    """Say what came of the vote, and who was A and who B."""
    if one.told and one.pair is not None:
        a, b = (one.name_of(number) for number in one.pair)
        with st.container(border=True):
            st.text(printable(say(f"compare.told.{one.told}", a=a, b=b)))


def draw_tallies(settings: Settings, knowledge_base: str) -> None:
    """Draw what all votes over a knowledge base come to.

    Raises:
        StorageError: they cannot be read.
    """
    st.subheader(say("compare.tally.title"), anchor=False)
    found = tallies(settings.indexes, knowledge_base)
    if not found:
        st.text(say("compare.tally.none"))
        return
    rows = [_row(tally) for tally in found]
    st.dataframe(rows, hide_index=True, alt=say("compare.tally.alt"))
    st.html(remark_html(say("compare.tally.about")))


def _row(tally: Tally) -> dict[str, str | int]:
    first, second = (printable(name, keep_line_breaks=False) for name in (tally.first, tally.second))
    found = preference(tally.first_preferred, tally.second_preferred)
    share, verdict = "–", say("compare.tally.cannot_tell")
    if found is not None:
        figures = {"share": found.share, "low": found.low, "high": found.high}
        share = say("compare.tally.interval", **{name: f"{value:.2f}" for name, value in figures.items()})
        if found.verdict is not Verdict.CANNOT_TELL:
            verdict = say("compare.tally.better", name=first if found.verdict is Verdict.BETTER else second)
    return {
        say("compare.tally.verdict"): verdict,
        say("compare.tally.share"): share,
        say("compare.tally.votes"): tally.count,
        say("compare.tally.first"): first,
        say("compare.tally.second"): second,
        say("compare.tally.for_first"): tally.first_preferred,
        say("compare.tally.for_second"): tally.second_preferred,
        say("compare.tally.equal"): tally.equal,
        say("compare.tally.neither"): tally.neither,
    }
