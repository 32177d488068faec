"""A comparison to show in tests: English and Chinese questions, systems that differ, answers, failures, all scores."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean
from typing import Any

from rag_app.datatypes import Answer, Citation, Sentence
from rag_app.evaluation.comparison import (
    AskedQuestion,
    Comparison,
    Estimate,
    Found,
    Outcome,
    Pair,
    SystemResult,
    Verdict,
)

MARGIN = 0.02
SYSTEMS = (
    # name, how often it is right, milliseconds, memory, model megabytes, whether it answers
    ("keyword", 0.62, 3.1, 41.0, None, False),
    ("dense all-MiniLM-L6-v2", 0.66, 12.4, 180.0, 87.0, True),
    ("dense all-MiniLM-L6-v2 distilled", 0.655, 3.9, 96.0, 22.0, True),
    ("hybrid all-MiniLM-L6-v2 + rerank BAAI/bge-reranker-v2-m3", 0.84, 412.0, 2310.0, 2190.0, True),
)
_FACTS = (
    (
        "How long is an account locked after {n} failed sign-ins?",
        "{n} minutes",
        "An account is locked for {n} minutes.",
    ),
    ("连续输错{n}次密码后账户会锁定多久？", "{n}分钟", "连续输错密码后，账户会锁定{n}分钟，之后可以重试。"),
    ("Which form is needed for claim {n}?", "form F-{n}", "Claim {n} is made with form F-{n}, signed by a manager."),
)


def made_comparison(count: int = 60, words_a_passage: int = 60) -> Comparison:
    """Return a comparison of `count` questions; the same count makes the same comparison."""
    chance = random.Random(count)
    questions = tuple(_question(number) for number in range(count))
    systems = tuple(_system(row, questions, chance, words_a_passage) for row in SYSTEMS)
    metrics = {system.name: _estimates(system) for system in systems}
    return Comparison(
        dataset="handbook 手册",
        questions=questions,
        systems=systems,
        metrics=metrics,
        pairs=_pairs(systems),
        seed=20260,
        margin=MARGIN,
        groups=max(count // 4, 1),
        notes=(
            "Only 15 documents: intervals are rough below 35.",
            "2 questions were left out: their answers are in no document.",
        ),
        made={
            "versions": {"rag-app": "0.1.0", "faiss-cpu": "1.15.1"},
            "questions sha256": "5f2c" * 16,
            "made at": "2026-01-02T03:04:05Z",
        },
    )


def _question(number: int) -> AskedQuestion:
    text, answer, _ = _FACTS[number % 3]
    is_answerable = number % 4 != 3
    answers = (answer.format(n=number + 5),) if is_answerable else ()
    return AskedQuestion(f"q{number + 1}", text.format(n=number + 5), answers, is_answerable, number // 4)


def _system(row: Sequence[Any], questions: Sequence[AskedQuestion], chance: random.Random, words: int) -> SystemResult:
    name, skill, milliseconds, memory, megabytes, answers = row
    outcomes = tuple(
        _outcome(number, question, skill, milliseconds, answers=answers, chance=chance, words=words)
        for number, question in enumerate(questions)
    )
    embedder = {"model": name.split()[-1], "fingerprint": "0123456789abcdef", "dimension": 384, "normalised": True}
    return SystemResult(
        name=name,
        card={
            "retriever": name.split()[0],
            "embedder": embedder if name != "keyword" else None,
            "bm25": {"k1": 0.9, "b": 0.4, "stop words": ["the", "a", "of"]},
            "prompt": "",
        },
        outcomes=outcomes,
        cost={
            "milliseconds a question": milliseconds,
            "passages a second": 1830.0 / milliseconds,
            "index megabytes": 12.3,
            "memory megabytes": memory,
            "model megabytes": megabytes,
            "licence": "Apache-2.0" if megabytes else None,
        },
        truncated=17 if "rerank" in name else 0,
    )


def _outcome(
    number: int,
    question: AskedQuestion,
    skill: float,
    milliseconds: float,
    *,
    answers: bool,
    chance: random.Random,
    words: int,
) -> Outcome:
    if answers and number == 11:
        return Outcome((), None, _values(question, 0, None), 0.0, failure="The model was killed: out of memory.")
    rank = 1 if chance.random() < skill else chance.choice((2, 3, 0))
    found = _found(number, question, rank, chance, words)
    answer = _answer(question, found, is_right=rank in (1, 2)) if answers else None
    return Outcome(found, answer, _values(question, rank, answer), milliseconds / 1000 * (0.8 + 0.4 * chance.random()))


def _values(question: AskedQuestion, rank: int, answer: Answer | None) -> dict[str, float | None]:
    right = {
        "hit@1": float(rank == 1),
        "mrr@10": 1 / rank if rank else 0.0,
        "ndcg@10": (1.0, 0.631, 0.5)[rank - 1] if rank else 0.0,
    }
    values: dict[str, float | None] = {name: value if question.is_answerable else None for name, value in right.items()}
    if answer is not None:
        values["f1"] = (1.0 if rank == 1 else 0.4 if rank else 0.0) if question.is_answerable else None
        values["abstained"] = None if question.is_answerable else float(answer.abstained)
    return values


def _found(number: int, question: AskedQuestion, rank: int, chance: random.Random, words: int) -> tuple[Found, ...]:
    found = []
    for place in range(1, 6):
        is_right = place == rank and question.is_answerable
        other = number if is_right else (number + 7 * place + 1) % 97 + 100
        document = f"manual/{'手册' if other % 2 else 'guide'}-{other % 23}.md"
        text = (
            _FACTS[other % 3][2].format(n=other + 5)
            + " "
            + " ".join(f"word{(other * 31 + k) % 977}" for k in range(words))
        )
        percentile = min(0.99, 0.5 + 0.5 * chance.random()) if question.is_answerable else chance.random()
        score = 0.7 - 0.06 * place + 0.05 * chance.random()
        scores = {
            "cosine": score,
            "percentile": percentile / place**0.5,
            "probability": (0.9 if place == rank else 0.15) * percentile,
        }
        found.append(Found(document, 40 * other, 40 * other + len(text), text, scores, float(is_right)))
    return tuple(found)


def _answer(question: AskedQuestion, found: tuple[Found, ...], *, is_right: bool) -> Answer:
    if not question.is_answerable:
        return Answer(question.text, "", True, (), (), "m", "g", abstention="The documents do not answer this.")
    first = found[0]
    cited = Citation(1, first.document, None, first.start, first.start + 20, computed=False)
    text = f"It is {question.answers[0]}." if is_right else "It is decided by the manager."
    sentences = (
        Sentence(text, (cited,), True),
        *(() if is_right else (Sentence("It has been so since 1999.", (), False, ("1999",)),)),
    )
    return Answer(question.text, text, False, sentences, (), "m", "g", is_cut=not is_right)


def _estimates(system: SystemResult) -> dict[str, Estimate]:
    columns: dict[str, list[float]] = {}
    for outcome in system.outcomes:
        for name, value in outcome.values.items():
            columns.setdefault(name, []).extend(() if value is None else (value,))
    return {name: _estimate(values) for name, values in columns.items() if values}


def _estimate(values: Sequence[float]) -> Estimate:
    mean, half = fmean(values), 0.9 / len(values) ** 0.5
    return Estimate(mean, max(mean - half, 0.0), min(mean + half, 1.0), len(values))


def _pairs(systems: Sequence[SystemResult]) -> tuple[Pair, ...]:
    pairs = []
    for a, b in combinations(systems, 2):
        for metric in dict.fromkeys(name for outcome in a.outcomes for name in outcome.values):
            values = [
                (one.values.get(metric), other.values.get(metric))
                for one, other in zip(a.outcomes, b.outcomes, strict=True)
            ]
            differences = [first - second for first, second in values if first is not None and second is not None]
            if differences:
                pairs.append(_pair(a.name, b.name, metric, differences))
    return tuple(pairs)


def _pair(a: str, b: str, metric: str, differences: Sequence[float]) -> Pair:
    mean, half = fmean(differences), 0.8 / len(differences) ** 0.5
    verdict = Verdict.EQUIVALENT if abs(mean) < MARGIN / 2 else Verdict.CANNOT_TELL
    if abs(mean) > half:
        verdict = Verdict.BETTER if mean > 0 else Verdict.WORSE
    p = 0.0004 if abs(mean) > half else 0.31
    more = 240 if verdict is Verdict.CANNOT_TELL else None
    return Pair(
        a, b, metric, mean, mean - half, mean + half, p, min(1.0, 12 * p), mean / 0.5, verdict, half * 1.4, more
    )
