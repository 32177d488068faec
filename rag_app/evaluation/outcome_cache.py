"""Outcomes that are known already, so that a comparison that was stopped goes on, and one that is repeated costs nothing.

They lie in the knowledge base's own cache folder, since they hold text of its documents: a purge removes them with the rest. An
outcome is found again only where everything that made it is the same: base, system, question, versions. A damaged file costs
its outcomes and nothing else; one that cannot be used just now, as another program holds it, costs nothing.
This module knows nothing of systems or metrics.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rag_app.evaluation.comparison import Outcome
from rag_app.store.layout import OUTCOMES

# What SQLite says where the contents are to blame. A lock, or a disk that is full or cannot be written, is no reason to throw
# them away.
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_OUTCOME = TypeAdapter(Outcome)
_TABLE = "CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, outcome TEXT NOT NULL) WITHOUT ROWID"


def outcome_key(**made_of: Any) -> str:
    """Return the name of what came of all this, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


class OutcomeCache:
    """The known outcomes over one knowledge base.

    A damaged file is begun anew. Where it cannot be used for another reason it stays as it is, and outcomes are kept as long as
    the process runs.
    """

    def __init__(self, folder: Path) -> None:
        """Open the file in a folder, which is made where it is not there."""
        self._path = folder / OUTCOMES
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = self._open()
        except (OSError, sqlite3.Error):
            self._connection = sqlite3.connect(":memory:", check_same_thread=False)
            self._connection.execute(_TABLE)

    def get(self, key: str) -> Outcome | None:
        """Return an outcome, None where it is not known or cannot be read."""
        try:
            with self._lock:
                row = self._connection.execute("SELECT outcome FROM outcomes WHERE key = ?", (key,)).fetchone()
            return None if row is None else _OUTCOME.validate_json(row[0])
        except (sqlite3.Error, ValidationError):
            return None

    def put(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome."""
        try:
            with self._lock, self._connection:
                self._connection.execute(
                    "INSERT OR REPLACE INTO outcomes VALUES (?, ?)", (key, _OUTCOME.dump_json(outcome).decode())
                )
        except sqlite3.Error:
            return  # it is computed again the next time

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._opened()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise
            self._path.unlink(missing_ok=True)
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_TABLE)
            connection.execute("SELECT count(*) FROM outcomes").fetchone()
        except sqlite3.Error:
            connection.close()
            raise
        return connection
