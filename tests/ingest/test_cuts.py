"""Cuts inside what is too long for a chunk: where the text pauses, and whole words, addresses and characters."""

from __future__ import annotations

import pytest

from ingest.cuts import parts_of
from rag_app.text import size_in_units


def parts(text: str, limit: int) -> list[str]:
    return [text[start:end] for start, end in parts_of(text, 0, len(text), limit)]


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        pytest.param(
            "first line of it\nsecond line of it", 8, ["first line of it", "second line of it"], id="line break"
        ),
        pytest.param("one two three, four five six seven", 6, ["one two three,", "four five six seven"], id="clause"),
        pytest.param("one two three four five six", 4, ["one two three", "four five six"], id="white space"),
        pytest.param("密码已经过期，请重置密码", 8, ["密码已经过期，", "请重置密码"], id="Chinese clause"),
        pytest.param("账号会被锁定三十分钟", 6, ["账号会被锁定", "三十分钟"], id="between Chinese characters"),
        pytest.param("价格（含税），另加运费", 7, ["价格（含税），", "另加运费"], id="Chinese clause after a bracket"),
        pytest.param("short", 8, ["short"], id="nothing to cut"),
    ],
)
def test_a_text_is_cut_at_the_best_place_of_the_second_half(text: str, limit: int, expected: list[str]) -> None:
    assert parts(text, limit) == expected


@pytest.mark.parametrize(
    "whole", ["https://example.org/a,b:80/c?d=e", "1,234,567.89", "12:30:45", "well-known", "10.0.2"]
)
def test_what_belongs_together_is_not_cut_where_it_fits(whole: str) -> None:
    text = f"one two three {whole} four five six {whole} seven eight {whole}"
    limit = size_in_units(whole) + 4
    assert " ".join(parts(text, limit)).count(whole) == 3


def test_an_address_that_is_too_long_is_cut_after_a_sign() -> None:
    text = "https://example.org/documents/handbook/passwords/reset?language=en&user=wu"
    pieces = parts(text, 12)
    assert "".join(pieces) == text
    assert all(not piece[-1].isalnum() for piece in pieces[:-1])


def test_no_part_begins_with_a_mark_that_ends_something() -> None:
    for limit in range(4, 20):
        assert not [
            piece for piece in parts("价格，“九百元”，另加税。运费（五元）、押金" * 5, limit) if piece[0] in "，”。）、"
        ]


def test_a_word_that_is_too_long_is_cut_into_parts_that_are_at_least_half_full() -> None:
    pieces = parts("x" * 1000, 10)
    assert "".join(pieces) == "x" * 1000
    assert all(20 <= len(piece) <= 40 for piece in pieces)


@pytest.mark.parametrize(
    "character",
    ["e\u0323\u0301", "👩\u200d🔬", "🇩🇪", "क्षि", "👍🏽"],
    ids=["marks", "joined", "flag", "Devanagari", "skin tone"],
)
def test_a_character_is_never_cut(character: str) -> None:
    for limit in range(4, 12):
        assert all(piece.count(character) * len(character) == len(piece) for piece in parts(character * 40, limit))


def test_a_single_character_of_nothing_but_marks_is_cut_all_the_same() -> None:
    text = "a" + "\u0301" * 5000
    assert "".join(parts(text, 50)) == text
