"""Vectors that were computed before, by fingerprint, prompt and text: what makes a rebuild cheap and a killed one resumable.

It lies beside the generations (`cache/embeddings.sqlite`) and is only ever read and written by a build.
This module knows nothing of documents, and never computes a vector.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_app.datatypes import Fingerprint

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

_FILE = "embeddings.sqlite"
_READ_AT_ONCE = 500


class EmbeddingCache:
    """Passage vectors of one embedding model; a context manager."""

    def __init__(self, base: Path, fingerprint: Fingerprint) -> None:
        """Open or create the cache of the knowledge base in the folder `base`."""
        folder = base / "cache"
        folder.mkdir(exist_ok=True, mode=0o700)
        self._prefix = f"{fingerprint.digest}\0{fingerprint.passage_prompt}\0".encode()
        self._dimension = fingerprint.dimension
        try:
            self._connection = _connect(folder / _FILE)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise
            for name in (_FILE, f"{_FILE}-wal", f"{_FILE}-shm"):  # it holds nothing that cannot be computed again
                (folder / name).unlink(missing_ok=True)
            self._connection = _connect(folder / _FILE)

    def __enter__(self) -> EmbeddingCache:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._connection.close()

    def get(self, texts: Sequence[str]) -> dict[str, tuple[NDArray[np.float32], int]]:
        """Return the vectors that are there, shape (dimension,), and the texts' token counts, by text."""
        keys = {self._key(text): text for text in texts}
        wanted = list(keys)
        found = {}
        for start in range(0, len(wanted), _READ_AT_ONCE):
            part = wanted[start : start + _READ_AT_ONCE]
            marks = ", ".join("?" * len(part))
            query = f"SELECT key, vector, tokens FROM vectors WHERE key IN ({marks})"  # noqa: S608 - question marks
            for key, vector, tokens in self._connection.execute(query, part):
                array = np.frombuffer(vector, dtype="<f4")
                if array.size == self._dimension and np.isfinite(array).all():
                    found[keys[key]] = (array, tokens)
        return found

    def put(self, texts: Sequence[str], vectors: NDArray[np.float32], tokens: Sequence[int]) -> None:
        """Keep the vectors of these texts, shape (texts, dimension), and their token counts, in one transaction."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [
                    (self._key(text), vector.astype("<f4").tobytes(), count)
                    for text, vector, count in zip(texts, vectors, tokens, strict=True)
                ],
            )

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(self._prefix + text.encode()).digest()


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors "
            "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, tokens INTEGER NOT NULL) STRICT, WITHOUT ROWID"
        )
    except sqlite3.Error:
        connection.close()
        raise
    return connection
