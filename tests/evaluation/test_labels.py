"""Which passage holds an answer, and which questions belong to one document."""

from __future__ import annotations

from typing import Any

import pytest

from rag_app.datatypes import Passage, Place
from rag_app.evaluation.datasets import EvidenceSpan, LabelledQuestion
from rag_app.evaluation.labels import document_groups, holds_answer


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


def test_nothing_holds_the_answer_to_a_question_without_one() -> None:
    assert not holds_answer(passage(), LabelledQuestion("How?", (), ("passwords.md",), context=passage().text))


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
