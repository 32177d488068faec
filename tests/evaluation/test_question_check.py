"""Questions held against documents: what can be judged is kept, everything else counted and named."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rag_app.errors import UsageError
from rag_app.evaluation.question_check import check_against
from rag_app.evaluation.questions import EvidenceSpan, LabelledQuestion, QuestionSet

TEXTS = {
    "docs/en/a.md": "An account is locked for  30 minutes. Ask Ann.",
    "docs/zh/a.md": "账号会被锁定 30 分钟。",
    "docs/b.md": "Nothing. Nothing.",
    "set.json#Normans/0": "It was in France. Later in England.",
    "set/corpus.jsonl#7": "",
}


RIGHT = LabelledQuestion("How long?", ("30 minutes",), ("en/a.md",), key="right")


def checked(*questions: LabelledQuestion, texts: Mapping[str, str] = TEXTS, notes: tuple[str, ...] = ()) -> QuestionSet:
    return check_against(QuestionSet("mine", "", questions, notes), texts, texts.__getitem__)


def test_what_is_there_is_kept_as_it_is_and_a_question_without_an_answer_too() -> None:
    questions = (
        LabelledQuestion("1", ("30 Minutes",), ("en/a.md",), key="1"),
        LabelledQuestion("2", key="2"),
        LabelledQuestion("3", spans=(EvidenceSpan("en/a.md", 42, 45, "Ann"),), key="3"),
        LabelledQuestion("4", ("x",), spans=(EvidenceSpan("b.md", 0, 7),), key="4"),
        LabelledQuestion("5", ("France",), ("Normans/0",), context="It was in  France. Later in England.", key="5"),
        LabelledQuestion("6", judgements={"7": 1.0}, key="6"),
    )
    assert checked(*questions, notes=("Before.",)) == QuestionSet("mine", "", questions, ("Before.",))


@pytest.mark.parametrize(
    ("question", "note"),
    [
        (
            LabelledQuestion("?", ("30",), ("c.md",), key="x"),
            "the document that is named is not in the knowledge base (x)",
        ),
        (LabelledQuestion("?", ("31",), ("a.md",), key="x"), "the answer stands in no document that is named (x)"),
        (LabelledQuestion("?", ("30",), ("b.md",), key="x"), "the answer stands in no document that is named (x)"),
        (
            LabelledQuestion("?", ("no",), ("b.md",), (EvidenceSpan("b.md", 0, 9, "Something"),), key="x"),
            "the answer stands in no document that is named (x)",
        ),
        (
            LabelledQuestion("?", ("no",), ("b.md",), (EvidenceSpan("b.md", 9, 99),), key="x"),
            "the answer stands in no document that is named (x)",
        ),
        (LabelledQuestion("?", ("a",), ("Normans/0",), context="Another.", key="x"), "the paragraph is not in the"),
        (
            LabelledQuestion("?", ("Spain",), ("Normans/0",), context=TEXTS["set.json#Normans/0"], key="x"),
            "the answer stands in no document that is named (x)",
        ),
        (LabelledQuestion("?", judgements={"8": 1.0, "7": 0.0}, key="x"), "none of the documents judged right is"),
    ],
)
def test_what_cannot_be_judged_is_left_out_and_counted(question: LabelledQuestion, note: str) -> None:
    found = checked(question, RIGHT, LabelledQuestion("other", key="o"))
    assert [one.key for one in found.questions] == ["right", "o"]
    assert f"1 question was left out: {note}" in found.notes[0]


def test_a_source_without_the_answer_counts_in_no_recall() -> None:
    found = checked(LabelledQuestion("?", ("30 minutes",), ("en/a.md", "zh/a.md", "c.md"), key="x"))
    assert found.questions[0].sources == ("en/a.md",)
    assert (
        "1 question was kept, but some of the documents or places named are not in the knowledge base (x)."
        in found.notes
    )


def test_unknown_judged_documents_are_taken_out_and_counted() -> None:
    judgements = {"7": 1.0, "8": 2.0, "9": 0.0}
    found = checked(*(LabelledQuestion("?", judgements=judgements, key=str(key)) for key in range(2)))
    assert [one.judgements for one in found.questions] == [{"7": 1.0}] * 2
    assert found.notes == ("4 judgements of documents that are not in the knowledge base were left out (8, 9).",)
    one = checked(*(LabelledQuestion("?", judgements={"7": 1.0, key: 1.0}, key=key) for key in ("7", "8")))
    assert one.notes == ("1 judgement of a document that is not in the knowledge base was left out (8).",)


def test_a_quote_is_found_again_where_it_moved_to() -> None:
    span = EvidenceSpan("en/a.md", 3, 40, "locked for 30\nminutes")
    found = checked(LabelledQuestion("?", spans=(span,), key="x"))
    (moved,) = found.questions[0].spans
    assert TEXTS["docs/en/a.md"][moved.start : moved.end] == "locked for  30 minutes"
    assert "found at another place than the file says (x)." in found.notes[0]


@pytest.mark.parametrize("quote", ["Nothing.", "Something."])  # twice there, and not at all
def test_a_quote_that_cannot_be_placed_is_left_to_the_words(quote: str) -> None:
    span = EvidenceSpan("b.md", 3, 9, quote)
    found = checked(LabelledQuestion("?", ("nothing",), ("b.md",), (span,), key="x"))
    assert found.questions[0].spans == ()
    assert found.questions[0].sources == ("b.md",)
    assert "1 question was judged by the words of the answer" in found.notes[0]


def test_of_several_spans_those_that_are_there_are_kept() -> None:
    spans = (EvidenceSpan("en/a.md", 42, 45, "Ann"), EvidenceSpan("c.md", 0, 3, "Ann"))
    found = checked(LabelledQuestion("?", spans=spans, key="x"))
    assert found.questions[0].spans == spans[:1]
    assert "1 question was kept, but some of the documents" in found.notes[0]


def test_many_are_counted_and_three_are_named() -> None:
    wrong = [LabelledQuestion("?", ("a",), ("c.md",), key=f"k{number}") for number in range(1200)]
    found = checked(*wrong, RIGHT)
    assert found.notes[0].startswith("1,200 questions were left out: the document that is named")
    assert found.notes[0].endswith("(k0, k1, k2 and 1,197 more).")


def test_one_question_is_asked_with_a_warning() -> None:
    found = checked(LabelledQuestion("?", judgements={"7": 1.0}))
    assert found.notes == ("One question is left: what it shows of a system may be chance.",)


def test_without_any_answer_nothing_can_be_compared() -> None:
    with pytest.raises(UsageError, match="No question of mine has an answer"):
        checked(LabelledQuestion("1"), LabelledQuestion("2"))


@pytest.mark.parametrize("others", [(), (LabelledQuestion("Who painted the roof?", key="o"),)])
def test_none_is_an_error_that_says_why(others: tuple[LabelledQuestion, ...]) -> None:
    with pytest.raises(UsageError, match="No question of mine can be judged") as caught:
        checked(LabelledQuestion("?", ("a",), ("c.md",), key="x"), *others)
    assert "the document that is named is not in the knowledge base (x)" in caught.value.remedy
