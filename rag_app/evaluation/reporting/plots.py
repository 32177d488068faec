"""The pictures of the report, as SVG inside HTML: intervals, differences, quality against cost, reliability.

Colours come from the page's style sheet by class. This module knows nothing of systems or questions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag_app.evaluation.comparison import Estimate
from rag_app.evaluation.reporting.markup import figure, safe
from rag_app.store.calibrations import ReliabilityBin

_STRIP = 100  # width of the small pictures in tables, in pixels
_WIDTH, _HEIGHT = 440, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 424, 14, 248
_LOGARITHMIC_FROM = 10  # largest over smallest cost
_RADIUS = 5.5
_MOST_TICKS = 7
# Where a point's number may stand, seen from the point: the first place that is free is taken.
_PLACES = ((13, -8), (-13, -8), (13, 15), (-13, 15), (24, 4), (-24, 4), (0, -17), (0, 25), (26, -20), (-26, -20))


@dataclass(frozen=True)
class Point:
    """A system in the plot: its number in the report, name, cost (in the axis's unit) and quality."""

    number: int
    name: str
    cost: float
    quality: Estimate


def interval_svg(estimate: Estimate) -> str:
    """Return a mean with its interval on a scale from 0 to 1."""
    low, mean, high = (round(4 + (_STRIP - 8) * min(max(value, 0.0), 1.0), 1) for value in _values(estimate))
    return (
        f'<svg class="strip" viewBox="0 0 {_STRIP} 12" aria-hidden="true"><path class="grid" d="M4 6H{_STRIP - 4}M4 3V9'
        f'M{_STRIP - 4} 3V9"/><path class="interval" d="M{low} 6H{high}"/>'
        f'<circle class="mark" cx="{mean}" cy="6" r="3.5"/></svg>'
    )


def _values(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.low, estimate.mean, estimate.high


def difference_svg(low: float, difference: float, high: float, margin: float, reach: float) -> str:
    """Return a difference with its interval; the margin of equivalence lies around the middle, which is 0.

    Args:
        low: lower end of the interval.
        difference: the difference.
        high: upper end of the interval.
        margin: of equivalence.
        reach: what the ends of the scale stand for, more than 0.
    """
    middle = _STRIP / 2

    def across(value: float) -> float:
        return round(middle + (middle - 5) * min(max(value / reach, -1.0), 1.0), 1)

    band = f'<rect class="band" x="{across(-margin)}" y="1" width="{round(across(margin) - across(-margin), 1)}" height="12"/>'
    return (
        f'<svg class="strip" viewBox="0 0 {_STRIP} 14" aria-hidden="true">{band}<path class="grid" d="M{middle} 0V14"/>'
        f'<path class="interval" d="M{across(low)} 7H{across(high)}"/>'
        f'<circle class="mark" cx="{across(difference)}" cy="7" r="3.5"/></svg>'
    )


def unbeaten(points: Sequence[Point]) -> list[Point]:
    """Return the points to which no other is at least as good and as cheap, and better in one of the two."""
    return [
        one
        for one in points
        if not any(
            other.cost <= one.cost
            and other.quality.mean >= one.quality.mean
            and (other.cost, other.quality.mean) != (one.cost, one.quality.mean)
            for other in points
        )
    ]


def quality_cost_svg(points: Sequence[Point], cost: str, metric: str) -> str:
    """Return quality (up, with intervals) against cost (across, logarithmic where costs differ tenfold).

    Args:
        points: at least one.
        cost: name of the cost with its unit.
        metric: name of the quality.
    """
    costs = [point.cost for point in points]
    is_logarithmic = min(costs) > 0 and max(costs) / min(costs) >= _LOGARITHMIC_FROM
    across, cost_ticks = _logarithmic_axis(costs) if is_logarithmic else _axis([0.0, *costs], _LEFT, _RIGHT)
    up, ticks = _axis([end for one in points for end in (one.quality.low, one.quality.high)], _BOTTOM, _TOP)
    named = ", ".join(f"{one.number} {one.name} {one.quality.mean:.3f} at {figure(one.cost)}" for one in points)
    best = unbeaten(points)
    return "".join(
        (
            _opening(_WIDTH, f"{metric} against {cost}: {named}"),
            *(f'<path class="grid" d="M{across(one)} {_TOP}V{_BOTTOM}"/>' for one in cost_ticks),
            *(_label(across(one), _BOTTOM + 17, f"{one:,g}") for one in cost_ticks),
            *(f'<path class="grid" d="M{_LEFT} {up(one)}H{_RIGHT}"/>' for one in ticks),
            *(_label(_LEFT - 7, up(one) + 4, f"{one:.3g}", "end") for one in ticks),
            _label((_LEFT + _RIGHT) / 2, _HEIGHT - 10, f"{cost}{' (logarithmic)' if is_logarithmic else ''}"),
            f'<text transform="translate(14 {(_TOP + _BOTTOM) / 2}) rotate(-90)" text-anchor="middle">{safe(metric)}</text>',
            *(_point(one, across(one.cost), up, is_unbeaten=one in best) for one in points),
            *_numbers(points, across, up),
            "</svg>",
        )
    )


def _opening(width: int, alternative: str) -> str:
    return f'<svg class="plot" viewBox="0 0 {width} {_HEIGHT}" role="img" aria-label="{safe(alternative)}">'


def _label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{round(x, 1)}" y="{round(y, 1)}" text-anchor="{anchor}">{safe(text)}</text>'


def _point(point: Point, x: float, up: Callable[[float], float], *, is_unbeaten: bool) -> str:
    quality = point.quality
    said = f"{point.number} {point.name}: {quality.mean:.3f} ({quality.low:.3f} to {quality.high:.3f}) at {figure(point.cost)}"
    return (
        f'<g><title>{safe(said)}</title><path class="interval" d="M{x} {up(quality.low)}V{up(quality.high)}"/>'
        f'<circle class="{"mark" if is_unbeaten else "hollow"}" cx="{x}" cy="{up(quality.mean)}" r="{_RADIUS}"/></g>'
    )


def _numbers(points: Sequence[Point], across: Callable[[float], float], up: Callable[[float], float]) -> list[str]:
    """Return the points' numbers beside them, each where it covers no point and no other number."""
    taken = [(across(one.cost), up(one.quality.mean)) for one in points]
    parts = []
    for point in points:
        x, y = across(point.cost), up(point.quality.mean)
        free = ((x + right, y + down) for right, down in _PLACES if _is_free(x + right, y + down - 4, taken))
        place = next(free, (x + _PLACES[0][0], y + _PLACES[0][1]))
        taken.append((place[0], place[1] - 4))
        parts.append(
            f'<text class="number" x="{place[0]:.1f}" y="{place[1]:.1f}" text-anchor="middle">{point.number}</text>'
        )
    return parts


def _is_free(x: float, y: float, taken: Sequence[tuple[float, float]]) -> bool:
    inside = _LEFT < x < _WIDTH - 6 and 4 < y < _BOTTOM
    return inside and all(abs(x - left) >= 11 or abs(y - top) >= 11 for left, top in taken)


def _axis(values: Sequence[float], first: int, last: int) -> tuple[Callable[[float], float], list[float]]:
    """Return the place of a value, and round values for the marks, for an axis from pixel `first` to `last`."""
    lowest, highest = min(values), max(values)
    step = _round_step((highest - lowest or abs(highest) or 1.0) / 5)
    start, end = math.floor(lowest / step + 1e-9), max(math.ceil(highest / step - 1e-9), math.floor(lowest / step) + 1)
    ticks = [round(number * step, 10) for number in range(start, end + 1)]
    span = ticks[-1] - ticks[0]
    return lambda value: round(first + (last - first) * (value - ticks[0]) / span, 1), ticks


def _round_step(step: float) -> float:
    """Return the least of 1, 2, 5 times a power of ten that is not less."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _logarithmic_axis(values: Sequence[float]) -> tuple[Callable[[float], float], list[float]]:
    lowest, highest = math.log10(min(values)), math.log10(max(values))
    room = 0.06 * (highest - lowest)
    lowest, highest = lowest - room, highest + room
    decades = range(math.floor(lowest), math.ceil(highest) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        marks = [factor * 10.0**decade for decade in decades for factor in factors]
        ticks = [mark for mark in marks if lowest <= math.log10(mark) <= highest]
        if len(ticks) <= _MOST_TICKS:
            break
    return lambda value: round(_LEFT + (_RIGHT - _LEFT) * (math.log10(value) - lowest) / (highest - lowest), 1), ticks


def reliability_svg(bins: Sequence[ReliabilityBin], said: str, observed: str) -> str:
    """Return what was said (across) against what came of it (up, with intervals), both from 0 to 1; on the line is right.

    Args:
        bins: in order of what was said, at least one.
        said: title of the axis across.
        observed: title of the axis up.
    """
    across, ticks = _axis([0.0, 1.0], _LEFT, _LEFT + _BOTTOM - _TOP)
    up, _ = _axis([0.0, 1.0], _BOTTOM, _TOP)
    right = across(1.0)
    named = "; ".join(f"{one.predicted:.2f}: {one.observed:.2f}" for one in bins)
    line = "L".join(f"{across(one.predicted)} {up(one.observed)}" for one in bins)
    return "".join(
        (
            _opening(int(right) + 24, f"{observed} against {said}: {named}"),
            *(f'<path class="grid" d="M{across(one)} {_TOP}V{_BOTTOM}M{_LEFT} {up(one)}H{right}"/>' for one in ticks),
            *(_label(across(one), _BOTTOM + 17, f"{one:g}") for one in ticks),
            *(_label(_LEFT - 7, up(one) + 4, f"{one:g}", "end") for one in ticks),
            f'<path class="ideal" d="M{_LEFT} {_BOTTOM}L{right} {_TOP}"/><path class="curve" d="M{line}"/>',
            *(_bin(one, across(one.predicted), up) for one in bins),
            _label((_LEFT + right) / 2, _HEIGHT - 10, said),
            f'<text transform="translate(14 {(_TOP + _BOTTOM) / 2}) rotate(-90)" text-anchor="middle">{safe(observed)}</text>',
            "</svg>",
        )
    )


def _bin(one: ReliabilityBin, x: float, up: Callable[[float], float]) -> str:
    text = f"{one.predicted:.3f}: {one.observed:.3f} ({one.low:.3f} to {one.high:.3f}), {one.count:,} in number"
    return (
        f'<g><title>{safe(text)}</title><path class="interval" d="M{x} {up(one.low)}V{up(one.high)}"/>'
        f'<circle class="mark" cx="{x}" cy="{up(one.observed)}" r="4"/></g>'
    )
