"""Small embedding caches for tests: filled, read back and damaged."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rag_app.datatypes import Fingerprint
from rag_app.errors import RagAppError
from rag_app.store.cache_file import PATH
from rag_app.store.embedding_cache import EmbeddingCache
from tests.fakes import DIMENSION, fake_fingerprint

FINGERPRINT = fake_fingerprint()
LIBRARIES = "torch 2.13.0, transformers 5.23.0"
TEXTS = tuple(f"text {number} of many" for number in range(120))


def fill(base: Path) -> Path:
    """Keep the vectors of `TEXTS` in the cache of a base, record two windows of other texts, and return the base."""
    put(base, *TEXTS)
    with EmbeddingCache(base, FINGERPRINT, no_message) as cache:
        cache.plan(["not", "yet", "embedded"], 2)
    return base


def vector_of(text: str) -> NDArray[np.float32]:
    """Return a unit vector of which no part is like a part of another's."""
    vector = np.random.default_rng(list(text.encode())).standard_normal(DIMENSION)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def no_message(message: str) -> None:
    raise AssertionError(f"nothing was damaged, but: {message}")


def put(
    base: Path,
    *texts: str,
    fingerprint: Fingerprint = FINGERPRINT,
    libraries: str = LIBRARIES,
    announce: Callable[[str], None] = no_message,
) -> None:
    with EmbeddingCache(base, fingerprint, announce) as cache:
        for window in cache.plan(texts, len(texts)):
            vectors = np.stack([vector_of(text) for text in window.texts])
            cache.put(window, window.texts, vectors, [len(text) for text in window.texts], libraries)


def get(
    base: Path, *texts: str, fingerprint: Fingerprint = FINGERPRINT, announce: Callable[[str], None] = no_message
) -> dict[str, int]:
    """Return the token counts of the texts that are there, after checking their vectors."""
    with EmbeddingCache(base, fingerprint, announce) as cache:
        found = cache.get(texts)
    for row, text in enumerate(texts):
        if found.is_known[row]:
            np.testing.assert_array_equal(found.vectors[row], vector_of(text))
    return {text: int(found.tokens[row]) for row, text in enumerate(texts) if found.is_known[row]}


def windows(base: Path, *missing: str, size: int = 2, fingerprint: Fingerprint = FINGERPRINT) -> list[tuple[str, ...]]:
    with EmbeddingCache(base, fingerprint, no_message) as cache:
        return [window.texts for window in cache.plan(missing, size)]


def change(base: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(base / PATH)
    with connection:
        connection.execute(statement, values)
    connection.close()


def raises(error: type[RagAppError], match: str, work: Callable[[], object]) -> Callable[[], None]:
    def checked() -> None:
        with pytest.raises(error, match=match):
            work()

    return checked


def overwrite_root(name: str) -> Callable[[Path], None]:
    """Return what fills the root page of a table or index with nonsense."""

    def damage(file: Path) -> None:
        connection = sqlite3.connect(file)
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.close()
        with file.open("r+b") as opened:
            opened.seek((page - 1) * size)
            opened.write(random.Random(0).randbytes(size))

    return damage


def illegible_name(file: Path) -> None:
    """Make a name in the schema of the file one that is not UTF-8."""
    content = file.read_bytes()
    assert content.count(b"numbers BLOB NOT NULL,") == 1
    file.write_bytes(content.replace(b"numbers BLOB NOT NULL,", b"numbers BLOB NOT N\xd5LL,"))


def older_version(file: Path) -> None:
    file.unlink()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, tokens INTEGER NOT NULL)")
    connection.close()


DAMAGE: dict[str, tuple[Callable[[Path], None], int]] = {
    # what is done to the file, and how many vectors survive it
    "no database": (lambda file: file.write_bytes(b"no database at all " * 1000), 0),
    "empty": (lambda file: file.write_bytes(b""), 0),
    "cut in half": (lambda file: os.truncate(file, file.stat().st_size // 2), 0),
    "illegible name": (illegible_name, 0),
    "of another version": (older_version, 0),
    "root of vectors": (overwrite_root("vectors"), 0),
    "root of libraries": (overwrite_root("libraries"), 0),
    "root of windows": (overwrite_root("windows"), 120),
    "index of vectors": (overwrite_root("sqlite_autoindex_vectors_1"), 120),
    "index of libraries": (overwrite_root("sqlite_autoindex_libraries_1"), 120),
}
