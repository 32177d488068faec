"""The bundled foreign questions: broad, all different, put as people put theirs, and foreign to the sample handbook."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from itertools import combinations

import pytest

from rag_app.language import language_of
from rag_app.retrieval.foreign_questions import ForeignQuestion, QuestionKind, foreign_questions
from rag_app.text import search_tokens
from tests.conftest import REPOSITORY

# What the sample handbook is about: no foreign question is.
HANDBOOK_WORDS = """
    vpn password printer backup onboarding phishing invoice calibration laptop canteen shuttle larkfield 密码 打印
    备份 入职 钓鱼 发票 校准 电脑 年假 请假 食堂 班车 会议室 远程
    """.split()  # noqa: SIM905 - a paragraph is read more easily than a list of strings


def of_language(code: str) -> list[ForeignQuestion]:
    return [question for question in foreign_questions() if question.language == code]


def overlap(one: set[str], other: set[str]) -> float:
    """Return the Jaccard index of two sets of tokens."""
    return len(one & other) / len(one | other)


def largest_overlap(texts: list[str]) -> float:
    tokens = [set(search_tokens(text)) for text in texts]
    return max(overlap(one, other) for one, other in combinations(tokens, 2))


def test_there_are_four_hundred_in_each_language() -> None:
    assert Counter(question.language for question in foreign_questions()) == {"en": 400, "zh": 400}


def test_they_are_read_once() -> None:
    assert foreign_questions() is foreign_questions()


def test_no_text_is_blank_padded_or_broken() -> None:
    for question in foreign_questions():
        assert question.text == " ".join(question.text.split())
        assert question.text.isprintable()
        assert len(search_tokens(question.text)) >= 2, question.text


def test_no_subject_has_more_than_a_fiftieth_of_a_language() -> None:
    for language in ("en", "zh"):
        subjects = Counter(question.subject for question in of_language(language))
        assert len(subjects) >= 60
        assert max(subjects.values()) <= 8


@pytest.mark.parametrize("language", ["en", "zh"])
def test_kinds_have_the_shares_of_real_questions(language: str) -> None:
    assert Counter(question.kind for question in of_language(language)) == {
        QuestionKind.QUESTION: 240,
        QuestionKind.KEYWORDS: 60,
        QuestionKind.CLAIM: 60,
        QuestionKind.LOG: 40,
    }


def test_each_kind_is_written_as_its_name_says() -> None:
    for question in foreign_questions():
        end = question.text[-1]
        if question.kind is QuestionKind.QUESTION:
            assert end in "?？", question.text
        elif question.kind is QuestionKind.CLAIM:
            assert end in ".。", question.text
        else:
            assert end not in "?？.。", question.text
        if question.kind is QuestionKind.LOG:
            assert question.text == question.text.lower()


def test_no_two_are_alike() -> None:
    for language in ("en", "zh"):
        assert largest_overlap([question.text for question in of_language(language)]) < 0.4


def test_near_duplicates_would_be_told() -> None:
    assert largest_overlap(["How high is Mount Elgon?", "How high is Mount Elgon really?"]) > 0.6
    assert largest_overlap(["怒江流出国境以后叫什么名字？", "怒江流出国境叫什么名字？"]) > 0.6


def test_their_language_is_told_from_their_text() -> None:
    agreeing = sum(language_of(question.text).code == question.language for question in foreign_questions())
    assert agreeing >= 0.97 * len(foreign_questions())


def test_some_chinese_ones_are_in_traditional_characters() -> None:
    scripts = Counter(language_of(question.text).script for question in of_language("zh"))
    assert 30 <= scripts["Hant"] <= 50


@pytest.mark.parametrize(
    ("language", "median", "short", "long"), [("en", (8, 11), 5, 17), ("zh", (13, 17), 11, 22)], ids=["en", "zh"]
)
def test_lengths_are_spread_as_those_of_real_questions(
    language: str, median: tuple[int, int], short: int, long: int
) -> None:
    texts = [question.text for question in of_language(language)]
    lengths = [len(text.split()) if language == "en" else len(text) for text in texts]
    lower, upper = median
    assert lower <= statistics.median(lengths) <= upper
    assert min(lengths) >= 4
    assert max(lengths) <= 40
    for few in (sum(length <= short for length in lengths), sum(length >= long for length in lengths)):
        assert 0.02 * len(lengths) <= few <= 0.25 * len(lengths)


def test_none_is_about_the_sample_handbook() -> None:
    lines = (REPOSITORY / "samples" / "helpdesk" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [set(search_tokens(json.loads(line)["question"])) for line in lines]
    for question in foreign_questions():
        tokens = set(search_tokens(question.text))
        assert not [word for word in HANDBOOK_WORDS if word in question.text.lower()], question.text
        assert max(overlap(tokens, other) for other in asked) < 0.4, question.text
