"""Whether anything was found: the percentile of the best passage decides."""

from __future__ import annotations

import pytest

from rag_app.answering.abstention import is_found
from rag_app.datatypes import Answer, Passage


def passage(**scores: float) -> Passage:
    return Passage(1, "a.md", None, 0, 4, "text", (), scores)


@pytest.mark.parametrize(
    ("percentiles", "wanted", "expected"),
    [
        ([0.95, 0.2], 0.9, True),
        ([0.2, 0.95], 0.9, True),
        ([0.9], 0.9, True),
        ([0.89, 0.5], 0.9, False),
        ([0.0], 0.0, True),
    ],
)
def test_the_best_percentile_decides_wherever_it_stands(
    percentiles: list[float], wanted: float, expected: bool
) -> None:
    assert is_found([passage(percentile=value) for value in percentiles], wanted) is expected


def test_a_high_cosine_does_not_make_up_for_it() -> None:
    assert not is_found([passage(percentile=0.5, cosine=0.99, bm25=80.0, fused=90.0)], 0.9)


def test_where_no_percentile_is_known_any_passage_counts() -> None:
    assert is_found([passage(cosine=0.1)], 0.9)
    assert not is_found([], 0.9)


def answer(passages: tuple[Passage, ...], *, abstained: bool) -> Answer:
    return Answer("q", None, abstained, (), passages, None, None, wanted_percentile=0.9)


def test_why_nothing_is_answered_is_said_in_shares_of_questions() -> None:
    said = answer((passage(percentile=0.64),), abstained=True).abstention
    assert "36.0% have a passage that scores as high" in said
    assert "10.0% is the limit" in said
    assert "No passage was found" in answer((), abstained=True).abstention
    assert answer((passage(percentile=0.99),), abstained=False).abstention == ""
