"""An evaluation that was run: verdicts in words first, then quality, cost, pairs and questions, and what can be taken away.

This module knows nothing of how an evaluation is run or kept.
"""

from __future__ import annotations

import json
import re
from typing import Any

import streamlit as st

from rag_app.evaluation.comparison import Comparison
from rag_app.text import printable
from rag_app.ui.choices import keep_chosen
from rag_app.ui.evaluate.charts import draw_intervals, draw_quality_cost, plotted_costs
from rag_app.ui.evaluate.history import local_time
from rag_app.ui.evaluate.side_by_side import draw_differences
from rag_app.ui.evaluate.verdicts import draw_pairs, draw_verdicts
from rag_app.ui.evaluate.wording import cost_name
from rag_app.ui.parts import note_html, text_html
from rag_app.ui.words import language, say
from rag_app.ui.words.translation import translated

_UNKNOWN = "–"


def draw_result(comparison: Comparison, run: str) -> None:
    """Draw a comparison.

    Args:
        comparison: what to draw.
        run: under which it is kept: what is chosen for one is not asked of another.
    """
    st.html(_title_html(comparison))
    st.text(_facts(comparison))
    _draw_downloads(comparison)
    if comparison.notes:
        with st.expander(say("evaluate.result.notes"), icon=":material/warning:", expanded=True):
            for note in comparison.notes:
                st.text(printable(translated(note)))
    st.subheader(say("evaluate.result.verdicts"), anchor=False)
    draw_verdicts(comparison)
    metric = _draw_metric(comparison, run)
    if metric is None:
        return
    st.subheader(say("evaluate.result.quality"), anchor=False)
    names = (_numbered(number, one.name) for number, one in enumerate(comparison.systems, start=1))
    st.html(text_html("\n".join(names)))
    draw_intervals(comparison, metric)
    st.dataframe(_quality(comparison), hide_index=True, alt=say("evaluate.result.quality_alt"))
    st.subheader(say("evaluate.result.pairs"), anchor=False)
    draw_pairs(comparison, metric)
    st.subheader(say("evaluate.result.cost"), anchor=False)
    _draw_cost(comparison, metric, run)
    st.subheader(say("evaluate.result.questions"), anchor=False)
    draw_differences(comparison, metric, run)


def _title_html(comparison: Comparison) -> str:
    from html import escape

    title = say("evaluate.result.title", dataset=printable(comparison.dataset, keep_line_breaks=False))
    return f"<h1>{escape(title)}</h1>"


def _facts(comparison: Comparison) -> str:
    return say(
        "evaluate.result.facts",
        questions=say("evaluate.set.count", count=len(comparison.questions)),
        documents=say("app.documents", count=comparison.groups),
        base=printable(str(comparison.made.get("knowledge base", _UNKNOWN))),
        at=local_time(str(comparison.made["at"])) if "at" in comparison.made else _UNKNOWN,
        margin=f"{comparison.margin:g}",
        seed=comparison.seed,
    )


def _draw_downloads(comparison: Comparison) -> None:
    """Draw what can be taken away; the report is made when it is asked for."""
    from rag_app.evaluation.reporting.report import report_html

    name = re.sub(r"[^\w-]+", "-", comparison.dataset).strip("-")[:60] or "evaluation"
    with st.container(horizontal=True):
        st.download_button(
            say("evaluate.result.download_html"),
            lambda: report_html(comparison).encode(),
            file_name=f"{name}.html",
            mime="text/html",
            icon=":material/download:",
            on_click="ignore",
            key="evaluate_html",
        )
        st.download_button(
            say("evaluate.result.download_json"),
            lambda: json.dumps(comparison.as_json(), ensure_ascii=False, indent=2).encode(),
            file_name=f"{name}.json",
            mime="application/json",
            icon=":material/data_object:",
            on_click="ignore",
            key="evaluate_json",
        )
    if language() != "en":
        st.html(note_html(say("evaluate.result.report_language")))


def _draw_metric(comparison: Comparison, run: str) -> str | None:
    """Draw the choice of the metric that everything below is about; None where nothing was measured."""
    from rag_app.evaluation.reporting.headlines import headline_metrics, metric_names

    names = metric_names(comparison)
    if not names:
        return None
    first = next(iter(headline_metrics(comparison)), names[0])
    return st.selectbox(say("evaluate.result.metric"), names, names.index(first), key=f"evaluate_metric {run}")


def _quality(comparison: Comparison) -> list[dict[str, str]]:
    from rag_app.evaluation.reporting.headlines import estimate_of, metric_names

    rows = []
    for number, system in enumerate(comparison.systems, start=1):
        row = {say("evaluate.result.system"): _numbered(number, system.name)}
        for metric in metric_names(comparison):
            found = estimate_of(comparison, system.name, metric)
            row[metric] = _UNKNOWN
            if found is not None:
                figures = {"mean": found.mean, "low": found.low, "high": found.high}
                row[metric] = say("evaluate.result.mean", **{name: f"{value:.3f}" for name, value in figures.items()})
        rows.append(row)
    return rows


def _draw_cost(comparison: Comparison, metric: str, run: str) -> None:
    costs = plotted_costs(comparison)
    if costs:
        label, key = say("evaluate.result.cost_label"), f"evaluate_cost {run}"
        keep_chosen(key, costs, cost_name)
        cost = st.selectbox(label, costs, format_func=cost_name, key=key) or costs[0]
        draw_quality_cost(comparison, metric, cost)
    else:
        st.text(say("evaluate.result.same_cost"))
    with st.expander(say("evaluate.result.costs"), icon=":material/payments:"):
        st.dataframe(_cost_rows(comparison), hide_index=True, alt=say("evaluate.result.costs_alt"))


def _cost_rows(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for number, system in enumerate(comparison.systems, start=1):
        rows.append(
            {
                say("evaluate.result.system"): _numbered(number, system.name),
                **{cost_name(name): _cost(value) for name, value in system.cost.items()},
                say("evaluate.result.failed"): system.failures,
                say("evaluate.result.truncated"): system.truncated,
            }
        )
    return rows


def _cost(value: float | str | None) -> str:
    if value is None:
        return _UNKNOWN
    return printable(value) if isinstance(value, str) else f"{value:,.4g}"


def _numbered(number: int, name: str) -> str:
    return f"{number} {printable(name, keep_line_breaks=False)}"
