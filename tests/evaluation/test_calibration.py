"""From labelled questions to a calibration: what is asked, what is counted, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from rag_app.config import LimitSettings, RetrievalSettings
from rag_app.errors import QuestionError, UsageError
from rag_app.evaluation.calibration import calibrate, check_questions, label_passages
from rag_app.evaluation.questions import LabelledQuestion, QuestionSet
from rag_app.retrieval.calibrated import conditions_of
from rag_app.store.calibrations import Calibration
from tests.fakes import fake_fingerprint

SETTINGS = RetrievalSettings()


class FakeEngine:
    """Finds three passages for a question `N of D`: the right one first, with a score of N, except where N is 1."""

    def __init__(self, **more: float) -> None:
        self.asked: list[str] = []
        self._more = more

    def retrieve(self, question: QueryBundle) -> list[NodeWithScore]:
        self.asked.append(question.query_str)
        number, _, document = question.query_str.partition(" of ")
        texts = ["nothing", f"fact {document}"] if number == "1" else [f"fact {document}", "nothing"]
        return [
            NodeWithScore(
                node=TextNode(
                    text=text,
                    metadata={
                        "document": f"docs/{document}.md",
                        "start": 0,
                        "end": 9,
                        "scores": {"bm25": score} | self._more,
                    },
                ),
                score=score,
            )
            for text, score in zip([*texts, "else"], (float(number), 1.0, 0.5), strict=True)
        ]


def question_set(documents: int = 8, each: int = 6) -> QuestionSet:
    asked = [
        LabelledQuestion(f"{number} of {document}", (f"fact {document}",), (f"{document}.md",))
        for document in range(documents)
        for number in range(1, each + 1)
    ]
    return QuestionSet("mine", "a" * 64, (*asked, LabelledQuestion("3 of none")))


def made(engine: Any, questions: QuestionSet) -> Calibration:
    check_questions(questions)
    pairs = label_passages(engine, questions, LimitSettings(), lambda told: None)
    return calibrate(pairs, questions, "gen-00000007", fake_fingerprint(), SETTINGS)


def test_what_a_calibration_says_of_itself() -> None:
    questions = question_set()
    engine = FakeEngine()
    found = made(engine, questions)
    assert engine.asked == [question.question for question in questions.questions]
    assert (found.questions, found.answerable, found.pairs, found.holding) == (49, 48, 147, 48)
    assert (found.generation, found.fingerprint) == ("gen-00000007", fake_fingerprint().digest)
    assert (found.retriever, found.conditions, found.passages) == ("hybrid", conditions_of(SETTINGS, None), 5)
    assert (found.question_set, found.questions_sha256) == ("mine", "a" * 64)
    assert found.scores == ("bm25",)
    assert found.model.features == ("score", "lead", "behind")
    assert sum(one.count for one in found.reliability.bins) == found.pairs
    assert found.reliability.brier < found.reliability.brier_base_rate
    assert Calibration.from_json(found.to_json().encode()) == found


def test_the_same_questions_give_the_same_numbers() -> None:
    first, second = made(FakeEngine(), question_set()), made(FakeEngine(), question_set())
    assert replace(first, created_at="") == replace(second, created_at="")


def test_questions_with_a_single_passage_or_other_scores_are_left_out() -> None:
    class Uneven(FakeEngine):
        def retrieve(self, question: QueryBundle) -> list[NodeWithScore]:
            nodes = super().retrieve(question)
            if question.query_str.startswith("2"):
                return nodes[:1]
            if question.query_str.startswith("3"):
                nodes[0].node.metadata["scores"]["sentence"] = 0.5
            return nodes

    found = made(Uneven(), question_set())
    assert (found.questions, found.pairs) == (49, 3 * 4 * 8)


def test_documents_stay_together() -> None:
    pairs = label_passages(FakeEngine(), question_set(), LimitSettings(), lambda told: None)  # type: ignore[arg-type]
    assert pairs.features.shape == (147, 3)
    groups = np.array(pairs.groups).reshape(-1, 3)
    assert (groups == groups[:, :1]).all()
    assert [len(set(groups[6 * document : 6 * document + 6, 0])) for document in range(8)] == [1] * 8
    assert len(set(pairs.groups)) == 9


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        (question_set(7, 4), "mine has 29 questions; a calibration needs 30"),
        (question_set(4, 12), "in 4 separate documents; a calibration needs 5"),
        (
            QuestionSet("mine", "", tuple(LabelledQuestion(f"2 of {i}", ("other",), (f"{i}.md",)) for i in range(40))),
            "0 hold an answer and 120 do not; a calibration needs 10 of each",
        ),
        (
            QuestionSet(
                "mine",
                "",
                tuple(
                    LabelledQuestion(f"2 of {i % 9}", (f"fact {i % 9}" if i % 9 == 0 else "other",), (f"{i % 9}.md",))
                    for i in range(90)
                ),
            ),
            "belong to one document",
        ),
    ],
)
def test_too_little_to_learn_from_is_refused(questions: QuestionSet, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        made(FakeEngine(), questions)
    assert caught.value.remedy


def test_nothing_found_is_refused_too() -> None:
    class Empty(FakeEngine):
        def retrieve(self, question: QueryBundle) -> list[NodeWithScore]:
            return []

    with pytest.raises(UsageError, match="0 hold an answer and 0 do not"):
        made(Empty(), question_set())


def test_a_question_that_is_too_long_is_refused_before_any_is_asked() -> None:
    engine = FakeEngine()
    with pytest.raises(QuestionError):
        label_passages(engine, question_set(), LimitSettings(question_characters=5), lambda told: None)  # type: ignore[arg-type]
    assert engine.asked == []


def test_how_far_it_is_is_told() -> None:
    told: list[str] = []
    questions = question_set(20, 30)
    label_passages(FakeEngine(), questions, LimitSettings(), told.append)  # type: ignore[arg-type]
    assert told == ["500 of 601 questions asked ..."]
