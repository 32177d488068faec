"""The `[n]` of an answer: none out of range, none that the passage does not support, each tied to the span that does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from rag_app.answering.citing.citations import cite, marked
from rag_app.datatypes import Passage, Sentence
from tests.answering.citing.test_markers import ANSWERS, WELL_FORMED, without_markers

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
        ("It is locked for 30 minutes [Passage 1]. It is locked for 30 minutes (passage 2).", [[1], [2]]),
        ("It is locked for 30 minutes.(passages 1 and 2) Call 4400 for help [^1].", [[1, 2], [1]]),
        ("It is locked for 30 minutes [1-2].", [[1, 2]]),
        ("账号会被锁定三十分钟（段落3）。请打开重置页面【段落 3】。", [[3], [3]]),
    ],
)
def test_a_marker_belongs_to_the_sentence_before_it(answer: str, expected: list[list[int]]) -> None:
    same = [passage(1, PASSWORDS), passage(2, f"{VPN} {PASSWORDS}"), passage(3, CHINESE)]
    sentences = cite(answer, same)
    assert numbers(sentences) == expected
    assert not any(citation.computed for sentence in sentences for citation in sentence.citations)


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


LOCKED = "How long is an account locked after 5 failed sign-ins?"


@pytest.mark.parametrize(
    ("question", "answer", "n"),
    [
        (LOCKED, "The answer is: 30 minutes.", [1]),
        (LOCKED, "30 minutes.", [1]),
        (LOCKED, "Answer: 30 minutes [2].", [1]),
        ("What does the VPN need?", "The answer is Harbour Connect 6.2.", [2]),
        ("账号会被锁定多久？", "答案是：三十分钟。", [3]),
        (LOCKED, "The answer is: 40 minutes.", []),
        ("How long does the VPN need?", "The answer is: 30 minutes.", []),
        ("How long is an account locked after 9 failed sign-ins?", "30 minutes.", []),
        ("What does the VPN need?", "The answer is: no.", []),
        ("", "30 minutes.", []),
    ],
)
def test_a_bare_answer_is_understood_with_its_question(question: str, answer: str, n: list[int]) -> None:
    assert numbers(cite(answer, PASSAGES, question=question)) == [n]


def test_what_a_question_states_is_not_missed_in_its_answer() -> None:
    (sentence,) = cite("The answer is: 40 minutes.", PASSAGES, question="How long, after 9 sign-ins, is it locked?")
    assert not sentence.supported
    assert "9" not in " ".join(sentence.missing)


def test_citations_are_computed_where_the_generator_gave_none() -> None:
    sentences = cite("An account is locked for 30 minutes. 账号会被锁定三十分钟。", PASSAGES)
    assert numbers(sentences) == [[1], [3]]
    assert all(citation.computed for sentence in sentences for citation in sentence.citations)
    assert [cited_text(sentence) for sentence in sentences] == [
        "An account is locked for 30 minutes after 5 failed sign-ins.",
        "连续输错五次密码，账号会被锁定三十分钟。",
    ]


def test_each_sentence_stands_for_itself() -> None:
    first, second = cite("An account is locked for 30 minutes. The VPN needs Harbour Connect 6.2 [2].", PASSAGES)
    assert [(citation.n, citation.computed) for citation in first.citations] == [(1, True)]
    assert [(citation.n, citation.computed) for citation in second.citations] == [(2, False)]


def test_a_wrong_marker_gives_way_to_the_passage_that_supports_the_sentence() -> None:
    (sentence,) = cite("An account is locked for 30 minutes [2].", PASSAGES)
    assert [(citation.n, citation.computed) for citation in sentence.citations] == [(1, True)]
    assert sentence.supported


def test_of_several_markers_those_that_hold_are_kept() -> None:
    (sentence,) = cite("An account is locked for 30 minutes [1][2].", PASSAGES)
    assert [(citation.n, citation.computed) for citation in sentence.citations] == [(1, False)]


def test_a_sentence_made_of_two_passages_is_cited_to_both() -> None:
    answer = "An account is locked for 30 minutes, and the VPN needs Harbour Connect 6.2"
    assert numbers(cite(f"{answer} [1][2].", PASSAGES)) == [[1, 2]]
    assert numbers(cite(f"{answer.replace('6.2', '6.3')} [1][2].", PASSAGES)) == [[]]


@pytest.mark.parametrize(
    "answer",
    [
        "The moon is made of green cheese.",
        "月亮是奶酪做的。",
        "An account is locked for 45 minutes.",
        "Yes.",
        "No.",
        "是的。",
        "The answer is no.",
    ],
)
def test_what_no_passage_says_is_not_cited_by_computation(answer: str) -> None:
    (sentence,) = cite(answer, PASSAGES)
    assert sentence.citations == ()
    assert not sentence.supported


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ("An account is locked for 45 minutes [1].", ("45 minutes",)),
        ("An account is locked for 30 minutes after 6 failed sign-ins [1].", ("6",)),
        ("The VPN needs Harbour Connect 6.3 [2].", ("6.3",)),
        ("The VPN needs Castle Connect 6.2 [2].", ("Castle",)),
        ("账号会被锁定40分钟[3]。", ("40分钟",)),
        ("The VPN needs Zebra 7 and Yak 8 [2].", ("7", "8", "Zebra", "Yak")),
        ("Private computers are admitted to the VPN [2].", ()),
        ("The moon is made of green cheese [1].", ()),
    ],
)
def test_what_no_passage_supports_is_not_cited_and_says_what_is_missing(answer: str, missing: tuple[str, ...]) -> None:
    (sentence,) = cite(answer, PASSAGES)
    assert not sentence.supported
    assert sentence.citations == ()
    assert sentence.missing == missing


@pytest.mark.parametrize(
    "answer",
    [
        "The passages do not say.",
        "There is no information about that in the passages.",
        "I hope this helps!",
        "Here are the steps:",
        "# Passwords",
        "|---|---|",
        "段落中没有提到这一点。",
        "希望对您有帮助。",
        "It is not stated how long an account is locked.",
        "The passages do not say when an account is locked for 30 minutes after 5 failed sign-ins [1].",
        "段落没有提到账号锁定多久。",
    ],
)
def test_a_sentence_that_claims_nothing_needs_no_citation(answer: str) -> None:
    (sentence,) = cite(answer, PASSAGES)
    assert sentence.citations == ()
    assert sentence.supported


def test_yes_or_no_shares_the_support_of_what_follows() -> None:
    yes, reason = cite("是的。账号会被锁定三十分钟[3]。", PASSAGES)
    assert yes.citations == reason.citations
    assert yes.supported
    (no,) = cite("No, private computers are not admitted to the VPN [2].", PASSAGES)
    assert no.supported
    yes, _ = cite("Yes. Private computers are admitted to the VPN [2].", PASSAGES)
    assert not yes.supported
    alone, _ = cite("Yes. I hope this helps.", PASSAGES)
    assert not alone.supported


@pytest.mark.parametrize("answer", ["", " \n", "[1]", "[9]"])
def test_no_words_no_sentences(answer: str) -> None:
    assert cite(answer, PASSAGES) == ()


def test_a_marker_of_no_passage_is_no_citation() -> None:
    (sentence,) = cite("An account is locked for 30 minutes [7].", PASSAGES[:1])
    assert [(citation.n, citation.computed) for citation in sentence.citations] == [(1, True)]
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


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It is locked for 30 minutes.", "It is locked for 30 minutes [1]."),
        ("It is locked for 30 minutes [2].", "It is locked for 30 minutes [1]."),
        ("It is locked for 31 minutes [1].", "It is locked for 31 minutes."),
        ("账号会被锁定三十分钟。", "账号会被锁定三十分钟[3]。"),
        ("Locked for 30 minutes. [1]\n\nCall 4400 for help [1]", "Locked for 30 minutes [1].\n\nCall 4400 for help [1]"),
        ("Steps:\n\n1. Call 4400 for help.\n2. Sing.\n", "Steps:\n\n1. Call 4400 for help [1].\n2. Sing."),
        ("It is locked for 30 minutes.[1] The moon is cheese.[2]", "It is locked for 30 minutes [1]. The moon is cheese."),
        ("| Locked account | 30 minutes |", "| Locked account | 30 minutes [1] |"),
        ("[1]", ""),
    ],
)  # fmt: skip
def test_the_answer_is_marked_with_what_was_checked(answer: str, expected: str) -> None:
    assert marked(answer, PASSAGES, cite(answer, PASSAGES)) == expected


@given(WELL_FORMED)
def test_marking_changes_nothing_but_markers_and_space(answer: str) -> None:
    def bare(text: str) -> str:
        return re.sub(r"\s", "", without_markers(text))

    assert bare(marked(answer, PASSAGES, cite(answer, PASSAGES))) == bare(answer)


@given(ANSWERS)
def test_the_marked_answer_has_the_checked_markers_alone(answer: str) -> None:
    sentences = cite(answer, PASSAGES)
    shown = [int(number) for number in re.findall(r"\[(\d{1,3})\]", marked(answer, PASSAGES, sentences))]
    assert shown == [number for sentence in numbers(sentences) for number in sentence]


@pytest.mark.parametrize(
    "answer",
    [
        "locked " * 10_000,
        "一" * 10_000,
        "1" * 10_000,
        "1,2." * 5_000,
        "[1] " * 5_000,
        "May 5, " * 3_000,
        "not " * 5_000,
        "```\nfor i in range(30):\n    lock(i)\n```\n\n| a | 30 |\n|---|---|\n> quoted\n\n- [ ] 30 minutes\n\x00\ud800",
        "An account is locked. " * 300,
    ],
)
def test_no_answer_is_too_much(answer: str) -> None:
    empty = [passage(4, ""), passage(5, " \n "), passage(6, "locked " * 3_000)]
    passages = [*PASSAGES, *empty]
    assert marked(answer, passages, cite(answer, passages)) is not None
    assert cite(answer, empty[:2]) is not None


def test_a_heading_that_leads_up_to_nothing_is_not_cited_although_it_stands_in_the_passage() -> None:
    rules = Passage(1, "rules.md", None, 0, 60, "Visitor rules: a visit may last two hours. Bring your badge.", (), {})
    answer = "Visitor rules: [1] Visitor rules: [1]"
    sentences = cite(answer, [rules])
    assert [(sentence.citations, sentence.supported) for sentence in sentences] == [((), True)]
    assert marked(answer, [rules], sentences) == "Visitor rules: Visitor rules:"


HOUSE = [
    passage(1, "Information is not given by phone. Visitors need a badge."),
    passage(2, "There is no information on the label. No answer is given to letters without a name."),
    passage(3, "未提及的费用由住户承担。没有相关证件的人员不得进入。"),
]


@pytest.mark.parametrize(
    ("answer", "n"),
    [
        ("There is no information on the label [2].", 2),
        ("Information is not given by phone.", 1),
        ("没有相关证件的人员不得进入[3]。", 3),
    ],
)
def test_what_reads_like_a_refusal_and_stands_in_a_passage_is_cited(answer: str, n: int) -> None:
    (sentence,) = cite(answer, HOUSE)
    assert [citation.n for citation in sentence.citations] == [n]
    assert sentence.supported


def test_what_reads_like_a_refusal_and_stands_in_no_passage_is_checked() -> None:
    (sentence,) = cite("Information is not shared with third parties.", HOUSE)
    assert not sentence.supported


@pytest.mark.parametrize("source", ["段落3", "第3段", "第3段落", "段落1和段落3", "段落1、3"])
def test_the_number_of_a_passage_in_words_need_not_be_in_the_passage(source: str) -> None:
    (sentence,) = cite(f"根据{source}，账号会被锁定三十分钟。", PASSAGES)
    assert [citation.n for citation in sentence.citations] == [3]
    assert sentence.missing == ()


def test_code_with_a_number_in_brackets_stays_text() -> None:
    code = [
        passage(1, "The path stands in items[0], its name in argv[12]. Every digit matches [1-9]."),
        passage(2, VPN),
    ]
    answer = "The path stands in items[0], its name in argv[12] [1]. Every digit matches [1-9][1]."
    sentences = cite(answer, code)
    assert [sentence.text for sentence in sentences] == [
        "The path stands in items[0], its name in argv[12].",
        "Every digit matches [1-9].",
    ]
    assert numbers(sentences) == [[1], [1]]
    assert not any(citation.computed for sentence in sentences for citation in sentence.citations)
    assert marked(answer, code, sentences) == (
        "The path stands in items[0], its name in argv[12] [1]. Every digit matches [1-9] [1]."
    )
