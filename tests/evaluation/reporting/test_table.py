"""What a comparison says first, and the table that a terminal shows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from rag_app.evaluation.comparison import Comparison, Estimate, Verdict
from rag_app.evaluation.reporting.headlines import headlines, turned
from rag_app.evaluation.reporting.markup import figure, signed
from rag_app.evaluation.reporting.table import comparison_table
from tests.comparisons import made_comparison
from tests.hostile_comparison import hostile_comparison


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return made_comparison()


def test_the_leader_is_named_first_and_compared_with_each_other(comparison: Comparison) -> None:
    of_passages, of_answers = headlines(comparison)
    assert (of_passages.metric, of_answers.metric) == ("ndcg@10", "f1")
    leader = comparison.systems[3].name
    assert of_passages.lead.startswith(f"By ndcg@10, {leader} has the highest mean: 0.")
    assert [(pair.a, pair.b) for pair, _ in of_passages.verdicts] == [
        (leader, system.name) for system in comparison.systems[:3]
    ]
    for pair, said in of_passages.verdicts:
        assert pair.difference >= 0
        assert f"after correcting for {len(comparison.pairs)} comparisons" in said
        assert pair.a in said
        assert pair.b in said


def test_systems_with_the_same_mean_share_the_lead(comparison: Comparison) -> None:
    same = {name: {"hit@1": Estimate(0.5, 0.4, 0.6, 10)} for name in comparison.metrics}
    (headline,) = headlines(replace(comparison, metrics=same))
    assert " and ".join(comparison.metrics) + " have the same mean: 0.500" in headline.lead


def test_a_pair_turned_says_the_same(comparison: Comparison) -> None:
    for pair in comparison.pairs:
        other = turned(pair)
        assert (other.a, other.b, other.difference) == (pair.b, pair.a, -pair.difference)
        assert other.low <= other.difference <= other.high
        assert turned(other) == pair
    assert {turned(pair).verdict for pair in comparison.pairs if pair.verdict is Verdict.WORSE} == {Verdict.BETTER}


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_table_fits_the_terminal_and_loses_nothing(comparison: Comparison, width: int) -> None:
    text = comparison_table(comparison, width)
    assert all(len(line) <= width for line in text.splitlines())
    plain = " ".join(text.split())
    for system in comparison.systems:
        for estimate in comparison.metrics[system.name].values():
            assert f"{estimate.mean:.3f}" in plain
            assert f"{estimate.low:.3f}-{estimate.high:.3f}" in plain
    assert "By ndcg@10, hybrid all-MiniLM-L6-v2 + rerank" in plain
    assert "24 comparisons, of which" in plain
    for note in comparison.notes:
        assert note in plain


def test_the_table_obeys_no_control_character() -> None:
    text = comparison_table(hostile_comparison(), 100)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "\\x1b[31mred" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        ("MIT", "MIT"),
        ("", "–"),
        (0, "0"),
        (0.01234, "0.0123"),
        (3.1, "3.1"),
        (41.04, "41.0"),
        (2310.4, "2,310"),
    ],
)
def test_figures_have_three_digits_that_count(value: float | str | None, shown: str) -> None:
    assert figure(value) == shown


def test_differences_have_a_sign() -> None:
    assert [signed(value) for value in (0.0123, -0.0123, -0.0001, 0.0)] == ["+0.012", "−0.012", "+0.000", "+0.000"]
