"""The embedding cache: gives back just what was put in, in windows that can be gone on with, and forgets without a trace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rag_app.store.cache_file import PATH, CacheCheck, check
from rag_app.store.embedding_cache import EmbeddingCache, keep_only
from tests.children import in_a_child
from tests.fakes import fake_fingerprint
from tests.store.caches import (
    DAMAGE,
    FINGERPRINT,
    LIBRARIES,
    TEXTS,
    get,
    no_message,
    put,
    vector_of,
    windows,
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "kb"
    folder.mkdir()
    return folder


# What it is for


def test_a_new_cache_has_nothing(base: Path) -> None:
    assert get(base, "a", "b") == {}


def test_vectors_and_token_counts_come_back_also_from_another_run(base: Path) -> None:
    put(base, "the account", "密码")
    assert get(base, "密码", "unknown", "the account") == {"the account": 11, "密码": 2}


def test_a_text_that_is_asked_for_several_times_is_found_each_time(base: Path) -> None:
    put(base, "a", "b")
    with EmbeddingCache(base, FINGERPRINT, no_message) as cache:
        found = cache.get(["a", "c", "b", "a"])
    assert found.is_known.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(found.vectors[0], found.vectors[3])


def test_more_texts_than_one_query_may_name_are_found(base: Path) -> None:
    texts = [f"text {number}" for number in range(1234)]
    put(base, *texts)
    assert set(get(base, *texts, "missing")) == set(texts)


def test_a_text_put_twice_is_replaced(base: Path) -> None:
    put(base, "a")
    put(base, "a", "b", libraries="torch 3")
    with EmbeddingCache(base, FINGERPRINT, no_message) as cache:
        assert cache.get(["a"]).libraries == {"torch 3"}
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


def test_the_libraries_are_those_that_made_the_vectors_asked_for(base: Path) -> None:
    put(base, "a", "b", libraries="torch 1")
    put(base, "c", libraries="torch 2")
    with EmbeddingCache(base, FINGERPRINT, no_message) as cache:
        assert cache.get(["a", "b", "c"]).libraries == {"torch 1", "torch 2"}
        assert cache.get(["b"]).libraries == {"torch 1"}
        assert cache.get(["unknown"]).libraries == set()


def test_the_cache_is_its_owners_alone(base: Path) -> None:
    put(base, "a")
    assert (base / "cache").stat().st_mode & 0o077 == 0


# Windows


def test_what_is_missing_is_cut_into_windows_in_the_order_given(base: Path) -> None:
    assert windows(base, "a", "b", "c", "d", "e") == [("a", "b"), ("c", "d"), ("e",)]


def test_recorded_windows_are_replayed_as_they_were_also_when_the_order_has_changed(base: Path) -> None:
    windows(base, "a", "b", "c", "d", "e")
    assert windows(base, "e", "d", "c", "b", "a", size=100) == [("a", "b"), ("c", "d"), ("e",)]


def test_a_window_that_was_kept_is_not_replayed(base: Path) -> None:
    with EmbeddingCache(base, FINGERPRINT, no_message) as cache:
        first, _ = cache.plan(["a", "b", "c"], 2)
        cache.put(first, ["b", "a"], np.stack([vector_of("b"), vector_of("a")]), [1, 1], LIBRARIES)
    assert get(base, "a", "b") == {"a": 1, "b": 1}
    assert windows(base, "c") == [("c",)]


def test_a_window_with_a_text_that_is_not_wanted_any_more_is_cut_anew_with_what_is_new(base: Path) -> None:
    windows(base, "a", "b", "c", "d", "e", "f")
    assert windows(base, "new", "a", "b", "c", "e", "f") == [("a", "b"), ("e", "f"), ("new", "c")]
    assert windows(base, "c", "d", "new") == [("new", "c"), ("d",)]  # the other records are gone for good


def test_each_model_has_its_own_windows(base: Path) -> None:
    other = fake_fingerprint("fake/other")
    windows(base, "a", "b", "c", size=2)
    assert windows(base, "a", "b", "c", size=3, fingerprint=other) == [("a", "b", "c")]
    assert windows(base, fingerprint=other) == []
    assert windows(base, "a", "b", "c", size=3) == [("a", "b"), ("c",)]


def test_a_window_that_cannot_be_put_is_not_put_in_part_and_stays_recorded(base: Path) -> None:
    with EmbeddingCache(base, FINGERPRINT, no_message) as cache:
        (window,) = cache.plan(["a", "b"], 2)
        vectors = np.stack([vector_of("a"), vector_of("b")])
        with pytest.raises(ValueError, match="shorter"):
            cache.put(window, ["a", "b"], vectors, [1], LIBRARIES)
    assert get(base, "a", "b") == {}
    assert windows(base, "b", "a") == [("a", "b")]


# Purge


def bytes_left(base: Path, texts: Sequence[str]) -> list[str]:
    """Return the texts of whose vectors a part, be it four numbers, stands in any file of the cache."""
    content = b"".join(path.read_bytes() for path in (base / "cache").iterdir())
    parts = {text: vector_of(text).reshape(-1, 4) for text in texts}
    return [text for text in texts if any(part.tobytes() in content for part in parts[text])]


PURGED = ("seven secret words", "another one that is secret")
KEPT = ("a thing to keep", "one more to keep")


@pytest.fixture
def with_secrets(base: Path) -> Path:
    put(base, *KEPT, *PURGED, *TEXTS)
    put(base, *KEPT, *PURGED, fingerprint=fake_fingerprint("fake/other"))
    put(base, *KEPT, *PURGED, fingerprint=fake_fingerprint("fake/dropped"))
    windows(base, "not yet embedded")
    assert bytes_left(base, PURGED) == list(PURGED)
    return base


def test_of_what_is_not_kept_no_byte_is_left(with_secrets: Path) -> None:
    models = [FINGERPRINT, fake_fingerprint("fake/other")]
    assert keep_only(with_secrets, [*KEPT, "unknown"], models, no_message) == 4
    assert bytes_left(with_secrets, [*PURGED, *TEXTS]) == []
    assert sorted(path.name for path in (with_secrets / "cache").iterdir()) == ["embeddings.sqlite"]
    for fingerprint in models:
        assert set(get(with_secrets, *KEPT, *PURGED, fingerprint=fingerprint)) == set(KEPT)
    assert get(with_secrets, *KEPT, fingerprint=fake_fingerprint("fake/dropped")) == {}
    assert check(with_secrets) == CacheCheck(4, 0, "")


def test_no_byte_is_left_either_of_what_a_killed_build_had_in_its_log(with_secrets: Path) -> None:
    def killed() -> None:
        cache = EmbeddingCache(with_secrets, FINGERPRINT, no_message)
        (window,) = cache.plan(["secret of the killed build"], 1)
        cache.put(window, window.texts, np.stack([vector_of(window.texts[0])]), [1], LIBRARIES)
        os._exit(9)

    assert in_a_child(killed) == 9
    (with_secrets / "cache" / "embeddings.new").write_bytes(vector_of("left behind").tobytes())
    secrets = [*PURGED, "secret of the killed build", "left behind"]
    assert bytes_left(with_secrets, secrets) == secrets
    keep_only(with_secrets, KEPT, [FINGERPRINT], no_message)
    assert bytes_left(with_secrets, secrets) == []
    assert set(get(with_secrets, *KEPT)) == set(KEPT)


@pytest.mark.parametrize("name", [name for name in DAMAGE if name not in ("root of vectors", "of another version")])
def test_a_damaged_cache_can_be_purged(name: str, with_secrets: Path) -> None:
    DAMAGE[name][0](with_secrets / PATH)
    keep_only(with_secrets, KEPT, [FINGERPRINT], lambda message: None)
    assert bytes_left(with_secrets, [*PURGED, *TEXTS]) == []


def test_a_base_without_a_cache_can_be_purged(base: Path) -> None:
    assert keep_only(base, ["a"], [FINGERPRINT], no_message) == 0
