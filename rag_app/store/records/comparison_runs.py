"""Evaluations that were run: each comparison whole, as JSON, with a line that lists it.

This module knows nothing of what a comparison holds, but for how its JSON names a document.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rag_app.store.records.database import records, records_file
from rag_app.store.records.purged import check_not_purged

_SCHEMA = """
CREATE TABLE IF NOT EXISTS comparison_runs (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    dataset TEXT NOT NULL,
    knowledge_base TEXT NOT NULL,
    questions INTEGER NOT NULL,
    systems INTEGER NOT NULL,
    comparison TEXT NOT NULL
)
"""
_DOCUMENT = re.compile(r'"document": ("(?:[^"\\]|\\.)*")')  # as `json.dumps` writes it
_LISTED = "id, at, dataset, knowledge_base, questions, systems"


@dataclass(frozen=True)
class RunRow:
    """A run as it is listed. `at` is when it ended, in UTC, as ISO 8601 has it; `knowledge_base` is that which was asked."""

    id: str
    at: str
    dataset: str
    knowledge_base: str
    questions: int
    systems: int


def keep_run(
    indexes: Path, comparison: str, *, dataset: str, knowledge_base: str, questions: int, systems: int
) -> RunRow:
    """Keep a comparison; return how it is listed.

    Raises:
        StorageError: it cannot be kept, or holds a passage of a document that was purged meanwhile.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    row = RunRow(secrets.token_hex(6), at, dataset, knowledge_base, questions, systems)
    with records(indexes, _SCHEMA) as connection:
        connection.execute(
            "INSERT INTO comparison_runs VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row.id, row.at, row.dataset, row.knowledge_base, row.questions, row.systems, comparison),
        )
        # Only now, with the file locked: a purge that publishes later will find what was written here.
        check_not_purged(indexes, knowledge_base, {json.loads(named) for named in _DOCUMENT.findall(comparison)})
    return row


def runs(indexes: Path) -> list[RunRow]:
    """Return the runs that are kept, the latest first.

    Raises:
        StorageError: they cannot be read.
    """
    with records(indexes, _SCHEMA) as connection:
        rows = connection.execute(f"SELECT {_LISTED} FROM comparison_runs ORDER BY at DESC, rowid DESC").fetchall()  # noqa: S608
    return [RunRow(**dict(row)) for row in rows]


def comparison_of(indexes: Path, run: str) -> str | None:
    """Return the comparison of a run as it was kept; None where there is no such run.

    Raises:
        StorageError: it cannot be read.
    """
    with records(indexes, _SCHEMA) as connection:
        row = connection.execute("SELECT comparison FROM comparison_runs WHERE id = ?", (run,)).fetchone()
    return None if row is None else str(row["comparison"])


def forget_run(indexes: Path, run: str) -> None:
    """Remove a run.

    Raises:
        StorageError: it cannot be removed.
    """
    with records(indexes, _SCHEMA) as connection:
        connection.execute("DELETE FROM comparison_runs WHERE id = ?", (run,))


def forget(indexes: Path, knowledge_base: str, document: str | None = None) -> None:
    """Remove the runs over a base that found a passage of a document, or all of them: what is purged is not kept here either.

    Raises:
        StorageError: they cannot be removed.
    """
    if not records_file(indexes).exists():
        return
    named = None if document is None else f'"document": {json.dumps(document, ensure_ascii=False)}'
    with records(indexes, _SCHEMA) as connection:
        connection.execute(
            "DELETE FROM comparison_runs WHERE knowledge_base = :base AND (:named IS NULL OR instr(comparison, :named))",
            {"base": knowledge_base, "named": named},
        )
