"""The reliability diagram of a calibration as an SVG file: self-contained, without script, for light and dark pages.

This module knows nothing of where the file is kept.
"""

from __future__ import annotations

import math
import unicodedata
from html import escape
from itertools import accumulate

from rag_app.store.calibrations import Calibration, ReliabilityBin
from rag_app.text import printable

_LEFT, _TOP, _SIDE = 64, 64, 320  # the square, in pixels
_COUNTS_TOP, _COUNTS_HEIGHT = 404, 56
_WIDTH, _HEIGHT = 416, 512
_BOTTOM = _TOP + _SIDE
_RIGHT = _LEFT + _SIDE

_STYLE = """
  svg { font-family: system-ui, sans-serif; font-size: 12px; --paper: #ffffff; --ink: #1f2328; --faint: #6b7280;
    --grid: #d9dde3; --mark: #0b63c5; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #14171c; --ink: #e6e9ee; --faint: #a3abb8; --grid: #343b46; --mark: #6cb2ff; } }
  .paper { fill: var(--paper); } text { fill: var(--ink); } .faint { fill: var(--faint); }
  .title { font-size: 14px; font-weight: 600; } .grid { stroke: var(--grid); stroke-width: 1; }
  .ideal { stroke: var(--faint); stroke-width: 1.5; stroke-dasharray: 5 4; }
  .interval { stroke: var(--mark); stroke-width: 2; } .mark { fill: var(--mark); }
  .count { fill: var(--mark); opacity: .55; }
"""


def reliability_svg(calibration: Calibration) -> str:
    """Return the diagram: predicted probability across, the share that holds the answer up with its interval, counts below."""
    found = calibration.reliability
    title = f"Probability that a passage holds the answer: {calibration.retriever}, {calibration.question_set}"
    facts = (
        f"calibration error {found.error:.3f}, Brier score {found.brier:.3f} (base rate {found.brier_base_rate:.3f}), "
        f"{calibration.pairs:,} passages of {calibration.questions:,} questions"
    )
    heading = _short(f"Probability: {calibration.retriever}, {calibration.question_set}", 44)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
            f'role="img" aria-labelledby="title description">'
        ),
        f'<title id="title">{_safe(title)}</title><desc id="description">{_safe(facts)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'<text class="title" x="16" y="24">{_safe(heading)}</text>',
        (
            f'<text class="faint" x="16" y="42">calibration error {found.error:.3f} · Brier {found.brier:.3f}, '
            f"base rate {found.brier_base_rate:.3f}</text>"
        ),
        *_grid(),
        *_marks(found.bins),
        *_counts(found.bins),
        f'<text x="{_LEFT + _SIDE / 2}" y="{_HEIGHT - 14}" text-anchor="middle">predicted probability</text>',
        (
            f'<text transform="translate(18 {_TOP + _SIDE / 2}) rotate(-90)" text-anchor="middle">'
            "share that holds the answer</text>"
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid() -> list[str]:
    parts = []
    for tenth in range(0, 11, 2):
        value = tenth / 10
        x, y = _across(value), _up(value)
        parts += [
            f'<path class="grid" d="M{x} {_TOP}V{_BOTTOM}M{_LEFT} {y}H{_RIGHT}"/>',
            f'<text class="faint" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.1f}</text>',
            f'<text class="faint" x="{x}" y="{_COUNTS_TOP + _COUNTS_HEIGHT + 16}" text-anchor="middle">{value:.1f}</text>',
        ]
    return [*parts, f'<path class="ideal" d="M{_LEFT} {_BOTTOM}L{_RIGHT} {_TOP}"/>']


def _marks(bins: tuple[ReliabilityBin, ...]) -> list[str]:
    parts = []
    for one in bins:
        x, y = _across(one.predicted), _up(one.observed)
        parts += [
            f'<path class="interval" d="M{x} {_up(one.low)}V{_up(one.high)}"/>',
            (
                f'<circle class="mark" cx="{x}" cy="{y}" r="4"><title>predicted {one.predicted:.3f}, observed '
                f"{one.observed:.3f} ({one.low:.3f} to {one.high:.3f}), {one.count:,} passages</title></circle>"
            ),
        ]
    return parts


def _counts(bins: tuple[ReliabilityBin, ...]) -> list[str]:
    """Return a bar for each bin, as high as the logarithm of its count: the lowest holds most passages by far."""
    most = max(math.log10(one.count + 1) for one in bins)
    baseline = _COUNTS_TOP + _COUNTS_HEIGHT
    parts = [f'<text class="faint" x="{_LEFT - 8}" y="{baseline}" text-anchor="end" font-size="10">passages</text>']
    for one in bins:
        left = _across(min(int(one.predicted * 10), 9) / 10)
        height = round(_COUNTS_HEIGHT * 0.72 * math.log10(one.count + 1) / most, 1)
        top = baseline - height
        middle = left + _SIDE / 20
        parts += [
            f'<rect class="count" x="{left + 3}" y="{top}" width="{_SIDE / 10 - 6}" height="{height}"/>',
            f'<text class="faint" x="{middle}" y="{top - 3}" text-anchor="middle" font-size="9">{one.count:,}</text>',
        ]
    return parts


def _across(value: float) -> float:
    return round(_LEFT + _SIDE * value, 1)


def _up(value: float) -> float:
    return round(_BOTTOM - _SIDE * value, 1)


def _short(text: str, columns: int) -> str:
    """Return a text cut to so many columns; a Chinese character takes two."""
    widths = accumulate(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    fitting = sum(width <= columns for width in widths)
    return text if fitting == len(text) else f"{text[: fitting - 1]}…"


def _safe(text: str) -> str:
    return escape(printable(text, keep_line_breaks=False))
