"""Metrics of one question: rankings as trec_eval counts them, and what an answer and its citations are worth."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, R, Success, nDCG

from rag_app.datatypes import Answer, Citation, Passage, Place, Sentence
from rag_app.evaluation.metrics import (
    MEANINGS,
    RankedGains,
    passage_contains,
    question_values,
    ranked_gains,
    ranking_metrics,
)
from rag_app.evaluation.questions import EvidenceSpan, LabelledQuestion

GRADES = st.dictionaries(st.integers(0, 30), st.integers(0, 3), max_size=12)
RANKINGS = st.lists(st.integers(0, 30), unique=True, max_size=20)


def passage(n: int, document: str, text: str = "", start: int = 0, end: int | None = None, **values: Any) -> Passage:
    return Passage(n, document, None, start, start + len(text) if end is None else end, text, (), {}, **values)


def judged(grades: dict[int, int]) -> LabelledQuestion:
    return LabelledQuestion("?", judgements={str(name): float(grade) for name, grade in grades.items()})


def measured(grades: dict[int, int], ranking: Sequence[int]) -> dict[str, float | None]:
    ranked = ranked_gains([passage(n, f"corpus.jsonl#{name}") for n, name in enumerate(ranking, 1)], judged(grades))
    return ranking_metrics(ranked.found, ranked.total)


@settings(max_examples=150, deadline=None)
@given(grades=GRADES, ranking=RANKINGS)
def test_rankings_are_judged_as_trec_eval_does(grades: dict[int, int], ranking: list[int]) -> None:
    values = measured(grades, ranking)
    if not any(grades.values()):
        assert set(values.values()) == {None}
        return
    names = {"hit@1": Success @ 1, "hit@5": Success @ 5, "recall@10": R @ 10, "mrr@10": RR @ 10, "ndcg@10": nDCG @ 10}
    judgements = [ir_measures.Qrel("q", str(name), grade) for name, grade in grades.items()]
    run = [ir_measures.ScoredDoc("q", str(name), 1 / rank) for rank, name in enumerate(ranking, start=1)]
    theirs = {one.measure: one.value for one in ir_measures.iter_calc(list(names.values()), judgements, run)}
    assert values == pytest.approx({name: theirs[measure] for name, measure in names.items()})


@settings(max_examples=150, deadline=None)
@given(grades=GRADES.filter(lambda grades: any(grades.values())), ranking=RANKINGS)
def test_rankings_are_judged_by_the_formulas(grades: dict[int, int], ranking: list[int]) -> None:
    gains = [grades.get(name, 0) for name in ranking]
    best = sorted(grades.values(), reverse=True)
    right = sum(gain > 0 for gain in best)
    first = next((rank for rank, gain in enumerate(gains[:10], start=1) if gain), None)
    expected = {f"hit@{k}": float(any(gains[:k])) for k in (1, 5)}
    expected |= {"recall@10": sum(gain > 0 for gain in gains[:10]) / right}
    expected |= {"mrr@10": 1 / first if first else 0.0, "ndcg@10": discounted(gains) / discounted(best)}
    assert measured(grades, ranking) == pytest.approx(expected)


def discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:10], start=1))


@pytest.mark.matrix
def test_a_run_is_judged_as_ranx_does() -> None:
    ranx = pytest.importorskip("ranx")
    drawing = random.Random(7)
    asked = {}
    for number in range(40):
        grades = {name: drawing.randint(0, 3) for name in drawing.sample(range(30), 8)} | {
            99: 1
        }  # one is right at least
        asked[f"q{number}"] = (grades, drawing.sample(range(30), 20))
    judgements = {
        key: {str(name): grade for name, grade in grades.items() if grade} for key, (grades, _) in asked.items()
    }
    run = {key: {str(name): 1.0 / rank for rank, name in enumerate(ranking, 1)} for key, (_, ranking) in asked.items()}
    names = {
        "hit@1": "hit_rate@1",
        "hit@5": "hit_rate@5",
        "recall@10": "recall@10",
        "mrr@10": "mrr@10",
        "ndcg@10": "ndcg@10",
    }
    theirs = ranx.evaluate(ranx.Qrels(judgements), ranx.Run(run), list(names.values()))
    ours = [measured(grades, ranking) for grades, ranking in asked.values()]
    for name, theirs_name in names.items():
        assert sum(one[name] or 0.0 for one in ours) / len(ours) == pytest.approx(theirs[theirs_name]), name


@settings(max_examples=100, deadline=None)
@given(grades=GRADES.filter(lambda grades: any(grades.values())), ranking=RANKINGS, where=st.data())
def test_a_right_document_moved_up_never_costs(grades: dict[int, int], ranking: list[int], where: Any) -> None:
    right = [rank for rank, name in enumerate(ranking) if grades.get(name) and rank]
    if right:
        rank = where.draw(st.sampled_from(right))
        if grades[ranking[rank]] >= grades.get(ranking[rank - 1], 0):
            moved = [*ranking[: rank - 1], ranking[rank], ranking[rank - 1], *ranking[rank + 1 :]]
            before, after = measured(grades, ranking), measured(grades, moved)
            assert all((after[name] or 0) >= (before[name] or 0) - 1e-9 for name in before)


def test_the_depths_are_as_asked_for() -> None:
    values = ranking_metrics([0, 1, 1], [1, 1, 1], ks=(1, 2))
    second = 1 / math.log2(3)
    assert list(values) == ["hit@1", "recall@2", "mrr@2", "ndcg@2"]
    assert list(values.values()) == pytest.approx([0, 1 / 3, 0.5, second / (1 + second)])


@pytest.mark.parametrize(("gains", "total"), [([1, 1], [1]), ([2], [1]), ([0.5], [0.5]), ([-1], [1]), ([1], [])])
def test_gains_that_cannot_be(gains: list[float], total: list[float]) -> None:
    with pytest.raises(ValueError, match=r"gains are whole numbers|more than"):
        ranking_metrics(gains, total)


def test_of_a_judged_document_the_first_passage_counts_and_the_others_have_no_rank() -> None:
    found = [passage(n, f"c.jsonl#{name}", start=n) for n, name in enumerate(("7", "x", "x", "7", "8"), start=1)]
    assert ranked_gains(found, judged({7: 2, 8: 1, 9: 1})) == RankedGains((2.0, 0.0, 1.0), (2.0, 1.0, 1.0))


def test_of_passages_that_overlap_the_first_with_a_place_counts_and_the_other_keeps_its_rank() -> None:
    question = LabelledQuestion("?", spans=(EvidenceSpan("a.md", 10, 20), EvidenceSpan("b.md", 0, 5)))
    found = [passage(1, "a.md", start=0, end=20), passage(2, "a.md", start=10, end=30), passage(3, "b.md", end=5)]
    assert ranked_gains(found, question) == RankedGains((1.0, 0.0, 1.0), (1.0, 1.0))
    assert ranked_gains(found[:2], question) == RankedGains((1.0, 0.0), (1.0, 1.0))


def test_right_things_in_one_passage_are_one() -> None:
    spans = (EvidenceSpan("a.md", 10, 20), EvidenceSpan("a.md", 15, 25), EvidenceSpan("b.md", 0, 5))
    question = LabelledQuestion("?", spans=spans)
    found = [passage(1, "a.md", end=30, also_in=(Place("b.md", None, None, 0, 30),))]
    assert ranked_gains(found, question) == RankedGains((1.0,), (1.0,))
    assert ranked_gains([passage(1, "a.md", end=20)], question) == RankedGains((1.0,), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("text", "answers", "contained"),
    [
        ("In the year 1066.", ("1066",), True),
        ("In the  YEAR\n1066.", ("the year 1066",), True),
        ("In the year 1066.", ("106",), True),  # characters, not words
        ("In the year 1066.", ("1067", "year"), True),
        ("In the year 1066.", ("1067",), False),
        ("In the year 1066.", (" ",), False),
        ("账号会被锁定三十分钟。", ("三十分钟",), True),
    ],
)
def test_containment_is_a_search_for_the_characters(text: str, answers: tuple[str, ...], contained: bool) -> None:
    assert passage_contains(passage(1, "any.md", text), LabelledQuestion("?", answers)) is contained


FIRST = passage(1, "docs/a.md", "Locked for 30 minutes. Ask Ann.", start=100)
SECOND = passage(2, "docs/b.md", "Locked for 30 minutes. Ask Bob.")
QUESTION = LabelledQuestion("How long?", ("30 minutes",), ("a.md", "c.md"))


def cited(n: int, start: int, end: int) -> Citation:
    return Citation(n, "", None, start, end, computed=False)


def answer(*sentences: Sentence, text: str | None = "The answer [1].", abstained: bool = False) -> Answer:
    return Answer("How long?", text, abstained, sentences, (FIRST, SECOND), None, "fake")


def of_answer(question: LabelledQuestion, written: Answer | None) -> dict[str, float | None]:
    values = question_values(question, (FIRST, SECOND), written, is_generated=True)
    return {name: value for name, value in values.items() if "@" not in name}


def test_an_answer_with_a_right_citation_a_wrong_one_and_one_to_nothing() -> None:
    sentences = (
        Sentence("30 minutes.", (cited(1, 100, 122), cited(2, 0, 22)), supported=True),
        Sentence("The end.", (cited(1, 123, 131), cited(9, 0, 5)), supported=False),
    )
    assert of_answer(QUESTION, answer(*sentences)) == pytest.approx(
        {
            "exact match": 0.0,
            "f1": 2 * 2 / (3 + 2),
            "answer contained": 1.0,
            "citation precision": 0.5,
            "citation spans": 0.25,
            "citation recall": 0.5,
            "supported": 0.5,
            "answered": 1.0,
            "abstained": None,
        }
    )


def test_a_refused_question_has_no_right_words_and_no_citations_to_be_right_or_wrong() -> None:
    values = of_answer(QUESTION, answer(text="30 minutes", abstained=True))
    assert values == dict.fromkeys(("exact match", "f1", "answer contained", "citation recall", "answered"), 0.0) | (
        dict.fromkeys(("citation precision", "citation spans", "supported", "abstained"))
    )


@pytest.mark.parametrize(
    ("written", "abstained"),
    [(answer(abstained=True), 1.0), (answer(text=""), 1.0), (answer(Sentence("x", (), True)), 0.0), (None, 0.0)],
)
def test_not_to_answer_is_right_where_there_is_no_answer(written: Answer | None, abstained: float) -> None:
    values = question_values(LabelledQuestion("?"), (FIRST,), written, is_generated=True)
    assert values["abstained"] == abstained
    others = {name for name, value in values.items() if value is not None} - {"abstained"}
    assert others <= {"supported"}


def test_a_failure_counts_nothing_in_every_metric_that_says_something() -> None:
    values = question_values(QUESTION, (), None, is_generated=True)
    assert {name for name, value in values.items() if value is None} == {"abstained"}
    assert {value for value in values.values() if value is not None} == {0.0}


def test_without_a_generator_answers_say_nothing() -> None:
    values = question_values(QUESTION, (SECOND, FIRST), None, is_generated=False, ks=(1, 5))
    assert values["contains@1"] == 1.0
    assert (values["hit@1"], values["recall@5"], values["mrr@5"]) == (0.0, 0.5, 0.5)
    assert {value for name, value in values.items() if "@" not in name} == {None}


def test_the_names_and_their_order_do_not_depend_on_the_question() -> None:
    some = question_values(QUESTION, (FIRST,), answer(), is_generated=True)
    other = question_values(judged({1: 1}), (), None, is_generated=False)
    assert list(some) == list(other)
    assert {name.partition("@")[0] for name in some} == set(MEANINGS)


def test_citations_of_judged_documents_have_no_span_that_could_be_wrong() -> None:
    question = LabelledQuestion("?", ("30 minutes",), judgements={"a.md": 2.0, "c.md": 1.0})
    values = of_answer(question, answer(Sentence("x", (cited(1, 100, 105),), supported=True)))
    assert (values["citation precision"], values["citation spans"]) == (1.0, None)
    assert values["citation recall"] == pytest.approx(2 / 3)


def test_with_places_a_citation_that_touches_one_has_the_answer() -> None:
    question = LabelledQuestion("?", spans=(EvidenceSpan("a.md", 105, 122),))
    sentence = Sentence("x", (cited(1, 100, 110), cited(1, 123, 131)), supported=True)
    values = of_answer(question, answer(sentence))
    assert (values["citation precision"], values["citation spans"], values["f1"]) == (1.0, 0.5, None)
