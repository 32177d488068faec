"""The pictures of an evaluation: each system's mean with its interval, and quality against cost.

Systems are numbered, so that a picture needs no colour to be read. This module knows nothing of how anything is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from rag_app.text import printable
from rag_app.ui.evaluate.wording import cost_name, listed
from rag_app.ui.words import say

if TYPE_CHECKING:
    import altair as alt

    from rag_app.evaluation.comparison import Comparison

# Contrast of at least 3 to 1 on the white and on the dark background of the themes.
_COLOUR = "#0d9488"
_ROW_PIXELS = 36
_LOGARITHMIC_FROM = 10  # largest over smallest cost
_SIZE = 110


def draw_intervals(comparison: Comparison, metric: str) -> None:
    """Draw the mean of each system by a metric with its interval of 95 percent, on the scale from 0 to 1."""
    import altair as alt

    rows = _rows(comparison, metric)
    if not rows:
        return
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y("number:N", sort=None, title=None))
    scale = alt.Scale(domain=[0, 1])
    rule = base.mark_rule(color=_COLOUR, strokeWidth=3).encode(
        x=alt.X("low:Q", scale=scale, title=metric), x2="high:Q", tooltip=_tooltip()
    )
    point = base.mark_point(color=_COLOUR, filled=True, size=_SIZE, opacity=1).encode(
        x=alt.X("mean:Q", scale=scale), tooltip=_tooltip()
    )
    values = listed(_said(row) for row in rows)
    _draw(
        rule + point, _ROW_PIXELS * len(rows) + 40, say("evaluate.result.interval_plot", metric=metric, values=values)
    )


def plotted_costs(comparison: Comparison) -> list[str]:
    """Return the costs by which systems differ: those that a picture can show."""
    names = list(dict.fromkeys(name for system in comparison.systems for name in system.cost))
    return [name for name in names if len(set(_costs(comparison, name).values())) > 1]


def draw_quality_cost(comparison: Comparison, metric: str, cost: str) -> None:
    """Draw the quality of each system against a cost, logarithmic where costs differ tenfold."""
    import altair as alt

    costs = _costs(comparison, cost)
    rows = [{**row, "cost": costs[row["system"]]} for row in _rows(comparison, metric) if row["system"] in costs]
    if not rows:
        return
    low, high = min(row["cost"] for row in rows), max(row["cost"] for row in rows)
    is_logarithmic = low > 0 and high / low >= _LOGARITHMIC_FROM
    scale = alt.Scale(type="log" if is_logarithmic else "linear", padding=20, nice=True)
    title = cost_name(cost)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("cost:Q", scale=scale, title=title), tooltip=[*_tooltip(), alt.Tooltip("cost:Q", title=title)]
    )
    rule = base.mark_rule(color=_COLOUR, strokeWidth=2).encode(y=alt.Y("low:Q", title=metric), y2="high:Q")
    point = base.mark_point(color=_COLOUR, filled=True, size=_SIZE, opacity=1).encode(y="mean:Q")
    number = base.mark_text(color=_COLOUR, align="left", dx=10, dy=-8, fontSize=15, fontWeight="bold").encode(
        y="mean:Q", text="number:N"
    )
    said = (
        say("evaluate.result.cost_value", name=row["name"], mean=f"{row['mean']:.3f}", cost=f"{row['cost']:g}")
        for row in rows
    )
    text = say("evaluate.result.cost_plot", metric=metric, cost=title, values=listed(said))
    _draw(rule + point + number, 340, text)


def _draw(chart: alt.LayerChart, height: int, text: str) -> None:
    st.altair_chart(chart.properties(height=height), width="stretch", alt=text)


def _rows(comparison: Comparison, metric: str) -> list[dict[str, Any]]:
    """Return a row for each system that has a value by the metric; names are numbered in the order of the systems."""
    from rag_app.evaluation.reporting.headlines import estimate_of

    rows = []
    for number, system in enumerate(comparison.systems, start=1):
        found = estimate_of(comparison, system.name, metric)
        if found is not None:
            rows.append(
                {
                    "number": str(number),
                    "system": system.name,
                    "name": f"{number} {printable(system.name, keep_line_breaks=False)}",
                    "mean": found.mean,
                    "low": found.low,
                    "high": found.high,
                }
            )
    return rows


def _costs(comparison: Comparison, cost: str) -> dict[str, float]:
    """Return the cost of each system for which it is a known number."""
    found = ((system.name, system.cost.get(cost)) for system in comparison.systems)
    return {name: float(value) for name, value in found if isinstance(value, int | float)}


def _tooltip() -> list[alt.Tooltip]:
    import altair as alt

    figures = {"mean": "mean_of", "low": "low", "high": "high"}
    return [
        alt.Tooltip("name:N", title=say("evaluate.result.system")),
        *(
            alt.Tooltip(f"{name}:Q", title=say(f"evaluate.result.{said}"), format=".3f")
            for name, said in figures.items()
        ),
    ]


def _said(row: dict[str, Any]) -> str:
    figures = {name: f"{row[name]:.3f}" for name in ("mean", "low", "high")}
    return say("evaluate.result.value", name=row["name"], **figures)
