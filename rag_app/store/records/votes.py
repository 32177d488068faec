"""Blind votes between two systems that answered the same question. A session has one vote a question and pair of systems.

Only the first counts: after it the names were seen. The two systems of a pair are kept in the order of their names, so that
it does not matter which stood on the left. This module knows nothing of how the systems answered or of what votes show.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from rag_app.store.records.database import records

_SCHEMA = """
CREATE TABLE IF NOT EXISTS votes (
    session TEXT NOT NULL,
    knowledge_base TEXT NOT NULL,
    question TEXT NOT NULL,
    first TEXT NOT NULL,
    second TEXT NOT NULL,
    choice TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (session, knowledge_base, question, first, second)
)
"""


class Choice(StrEnum):
    """What a person says of two systems."""

    FIRST = "first"
    SECOND = "second"
    EQUAL = "equal"
    NEITHER = "neither"


_TURNED = {Choice.FIRST: Choice.SECOND, Choice.SECOND: Choice.FIRST}


@dataclass(frozen=True)
class Vote:
    """One vote. `session` is who votes, `first` and `second` are the full names of the systems, in any order."""

    session: str
    knowledge_base: str
    question: str
    first: str
    second: str
    choice: Choice


@dataclass(frozen=True)
class Tally:
    """The votes of a pair of systems: how often each was preferred, both were as good, or neither was good."""

    first: str
    second: str
    first_preferred: int
    second_preferred: int
    equal: int
    neither: int

    @property
    def count(self) -> int:
        """All votes."""
        return self.first_preferred + self.second_preferred + self.equal + self.neither


def keep_vote(indexes: Path, vote: Vote) -> bool:
    """Keep a vote; return whether it counts, which it does not where this session voted on the same before.

    Raises:
        StorageError: it cannot be kept.
    """
    first, second, choice = vote.first, vote.second, vote.choice
    if second < first:
        first, second, choice = second, first, _TURNED.get(choice, choice)
    row = (vote.session, vote.knowledge_base, _same(vote.question), first, second, choice.value)
    with records(indexes, _SCHEMA) as connection:
        done = connection.execute(
            "INSERT OR IGNORE INTO votes VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*row, datetime.now(UTC).isoformat(timespec="seconds")),
        )
        return done.rowcount == 1


def tallies(indexes: Path, knowledge_base: str) -> list[Tally]:
    """Return the votes over a knowledge base, by pair of systems, the pair with the most votes first.

    Raises:
        StorageError: they cannot be read.
    """
    counts = ", ".join(f"sum(choice = '{choice.value}') AS {choice.value}_count" for choice in Choice)
    with records(indexes, _SCHEMA) as connection:
        rows = connection.execute(
            f"SELECT first, second, {counts} FROM votes WHERE knowledge_base = ? GROUP BY first, second "  # noqa: S608
            "ORDER BY count(*) DESC, first, second",
            (knowledge_base,),
        ).fetchall()
    return [
        Tally(
            row["first"],
            row["second"],
            row["first_count"],
            row["second_count"],
            row["equal_count"],
            row["neither_count"],
        )
        for row in rows
    ]


def _same(question: str) -> str:
    """Return a question so that another spelling of its blanks and capitals is no other question."""
    return " ".join(question.casefold().split())
