"""A damaged cache: never an error, never a wrong vector, and what is sound of it stays."""

from __future__ import annotations

import hashlib
import os
import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag_app.errors import StorageError
from rag_app.store.cache_file import PATH, CacheCheck, check
from rag_app.store.embedding_cache import EmbeddingCache
from tests.children import in_a_child
from tests.store.caches import (
    DAMAGE,
    FINGERPRINT,
    LIBRARIES,
    TEXTS,
    change,
    fill,
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


@pytest.fixture
def filled(base: Path) -> Path:
    """Give a base whose cache has `TEXTS`."""
    return fill(base)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE vectors SET numbers = x'' WHERE number = 7",
        "UPDATE vectors SET numbers = (SELECT numbers FROM vectors WHERE number = 8) WHERE number = 7",
        "UPDATE vectors SET tokens = tokens + 1 WHERE number = 7",
        "UPDATE vectors SET tokens = -1 WHERE number = 7",
        "UPDATE vectors SET libraries = 99 WHERE number = 7",
        "UPDATE vectors SET checksum = x'' WHERE number = 7",
    ],
)
def test_a_row_that_is_not_what_was_written_is_as_good_as_none_and_the_others_stay(
    statement: str, filled: Path
) -> None:
    change(filled, statement)
    messages: list[str] = []
    assert set(get(filled, *TEXTS, announce=messages.append)) == {*TEXTS} - {TEXTS[6]}
    assert len(messages) == 1
    assert "119 of its vectors were kept" in messages[0]
    assert set(get(filled, *TEXTS)) == {*TEXTS} - {TEXTS[6]}  # said once
    assert check(filled) == CacheCheck(119 + 2, 0, "")


def test_rows_with_each_others_keys_are_as_good_as_none(base: Path) -> None:
    put(base, "a", "b", "c")
    connection = sqlite3.connect(base / PATH)
    keys = dict(connection.execute("SELECT number, key FROM vectors"))
    connection.close()
    for number, key in ((1, b"for now"), (2, keys[1]), (1, keys[2])):
        change(base, "UPDATE vectors SET key = ? WHERE number = ?", key, number)
    assert get(base, "a", "b", "c", announce=[].append) == {"c": 1}


def test_a_library_that_is_not_what_was_written_is_never_reported(base: Path) -> None:
    put(base, "a", libraries="torch 1")
    put(base, "b", libraries="torch 2")
    change(base, "UPDATE libraries SET versions = ? WHERE number = 1", b"torch 3")
    with EmbeddingCache(base, FINGERPRINT, [].append) as cache:
        found = cache.get(["a", "b"])
    assert (found.is_known.tolist(), found.libraries) == ([False, True], {"torch 2"})


def test_a_window_that_is_not_what_was_written_is_cut_anew(base: Path) -> None:
    windows(base, "a", "b", "c", "d")
    change(base, "UPDATE windows SET keys = x'00' WHERE number = 1")
    messages: list[str] = []
    with EmbeddingCache(base, FINGERPRINT, messages.append) as cache:
        assert [window.texts for window in cache.plan(["a", "b", "c", "d"], 1)] == [("c", "d"), ("a",), ("b",)]
    assert len(messages) == 1


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_begun_anew_at_opening_reading_or_writing_with_what_is_sound(name: str, filled: Path) -> None:
    damage, kept = DAMAGE[name]
    damage(filled / PATH)
    messages: list[str] = []
    found = get(filled, *TEXTS, announce=messages.append)
    put(filled, "new", announce=messages.append)
    assert len(messages) == 1
    assert f"{kept} of its vectors were kept" in messages[0]
    assert len(found) == kept
    assert len(get(filled, *TEXTS, "new")) == kept + 1
    assert check(filled).problem == ""
    assert sorted(path.name for path in (filled / "cache").iterdir()) == ["embeddings.sqlite"]


def test_a_bad_page_costs_only_what_lies_on_it(base: Path) -> None:
    texts = [f"text {number}" for number in range(2000)]
    put(base, *texts)
    file = base / PATH
    with file.open("r+b") as opened:
        opened.seek(file.read_bytes().index(vector_of("text 1000").tobytes()) // 16384 * 16384)
        opened.write(bytes(16384))
    assert 2000 - 100 < len(get(base, *texts, announce=[].append)) < 2000


def place_in_index(content: bytes, text: str) -> int:
    """Return where the key of a text stands in the index of keys; after it stands the number of its row."""
    key = hashlib.sha256(f"{FINGERPRINT.digest}\0\0{text}".encode()).digest()
    places = [match.start() for match in re.finditer(re.escape(key), content)]
    assert len(places) == 2  # in its row and in the index
    return max(places, key=lambda place: content[place // 16384 * 16384] == 10)  # 10: a leaf of an index


@pytest.mark.parametrize("offset", [0, 32], ids=["past it", "to another"])
def test_a_vector_that_the_index_does_not_lead_to_is_found_all_the_same(offset: int, filled: Path) -> None:
    content = bytearray((filled / PATH).read_bytes())
    content[place_in_index(content, TEXTS[50]) + offset] ^= 1
    (filled / PATH).write_bytes(content)
    messages: list[str] = []
    assert set(get(filled, TEXTS[50], announce=messages.append)) == {TEXTS[50]}
    assert len(messages) == 1
    assert "120 of its vectors were kept" in messages[0]
    assert check(filled) == CacheCheck(122, 0, "")


def test_the_log_of_the_file_that_was_damaged_is_not_replayed_into_the_new_one(base: Path) -> None:
    put(base, *TEXTS)
    reader = sqlite3.connect(base / PATH, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM vectors").fetchall()  # as long as it reads, the log stays
    put(base, "later")
    change(base, "UPDATE vectors SET tokens = 0 WHERE number = 7")
    assert len(get(base, *TEXTS, "later", announce=[].append)) == len(TEXTS)
    put(base, TEXTS[6])
    reader.close()
    assert len(get(base, *TEXTS, "later")) == len(TEXTS) + 1
    assert check(base) == CacheCheck(len(TEXTS) + 1, 0, "")


def test_what_a_killed_renewal_left_is_removed(base: Path) -> None:
    put(base, "a")
    (base / "cache" / "embeddings.new").write_bytes(b"half of it")
    (base / "cache" / "embeddings.new-journal").write_bytes(b"half of it")
    assert get(base, "a") == {"a": 1}
    assert [path.name for path in (base / "cache").iterdir()] == ["embeddings.sqlite"]


def test_a_file_that_is_damaged_again_at_once_is_a_typed_error(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(base, "a")

    def malformed(connection: sqlite3.Connection) -> dict[int, bytes]:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr("rag_app.store.cache_rows.all_libraries", malformed)
    messages: list[str] = []
    with pytest.raises(StorageError, match="damaged as soon as written") as caught:
        get(base, "a", announce=messages.append)
    assert caught.value.remedy == "Check the disk."
    assert len(messages) == 1


def flip(file: Path, bit: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(bit // 8)
        (byte,) = opened.read(1)
        opened.seek(bit // 8)
        opened.write(bytes([byte ^ 1 << bit % 8]))


def survive(base: Path) -> None:
    """Go through a build with a cache that may be damaged: no error, no wrong vector, and in the end everything is there."""
    problem = check(base)
    messages: list[str] = []
    known = get(base, *TEXTS, announce=messages.append)
    assert all(tokens == len(text) for text, tokens in known.items())
    if problem == CacheCheck(122, 0, ""):
        assert len(known) == len(TEXTS), "the check passed over what reading found"
    put(base, *[text for text in TEXTS if text not in known], "one more", announce=messages.append)
    put(base, "and another", announce=messages.append)
    assert len(get(base, *TEXTS, "one more", "and another")) == len(TEXTS) + 2


def flips(size: int, seed: int, in_first_page: int, elsewhere: int) -> Iterator[int]:
    numbers = random.Random(seed)
    yield from (numbers.randrange(1024 * 8) for _ in range(in_first_page))  # header and schema
    yield from (numbers.randrange(size * 8) for _ in range(elsewhere))


@pytest.mark.parametrize(
    ("in_first_page", "elsewhere"),
    [(15, 15), pytest.param(600, 900, marks=pytest.mark.matrix)],
    ids=["sample", "all"],
)
def test_no_flipped_bit_is_an_error_or_a_wrong_vector(in_first_page: int, elsewhere: int, filled: Path) -> None:
    whole = (filled / PATH).read_bytes()
    for bit in flips(len(whole), 1, in_first_page, elsewhere):
        (filled / PATH).write_bytes(whole)
        flip(filled / PATH, bit)
        survive(filled)


@pytest.mark.parametrize("count", [10, pytest.param(500, marks=pytest.mark.matrix)], ids=["sample", "all"])
def test_no_flipped_bit_in_the_log_of_a_killed_build_is_an_error_or_a_wrong_vector(count: int, base: Path) -> None:
    def killed() -> None:
        cache = EmbeddingCache(base, FINGERPRINT, no_message)
        for window in cache.plan(TEXTS, 30):
            vectors = np.stack([vector_of(text) for text in window.texts])
            cache.put(window, window.texts, vectors, [len(text) for text in window.texts], LIBRARIES)
        os._exit(9)

    assert in_a_child(killed) == 9
    files = {path: path.read_bytes() for path in (base / "cache").iterdir()}
    log = base / f"{PATH}-wal"
    assert len(files[log]) > 50_000
    numbers = random.Random(2)
    for _ in range(count):
        for path, content in files.items():
            path.write_bytes(content)
        flip(log, numbers.randrange(len(files[log]) * 8))
        survive(base)


@pytest.mark.parametrize("count", [10, pytest.param(300, marks=pytest.mark.matrix)], ids=["sample", "all"])
def test_no_cut_file_is_an_error_or_a_wrong_vector(count: int, filled: Path) -> None:
    whole = (filled / PATH).read_bytes()
    numbers = random.Random(3)
    for _ in range(count):
        (filled / PATH).write_bytes(whole[: numbers.randrange(len(whole))])
        survive(filled)
