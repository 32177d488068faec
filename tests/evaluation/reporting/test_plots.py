"""The pictures of the report: every point named, intervals drawn, scores held against what came of them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from rag_app.evaluation.comparison import Comparison, Estimate
from rag_app.evaluation.reporting.plots import Point, quality_cost_svg, reliability_svg, unbeaten
from rag_app.evaluation.reporting.reliability import percentile_reliability, probability_reliability
from rag_app.evaluation.reporting.report import report_html
from rag_app.store.calibrations import ReliabilityBin
from tests.comparisons import made_comparison


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return made_comparison()


def _point(number: int, cost: float, quality: float) -> Point:
    return Point(number, f"system {number}", cost, Estimate(quality, quality - 0.1, quality + 0.1, 50))


def test_the_plot_names_every_point_and_puts_numbers_apart() -> None:
    points = [_point(number, 10.0 + number / 10, 0.5) for number in range(1, 7)] + [_point(7, 900.0, 0.8)]
    svg = quality_cost_svg(points, "milliseconds a question", "hit@1")
    for point in points:
        assert f"<title>{point.number} system {point.number}: {point.quality.mean:.3f}" in svg
    assert "milliseconds a question (logarithmic)</text>" in svg
    assert ">hit@1</text>" in svg
    places = [(float(x), float(y)) for x, y in re.findall(r'class="number" x="([\d.]+)" y="([\d.]+)"', svg)]
    assert len(places) == 7
    assert all(
        abs(x - right) >= 11 or abs(y - low) >= 11
        for number, (x, y) in enumerate(places)
        for right, low in places[number + 1 :]
    )


def test_an_axis_is_logarithmic_only_where_costs_differ_tenfold() -> None:
    for costs, logarithmic in (((10.0, 99.0), False), ((10.0, 101.0), True), ((0.0, 500.0), False)):
        svg = quality_cost_svg([_point(1, costs[0], 0.5), _point(2, costs[1], 0.6)], "memory megabytes", "f1")
        assert ("(logarithmic)" in svg) is logarithmic
        xs = [float(x) for x in re.findall(r'<circle class="\w+" cx="([\d.]+)"', svg)]
        assert 58 <= xs[0] < xs[1] <= 424


def test_what_is_as_good_and_cheaper_beats() -> None:
    points = [_point(1, 1.0, 0.5), _point(2, 2.0, 0.5), _point(3, 3.0, 0.9), _point(4, 3.0, 0.8), _point(5, 1.0, 0.5)]
    assert [point.number for point in unbeaten(points)] == [1, 3, 5]
    assert quality_cost_svg(points, "c", "m").count('class="hollow"') == 2


def test_reliability_is_drawn_with_intervals() -> None:
    svg = reliability_svg(
        (ReliabilityBin(0.2, 0.1, 0.05, 0.2, 40), ReliabilityBin(0.9, 0.8, 0.7, 0.9, 12)), "said", "seen"
    )
    assert svg.count('class="mark"') == svg.count('class="interval"') == 2
    assert "<title>0.900: 0.800 (0.700 to 0.900), 12 in number</title>" in svg
    assert 'aria-label="seen against said: 0.20: 0.10; 0.90: 0.80"' in svg


def test_probabilities_and_percentiles_are_held_against_what_came_of_them(comparison: Comparison) -> None:
    system = comparison.systems[0]
    found = probability_reliability(system)
    assert found is not None
    assert sum(one.count for one in found.bins) == sum(len(outcome.found) for outcome in system.outcomes)
    shares = percentile_reliability(comparison.questions, system)
    assert [round(one.predicted, 1) for one in shares] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert [one.observed for one in shares] == sorted(one.observed for one in shares)
    assert {one.count for one in shares} == {15}
    best = [
        max(passage.scores["percentile"] for passage in outcome.found)
        for question, outcome in zip(comparison.questions, system.outcomes, strict=True)
        if not question.is_answerable
    ]
    assert shares[4].observed == pytest.approx(sum(value < 0.5 for value in best) / 15)


def test_without_such_scores_or_questions_calibration_says_so(comparison: Comparison) -> None:
    bare = tuple(
        replace(
            system,
            outcomes=tuple(
                replace(outcome, found=tuple(replace(one, scores={"bm25": 3.0}) for one in outcome.found))
                for outcome in system.outcomes
            ),
        )
        for system in comparison.systems
    )
    assert probability_reliability(bare[0]) is None
    assert percentile_reliability(comparison.questions, bare[0]) == ()
    answerable = tuple(replace(one, is_answerable=True) for one in comparison.questions)
    assert percentile_reliability(answerable, comparison.systems[0]) == ()
    assert "Nothing to show: no passage has a probability" in report_html(replace(comparison, systems=bare))
