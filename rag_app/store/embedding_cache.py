"""Vectors that were computed before, by fingerprint, prompt and text: what makes a rebuild cheap and a killed one resumable.

What is still to be embedded is recorded here in windows before the first text is, and a window is kept in one transaction
that also removes its record. The other texts of a batch change the last digits of a vector; a build that goes on from a
killed one embeds the same texts together and so ends with the same bytes.
It lies beside the generations and is only ever read and written by a build.
This module knows nothing of documents, and never computes a vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_app.datatypes import Fingerprint
from rag_app.store import cache_rows
from rag_app.store.cache_file import CacheFile

if TYPE_CHECKING:
    import sqlite3
    from types import TracebackType

    from numpy.typing import NDArray

_READ_AT_ONCE = 500


@dataclass(frozen=True)
class CachedVectors:
    """What is known of a sequence of texts, row by row.

    `vectors` has shape (texts, dimension), `tokens` shape (texts,); their rows hold nothing where `is_known` is false.
    `libraries` are those that made the known vectors, each with its version.
    """

    vectors: NDArray[np.float32]
    tokens: NDArray[np.int64]
    is_known: NDArray[np.bool_]
    libraries: frozenset[str]


@dataclass(frozen=True)
class TextWindow:
    """Texts that are embedded together, in the order in which they were recorded under `number`."""

    number: int
    texts: tuple[str, ...]


class EmbeddingCache:
    """Passage vectors of one embedding model; a context manager.

    Each method raises `StorageError` where the disk is full or cannot be written (what was kept before stays), and
    `KnowledgeBaseBusy` where another program holds the file. A damaged file is begun anew with what is sound of it.
    """

    def __init__(self, base: Path, fingerprint: Fingerprint, announce: Callable[[str], None]) -> None:
        """Open or create the cache of the knowledge base in the folder `base`; `announce` is told of damage."""
        self._file = CacheFile(base, announce)
        self._model = fingerprint.digest.encode()
        self._prefix = _prefix(fingerprint)
        self._dimension = fingerprint.dimension

    def __enter__(self) -> EmbeddingCache:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def get(self, texts: Sequence[str]) -> CachedVectors:
        """Return what is known of these texts; one may stand there several times."""

        def work(connection: sqlite3.Connection) -> CachedVectors:
            vectors = np.empty((len(texts), self._dimension), dtype=np.float32)
            tokens = np.zeros(len(texts), dtype=np.int64)
            is_known = np.zeros(len(texts), dtype=np.bool_)
            libraries = set()
            for start in range(0, len(texts), _READ_AT_ONCE):
                rows: dict[bytes, list[int]] = {}
                for row, text in enumerate(texts[start : start + _READ_AT_ONCE], start):
                    rows.setdefault(_key(self._prefix, text), []).append(row)
                for found in cache_rows.find_vectors(connection, list(rows)):
                    where = rows[found.key]
                    vectors[where] = np.frombuffer(found.numbers, dtype="<f4")
                    tokens[where] = found.tokens
                    is_known[where] = True
                    libraries.add(found.libraries)
            if not is_known.all():
                cache_rows.check_index(connection)
            return CachedVectors(vectors, tokens, is_known, frozenset(made_by.decode() for made_by in libraries))

        return self._file.run(work)

    def plan(self, missing: Sequence[str], size: int) -> list[TextWindow]:
        """Return the windows in which to embed the missing texts, and record them.

        Those come first that an earlier build recorded and whose texts are all still missing, as it recorded them. The
        other texts are cut anew, in the order given, at `size` texts; records that are of no use any more are removed.
        """
        by_key = {_key(self._prefix, text): text for text in missing}

        def work(connection: sqlite3.Connection) -> list[TextWindow]:
            rest = dict(by_key)
            windows = []
            for record in cache_rows.find_windows(connection, self._model):
                if all(key in rest for key in record.keys):
                    windows.append(TextWindow(record.number, tuple(rest.pop(key) for key in record.keys)))
                else:
                    cache_rows.remove_window(connection, record.number)
            keys = list(rest)
            for first in range(0, len(keys), size):
                part = keys[first : first + size]
                number = cache_rows.add_window(connection, self._model, part)
                windows.append(TextWindow(number, tuple(rest[key] for key in part)))
            return windows

        return self._file.run(work)

    def put(
        self,
        window: TextWindow,
        texts: Sequence[str],
        vectors: NDArray[np.float32],
        tokens: Sequence[int],
        libraries: str,
    ) -> None:
        """Keep what became of a window and remove its record, in one transaction.

        Args:
            window: from `plan`.
            texts: its texts, in any order.
            vectors: theirs in that order, shape (texts, dimension); whoever embeds sees to it that they can be searched.
            tokens: their token counts.
            libraries: those that made the vectors, each with its version.
        """
        assert vectors.shape == (len(texts), self._dimension)

        def work(connection: sqlite3.Connection) -> None:
            rows = (
                (_key(self._prefix, text), vector.astype("<f4").tobytes(), int(count))
                for text, vector, count in zip(texts, vectors, tokens, strict=True)
            )
            cache_rows.add_vectors(connection, rows, libraries.encode())
            cache_rows.remove_window(connection, window.number)

        self._file.run(work)


def keep_only(
    base: Path, texts: Sequence[str], fingerprints: Iterable[Fingerprint], announce: Callable[[str], None]
) -> int:
    """Remove from a knowledge base's cache all but the vectors of these texts under these models.

    What a purged document came to in earlier versions, or under a model that was dropped, is nowhere on record any more: that
    is why it is said what stays. Afterwards no byte of what was removed is in any file of the cache.

    Returns:
        How many vectors there are then.

    Raises:
        StorageError: the disk is full, or cannot be written. Nothing was changed.
        KnowledgeBaseBusy: another program holds the file.
    """
    keys = {_key(prefix, text) for prefix in map(_prefix, fingerprints) for text in texts}
    with closing(CacheFile(base, announce)) as file:
        return file.keep_only(keys)


def _prefix(fingerprint: Fingerprint) -> bytes:
    return f"{fingerprint.digest}\0{fingerprint.passage_prompt}\0".encode()


def _key(prefix: bytes, text: str) -> bytes:
    return hashlib.sha256(prefix + text.encode()).digest()
