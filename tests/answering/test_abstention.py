"""Whether anything was found: the percentile of the best passage decides."""

from __future__ import annotations

import pytest

from rag_app.answering.abstention import is_found, why_nothing
from rag_app.datatypes import Passage


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


def test_why_nothing_is_answered_is_said_in_shares_of_questions() -> None:
    said = why_nothing("Where is the moon?", [passage(percentile=0.64)], 0.9)
    assert "36.0% have a passage that scores as high" in said
    assert "10.0% is the limit" in said
    assert "No passage was found" in why_nothing("Where is the moon?", [], 0.9)


def test_it_is_said_in_the_language_of_the_question() -> None:
    said = why_nothing("月亮在哪里？", [passage(percentile=0.64)], 0.9)
    assert "有 36.0% 也能找到" in said
    assert "没有找到任何段落" in why_nothing("月亮在哪里？", [], 0.9)
