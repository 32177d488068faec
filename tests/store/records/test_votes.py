"""Blind votes: one a session, question and pair, whichever side a system stood on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rag_app.store.records.votes import Choice, Tally, Vote, keep_vote, tallies

VOTE = Vote("session one", "kb", "How long?", "a", "b", Choice.FIRST)


def test_votes_are_counted_by_pair_whichever_side_a_system_stood_on(tmp_path: Path) -> None:
    assert keep_vote(tmp_path, VOTE)
    assert keep_vote(tmp_path, replace(VOTE, question="Where?", first="b", second="a", choice=Choice.FIRST))
    assert keep_vote(tmp_path, replace(VOTE, question="Who?", first="b", second="a", choice=Choice.SECOND))
    assert keep_vote(tmp_path, replace(VOTE, question="Why?", choice=Choice.EQUAL))
    assert keep_vote(tmp_path, replace(VOTE, question="When?", choice=Choice.NEITHER))
    assert keep_vote(tmp_path, replace(VOTE, second="c", choice=Choice.SECOND))
    first, second = tallies(tmp_path, "kb")
    assert first == Tally("a", "b", 2, 1, 1, 1)
    assert first.count == 5
    assert second == Tally("a", "c", 0, 1, 0, 0)
    assert tallies(tmp_path, "other") == []


def test_a_session_has_one_vote_a_question_and_the_first_counts(tmp_path: Path) -> None:
    assert keep_vote(tmp_path, VOTE)
    assert not keep_vote(tmp_path, replace(VOTE, choice=Choice.SECOND))
    assert not keep_vote(tmp_path, replace(VOTE, question="  how LONG? ", first="b", second="a"))
    assert keep_vote(tmp_path, replace(VOTE, session="session two", choice=Choice.SECOND))
    assert tallies(tmp_path, "kb") == [Tally("a", "b", 1, 1, 0, 0)]
