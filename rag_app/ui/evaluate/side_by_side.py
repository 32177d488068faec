"""Question by question: what two systems found and wrote, side by side, won and lost.

All texts are escaped here. This module knows nothing of how anything is judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import streamlit as st

from rag_app.datatypes import Answer
from rag_app.evaluation.comparison import Comparison, Found, Outcome
from rag_app.evaluation.differences import Difference, Show, differences
from rag_app.text import printable
from rag_app.ui.choices import keep_chosen
from rag_app.ui.words import say
from rag_app.ui.words.translation import translated

_A_PAGE = 10  # questions
_FOUND = 5  # passages of a system
_LONGEST = 600  # characters of a passage
_STYLE = """<style>
.diff { border: 1px solid color-mix(in srgb, currentColor 22%, transparent); border-radius: .5rem; padding: .5rem .75rem;
  margin: .4rem 0; overflow-wrap: anywhere; }
.diff > summary { cursor: pointer; display: flex; flex-wrap: wrap; gap: .2rem .7rem; }
.diff > summary::marker { content: ""; }
.diff-question { font-weight: 600; flex: 1 1 14rem; }
.diff-figures { font-variant-numeric: tabular-nums; opacity: .8; }
.diff-note { opacity: .75; font-size: .875em; margin: .3rem 0; }
.diff-sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); gap: 1rem; }
.diff-sides h4 { font-size: 1rem; font-weight: 600; margin: .5rem 0 .2rem; padding: 0; }
.diff-passage { border-left: .25rem solid color-mix(in srgb, currentColor 18%, transparent); padding: .1rem .6rem;
  margin: .4rem 0; }
.diff-passage.right { border-left-color: #0d9488; }
.diff-passage p { white-space: pre-wrap; margin: .1rem 0; font-size: .9em; }
.diff-right { font-size: .8em; font-weight: 600; border: 1px solid currentColor; border-radius: .5rem; padding: 0 .4em; }
</style>"""


def draw_differences(comparison: Comparison, metric: str, run: str) -> None:
    """Draw the choice of two systems and of questions, and the questions, some at a time."""
    names = [system.name for system in comparison.systems]
    shown = [f"{number} {name}" for number, name in enumerate(names, start=1)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a = shown.index(st.selectbox(say("evaluate.result.first"), shown, 0, key=f"evaluate_a {run}"))
        b = shown.index(st.selectbox(say("evaluate.result.second"), shown, len(shown) - 1, key=f"evaluate_b {run}"))
        found = differences(comparison, names[a], names[b], metric)
        counts = {show: sum(one.is_in(show) for one in found) for show in Show}
        show = _draw_show(counts, f"evaluate_show {run}")
    chosen = [one for one in found if one.is_in(show)]
    if not chosen:
        st.text(say("evaluate.question.none"))
        return
    pages = -(-len(chosen) // _A_PAGE)
    page = st.pagination(pages, key=f"evaluate_page {run} {a} {b} {show} {metric}") if pages > 1 else 1
    some = chosen[(page - 1) * _A_PAGE : page * _A_PAGE]
    st.html(_STYLE + "".join(_difference(one, shown[a], shown[b], metric) for one in some))


def _draw_show(counts: Mapping[Show, int], key: str) -> Show:
    """Draw the choice of questions, each with how many there are: another metric has other numbers."""

    def name_of(show: Show) -> str:
        return say(f"evaluate.show.{show}", count=counts[show])

    st.session_state.setdefault(key, Show.DIFFER if counts[Show.DIFFER] else Show.ALL)
    which = list(Show)
    keep_chosen(key, which, name_of)
    return st.selectbox(say("evaluate.result.show"), which, format_func=name_of, key=key)


def _difference(one: Difference, a: str, b: str, metric: str) -> str:
    sign = "▲" if one.by > 0 else "▼" if one.by < 0 else "="
    figures = say("evaluate.question.against", metric=metric, a=_figure(one.a_value), b=_figure(one.b_value))
    known = say("evaluate.question.unanswerable")
    if one.question.is_answerable:
        known = say("evaluate.question.known", answer=" / ".join(one.question.answers) or "–")
    return (
        f'<details class="diff"><summary><span>{sign}</span><span class="diff-question">{_safe(one.question.text)}</span>'
        f'<span class="diff-figures">{_safe(figures)}</span></summary><p class="diff-note">{_safe(known)}</p>'
        f'<div class="diff-sides">{_side(a, one.a)}{_side(b, one.b)}</div></details>'
    )


def _side(name: str, outcome: Outcome) -> str:
    parts = [f"<h4>{_safe(name)}</h4>"]
    if outcome.failure:
        said = say("evaluate.question.failed", reason=translated(outcome.failure))
        parts.append(f'<p class="diff-note">{_safe(said)}</p>')
    elif not outcome.found:
        parts.append(f'<p class="diff-note">{_safe(say("evaluate.question.nothing"))}</p>')
    if outcome.answer is not None:
        label = _safe(say("evaluate.question.wrote"))
        parts.append(f'<p class="diff-note">{label}</p><p>{_safe(_wrote(outcome.answer))}</p>')
    parts += [_passage(one, rank) for rank, one in enumerate(outcome.found[:_FOUND], start=1)]
    return f"<div>{''.join(parts)}</div>"


def _wrote(answer: Answer) -> str:
    return answer.text or answer.abstention or "–"


def _passage(one: Found, rank: int) -> str:
    is_right = one.gain > 0
    right = f' <span class="diff-right">✓ {escape(say("evaluate.question.right"))}</span>' if is_right else ""
    text = one.text if len(one.text) <= _LONGEST else f"{one.text[:_LONGEST]} …"
    return (
        f'<div class="diff-passage{" right" if is_right else ""}"><span class="diff-note">{rank} {_safe(one.document)}</span>'
        f"{right}<p>{_safe(text)}</p></div>"
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _safe(text: str) -> str:
    return escape(printable(text))
