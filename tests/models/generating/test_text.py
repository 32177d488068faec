"""Tokens to text as they come, and repetition."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag_app.models.generating.text import GrowingText, RepetitionWatch


def of_bytes(tokens: Sequence[int]) -> str:
    """Stand in for a tokenizer whose tokens are bytes; 256 is one that is not shown."""
    return bytes(token for token in tokens if token < 256).decode(errors="replace")


@pytest.mark.parametrize("text", ["plain", "密码 🔑 naïve", "", "a\nb\n\nc "])
def test_pieces_are_whole_characters_and_join_to_the_text(text: str) -> None:
    growing = GrowingText(of_bytes)
    pieces = [growing.add(token) for token in (256, *text.encode(), 256)]
    assert all("\ufffd" not in piece for piece in pieces)
    assert "".join(pieces) == text
    assert growing.finish() == ""


def test_a_character_that_never_became_whole_is_shown_at_the_end() -> None:
    growing = GrowingText(of_bytes)
    tokens = "好密".encode()[:-1]
    pieces = [growing.add(token) for token in tokens]
    assert "".join(pieces) + growing.finish() == of_bytes(tokens) == "好\ufffd"


def test_a_space_that_a_tokenizer_takes_from_the_first_word_is_kept_between_words() -> None:
    words = [" the", " account", " is"]
    growing = GrowingText(lambda tokens: "".join(words[token] for token in tokens).removeprefix(" "))
    assert [growing.add(token) for token in (0, 1, 2, 1)] == ["the", " account", " is", " account"]


def shown(tokens: Sequence[int]) -> tuple[list[int], bool]:
    watch = RepetitionWatch()
    out: list[int] = []
    for token in tokens:
        out += watch.add(token)
        if watch.is_repeating:
            break
    return out + watch.finish(), watch.is_repeating


@pytest.mark.parametrize(
    ("begin", "again", "times"),
    [([7, 8], [1], 25), ([7, 8], [1, 2], 13), ([], list(range(40)), 3), ([9], list(range(100)), 3)],
)
def test_what_is_said_again_and_again_is_shown_once(begin: list[int], again: list[int], times: int) -> None:
    assert shown(begin + again * times) == (begin + again, True)
    less = begin + again * (times - 1)
    assert shown(less) == (less, False)


def test_what_repeats_nothing_is_shown_at_once_and_what_does_as_soon_as_it_ends() -> None:
    watch = RepetitionWatch()
    assert [watch.add(token) for token in (1, 2, 3)] == [[1], [2], [3]]
    assert [watch.add(token) for token in (1, 2, 9)] == [[], [], [1, 2, 9]]


def test_changing_numbers_are_no_repetition() -> None:
    tokens = [part for number in range(60) for part in (1000, 1001, number)]
    assert shown(tokens) == (tokens, False)
