"""The embedding cache: gives back just what was put in for the same model and prompt, and never stands in the way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from rag_app.datatypes import Fingerprint
from rag_app.store.embedding_cache import EmbeddingCache
from tests.fakes import fake_fingerprint, hash_vector

FINGERPRINT = fake_fingerprint()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "kb"
    folder.mkdir()
    return folder


def put(base: Path, *texts: str, fingerprint: Fingerprint = FINGERPRINT) -> None:
    with EmbeddingCache(base, fingerprint) as cache:
        cache.put(texts, np.stack([hash_vector(text) for text in texts]), [len(text) for text in texts])


def get(base: Path, *texts: str, fingerprint: Fingerprint = FINGERPRINT) -> dict[str, int]:
    """Return the token counts of the texts that are there, after checking their vectors."""
    with EmbeddingCache(base, fingerprint) as cache:
        found = cache.get(texts)
    for text, (vector, _) in found.items():
        np.testing.assert_array_equal(vector, hash_vector(text))
    return {text: tokens for text, (_, tokens) in found.items()}


def test_a_new_cache_has_nothing(base: Path) -> None:
    assert get(base, "a", "b") == {}


def test_vectors_and_token_counts_come_back_also_from_another_run(base: Path) -> None:
    put(base, "the account", "密码")
    assert get(base, "密码", "unknown", "the account") == {"the account": 11, "密码": 2}


def test_more_texts_than_one_query_may_name_are_found(base: Path) -> None:
    texts = [f"text {number}" for number in range(1234)]
    put(base, *texts)
    assert set(get(base, *texts, "missing")) == set(texts)


def test_a_text_put_twice_is_replaced(base: Path) -> None:
    put(base, "a")
    put(base, "a", "b")
    assert get(base, "a", "b") == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    "changes",
    [{"model": "fake/other"}, {"files_sha256": "1" * 64}, {"passage_prompt": "passage: "}, {"dimension": 32}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_fingerprint_finds_nothing(changes: dict[str, object], base: Path) -> None:
    put(base, "a")
    assert get(base, "a", fingerprint=fake_fingerprint(**changes)) == {}
    assert get(base, "a") == {"a": 1}


@pytest.mark.parametrize(
    "blob", [b"", b"\0" * 8, np.full(64, np.nan, dtype="<f4").tobytes()], ids=["empty", "cut", "not a number"]
)
def test_a_vector_that_cannot_be_used_is_as_good_as_none(blob: bytes, base: Path) -> None:
    put(base, "a")
    connection = sqlite3.connect(base / "cache" / "embeddings.sqlite")
    with connection:
        connection.execute("UPDATE vectors SET vector = ?", (blob,))
    connection.close()
    assert get(base, "a") == {}


def test_a_damaged_cache_is_begun_anew(base: Path) -> None:
    put(base, "a")
    (base / "cache" / "embeddings.sqlite").write_bytes(b"no database at all " * 100)
    assert get(base, "a") == {}
    put(base, "a")
    assert get(base, "a") == {"a": 1}


def test_a_cache_that_another_program_holds_is_not_thrown_away(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(base, "a")
    holder = sqlite3.connect(base / "cache" / "embeddings.sqlite", isolation_level=None)
    holder.execute("PRAGMA journal_mode = DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect(path, timeout=0))
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        EmbeddingCache(base, FINGERPRINT)
    holder.close()
    assert get(base, "a") == {"a": 1}


def test_the_cache_is_its_owners_alone(base: Path) -> None:
    put(base, "a")
    assert (base / "cache").stat().st_mode & 0o077 == 0


def test_nothing_of_a_transaction_that_fails_is_kept(base: Path) -> None:
    with EmbeddingCache(base, FINGERPRINT) as cache, pytest.raises(ValueError, match="shorter"):
        cache.put(["a", "b"], np.stack([hash_vector("a")]), [1])
    assert get(base, "a", "b") == {}
