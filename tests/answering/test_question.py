"""Which questions can be asked: looked at before anything is loaded."""

from __future__ import annotations

import pytest

from rag_app.answering.question import checked_question
from rag_app.config import LimitSettings
from rag_app.errors import QuestionError

LIMITS = LimitSettings()


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How do I reset my password?", "How do I reset my password?"),
        ("忘记密码怎么办？", "忘记密码怎么办？"),
        ("  \n 密码？\t ", "密码？"),
        ("cafe\u0301 menu", "café menu"),
        ("first\r\nsecond", "first\nsecond"),
        ("4", "4"),
        ("a\0b", "a b"),
        ("\0pass\0word\0", "pass word"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("a pair \ud83d\ude00", "a pair 😀"),
        ("😀 emoji", "😀 emoji"),
    ],
    ids=[
        "English",
        "Chinese",
        "white space",
        "NFC",
        "line ends",
        "digit",
        "NUL",
        "NULs around",
        "surrogate",
        "pair",
        "emoji",
    ],
)
def test_what_can_be_asked(question: str, expected: str) -> None:
    checked = checked_question(question, LIMITS)
    assert checked == expected
    assert checked.encode("utf-8")


@pytest.mark.parametrize(
    "question",
    ["", " ", "\n\t", "?", "？！…", "...", "\0", "\0\0 \0", "\ud800", "😀", "\u200b", "\ufeff"],
    ids=ascii,
)
def test_without_a_word_there_is_no_question(question: str) -> None:
    with pytest.raises(QuestionError, match=r"There is no question\.") as caught:
        checked_question(question, LIMITS)
    assert "rag-app ask" in caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("letter", ["a", "密"])
def test_a_question_is_taken_up_to_the_limit_and_never_cut(letter: str) -> None:
    assert checked_question(letter * 2000, LIMITS) == letter * 2000
    with pytest.raises(QuestionError) as caught:
        checked_question(letter * 2001, LIMITS)
    assert caught.value.found == "The question has 2,001 characters; at most 2,000 can be asked."
    assert "put the text into a document" in caught.value.remedy


def test_the_limit_is_the_configured_one() -> None:
    with pytest.raises(QuestionError, match="at most 5 can be asked"):
        checked_question("123456", LimitSettings(question_characters=5))
