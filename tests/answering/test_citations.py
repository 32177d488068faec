"""The `[n]` of an answer: none out of range, each tied to the sentence of the document that supports it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.answering.citations import MarkerFilter, cite, without_unknown_markers
from rag_app.datatypes import Passage, Sentence

PASSWORDS = "Accounts are protected. An account is locked for 30 minutes after 5 failed sign-ins. Call 4400 for help."
VPN = "The VPN needs Harbour Connect 6.2. Private computers are not admitted to the VPN."
CHINESE = "密码规则如下。连续输错五次密码，账号会被锁定三十分钟。请打开重置页面设置新密码。"


def passage(n: int, text: str, *, start: int = 0, page: int | None = None) -> Passage:
    return Passage(n, f"docs/{n}.md", page, start, start + len(text), text, (), {})


PASSAGES = [passage(1, PASSWORDS, start=1000, page=3), passage(2, VPN), passage(3, CHINESE, start=50)]


def numbers(sentences: tuple[Sentence, ...]) -> list[list[int]]:
    return [[citation.n for citation in sentence.citations] for sentence in sentences]


def cited_text(sentence: Sentence) -> str:
    citation = sentence.citations[0]
    found = PASSAGES[citation.n - 1]
    return found.text[citation.start - found.start : citation.end - found.start]


# What generators write: words, real markers in every style, and the beginnings of markers that never become one.
PARTS = st.sampled_from(
    [
        "It is locked", "账号", ". ", "。", " ", "\n", "30", "[", "]", "【", "】", "[link](x)", "[a]", "[]", "[1", "1]",
        "[1]", "[2]", "[3]", "[9]", "[0]", "[007]", "[1, 2]", "[1,9]", "【1】", "【9】", "［2］", "[1][2]", "[1、2]", "[ 2 ]",
        "[1, 2, 3, 1, 2, 3, 1, 2, 3, 9, 9, 9]", "[12345]", "[1,]", "[,1]", "[" + " " * 90 + "9]", "[9" + " " * 90 + "]",
    ]
)  # fmt: skip
ANSWERS = st.lists(PARTS, max_size=12).map("".join)


def in_pieces(text: str, cuts: list[int], count: int) -> str:
    shown, marker_filter, start = "", MarkerFilter(count), 0
    for cut in [*sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]:
        shown += marker_filter.feed(text[start:cut])
        start = cut
    return shown + marker_filter.finish()


@given(ANSWERS, st.lists(st.integers(0, 500), max_size=40), st.integers(0, 3))
def test_any_split_into_pieces_gives_the_same_as_the_whole(text: str, cuts: list[int], count: int) -> None:
    assert in_pieces(text, cuts, count) == without_unknown_markers(text, count)


@given(ANSWERS, st.integers(0, 3))
def test_letter_by_letter_gives_the_same_as_the_whole(text: str, count: int) -> None:
    assert in_pieces(text, list(range(len(text))), count) == without_unknown_markers(text, count)


WELL_FORMED = st.lists(
    st.sampled_from(
        ["It is locked", "账号", ". ", "。", "30", "[1]", "[2]", "[3]", "[9]", "[0]", "[1, 2]", "[1,9]", "【1】", "【9】",
         "［2］", "[1][2]", "[8][9]", "[ 2 ]", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@given(WELL_FORMED, st.integers(0, 3))
def test_no_marker_out_of_range_is_ever_shown(text: str, count: int) -> None:
    shown = in_pieces(text, list(range(len(text))), count)
    assert all(1 <= int(number) <= count for number in re.findall(r"\[(\d+)\]", shown))
    assert not re.search(r"[【［]\d", shown), "one style of marker for all"
    assert re.sub(r"\[\d+\]", "", shown) == re.sub(r"[\[【［][\d, ]+[\]】］]", "", text), "nothing else is taken away"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Locked [1, 2].", "Locked [1][2]."),
        ("锁定【1】。", "锁定[1]。"),
        ("锁定［1，2］。", "锁定[1][2]。"),
        ("Locked [1][9].", "Locked [1]."),
        ("Locked [9].", "Locked ."),
        ("Locked [2, 99, 1].", "Locked [2][1]."),
        ("See [the page] and [x1].", "See [the page] and [x1]."),
        ("In [2024] and [1234].", "In [2024] and [1234]."),
        ("array[0] and list[10]", "array and list"),
        ("[", "["),
        ("[1", "[1"),
        ("", ""),
    ],
)
def test_markers_in_every_style(text: str, expected: str) -> None:
    assert without_unknown_markers(text, 2) == expected


def test_text_is_held_back_only_while_it_could_become_a_marker() -> None:
    marker_filter = MarkerFilter(2)
    assert marker_filter.feed("Locked ") == "Locked "
    assert marker_filter.feed("for [") == "for "
    assert marker_filter.feed("1") == ""
    assert marker_filter.feed(", 7") == ""
    assert marker_filter.feed("] minutes [x") == "[1] minutes [x"
    assert marker_filter.feed("y]") == "y]"
    assert marker_filter.feed(" [2") == " "
    assert marker_filter.finish() == "[2"
    assert marker_filter.finish() == ""


def test_sentences_keep_their_citations_and_lose_their_markers() -> None:
    sentences = cite("It is locked for 30 minutes [1]. The VPN needs Harbour Connect 6.2 [2].", PASSAGES)
    assert [sentence.text for sentence in sentences] == [
        "It is locked for 30 minutes.",
        "The VPN needs Harbour Connect 6.2.",
    ]
    assert numbers(sentences) == [[1], [2]]
    assert all(sentence.supported for sentence in sentences)
    assert not any(citation.computed for sentence in sentences for citation in sentence.citations)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It is locked for 30 minutes. [1] Call 4400 for help. [1]", [[1], [1]]),
        ("It is locked for 30 minutes.[1] The VPN needs Harbour Connect 6.2.[2]", [[1], [2]]),
        ("账号会被锁定三十分钟。[3]请打开重置页面。[3]", [[3], [3]]),
        ("账号会被锁定三十分钟[3]。请打开重置页面[3]。", [[3], [3]]),
        ("It is locked for 30 minutes [1, 2].", [[1, 2]]),
        ("It is locked for 30 minutes [2][1][2].", [[1, 2]]),
        ("It is locked for 30 minutes. [1] [2]", [[1, 2]]),
        ("[1] It is locked for 30 minutes.", [[1]]),
        ("It is locked for 30 minutes [1]. Private computers are not admitted.", [[1], []]),
    ],
)
def test_a_marker_belongs_to_the_sentence_before_it(answer: str, expected: list[list[int]]) -> None:
    assert numbers(cite(answer, PASSAGES)) == expected


@pytest.mark.parametrize(
    ("answer", "n", "sentence"),
    [
        ("It is locked for 30 minutes [1].", 1, "An account is locked for 30 minutes after 5 failed sign-ins."),
        ("Call 4400 [1].", 1, "Call 4400 for help."),
        ("Private computers may not use the VPN [2].", 2, "Private computers are not admitted to the VPN."),
        ("账号锁定三十分钟[3]。", 3, "连续输错五次密码，账号会被锁定三十分钟。"),
        ("打开重置页面[3]。", 3, "请打开重置页面设置新密码。"),
    ],
)
def test_a_citation_points_at_the_sentence_of_the_document(answer: str, n: int, sentence: str) -> None:
    (found,) = cite(answer, PASSAGES)
    assert cited_text(found) == sentence
    citation = found.citations[0]
    assert (citation.n, citation.document, citation.page) == (n, f"docs/{n}.md", PASSAGES[n - 1].page)
    assert PASSAGES[n - 1].start <= citation.start < citation.end <= PASSAGES[n - 1].end


def test_citations_are_computed_where_the_generator_gave_none() -> None:
    sentences = cite("An account is locked for 30 minutes. 账号会被锁定三十分钟。", PASSAGES)
    assert numbers(sentences) == [[1], [3]]
    assert all(citation.computed for sentence in sentences for citation in sentence.citations)
    assert [cited_text(sentence) for sentence in sentences] == [
        "An account is locked for 30 minutes after 5 failed sign-ins.",
        "连续输错五次密码，账号会被锁定三十分钟。",
    ]


def test_nothing_is_computed_where_the_generator_cited_anything() -> None:
    sentences = cite("An account is locked for 30 minutes. The VPN needs Harbour Connect 6.2 [2].", PASSAGES)
    assert numbers(sentences) == [[], [2]]
    assert [sentence.supported for sentence in sentences] == [False, True]


@pytest.mark.parametrize(
    "answer",
    [
        "The moon is made of green cheese.",
        "月亮是奶酪做的。",
        "An account is locked for 45 minutes.",
        "Yes.",
        "The answer is no.",
    ],
)
def test_what_no_passage_says_is_not_cited_by_computation(answer: str) -> None:
    (sentence,) = cite(answer, PASSAGES)
    assert sentence.citations == ()
    assert not sentence.supported


@pytest.mark.parametrize(
    ("answer", "supported"),
    [
        ("An account is locked for 30 minutes [1].", True),
        ("An account is locked for 45 minutes [1].", False),
        ("An account is locked for 30 minutes after 6 failed sign-ins [1].", False),
        ("The VPN needs Harbour Connect 6.2 [2].", True),
        ("The VPN needs Harbour Connect 6.3 [2].", False),
        ("The VPN needs Harbour Connect 6.2 [1].", False),
        ("账号会被锁定三十分钟[3]。", True),
        ("账号会被锁定30分钟[3]。", False),
    ],
)
def test_a_sentence_is_supported_only_where_its_words_and_numbers_are(answer: str, supported: bool) -> None:
    (sentence,) = cite(answer, PASSAGES)
    assert sentence.citations, "what the generator cited stays visible, supported or not"
    assert sentence.supported is supported


@pytest.mark.parametrize("answer", ["", " \n", "[1]", "[9]"])
def test_no_words_no_sentences(answer: str) -> None:
    assert cite(answer, PASSAGES) == ()


def test_a_marker_of_no_passage_is_no_citation() -> None:
    assert numbers(cite("An account is locked for 30 minutes [7].", PASSAGES[:1])) == [[1]]
    assert cite("Locked [1].", [])[0].citations == ()


@given(ANSWERS)
def test_every_citation_lies_inside_its_passage(answer: str) -> None:
    for sentence in cite(answer, PASSAGES):
        for citation in sentence.citations:
            assert PASSAGES[citation.n - 1].start <= citation.start < citation.end <= PASSAGES[citation.n - 1].end


@pytest.mark.parametrize("mark", ["1. ", "7) ", "- ", "3、 "])
def test_the_number_of_a_list_item_need_not_be_in_the_passage(mark: str) -> None:
    source = Passage(1, "docs/a.md", None, 0, 40, "The account is locked for 30 minutes.", (), {})
    (sentence,) = cite(f"{mark}The account is locked for 30 minutes.", [source])
    assert sentence.supported
    assert [citation.n for citation in sentence.citations] == [1]
