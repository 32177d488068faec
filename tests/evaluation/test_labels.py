"""Which passage holds an answer, and which questions belong to one document."""

from __future__ import annotations

from typing import Any

import pytest

from rag_app.datatypes import Passage, Place
from rag_app.evaluation.labels import document_groups, gain_of, holds_answer, things_to_find, touches_answer
from rag_app.evaluation.questions import EvidenceSpan, LabelledQuestion


def passage(text: str = "Locked for 30 minutes.", document: str = "docs/en/passwords.md", **values: Any) -> Passage:
    values = {"start": 100, "end": 200} | values
    return Passage(1, document, None, text=text, heading_path=(), scores={}, **values)


@pytest.mark.parametrize(
    ("start", "end", "holds"), [(100, 200, True), (120, 130, True), (99, 130, False), (150, 201, False)]
)
def test_with_spans_a_passage_must_cover_one(start: int, end: int, holds: bool) -> None:
    question = LabelledQuestion("How long?", ("other words",), spans=(EvidenceSpan("en/passwords.md", start, end),))
    assert holds_answer(passage(), question) is holds


def test_a_span_in_another_document_is_not_covered_but_another_place_of_the_passage_may() -> None:
    question = LabelledQuestion("How long?", spans=(EvidenceSpan("b.md", 10, 20), EvidenceSpan("c.md", 0, 5)))
    assert not holds_answer(passage(), question)
    assert holds_answer(passage(also_in=(Place("docs/b.md", None, None, 5, 25),)), question)


@pytest.mark.parametrize(
    ("answer", "source", "holds"),
    [
        ("30 minutes", "passwords.md", True),
        ("30  MINUTES", "docs/en/passwords.md", True),
        ("３０ minutes", "en/passwords.md", True),  # full-width digits
        ("30 minutes", "words.md", False),
        ("30 minutes", "vpn.md", False),
        ("0 minutes", "passwords.md", False),  # of a number, a part
        ("lock", "passwords.md", False),
        ("Locked", "passwords.md", True),
        ("hours", "passwords.md", False),
    ],
)
def test_without_spans_document_and_answer_decide(answer: str, source: str, holds: bool) -> None:
    assert holds_answer(passage(), LabelledQuestion("How long?", (answer,), (source,))) is holds


def test_chinese_answers_need_no_word_ends() -> None:
    question = LabelledQuestion("多久？", ("三十分钟",), ("a.md",))
    assert holds_answer(passage("账号会被锁定三十分钟。", "docs/a.md"), question)


def test_any_of_several_answers_and_places_will_do() -> None:
    question = LabelledQuestion("How long?", ("half an hour", "30 minutes"), ("b.md",))
    assert holds_answer(passage(also_in=(Place("docs/b.md", None, None, 0, 9),)), question)


def test_a_record_is_named_by_its_end() -> None:
    assert holds_answer(passage(document="data.csv#7"), LabelledQuestion("How long?", ("30",), ("7",)))
    assert not holds_answer(passage(document="data.csv#17"), LabelledQuestion("How long?", ("30",), ("7",)))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("It was in  France. Later in England.", True),
        ("It was in France.", True),
        ("Later in England.", False),
        ("Before. It was in France. Later in England. After.", True),
        ("It was in France too.", False),
    ],
)
def test_with_a_paragraph_the_passage_must_be_of_it(text: str, holds: bool) -> None:
    question = LabelledQuestion("Where?", ("France",), context="It was in France. Later in England.")
    assert holds_answer(passage(text), question) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("Later it was in France.", True),  # the part with the answer at its place
        ("It was in France. Later", False),  # the same words at another place
        ("was in France. Later  it was in FRANCE", True),
        ("Before. It was in France.\nLater it was in France. After.", True),
        ("in France", True),  # it may be either of two places
        ("", False),
    ],
)
def test_with_places_in_the_paragraph_a_part_of_it_must_cover_one(text: str, holds: bool) -> None:
    context = "It was in  France. Later it was in France."
    question = LabelledQuestion("Where later?", ("France",), context=context, context_spans=((35, 41),))
    assert context[35:41] == "France"
    assert holds_answer(passage(text), question) is holds


def test_a_place_counts_after_white_space_and_forms_are_made_equal() -> None:
    context = " ﬁ  ３０ minutes or 30 minutes"
    question = LabelledQuestion("?", ("30 minutes",), context=context, context_spans=((18, 28),))
    assert holds_answer(passage("or 30 minutes"), question)
    assert not holds_answer(passage("fi 30 minutes or"), question)


def test_without_a_wording_only_the_whole_paragraph_is_right() -> None:
    question = LabelledQuestion("?", context="One. Two.", context_spans=((0, 9),))
    assert question.is_answerable
    assert [holds_answer(passage(text), question) for text in ("One. Two.", "0 One. Two. 3", "One.")] == [
        True,
        True,
        False,
    ]


def test_judged_documents_have_their_grade_and_others_none() -> None:
    question = LabelledQuestion("?", judgements={"7": 2.0, "a/9": 1.0, "8": 0.0})
    found = {
        name: gain_of(passage(document=f"set/corpus.jsonl#{name}"), question) for name in ("7", "a/9", "8", "17", "9")
    }
    assert found == {"7": 2.0, "a/9": 1.0, "8": 0.0, "17": 0.0, "9": 0.0}
    assert gain_of(passage(document="x.md", also_in=(Place("corpus.jsonl#7", None, None, 0, 9),)), question) == 2.0
    assert things_to_find(question) == {"7": 2.0, "a/9": 1.0}


def test_a_right_place_has_the_gain_1() -> None:
    question = LabelledQuestion("?", spans=(EvidenceSpan("passwords.md", 100, 130), EvidenceSpan("passwords.md", 0, 9)))
    assert gain_of(passage(), question) == 1.0
    assert gain_of(passage(end=129), question) == 0.0


@pytest.mark.parametrize(("start", "end", "touches"), [(100, 120, True), (119, 130, True), (120, 130, False)])
def test_a_citation_need_not_cover_a_place(start: int, end: int, touches: bool) -> None:
    question = LabelledQuestion("?", spans=(EvidenceSpan("passwords.md", 90, 120),))
    assert touches_answer(passage(start=start, end=end), question) is touches


def test_nothing_holds_the_answer_to_a_question_without_one() -> None:
    assert not holds_answer(passage(), LabelledQuestion("How?", (), ("passwords.md",), context=passage().text))


def test_questions_on_judged_documents_are_together_where_the_same_are_right() -> None:
    judged: list[dict[str, float]] = [{"a": 1, "b": 2}, {"b": 1, "a": 1, "c": 0}, {"a": 1}, {"b": 1}]
    groups = document_groups([LabelledQuestion("?", judgements=one) for one in judged])
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3


def test_questions_that_share_a_document_or_article_are_one_group_also_through_others() -> None:
    questions = [
        LabelledQuestion("1", ("a",), ("a.md",)),
        LabelledQuestion("2", ("a",), ("b.md",)),
        LabelledQuestion("3", ("a",), ("c.md", "b.md")),
        LabelledQuestion("4"),
        LabelledQuestion("5"),
        LabelledQuestion("6", ("a",), ("c.md",)),
        LabelledQuestion("7", ("a",), context="x", article="a.md"),
        LabelledQuestion("8", (), context="y", article="a.md"),
    ]
    groups = document_groups(questions)
    assert groups[1] == groups[2] == groups[5]
    assert groups[6] == groups[7]
    assert len({groups[0], groups[1], groups[3], groups[4], groups[6]}) == 5
