"""What scores are worth: the nulls are fitted on questions of known kinds, and read for others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from rag_app.errors import KnowledgeBaseDamaged
from rag_app.retrieval.null_scores import (
    NullScores,
    QuestionSize,
    Unanswerable,
    fit_nats_per_cosine,
    fit_nulls,
    size_of,
)
from rag_app.store.keywords import QuestionWords


def words(*tokens: str, known: int = 0) -> QuestionWords:
    numbers = np.array([0] * known + [-1] * (len(tokens) - known), np.int64)
    return QuestionWords(tokens, numbers, np.ones(len(tokens), np.float32))


def asked(count: int, seed: int, *, cjk: bool = False, drawn: bool = False, shift: float = 0.0) -> list[Unanswerable]:
    """Return questions whose best score grows with their words, and spreads the more the longer they are."""
    random = np.random.default_rng(seed)
    questions = []
    for _ in range(count):
        tokens = int(random.integers(2, 20))
        known = int(random.integers(0, tokens + 1))
        best = shift + 2 * np.log1p(known) + np.log1p(tokens) * (1 + 0.5 * random.standard_normal())
        questions.append(
            Unanswerable(QuestionSize(tokens, known, cjk), {"cosine": 0.0, "bm25": float(best), "evidence": 0.0}, drawn)
        )
    return questions


def percentiles(nulls: NullScores, questions: list[Unanswerable]) -> NDArray[np.float64]:
    return np.array(
        [
            nulls.percentiles("keyword", {"bm25": np.array([one.best["bm25"]], np.float32)}, one.size)[0]
            for one in questions
        ]
    )


@pytest.fixture(scope="module")
def nulls() -> NullScores:
    questions = [*asked(400, 1), *asked(400, 2, cjk=True, shift=5.0), *asked(100, 3, drawn=True, shift=2.0)]
    return NullScores(20.0, fit_nulls(questions))


@pytest.mark.parametrize(("cjk", "shift"), [(False, 0.0), (True, 5.0)])
def test_the_percentile_of_a_question_of_the_same_kind_is_uniform(nulls: NullScores, cjk: bool, shift: float) -> None:
    found = percentiles(nulls, asked(600, 7, cjk=cjk, shift=shift))
    assert kstest(found, "uniform").statistic < 0.1


def test_it_is_uniform_among_short_questions_and_among_long_ones(nulls: NullScores) -> None:
    questions = asked(1500, 8)
    for short in (True, False):
        part = [one for one in questions if (one.size.tokens < 8) == short]
        assert kstest(percentiles(nulls, part), "uniform").statistic < 0.12


def test_a_question_that_scores_far_higher_is_above_them_all(nulls: NullScores) -> None:
    answered = percentiles(nulls, asked(100, 9, shift=10.0))
    assert answered.min() > 0.98
    assert answered.max() == 1.0


def test_a_higher_score_has_no_lower_percentile(nulls: NullScores) -> None:
    scores = np.linspace(-5, 20, 200, dtype=np.float32)
    found = nulls.percentiles("keyword", {"bm25": scores}, QuestionSize(6, 3, False))
    assert (np.diff(found) >= 0).all()
    assert found[0] == 0
    assert found[-1] == 1


def test_drawn_questions_do_not_move_the_level_of_those_that_people_ask() -> None:
    foreign = asked(400, 1)
    alone = NullScores(1.0, fit_nulls(foreign))
    beside = NullScores(1.0, fit_nulls([*foreign, *asked(150, 3, drawn=True, shift=50.0)]))
    questions = asked(300, 11)
    assert abs(percentiles(alone, questions).mean() - percentiles(beside, questions).mean()) < 0.05


def test_a_kind_of_script_without_a_question_has_the_null_of_all() -> None:
    fitted = fit_nulls(asked(50, 1))
    assert fitted["cjk"] == fitted["other"]


def test_questions_that_all_score_alike_do_not_divide_by_zero() -> None:
    same = [Unanswerable(QuestionSize(5, 2, False), {"cosine": 0.0, "bm25": 0.0, "evidence": 0.0}, False)] * 20
    found = NullScores(1.0, fit_nulls(same)).percentiles(
        "keyword", {"bm25": np.array([-1, 0, 1], np.float32)}, QuestionSize(5, 2, False)
    )
    assert found[0] <= found[1] <= found[2]
    assert found[2] == 1.0


def test_a_hybrid_search_is_sure_where_either_of_its_scores_is() -> None:
    random = np.random.default_rng(6)
    questions = [
        Unanswerable(
            QuestionSize(6, 4, False),
            {
                "cosine": 0.3 + 0.05 * random.standard_normal(),
                "bm25": 0.0,
                "evidence": 10 + 2 * random.standard_normal(),
            },
            False,
        )
        for _ in range(400)
    ]
    fitted = NullScores(1.0, fit_nulls(questions))

    def percentile(cosine: float, evidence: float) -> float:
        scores = {"cosine": np.array([cosine], np.float32), "evidence": np.array([evidence], np.float32)}
        return float(fitted.percentiles("hybrid", scores, QuestionSize(6, 4, False))[0])

    assert percentile(0.9, 5.0) == percentile(0.1, 40.0) == 1.0
    assert percentile(0.1, 2.0) == 0.0
    usual = [percentile(one.best["cosine"], one.best["evidence"]) for one in questions]
    assert kstest(usual, "uniform").statistic < 0.05


def test_what_is_written_is_read_again(nulls: NullScores) -> None:
    assert NullScores.from_json(json.loads(json.dumps(nulls.as_json()))) == nulls


@pytest.mark.parametrize("damaged", [{}, {"nats_per_cosine": "much", "nulls": {}}, {"nulls": []}])
def test_something_else_is_refused(damaged: dict[str, object]) -> None:
    with pytest.raises(KnowledgeBaseDamaged, match="statistics of the scores"):
        NullScores.from_json(damaged)


@pytest.mark.parametrize("nats", [float("nan"), float("inf"), 0.0, -3.0])
def test_numbers_that_no_question_can_be_judged_by_are_refused(nulls: NullScores, nats: float) -> None:
    with pytest.raises(KnowledgeBaseDamaged, match="finite"):
        NullScores.from_json(nulls.as_json() | {"nats_per_cosine": nats})


def test_a_retriever_that_was_not_measured_is_refused(nulls: NullScores) -> None:
    values = json.loads(json.dumps(nulls.as_json()))
    values["nulls"]["other"]["excesses"]["hybrid"] = []
    with pytest.raises(KnowledgeBaseDamaged, match="hybrid is not whole"):
        NullScores.from_json(values)


def test_the_size_of_a_question_is_told_from_its_tokens() -> None:
    assert size_of(words("account", "lock", known=1)) == QuestionSize(2, 1, False)
    assert size_of(words("账", "号", "账号", "vpn")) == QuestionSize(4, 0, True)
    assert size_of(words()) == QuestionSize(0, 0, False)


# How much a cosine tells


def cosines_of(
    nats: float, questions: int, passages: int, seed: int
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return cosines with own and other passages, drawn as the softmax with this factor says."""
    random = np.random.default_rng(seed)
    own, others = [], []
    for _ in range(questions):
        cosines = random.normal(0, 0.1, passages)
        weights = np.exp(nats * cosines)
        place = random.choice(passages, p=weights / weights.sum())
        own.append(cosines[place])
        others.append(np.delete(cosines, place))
    return np.array(own), others


@pytest.mark.parametrize("nats", [5.0, 15.0, 30.0])
def test_the_nats_of_a_cosine_are_found_again(nats: float) -> None:
    own, others = cosines_of(nats, 300, 300, seed=4)
    assert fit_nats_per_cosine(own, others, prior=20.0) == pytest.approx(nats, rel=0.25)


def test_a_model_that_cannot_tell_passages_apart_has_few() -> None:
    random = np.random.default_rng(5)
    own, others = random.normal(0.5, 0.1, 200), [random.normal(0.5, 0.1, 300) for _ in range(200)]
    assert fit_nats_per_cosine(own, others, prior=25.0) < 5


def test_where_nothing_can_be_told_the_prior_stays() -> None:
    assert fit_nats_per_cosine(np.empty(0), [], prior=12.0) == pytest.approx(12.0, rel=0.01)
    alone = [np.empty(0)] * 3  # a base of one passage
    assert fit_nats_per_cosine(np.array([0.9, 0.8, 0.7]), alone, prior=12.0) == pytest.approx(12.0, rel=0.01)


def test_passages_that_are_always_found_do_not_make_it_endless() -> None:
    others = [np.full(50, 0.1)] * 20
    assert fit_nats_per_cosine(np.full(20, 0.9), others, prior=20.0) < 100


def test_a_share_of_exactly_nine_in_ten_is_nine_in_ten(nulls: NullScores) -> None:
    questions = [
        Unanswerable(QuestionSize(5, 2, False), {"cosine": 0.0, "bm25": float(n), "evidence": 0.0}, False)
        for n in range(400)
    ]
    fitted = NullScores(1.0, fit_nulls(questions))
    found = fitted.percentiles("keyword", {"bm25": np.array([359.5], np.float32)}, QuestionSize(5, 2, False))
    assert found[0] == 0.9
    assert found[0] >= 1 - 0.1
