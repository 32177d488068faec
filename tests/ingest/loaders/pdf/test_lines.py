"""Lines of a page: joined where the margin broke them, each word in its place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.loaders.pdf.lines import Line, Run, join_lines, make_line, words_in, words_of

PLACE = (10.0, 20.0, 30.0, 40.0)


def joined(page: str) -> str:
    return "\n".join(line.text for line in join_lines([Line(line) for line in page.split("\n")]))


@pytest.mark.parametrize(
    ("page", "text"),
    [
        pytest.param(
            "a line that is long and\nfull to its margin.", "a line that is long and full to its margin.", id="en"
        ),
        pytest.param(
            "short\nfull lines of some words here\nmore", "short\nfull lines of some words here more", id="short"
        ),
        pytest.param("连续输错五次密码，账号会被锁定\n三十分钟。", "连续输错五次密码，账号会被锁定三十分钟。", id="zh"),
        pytest.param("Ends here, a full line.\nBegins a new one here", None, id="a sentence ended"),
        pytest.param("things you will need now\n- a card for the door", None, id="bullet"),
        pytest.param("the steps to be followed\n1. open the page at once", None, id="number"),
        pytest.param("a bullet of a symbol font\n\uf0b7 a card for the door", None, id="symbol"),
        pytest.param(
            "this is by now a wide-\nspread use of a word", "this is by now a wide-spread use of a word", id="hyphen"
        ),
        pytest.param("one paragraph of words\n\nanother one of words", None, id="blank line"),
        pytest.param(
            "ends with a plain か\n\u3099 begins the next", "ends with a plain か \u3099 begins the next", id="accent"
        ),
    ],
)
def test_lines_are_joined_only_where_the_margin_broke_them(page: str, text: str | None) -> None:
    assert joined(page) == (page if text is None else text)


def test_a_word_that_was_broken_goes_on_however_short_its_line_is() -> None:
    lines = [Line("a much longer line of words, and full."), Line("then di-", is_broken=True), Line("vided")]
    assert [line.text for line in join_lines(lines)] == ["a much longer line of words, and full.", "then di-vided"]


@pytest.mark.parametrize(
    ("elsewhere", "text"),
    [
        pytest.param("It is divided.", "it is divided by two", id="the whole word stands elsewhere"),
        pytest.param("It is DIVIDED.", "it is divided by two", id="in other letters"),
        pytest.param("It is di-vided. It is divided.", "it is di-vided by two", id="with its hyphen, too"),
        pytest.param("Nothing of that kind.", "it is di-vided by two", id="nowhere"),
    ],
)
def test_a_broken_word_loses_its_hyphen_where_the_document_has_it_whole(elsewhere: str, text: str) -> None:
    lines = [
        make_line([("", "it", PLACE), (" ", "is", PLACE), (" ", "di-", PLACE)], is_broken=True),
        make_line([("", "vided", PLACE), (" ", "by", PLACE), (" ", "two", PLACE)]),
    ]
    (line,) = join_lines(lines, words_in([*lines, Line(elsewhere)]))
    assert line.text == text
    assert [line.text[run.start : run.end] for run in line.runs][-4:] == [
        "di" if "divided" in text else "di-", "vided", "by", "two"
    ]  # fmt: skip


def test_a_hyphen_that_pdfium_does_not_take_for_a_break_is_kept() -> None:
    lines = [Line("this is by now a wide-"), Line("spread use of a word"), Line("It is widespread.")]
    assert join_lines(lines, words_in(lines))[0].text.startswith("this is by now a wide-spread use")


def test_lines_in_letters_of_different_size_are_not_joined() -> None:
    lines = [Line("A title as long as a line", size=16), Line("and the text that follows it", size=11)]
    assert len(join_lines(lines)) == 2
    assert len(join_lines([Line(line.text, size=11) for line in lines])) == 1


def test_runs_keep_their_places_when_lines_are_joined() -> None:
    first = make_line([("", "several", PLACE), (" ", "full", PLACE), (" ", "words", PLACE)])
    second = make_line([("", "and", (1.0, 2.0, 3.0, 4.0)), (" ", "more", PLACE)])
    (line,) = join_lines([first, second])
    assert line.text == "several full words and more"
    assert [line.text[run.start : run.end] for run in line.runs] == ["several", "full", "words", "and", "more"]
    assert line.runs[3].place == (1.0, 2.0, 3.0, 4.0)


def test_a_line_is_normalised_word_by_word() -> None:
    line = make_line([("", "cafe\u0301", PLACE), (" ", "\ud83d\ude00", PLACE), (" ", "x", None)])
    assert line == Line("café 😀 x", (Run(0, 4, PLACE), Run(5, 6, PLACE)))


@pytest.mark.parametrize(
    "place",
    [
        (1.0, 1.0, 1.0, 2.0),
        (1.0, 3.0, 2.0, 2.0),
        (math.nan, 1.0, 2.0, 2.0),
        (1.0, 1.0, math.inf, 2.0),
        (-2e6, 1.0, 2.0, 2.0),
    ],
    ids=["no width", "upside down", "not a number", "infinite", "far away"],
)
def test_a_place_that_cannot_be_drawn_is_left_out(place: tuple[float, float, float, float]) -> None:
    assert make_line([("", "word", place)]) == Line("word")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("two  words", ["two", "words"], id="white space"),
        pytest.param("型号LF-230的密码", ["型号", "LF-230", "的密码"], id="wide and narrow"),
        pytest.param("全\u3000角", ["全", "角"], id="wide space"),
        pytest.param("か\u3099か", ["か\u3099か"], id="accent"),
        pytest.param("\u00a0 ", [], id="nothing"),
    ],
)
def test_a_run_has_no_white_space_and_characters_of_one_width(text: str, words: list[str]) -> None:
    assert [text[start:end] for _, start, end in words_of(text)] == words


@given(st.lists(st.text(alphabet="aé-。1 か\u0301\u3099漢가\u3000.\n")))
def test_every_run_of_joined_lines_is_the_word_it_was(texts: list[str]) -> None:
    lines = []
    for number, text in enumerate(texts):
        place = (0.0, 0.0, 1.0, number + 1.0)
        lines.append(make_line((separator, text[start:end], place) for separator, start, end in words_of(text)))
    expected = [line.text[run.start : run.end] for line in lines for run in line.runs]
    found = join_lines(lines)
    assert [line.text[run.start : run.end] for line in found for run in line.runs] == expected
    assert not any(character.isspace() for word in expected for character in word)
