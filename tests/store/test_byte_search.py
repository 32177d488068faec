"""Looking for many strings at once: the same answer as looking for each alone, whatever the data."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.store import byte_search
from rag_app.store.byte_search import SHORTEST, ByteSearch


def by_hand(strings: list[bytes], data: bytes) -> set[int]:
    return {number for number, string in enumerate(strings) if string in data}


# Two letters make strings that share windows, overlap and repeat.
@given(
    st.lists(st.text("ab", min_size=SHORTEST, max_size=40).map(str.encode), max_size=20),
    st.text("ab", max_size=400).map(str.encode),
)
def test_it_finds_what_stands_there_and_nothing_else(strings: list[bytes], data: bytes) -> None:
    assert ByteSearch(strings).find(data) == by_hand(strings, data)


@given(st.binary(max_size=600), st.data())
def test_it_finds_every_part_of_the_data(data: bytes, draw: st.DataObject) -> None:
    strings = []
    for _ in range(draw.draw(st.integers(0, 8)) if len(data) >= SHORTEST else 0):
        start = draw.draw(st.integers(0, len(data) - SHORTEST))
        strings.append(data[start : draw.draw(st.integers(start + SHORTEST, len(data)))])
    assert ByteSearch(strings).find(data) == set(range(len(strings)))


def test_strings_are_found_across_the_blocks_in_which_a_file_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(byte_search, "_AT_ONCE", 50)
    monkeypatch.setattr(byte_search, "_READ_AT_ONCE", 64)
    data = random.Random(7).randbytes(1000)
    (tmp_path / "file").write_bytes(data)
    inside = [data[start : start + length] for start in range(0, 950, 3) for length in (8, 17, 49)]
    outside = [string[:-1] + bytes([string[-1] ^ 1]) for string in inside]
    search = ByteSearch(inside + outside)
    assert len(search.find(data)) == len(search.find_in_file(tmp_path / "file")) == len(inside)
    assert search.find_in_file(tmp_path / "file") == set(range(len(inside)))


def test_strings_that_are_known_already_are_passed_over() -> None:
    assert ByteSearch([b"the first one", b"the second one"]).find(b"the first one, the second one", {0}) == {1}


def test_a_string_that_stands_twice_in_the_list_has_both_numbers() -> None:
    assert ByteSearch([b"the same one"] * 2).find(b"the same one") == {0, 1}


def test_nothing_is_found_where_nothing_is_looked_for_or_nothing_is_there(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert ByteSearch([]).find(b"some data that is long enough") == set()
    assert ByteSearch([b"eight by"]).find_in_file(tmp_path / "empty") == set()
    assert ByteSearch([b"eight by"]).find(b"eight b") == set()


def test_a_string_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        ByteSearch([b"1234567"])
