"""Markers in every style that models write, the same in any pieces; and code that looks like one, which stays."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.answering.citing.markers import MarkerFilter, Markers
from rag_app.datatypes import Passage

CODE = "The path stands in sys.argv[1], the rest in items[0] and matrix[0][2]; every digit matches [1-9], or [2–3]."


def passages(count: int, text: str = "It is locked.") -> list[Passage]:
    return [Passage(n, f"docs/{n}.md", None, 0, len(text), text, (), {}) for n in range(1, count + 1)]


# What generators write: words, real markers in every style, and the beginnings of markers that never become one.
PARTS = st.sampled_from(
    [
        "It is locked", "账号", ". ", "。", " ", "\n", "30", "[", "]", "【", "】", "[link](x)", "[a]", "[]", "[1", "1]",
        "[1]", "[2]", "[3]", "[9]", "[0]", "[007]", "[1, 2]", "[1,9]", "【1】", "【9】", "［2］", "[1][2]", "[1、2]", "[ 2 ]",
        "[1, 2, 3, 1, 2, 3, 1, 2, 3, 9, 9, 9]", "[12345]", "[1,]", "[,1]", "[" + " " * 90 + "9]", "[9" + " " * 90 + "]",
        "(", ")", "（", "）", "(1)", "[Passage 1]", "[passages 1 and 9]", "(passage 2)", "（段落 3）", "[段落2]", "[^1]",
        "[1-2]", "[2–9]", "[0-9]", "(pass", "[passage", "passage 1)", "[1 a", "nd 2]", "[passage " + " " * 70 + "1]", "段落",
        "and", "-", "argv", "argv[1]", "items[0]", "matrix[0][2]", "matrix[0]", "[1-9]", "_", "x",
    ]
)  # fmt: skip
ANSWERS = st.lists(PARTS, max_size=12).map("".join)
MARKERS_WRITTEN = re.compile(
    r"[\[【［]\s*(?:passages?|段落|\^)?\s*\d[\d\s,，、;–-]*(?:and \d+)?[\]】］]|[(（](?:passages?|段落)\s*\d[\d\s,and-]*[)）]",
    re.IGNORECASE,
)


def without_markers(text: str) -> str:
    """Return a text of WELL_FORMED without its markers."""
    return MARKERS_WRITTEN.sub("", text)


def in_pieces(text: str, cuts: list[int], given_passages: Sequence[Passage]) -> str:
    shown, marker_filter, start = "", MarkerFilter(given_passages), 0
    for cut in [*sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]:
        shown += marker_filter.feed(text[start:cut])
        start = cut
    return shown + marker_filter.finish()


@given(ANSWERS, st.lists(st.integers(0, 500), max_size=40), st.integers(0, 3))
def test_any_split_into_pieces_gives_the_same_as_the_whole(text: str, cuts: list[int], count: int) -> None:
    given_passages = passages(count, CODE)
    assert in_pieces(text, cuts, given_passages) == Markers(given_passages).of_passages(text)


@given(ANSWERS, st.integers(0, 3))
def test_letter_by_letter_gives_the_same_as_the_whole(text: str, count: int) -> None:
    given_passages = passages(count, CODE)
    assert in_pieces(text, list(range(len(text))), given_passages) == Markers(given_passages).of_passages(text)


WELL_FORMED = st.lists(
    st.sampled_from(
        ["It is locked", "账号", ". ", "。", "30", "[1]", "[2]", "[3]", "[9]", "[0]", "[1, 2]", "[1,9]", "【1】", "【9】",
         "［2］", "[1][2]", "[8][9]", "[ 2 ]", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]", "[Passage 1]", "(passages 1 and 9)",
         "（段落2）", "【段落 9】", "[^1]", "[1-3]", "[2–9]"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@given(WELL_FORMED, st.integers(0, 3))
def test_no_marker_out_of_range_is_ever_shown(text: str, count: int) -> None:
    shown = in_pieces(text, list(range(len(text))), passages(count))
    assert all(1 <= int(number) <= count for number in re.findall(r"\[(\d+)\]", shown))
    assert not re.search(r"[【［]\d|(?i:passage|段落)", shown), "one style of marker for all"
    assert re.sub(r"\[\d+\]", "", shown) == without_markers(text), "nothing else is taken away"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Locked [1, 2].", "Locked [1][2]."),
        ("锁定【1】。", "锁定[1]。"),
        ("锁定［1，2］。", "锁定[1][2]。"),
        ("Locked [1][9].", "Locked [1]."),
        ("Locked [9].", "Locked ."),
        ("Locked [2, 99, 1].", "Locked [2][1]."),
        ("Locked [Passage 1].", "Locked [1]."),
        ("Locked [passage 9].", "Locked ."),
        ("Locked (passage 1).", "Locked [1]."),
        ("Locked (Passages 1 and 2).", "Locked [1][2]."),
        ("锁定（段落1）。", "锁定[1]。"),
        ("锁定【段落 2、9】。", "锁定[2]。"),
        ("Locked [1-2].", "Locked [1][2]."),
        ("Locked [2–7].", "Locked [2]."),
        ("Locked [2-1].", "Locked [1][2]."),
        ("Locked [^1].", "Locked [1]."),
        ("See [the page] and [x1].", "See [the page] and [x1]."),
        ("(passage) and (1) and (the passage 1)", "(passage) and (1) and (the passage 1)"),
        ("In [2024] and [1234].", "In [2024] and [1234]."),
        ("A digit is [0-9].", "A digit is [0-9]."),
        ("array[0] and list[10]", "array and list"),
        ("[", "["),
        ("[1", "[1"),
        ("(passage 1", "(passage 1"),
        ("", ""),
    ],
)
def test_markers_in_every_style(text: str, expected: str) -> None:
    assert Markers(passages(2)).of_passages(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Read sys.argv[1] and items[0].", "Read sys.argv[1] and items[0]."),
        ("Read argv[1][2].", "Read argv[1][2]."),
        ("Read matrix[0][2][1].", "Read matrix[0][2][1]."),
        ("Read argv [1], argv[9] and xargv[2].", "Read argv [1], argv and xargv[2]."),
        ("Every digit matches [1-9].", "Every digit matches [1-9]."),
        ("参数argv[1]", "参数argv[1]"),
        ("locked.[1] 锁定[9] minutes[9]", "locked.[1] 锁定 minutes"),
    ],
)
def test_code_that_a_passage_holds_stays(text: str, expected: str) -> None:
    given_passages = passages(2, CODE)
    assert Markers(given_passages).of_passages(text) == expected
    assert in_pieces(text, list(range(len(text))), given_passages) == expected


def test_code_is_no_marker_and_a_marker_behind_it_is_one() -> None:
    markers = Markers(passages(2, CODE))
    assert markers.numbers("Read sys.argv[1][2], matrix[0][2] and [1-9] [Passage 1].") == {1, 2}
    assert markers.without("Read argv[1][2], matrix[0][2] and items[1] [1].") == "Read argv[1], matrix[0][2] and items."
    assert Markers(passages(2)).numbers("Read sys.argv[1].") == {1}, "no passage holds it"


def test_text_is_held_back_only_while_it_could_become_a_marker() -> None:
    marker_filter = MarkerFilter(passages(2))
    assert marker_filter.feed("Locked ") == "Locked "
    assert marker_filter.feed("for [") == "for "
    assert marker_filter.feed("1") == ""
    assert marker_filter.feed(", 7") == ""
    assert marker_filter.feed("] minutes [x") == "[1] minutes [x"
    assert marker_filter.feed("y]") == "y]"
    assert marker_filter.feed(" (pas") == " "
    assert marker_filter.feed("sage 2") == ""
    assert marker_filter.feed(") (past") == "[2] (past"
    assert marker_filter.feed(" [2") == " "
    assert marker_filter.finish() == "[2"
    assert marker_filter.finish() == ""
