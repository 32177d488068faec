"""Every question of a comparison as data for the report's script: what each system found and answered.

Passages are kept once, however many systems found them. Texts are cut at `LONGEST` characters, a passage around the known
answer. This module knows nothing of how they are shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rag_app.datatypes import Answer, Citation
from rag_app.evaluation.comparison import AskedQuestion, Comparison, Found, Outcome, SystemResult
from rag_app.evaluation.reporting.headlines import headline_metrics, metric_names
from rag_app.text import printable

LONGEST = 600  # characters
_BEFORE = 150  # characters before a known answer that stands far down in a passage
_DIGITS = 4  # of scores
# JSON inside HTML: nothing may end the element, or begin another.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def questions_json(comparison: Comparison) -> str:
    """Return the data as JSON that may stand in a script element: `<`, `>` and `&` are escaped."""
    return json.dumps(_data(comparison), ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


def _data(comparison: Comparison) -> dict[str, Any]:
    names = metric_names(comparison)
    passages = _Passages(comparison)
    return {
        "metrics": [_line(name) for name in names],
        "chosen": _chosen(comparison, names),
        "questions": [
            {
                "key": _line(question.key),
                "text": _cut(question.text),
                "answers": [_cut(answer) for answer in question.answers],
                "answerable": question.is_answerable,
            }
            for question in comparison.questions
        ],
        "systems": [_system(system, names, passages) for system in comparison.systems],
        "passages": passages.shown,
    }


def _chosen(comparison: Comparison, names: Sequence[str]) -> dict[str, int]:
    """Return what is shown at first, by number: the metric of answers if there are any, and the first pair that has it."""
    metric = next(reversed(headline_metrics(comparison)), "")
    pair = next((pair for pair in comparison.pairs if pair.metric == metric), None)
    systems = [system.name for system in comparison.systems]
    return {
        "a": systems.index(pair.a) if pair else 0,
        "b": systems.index(pair.b) if pair else max(min(1, len(systems) - 1), 0),
        "metric": names.index(metric) if metric else 0,
    }


def _system(system: SystemResult, names: Sequence[str], passages: _Passages) -> dict[str, Any]:
    scores = list(dict.fromkeys(name for outcome in system.outcomes for one in outcome.found for name in one.scores))
    return {
        "name": _line(system.name),
        "scores": [_line(name) for name in scores],
        "outcomes": [_outcome(outcome, names, scores, passages) for outcome in system.outcomes],
    }


def _outcome(outcome: Outcome, names: Sequence[str], scores: Sequence[str], passages: _Passages) -> dict[str, Any]:
    """Return an outcome; a passage is its number, its gain and its scores in the system's order, null where it has none."""
    values = [outcome.values.get(name) for name in names]
    found = [
        [passages.number(one), one.gain, *(_rounded(one.scores.get(name)) for name in scores)] for one in outcome.found
    ]
    shown = {
        "values": [_rounded(value) for value in values],
        "found": found,
        "seconds": round(outcome.seconds, 3),
    }
    if outcome.failure:
        shown["failure"] = _cut(outcome.failure)
    if outcome.answer is not None and outcome.answer.text is not None:
        shown["answer"] = _answer(outcome.answer, outcome.found)
    return shown


def _answer(answer: Answer, found: Sequence[Found]) -> dict[str, Any]:
    """Return an answer; each sentence has its text, whether it is supported, and the passages cited by their rank."""
    shown: dict[str, Any] = {
        "sentences": [
            [_cut(one.text), one.supported, list(dict.fromkeys(_rank(cited, found) for cited in one.citations))]
            for one in answer.sentences
        ]
        or [[_cut(answer.text or ""), True, []]]
    }
    shown |= {name: True for name, applies in (("abstained", answer.abstained), ("cut", answer.is_cut)) if applies}
    if answer.abstention:
        shown["abstention"] = _cut(answer.abstention)
    return shown


def _rank(citation: Citation, found: Sequence[Found]) -> str:
    """Return the rank of the first passage found that has some of what is cited, else the name of the document cited."""
    for rank, one in enumerate(found, 1):
        if one.document == citation.document and one.start < citation.end and citation.start < one.end:
            return str(rank)
    return _line(citation.document)


class _Passages:
    """The passages of a comparison, each with the number under which it is kept."""

    def __init__(self, comparison: Comparison) -> None:
        answers: dict[tuple[str, int, int, str], list[str]] = {}
        for system in comparison.systems:
            for question, outcome in zip(comparison.questions, system.outcomes, strict=True):
                for one in outcome.found:
                    answers.setdefault(_key(one), []).extend(question.answers if one.gain > 0 else ())
        self._numbers = {key: number for number, key in enumerate(answers)}
        self.shown: list[Mapping[str, Any]] = [
            {"document": _line(document), "start": start, "end": end, "text": _excerpt(text, known)}
            for (document, start, end, text), known in answers.items()
        ]

    def number(self, one: Found) -> int:
        return self._numbers[_key(one)]


def _key(one: Found) -> tuple[str, int, int, str]:
    return one.document, one.start, one.end, one.text


def texts_cut(comparison: Comparison) -> int:
    """Return how many different passages are longer than what the report shows of one."""
    found = (one for system in comparison.systems for outcome in system.outcomes for one in outcome.found)
    return len({_key(one) for one in found if len(one.text) > LONGEST})


def _excerpt(text: str, known: Sequence[str]) -> str:
    """Return a passage cut to `LONGEST` characters, around the first known answer that it has."""
    if len(text) <= LONGEST:
        return printable(text)
    places = (text.casefold().find(answer.casefold()) for answer in known)
    place = next((place for place in places if place >= 0), 0)
    start = 0 if place < LONGEST - _BEFORE else min(place - _BEFORE, len(text) - LONGEST)
    end = start + LONGEST
    return f"{'… ' if start else ''}{printable(text[start:end])}{' …' if end < len(text) else ''}"


def _cut(text: str) -> str:
    return _excerpt(text, ())


def _line(text: str) -> str:
    return printable(text, keep_line_breaks=False)


def _rounded(value: float | None) -> float | None:
    """Return a number with the digits that are shown; None for none, and for what JSON has no number for."""
    return round(float(value), _DIGITS) if value is not None and math.isfinite(value) else None


def counted_questions(questions: Sequence[AskedQuestion]) -> str:
    """Return how many questions there are, and how many of them no document answers."""
    unanswerable = sum(not question.is_answerable for question in questions)
    counted = "1 question" if len(questions) == 1 else f"{len(questions):,} questions"
    return counted + (f", {unanswerable:,} of them unanswerable" if unanswerable else "")
