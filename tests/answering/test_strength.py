"""What stands behind an answer, in one word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag_app.answering.strength import Strength, strength_of
from rag_app.datatypes import Answer, Citation, Passage, Sentence

CITED = Sentence("It is.", (Citation(1, "a", None, 0, 5, computed=False),), supported=True)
UNCITED = Sentence("It is.", (), supported=False)


def answer(percentile: float | None, *sentences: Sentence, text: str | None = "It is.") -> Answer:
    scores = {"cosine": 0.9} | ({"percentile": percentile} if percentile is not None else {})
    passage = Passage(1, "a", None, 0, 5, "text.", (), scores)
    return Answer("q", text, False, sentences, (passage,), "e", "g", wanted_percentile=0.9)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer(0.99, CITED), Strength.FOUNDED),
        (answer(0.95, CITED), Strength.FOUNDED),
        (answer(0.94, CITED), Strength.WEAK),
        (answer(None, CITED), Strength.FOUNDED),  # where nothing was measured, nothing is said of it
        (answer(0.99, CITED, UNCITED), Strength.FOUNDED),  # the page underlines what has no support
        (answer(0.99, UNCITED), Strength.UNSUPPORTED),
        (answer(0.2, text=None), Strength.PASSAGES_ONLY),
        (replace(answer(0.2, text=None), abstained=True), Strength.NOTHING_FOUND),
        (replace(answer(0.99, UNCITED), abstained=True), Strength.REFUSED),
        (replace(answer(None, text=None), passages=(), abstained=True), Strength.NOTHING_FOUND),
    ],
)
def test_what_stands_behind_an_answer(given: Answer, expected: Strength) -> None:
    assert strength_of(given) is expected
