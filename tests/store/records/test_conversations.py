"""Conversations as they are kept: what comes back, whose they are, how many, and what a damaged record leaves."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rag_app.datatypes import Answer, Citation, Passage, Place, Sentence
from rag_app.errors import StorageError, UsageError
from rag_app.store.records import conversations
from rag_app.store.records.conversations import (
    Problem,
    Turn,
    TurnState,
    delete_conversation,
    forget,
    is_conversation_id,
    keep_turn,
    kept_turn,
    kept_turns,
    new_id,
)
from rag_app.store.records.database import records_file


def whole_turn() -> Turn:
    passage = Passage(
        1,
        "docs/密码.md",
        2,
        10,
        40,
        "连续输错五次密码，账号会被锁定三十分钟。" + "\x1b[31m <b>",
        ("密码", "锁定"),
        {"cosine": 0.5, "percentile": 0.975},
        last_page=3,
        also_in=(Place("docs/b.md", None, None, 0, 4),),
        found=((10, 20), (30, 40)),
        best_sentence=(10, 20),
    )
    sentence = Sentence("三十分钟。", (Citation(1, "docs/密码.md", 2, 10, 20, computed=True),), supported=True)
    answer = Answer("问？", "三十分钟。[1]", False, (sentence,), (passage,), "e", "g", {"retrieval": 0.25}, is_cut=True)
    return Turn(
        "问？",
        "small",
        state=TurnState.DONE,
        standalone="问？",
        only_in=("folder=docs",),
        generation="gen-00000001",
        built="2026-11-24T09:30:00+00:00",
        passages=(passage,),
        written="三十分钟。",
        answer=answer,
        problem=Problem("found", "remedy"),
        feedback=0,
    )


def test_a_turn_comes_back_as_it_was(tmp_path: Path) -> None:
    conversation, turn = new_id(), whole_turn()
    keep_turn(tmp_path, conversation, turn)
    assert kept_turns(tmp_path, conversation) == [turn]
    assert kept_turn(tmp_path, turn.id) == turn


def test_a_turn_is_one_record_however_often_it_is_kept(tmp_path: Path) -> None:
    conversation, first, second = new_id(), Turn("one?", "small"), Turn("two?", "small")
    for turn in (first, second, first):
        turn.written += "text "
        keep_turn(tmp_path, conversation, turn)
    assert [(turn.question, turn.written) for turn in kept_turns(tmp_path, conversation)] == [
        ("one?", "text text "),
        ("two?", "text "),
    ]


def test_nobody_sees_the_conversation_of_another(tmp_path: Path) -> None:
    mine, other = new_id(), new_id()
    keep_turn(tmp_path, mine, Turn("mine?", "small"))
    keep_turn(tmp_path, other, Turn("theirs?", "small"))
    assert [turn.question for turn in kept_turns(tmp_path, mine)] == ["mine?"]
    assert kept_turns(tmp_path, new_id()) == []
    assert kept_turns(tmp_path, "%") == []
    assert records_file(tmp_path).stat().st_mode & 0o077 == 0


def test_an_id_cannot_be_guessed_and_is_told_from_other_text() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(is_conversation_id(one) and len(one) == 32 for one in ids)  # 128 bits
    assert not any(map(is_conversation_id, ("", "abc", "' OR 1=1 --", "A" * 32, new_id() + "0")))


def test_a_turn_of_one_conversation_cannot_be_written_into_another(tmp_path: Path) -> None:
    mine, other, turn = new_id(), new_id(), Turn("mine?", "small")
    keep_turn(tmp_path, mine, turn)
    with pytest.raises(StorageError):
        keep_turn(tmp_path, other, turn)
    assert [one.question for one in kept_turns(tmp_path, mine)] == ["mine?"]
    assert kept_turns(tmp_path, other) == []


def test_deletion_takes_all_turns_and_no_other(tmp_path: Path) -> None:
    mine, other = new_id(), new_id()
    secret = Turn("What is the zanzibar code?", "small")
    for conversation, turn in ((mine, secret), (mine, Turn("more?", "small")), (other, Turn("theirs?", "small"))):
        keep_turn(tmp_path, conversation, turn)
    delete_conversation(tmp_path, mine)
    assert kept_turns(tmp_path, mine) == []
    assert kept_turn(tmp_path, secret.id) is None
    assert len(kept_turns(tmp_path, other)) == 1
    assert b"zanzibar" not in records_file(tmp_path).read_bytes()


def test_what_a_document_that_is_purged_has_come_to_is_forgotten(tmp_path: Path) -> None:
    conversation, turn, other = new_id(), whole_turn(), whole_turn()
    other.knowledge_base = "other"
    for one in (turn, other, Turn("no passages?", "small")):
        keep_turn(tmp_path, conversation, one)
    forget(tmp_path, "small", "docs/密码.md")
    assert [one.question for one in kept_turns(tmp_path, conversation)] == ["问？", "no passages?"]
    assert kept_turn(tmp_path, turn.id) is None
    assert kept_turn(tmp_path, other.id) == other


def test_what_is_deleted_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a thumb in another tab, or by a question that was stopped."""
    monkeypatch.setattr(conversations, "MOST_CONVERSATIONS", 1)
    deleted, purged, oldest, latest = new_id(), new_id(), new_id(), new_id()
    ways = {
        deleted: lambda: delete_conversation(tmp_path, deleted),
        purged: lambda: forget(tmp_path, "small", "docs/密码.md"),
        oldest: lambda: keep_turn(tmp_path, latest, Turn("question?", "small")),
    }
    for conversation, remove in ways.items():
        turn = whole_turn()
        keep_turn(tmp_path, conversation, turn)
        remove()
        turn.feedback = 1
        with pytest.raises(StorageError, match="It was deleted"):
            keep_turn(tmp_path, conversation, turn)
        assert kept_turns(tmp_path, conversation) == []
        assert kept_turn(tmp_path, turn.id) is None


def test_a_turn_that_could_not_be_kept_at_first_is_kept_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation, turn = new_id(), Turn("one?", "small")
    with monkeypatch.context() as patch:
        patch.setattr(conversations, "_LONGEST_RECORD", 1)
        with pytest.raises(StorageError, match="too large"):
            keep_turn(tmp_path, conversation, turn)
    keep_turn(tmp_path, conversation, turn)
    assert kept_turns(tmp_path, conversation) == [turn]


def test_nothing_is_made_to_forget_in(tmp_path: Path) -> None:
    forget(tmp_path, "small", "docs/a.md")
    assert not records_file(tmp_path).exists()


def test_the_oldest_conversations_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MOST_CONVERSATIONS", 3)
    ids = [new_id() for _ in range(5)]
    for one in (*ids, ids[2]):
        keep_turn(tmp_path, one, Turn("question?", "small"))
    assert [len(kept_turns(tmp_path, one)) for one in ids] == [0, 0, 2, 1, 1]


def test_a_conversation_and_a_turn_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MOST_TURNS", 2)
    conversation, turn = new_id(), Turn("one?", "small")
    keep_turn(tmp_path, conversation, turn)
    keep_turn(tmp_path, conversation, Turn("two?", "small"))
    with pytest.raises(UsageError, match="2 questions at most"):
        keep_turn(tmp_path, conversation, Turn("three?", "small"))
    keep_turn(tmp_path, conversation, turn)  # one that is there is brought up to date
    assert len(kept_turns(tmp_path, conversation)) == 2
    turn.written = "x" * 4_000_000
    with pytest.raises(StorageError, match="too large to be kept"):
        keep_turn(tmp_path, conversation, turn)


@pytest.mark.parametrize("record", ['{"question": "What was it?", "state": "of another version"}', "no JSON", "[1]"])
def test_a_record_that_cannot_be_read_is_named_and_the_others_are_there(tmp_path: Path, record: str) -> None:
    conversation, turn = new_id(), Turn("one?", "small")
    keep_turn(tmp_path, conversation, turn)
    keep_turn(tmp_path, conversation, Turn("two?", "small"))
    with sqlite3.connect(records_file(tmp_path)) as connection:
        connection.execute("UPDATE turns SET record = ? WHERE id = ?", (record, turn.id))
    unread, whole = kept_turns(tmp_path, conversation)
    assert unread.problem is not None
    assert "cannot be read" in unread.problem.found
    assert unread.question == ("What was it?" if record.startswith("{") else "?")
    assert whole.question == "two?"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    records_file(tmp_path).parent.mkdir()
    records_file(tmp_path).write_bytes(b"no database, but long enough to be one" * 100)
    with pytest.raises(StorageError, match=r"records\.sqlite"):
        kept_turns(tmp_path, new_id())
