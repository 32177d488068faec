"""The SQLite file of the embedding cache: what is damaged in it is left behind, and the work goes on.

Everything in it can be computed again, so that no damage is a reason to stop: the file is begun anew with the rows that
are still what was written. A disk that is full or cannot be written is no damage, and nothing is thrown away for it.
This module knows nothing of texts, models or what a row is for.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Container, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from rag_app.disk import sync
from rag_app.errors import KnowledgeBaseBusy, RagAppError, StorageError
from rag_app.store.cache_rows import (
    SCHEMA,
    VECTORS,
    VERSION,
    WINDOWS,
    Damage,
    Row,
    add_vectors,
    add_window,
    all_libraries,
    sound_vector,
    sound_window,
)
from rag_app.store.files import storage_error

Result = TypeVar("Result")

PATH = "cache/embeddings.sqlite"  # in the folder of a knowledge base
_NEW = "embeddings.new"

# What SQLite says where the disk is to blame, not what is in the file, and how the system would put it.
_SYSTEM_ERRORS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_READONLY: errno.EACCES,
}
# What cannot be read is computed again: a bad sector is damage.
_UNREADABLE = (
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_IOERR_DATA,
)
# A name that damage made illegible comes as SQLite's message, and Python fails to decode it.
_ERRORS = (sqlite3.Error, UnicodeDecodeError)
_HIGHEST_NUMBER = (1 << 63) - 1
# A bad page makes some sixty queries fail while the numbers around it are halved; past this the rest is given up.
_FAILED_QUERIES = 20_000


@dataclass(frozen=True)
class CacheCheck:
    """How many rows a cache has, how many of them are not what was written, and what is wrong with the file (else `""`)."""

    rows: int
    damaged: int
    problem: str


class CacheFile:
    """The cache of a knowledge base, for the one process that writes. Close it."""

    def __init__(self, base: Path, announce: Callable[[str], None]) -> None:
        """Open the file, or create it and its folder.

        Args:
            base: the folder of the knowledge base.
            announce: told in a sentence when the file had to be begun anew.

        Raises:
            StorageError: the disk is full, or the folder cannot be written.
            KnowledgeBaseBusy: another program holds the file.
        """
        self._path = base / PATH
        self._announce = announce
        self._connection: sqlite3.Connection | None = None
        try:
            self._path.parent.mkdir(exist_ok=True, mode=0o700)
            _remove(self._path.with_name(_NEW))  # of a build that was killed
            if not self._path.exists():
                self._begin()
        except OSError as error:
            raise storage_error(error, self._path.parent) from error
        self.run(lambda connection: None)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do some work in the file in one transaction; where the file is damaged, do it once more in one begun anew.

        Raises:
            StorageError: the disk is full, or cannot be written or read. What was committed stays.
            KnowledgeBaseBusy: another program holds the file.
        """
        try:
            return self._attempt(work)
        except sqlite3.ProgrammingError:  # a mistake of this program, not of the disk
            raise
        except _ERRORS as error:
            if cause := _other_cause(error, self._path):
                raise cause from error
            self.close()
            kept = self._begin()
            self._announce(
                f"warning: the embedding cache was damaged ({_words(error)}): {kept} of its vectors were kept, "
                "what is missing is embedded again."
            )
        try:
            return self._attempt(work)
        except _ERRORS as error:
            raise _cannot_be_kept(error, self._path) from error

    def keep_only(self, keys: Container[bytes]) -> int:
        """Leave behind every vector but those with these keys, and every window; return how many vectors there are then.

        No byte of what is left behind is in any file of the folder afterwards.

        Raises:
            StorageError: the disk is full, or cannot be written or read. Nothing was changed.
            KnowledgeBaseBusy: another program holds the file.
        """
        self.close()
        return self._begin(keys)

    def _attempt(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        if self._connection is None:
            self._connection = _connect(self._path)
        with self._connection:
            return work(self._connection)

    def _begin(self, keys: Container[bytes] | None = None) -> int:
        """Put a new file in the place of what is there, with its sound rows; return how many vectors that were."""
        new = self._path.with_name(_NEW)
        try:
            with closing(sqlite3.connect(new)) as target:
                target.executescript(SCHEMA)
                if self._path.exists():
                    _copy_sound(self._path, target, keys)
                (count,) = target.execute("SELECT count(*) FROM vectors").fetchone()
            sync(new)
            _remove_log(self._path)  # a kill from here on costs what was in the log alone
            new.replace(self._path)
            sync(self._path.parent)
        except (sqlite3.Error, OSError) as error:
            with suppress(OSError):
                _remove(new)  # the disk may be full
            if isinstance(error, OSError):
                raise storage_error(error, new.parent) from error
            raise _cannot_be_kept(error, new) from error
        return int(count)


def check(base: Path) -> CacheCheck:
    """Read every row of a knowledge base's cache, changing nothing. Bits that belong to no row are not looked at.

    Raises:
        StorageError: it cannot be read, as on a disk that is full: that says nothing of what is in it.
        KnowledgeBaseBusy: another program holds it.
    """
    path = base / PATH
    if not path.exists():
        return CacheCheck(0, 0, "")
    rows = damaged = 0
    try:
        with closing(_connect_to_read(path)) as connection:
            libraries = all_libraries(connection)
            for row in connection.execute(VECTORS):
                rows += 1
                damaged += sound_vector(row, libraries) is None
            for row in connection.execute(WINDOWS):
                rows += 1
                damaged += sound_window(row) is None
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except _ERRORS as error:
        if cause := _other_cause(error, path):
            raise cause from error
        return CacheCheck(rows, damaged, _words(error))
    return CacheCheck(rows, damaged, "" if verdict == b"ok" else verdict.decode(errors="replace"))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # A kill loses nothing under any setting. A power cut would leave a consistent file under NORMAL too, less its last
        # transactions; under FULL less none, for one fsync a window: milliseconds beside many seconds of embedding.
        connection.execute("PRAGMA synchronous = FULL")
        _expect_version(connection)
    except _ERRORS:
        connection.close()
        raise
    return connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA query_only = ON")
        _expect_version(connection)
    except _ERRORS as error:
        connection.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        # In a folder that cannot be written there is no place for a log, and nobody who writes one.
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        _expect_version(connection)
    return connection


def _expect_version(connection: sqlite3.Connection) -> None:
    connection.text_factory = bytes  # damage may make a text of any value: it is compared, never decoded
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise Damage(f"it is of version {version}, expected {VERSION}")


def _remove(path: Path) -> None:
    _remove_log(path)
    path.unlink(missing_ok=True)


def _remove_log(path: Path) -> None:
    """Remove the log of a database, because SQLite would replay it into whatever has the name next."""
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _words(error: Exception) -> str:
    return "a name in it is illegible" if isinstance(error, UnicodeDecodeError) else str(error)


def _other_cause(error: Exception, path: Path) -> RagAppError | None:
    """Return what a person is told where something else than the file's contents is to blame for an error."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    family = code & 0xFF
    if code in _UNREADABLE:
        return None
    if family in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return KnowledgeBaseBusy(f"Another program holds {path} ({error}).", "Close it, then run again.")
    if family == sqlite3.SQLITE_READONLY and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return None  # the file only says so: its header is damaged
    if family in _SYSTEM_ERRORS:
        return storage_error(OSError(_SYSTEM_ERRORS[family], str(error), str(path)), path.parent)
    return None


def _cannot_be_kept(error: Exception, path: Path) -> RagAppError:
    return _other_cause(error, path) or StorageError(
        f"{path} is damaged as soon as written: {_words(error)}.", "Check the disk."
    )


def _copy_sound(path: Path, target: sqlite3.Connection, keys: Container[bytes] | None) -> None:
    """Copy into a new file what is still what was written: all of it, or the vectors with these keys."""
    with closing(sqlite3.connect(path)) as source, target:
        source.text_factory = bytes
        try:
            libraries = all_libraries(source)
        except _ERRORS as error:
            if _other_cause(error, path):
                raise
            return
        vectors = (
            vector
            for row in _readable(source, VECTORS, path)
            if (vector := sound_vector(row, libraries)) and (keys is None or vector.key in keys)
        )
        for made_by, group in groupby(vectors, key=lambda vector: vector.libraries):
            add_vectors(target, ((vector.key, vector.numbers, vector.tokens) for vector in group), made_by)
        for row in _readable(source, WINDOWS, path) if keys is None else ():
            if window := sound_window(row):
                add_window(target, window.fingerprint, window.keys)


def _readable(connection: sqlite3.Connection, query: str, path: Path) -> Iterator[Row]:
    """Yield the rows of a table that can be read: where a bad page ends a query, the numbers that are left are halved."""
    ranges = [(1, _HIGHEST_NUMBER)]
    failed = 0
    while ranges and failed < _FAILED_QUERIES:
        low, high = ranges.pop()
        try:
            for row in connection.execute(f"{query} WHERE number BETWEEN ? AND ? ORDER BY number", (low, high)):
                low = max(low, row[0] + 1)
                yield row
        except _ERRORS as error:
            if _other_cause(error, path):
                raise
            failed += 1
            middle = (low + high) // 2
            if low < high:
                ranges += [(middle + 1, high), (low, middle)]
