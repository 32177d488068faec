"""Conversations of the Ask page, so that a reload, a closed tab or a killed server loses nothing that was on the screen.

A conversation is known by an id that nobody can guess: whoever has it may read it, and nobody can list those of others. What
came of a question is one JSON text, read back through the types it was written from. The oldest conversations go when there
are too many. This module knows nothing of pages or of how answers come about.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_app.datatypes import Answer, Passage
from rag_app.errors import StorageError, UsageError
from rag_app.store.records.database import records, records_file
from rag_app.store.records.purged import check_not_purged

if TYPE_CHECKING:
    import sqlite3

    from pydantic import TypeAdapter

MOST_CONVERSATIONS = 1000
MOST_TURNS = 200
# Of what came of one question; the passages of a hundred documents are a small part of it.
_LONGEST_RECORD = 4_000_000  # characters
_ID = re.compile(r"[0-9a-f]{32}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY,
    last_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS turns_of_conversation ON turns (conversation, number);
"""


class TurnState(StrEnum):
    """How far a question is."""

    UNDER_WAY = "under way"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Problem:
    """What went wrong with a question, and what can be done."""

    found: str
    remedy: str = ""


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_hex(16)


@dataclass
class Turn:
    """A question and what has come of it so far. It is changed in place while the answer is written.

    `standalone` is what a follow-up was understood to ask, else empty. `generation` is the one that was asked and `built` when
    it was built (ISO 8601); `fell_back` is true where it stood in for a live one that was damaged. `only_in` holds the terms
    that the question was narrowed to. `embedder` is the model that searched, `generator` what was to write, as it was chosen.
    `lacks_generator`: it could not be loaded. `again_of` is the id of the turn whose question is asked again, else empty.
    `feedback` is 1 for a thumb up, 0 for one down, None for neither. `is_kept`: it was written once, and is not a second time
    where it has been deleted since.
    """

    question: str
    knowledge_base: str
    id: str = field(default_factory=new_id)
    asked_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    state: TurnState = TurnState.UNDER_WAY
    standalone: str = ""
    only_in: tuple[str, ...] = ()
    generation: str = ""
    built: str = ""
    fell_back: bool = False
    embedder: str = ""
    generator: str = ""
    again_of: str = ""
    passages: tuple[Passage, ...] = ()
    written: str = ""
    answer: Answer | None = None
    problem: Problem | None = None
    lacks_generator: bool = False
    feedback: int | None = None
    is_kept: bool = False


@cache
def _turn_type() -> TypeAdapter[Turn]:
    from pydantic import TypeAdapter  # making it takes longer than a page should wait before its first paint

    return TypeAdapter(Turn)


def is_conversation_id(text: str) -> bool:
    """Whether a text could be the id of a conversation."""
    return bool(_ID.fullmatch(text))


def keep_turn(indexes: Path, conversation: str, turn: Turn) -> None:
    """Write a turn as it is now; the conversation begins with its first.

    Raises:
        UsageError: the conversation has as many turns as one may have.
        StorageError: it cannot be written, is too large, was deleted meanwhile, or holds what has been purged.
    """
    text = _turn_type().dump_json(turn, exclude={"is_kept"}).decode()
    if len(text) > _LONGEST_RECORD:
        raise StorageError(
            f"What came of the question is too large to be kept: {len(text):,} characters, {_LONGEST_RECORD:,} at most.",
            "It stays on the page until that is reloaded. Ask for fewer passages: RAG_APP_RETRIEVAL__TOP_K.",
        )
    with records(indexes, _SCHEMA) as connection:
        if turn.is_kept:
            _rewrite(connection, conversation, turn.id, text)
        else:
            _insert(connection, conversation, turn.id, text)
        # Only now, with the file locked: a purge that publishes later will find what was written here.
        check_not_purged(indexes, turn.knowledge_base, {passage.document for passage in turn.passages})
    turn.is_kept = True


def _insert(connection: sqlite3.Connection, conversation: str, turn_id: str, text: str) -> None:
    connection.execute(
        "INSERT INTO conversations VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at",
        (conversation, _now()),
    )
    _check_room(connection, conversation)
    connection.execute("INSERT INTO turns (id, conversation, record) VALUES (?, ?, ?)", (turn_id, conversation, text))
    _forget_oldest(connection)


def _rewrite(connection: sqlite3.Connection, conversation: str, turn_id: str, text: str) -> None:
    changed = connection.execute(
        "UPDATE turns SET record = ? WHERE id = ? AND conversation = ?", (text, turn_id, conversation)
    )
    if not changed.rowcount:
        raise StorageError(
            "It was deleted: the conversation, the knowledge base, or a document that was found.", "Ask again."
        )
    connection.execute("UPDATE conversations SET last_at = ? WHERE id = ?", (_now(), conversation))


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _check_room(connection: sqlite3.Connection, conversation: str) -> None:
    count = connection.execute("SELECT count(*) FROM turns WHERE conversation = ?", (conversation,)).fetchone()[0]
    if count >= MOST_TURNS:
        raise UsageError(f"A conversation has {MOST_TURNS} questions at most.", "Begin a new conversation.")


def _forget_oldest(connection: sqlite3.Connection) -> None:
    connection.execute(
        "DELETE FROM conversations WHERE id IN (SELECT id FROM conversations ORDER BY last_at DESC LIMIT -1 OFFSET ?)",
        (MOST_CONVERSATIONS,),
    )


def kept_turns(indexes: Path, conversation: str) -> list[Turn]:
    """Return the turns of a conversation in order; none where there is no such one.

    Raises:
        StorageError: they cannot be read.
    """
    with records(indexes, _SCHEMA) as connection:
        rows = connection.execute(
            "SELECT id, record FROM turns WHERE conversation = ? ORDER BY number", (conversation,)
        ).fetchall()
    return [_turn(row["id"], row["record"]) for row in rows]


def kept_turn(indexes: Path, turn_id: str) -> Turn | None:
    """Return a turn as it was written last, None where it is not there.

    Raises:
        StorageError: it cannot be read.
    """
    with records(indexes, _SCHEMA) as connection:
        row = connection.execute("SELECT id, record FROM turns WHERE id = ?", (turn_id,)).fetchone()
    return None if row is None else _turn(row["id"], row["record"])


def _turn(turn_id: str, text: str) -> Turn:
    try:
        turn = _turn_type().validate_json(text)
    except ValueError:
        problem = Problem(
            "What came of this question cannot be read: another version of rag-app wrote it, or it is damaged."
        )
        turn = Turn(_question(text), "", id=turn_id, state=TurnState.FAILED, problem=problem)
    turn.is_kept = True
    return turn


def _question(text: str) -> str:
    """Return the question of a record that is not of this version, as far as one is there."""
    try:
        values: Any = json.loads(text)
        return str(values["question"])[:2000]
    except (ValueError, LookupError, TypeError, RecursionError):
        return "?"


def delete_conversation(indexes: Path, conversation: str) -> None:
    """Delete a conversation with all its turns; nothing happens where there is no such one.

    Raises:
        StorageError: it cannot be deleted.
    """
    with records(indexes, _SCHEMA) as connection:
        connection.execute("DELETE FROM conversations WHERE id = ?", (conversation,))


def forget(indexes: Path, knowledge_base: str, document: str | None = None) -> None:
    """Forget the turns for which a passage of a document was found, or all of a base: what is purged is not kept here.

    Raises:
        StorageError: they cannot be deleted.
    """
    if not records_file(indexes).exists():
        return
    with records(indexes, _SCHEMA) as connection:
        connection.execute(
            "DELETE FROM turns WHERE json_valid(record) AND json_extract(record, '$.knowledge_base') = :base "
            "AND (:document IS NULL OR EXISTS "
            "(SELECT 1 FROM json_each(record, '$.passages') WHERE json_extract(value, '$.document') = :document))",
            {"base": knowledge_base, "document": document},
        )
