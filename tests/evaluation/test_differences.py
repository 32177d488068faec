"""The questions on which two systems differ, and a comparison as it is kept."""

from __future__ import annotations

import json

import pytest

from rag_app.errors import StorageError
from rag_app.evaluation.comparison import Comparison
from rag_app.evaluation.differences import Show, differences
from rag_app.evaluation.kept_comparisons import comparison_from, comparison_text
from tests.comparisons import made_comparison
from tests.hostile_comparison import hostile_comparison


def test_each_question_is_won_lost_or_the_same() -> None:
    comparison = made_comparison(60)
    a, b = comparison.systems[0], comparison.systems[-1]
    found = differences(comparison, a.name, b.name, "hit@1")
    assert len(found) == 60
    values = [(one.values["hit@1"], two.values["hit@1"]) for one, two in zip(a.outcomes, b.outcomes, strict=True)]
    counted = {show: sum(one.is_in(show) for one in found) for show in Show}
    assert counted[Show.WON] == values.count((1.0, 0.0)) > 0
    assert counted[Show.LOST] == values.count((0.0, 1.0)) > 0
    assert counted[Show.DIFFER] == counted[Show.WON] + counted[Show.LOST]
    assert counted[Show.SAME] + counted[Show.DIFFER] == counted[Show.ALL] == 60
    assert all(one.is_in(Show.DIFFER) for one in found[: counted[Show.DIFFER]]), "those that differ come first"
    turned = differences(comparison, b.name, a.name, "hit@1")
    assert sum(one.is_in(Show.WON) for one in turned) == counted[Show.LOST]


def test_a_comparison_is_kept_whole() -> None:
    comparison = made_comparison(12)
    assert comparison_from(comparison_text(comparison)) == comparison


def texts_of(comparison: Comparison) -> list[str]:
    return [one.text for system in comparison.systems for outcome in system.outcomes for one in outcome.found]


def test_hostile_texts_are_kept_as_they_are() -> None:
    hostile = hostile_comparison()
    text = comparison_text(hostile)
    assert text.encode("utf-8")
    kept = comparison_from(text)
    assert kept.questions == hostile.questions
    assert texts_of(kept) == texts_of(hostile)
    assert (kept.notes, kept.pairs) == (hostile.notes, hostile.pairs)


@pytest.mark.parametrize("text", ["", "{}", "[1", json.dumps({"dataset": 1})])
def test_what_is_no_comparison_is_said(text: str) -> None:
    with pytest.raises(StorageError, match="another version"):
        comparison_from(text)
