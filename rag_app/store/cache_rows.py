"""The rows of the embedding cache: vectors by key, and the windows that are still to be embedded, each with its checksum.

A row is believed only while its checksum says that it is what was written, whatever SQLite makes of the file.
This module knows nothing of files, texts or models.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]  # SQLite's own: the columns a query names

VERSION = 2
# A page of 16 KiB holds nine vectors of 384 numbers, or three of 1,024. At 100 thousand of 384 it makes 1,684 bytes a row; a
# table without row ids, whose inner pages hold whole rows, makes 4,690 and is written seven times slower.
SCHEMA = f"""
PRAGMA page_size = 16384;
BEGIN;
PRAGMA user_version = {VERSION};
CREATE TABLE libraries (number INTEGER PRIMARY KEY, versions BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE vectors (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    numbers BLOB NOT NULL,
    tokens INTEGER NOT NULL,
    libraries INTEGER NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE TABLE windows (
    number INTEGER PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    keys BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
COMMIT;
"""
VECTORS = "SELECT number, key, numbers, tokens, libraries, checksum FROM vectors"
WINDOWS = "SELECT number, fingerprint, keys, checksum FROM windows"
_KEY_BYTES = 32


class Damage(sqlite3.DatabaseError):
    """A row is not what was written, or the file is of another version."""


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector: its numbers as bytes, the token count of its text, and the libraries that made it."""

    key: bytes
    numbers: bytes
    tokens: int
    libraries: bytes


@dataclass(frozen=True, slots=True)
class Window:
    """Keys of 32 bytes that are to be embedded together, in their order, under one model. `number` names the record."""

    number: int
    fingerprint: bytes
    keys: tuple[bytes, ...]


def add_vectors(connection: sqlite3.Connection, rows: Iterable[tuple[bytes, bytes, int]], libraries: bytes) -> None:
    """Insert vectors (key, numbers, token count) that these libraries made, or put them in the place of those there."""
    connection.execute("INSERT OR IGNORE INTO libraries (versions) VALUES (?)", (libraries,))
    (number,) = connection.execute("SELECT number FROM libraries WHERE versions = ?", (libraries,)).fetchone()
    connection.executemany(
        "INSERT OR REPLACE INTO vectors (key, numbers, tokens, libraries, checksum) VALUES (?, ?, ?, ?, ?)",
        (
            (key, numbers, tokens, number, _vector_checksum(key, numbers, tokens, libraries))
            for key, numbers, tokens in rows
        ),
    )


def find_vectors(connection: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[Vector]:
    """Yield those of the vectors with these keys (some thousands at most) that are there, in no order.

    Raises:
        sqlite3.Error: the file is damaged (`Damage`: a row is not what was written).
    """
    libraries = all_libraries(connection)
    wanted = set(keys)
    for row in connection.execute(f"{VECTORS} WHERE key IN ({', '.join('?' * len(keys))})", keys):
        vector = sound_vector(row, libraries)
        if vector is None or vector.key not in wanted:
            raise Damage("a vector is not what was written")
        yield vector


def check_index(connection: sqlite3.Connection) -> None:
    """Make sure that a vector which is not found is not there: a flipped bit in the index of keys leads past it in silence.

    It takes 0.2 s for 100 thousand vectors, and is for those who would have to embed what is not found.

    Raises:
        sqlite3.Error: the file is damaged (`Damage`: the index is not that of the rows).
    """
    (verdict,) = connection.execute("PRAGMA integrity_check(vectors)").fetchone()
    if verdict != b"ok":
        raise Damage(verdict.decode(errors="replace"))


def add_window(connection: sqlite3.Connection, fingerprint: bytes, keys: Sequence[bytes]) -> int:
    """Record that these keys are to be embedded together under a model, and return the number of the record."""
    data = b"".join(keys)
    cursor = connection.execute(
        "INSERT INTO windows (fingerprint, keys, checksum) VALUES (?, ?, ?)",
        (fingerprint, data, _checksum(fingerprint, data)),
    )
    return int(cursor.lastrowid or 0)


def find_windows(connection: sqlite3.Connection, fingerprint: bytes) -> Iterator[Window]:
    """Yield the windows that are recorded for a model, in the order in which they were.

    Raises:
        sqlite3.Error: the file is damaged (`Damage`: a row is not what was written).
    """
    for row in connection.execute(f"{WINDOWS} ORDER BY number").fetchall():
        window = sound_window(row)
        if window is None:
            raise Damage("a window is not what was written")
        if window.fingerprint == fingerprint:
            yield window


def remove_window(connection: sqlite3.Connection, number: int) -> None:
    """Remove the record of a window."""
    connection.execute("DELETE FROM windows WHERE number = ?", (number,))


def all_libraries(connection: sqlite3.Connection) -> dict[Any, Any]:
    """Return the libraries that made vectors by the number that stands for them, sound or not."""
    return dict(connection.execute("SELECT number, versions FROM libraries").fetchall())


def sound_vector(row: Row, libraries: dict[Any, Any]) -> Vector | None:
    """Return a row of `VECTORS` if it is what was written. Damage may have made any type of any value."""
    _, key, numbers, tokens, number, checksum = row
    made_by = libraries.get(number)
    if not (isinstance(key, bytes) and isinstance(numbers, bytes) and isinstance(tokens, int)):
        return None
    if not isinstance(made_by, bytes) or checksum != _vector_checksum(key, numbers, tokens, made_by):
        return None
    return Vector(key, numbers, tokens, made_by)


def sound_window(row: Row) -> Window | None:
    """Return a row of `WINDOWS` if it is what was written."""
    number, fingerprint, data, checksum = row
    if not isinstance(fingerprint, bytes) or not isinstance(data, bytes) or checksum != _checksum(fingerprint, data):
        return None
    keys = tuple(data[start : start + _KEY_BYTES] for start in range(0, len(data), _KEY_BYTES))
    return Window(number, fingerprint, keys)


def _vector_checksum(key: bytes, numbers: bytes, tokens: int, libraries: bytes) -> bytes:
    return _checksum(key, tokens.to_bytes(8, "little", signed=True), numbers, libraries)


def _checksum(*parts: bytes) -> bytes:
    """Return eight bytes. Of damage of any kind one in 2 ** 64 passes; with CRC-32, no quicker here, one in 2 ** 32."""
    return hashlib.blake2b(b"".join(parts), digest_size=8).digest()
