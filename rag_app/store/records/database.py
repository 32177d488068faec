"""What the app keeps that is no knowledge base: one SQLite file, `indexes/.app/records.sqlite`, readable by its owner alone.

Each kind of record has a module of its own beside this one, which brings its tables. Several processes may use the file at
once. This module knows nothing of what is recorded.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rag_app.errors import StorageError
from rag_app.store.layout import APPLICATION_FOLDER

_BUSY_SECONDS = 10.0
_HELD_ELSEWHERE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def records_file(indexes: Path) -> Path:
    """Return where the records of an index root lie."""
    return indexes / APPLICATION_FOLDER / "records.sqlite"


@contextmanager
def records(indexes: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Open the records with the tables of `schema` in one transaction: kept whole when the block ends, else not at all.

    Args:
        indexes: the index root.
        schema: statements `CREATE TABLE IF NOT EXISTS ...`.

    Raises:
        StorageError: another program holds the file, or it cannot be read or written, or is damaged; nothing was kept.
    """
    file = records_file(indexes)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")  # what is deleted or written over stands in no free page
            connection.executescript(schema)
            connection.row_factory = sqlite3.Row
            with connection:
                yield connection
    except (sqlite3.Error, OSError) as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _HELD_ELSEWHERE:
            raise StorageError(f"Another program holds {file} ({error}).", "Wait a moment, then try again.") from error
        raise StorageError(
            f"The app's records in {file} cannot be used: {error}",
            f"Move {file.name} away, with what lies beside it; conversations and votes begin anew.",
        ) from error
