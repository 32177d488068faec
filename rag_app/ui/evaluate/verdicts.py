"""The verdicts of an evaluation in words, in the chosen language, and as a table of pairs.

What is said first, and of whom, is decided in `evaluation`. This module knows nothing of how a verdict comes about.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from rag_app.evaluation.comparison import Comparison, Pair, Verdict
from rag_app.text import printable
from rag_app.ui.evaluate.wording import listed
from rag_app.ui.words import say

_SIGNS = {Verdict.BETTER: "▲", Verdict.WORSE: "▼", Verdict.EQUIVALENT: "≈", Verdict.CANNOT_TELL: "?"}
_LEAST_P = 0.001
_STYLE = """<style>
.verdict-lead { font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; margin: .3rem 0; }
.verdict-list { list-style: none; padding: 0; margin: 0 0 .8rem; }
.verdict-list li { display: flex; gap: .6rem; margin: .35rem 0; overflow-wrap: anywhere; }
.verdict-sign { flex: none; width: 1.6rem; text-align: center; font-weight: 700; border-radius: .3rem;
  background: color-mix(in srgb, currentColor 10%, transparent); align-self: flex-start; }
</style>"""


def key_of(verdict: Verdict) -> str:
    """Return the name under which the texts have a verdict."""
    return verdict.name.lower()


def draw_verdicts(comparison: Comparison) -> None:
    """Say what it comes to: by each metric that matters most, who leads, and against whom that is sure."""
    from rag_app.evaluation.reporting.headlines import headlines

    found = headlines(comparison)
    if not found:
        st.text(say("evaluate.result.nothing"))
    parts = []
    for headline in found:
        items = "".join(
            f'<li><span class="verdict-sign" aria-hidden="true">{_SIGNS[pair.verdict]}</span>'
            f"<span>{_safe(_in_words(pair, comparison))}</span></li>"
            for pair, _ in headline.verdicts
        )
        lead = _safe(_lead(comparison, headline.metric))
        parts.append(f'<p class="verdict-lead">{lead}</p><ul class="verdict-list">{items}</ul>')
    st.html(_STYLE + "".join(parts))


def _lead(comparison: Comparison, metric: str) -> str:
    """Say who has the highest mean by a metric, or who share it."""
    from rag_app.evaluation.reporting.headlines import estimate_of

    found = [(system.name, estimate_of(comparison, system.name, metric)) for system in comparison.systems]
    means = [(name, estimate) for name, estimate in found if estimate is not None]
    _, best = max(means, key=lambda one: one[1].mean)
    leaders = [name for name, estimate in means if estimate.mean == best.mean]
    return say(
        "evaluate.lead_of",
        count=len(leaders),
        metric=metric,
        names=listed(leaders),
        mean=f"{best.mean:.3f}",
        low=f"{best.low:.3f}",
        high=f"{best.high:.3f}",
        questions=say("evaluate.set.count", count=best.count),
    )


def _in_words(pair: Pair, comparison: Comparison) -> str:
    p = pair.p_adjusted
    figures = say(
        "evaluate.verdict.figures",
        difference=f"{pair.difference:+.3f}",
        low=f"{pair.low:.3f}",
        high=f"{pair.high:.3f}",
        p=say("evaluate.verdict.small_p") if p < _LEAST_P else say("evaluate.verdict.p", p=f"{p:.3f}"),
        count=len(comparison.pairs),
    )
    values = {"a": pair.a, "b": pair.b, "metric": pair.metric, "figures": figures}
    match pair.verdict:
        case Verdict.EQUIVALENT:
            return say("evaluate.verdict.equivalent", margin=f"{comparison.margin:g}", **values)
        case Verdict.CANNOT_TELL:
            return say("evaluate.verdict.cannot_tell", missing=_missing(pair), **values)
        case _:
            return say(f"evaluate.verdict.{key_of(pair.verdict)}", **values)


def _missing(pair: Pair) -> str:
    """Say how many more questions would tell, and what these could have shown."""
    from rag_app.evaluation.verdicts import rounded_up

    if pair.more_questions is None:
        return say("evaluate.verdict.hopeless")
    more = say("evaluate.verdict.more", count=rounded_up(pair.more_questions))
    if pair.smallest < 1:
        return f"{more} {say('evaluate.verdict.could_show', smallest=f'{pair.smallest:.3f}')}"
    return f"{more} {say('evaluate.verdict.could_not')}"


def _p(pair: Pair) -> str:
    return "< 0.001" if pair.p_adjusted < _LEAST_P else f"{pair.p_adjusted:.3f}"


def draw_pairs(comparison: Comparison, metric: str) -> None:
    """Draw the verdict on every pair of systems by a metric, with its figures."""
    rows = [_row(pair) for pair in comparison.pairs if pair.metric == metric]
    if rows:
        st.dataframe(rows, hide_index=True, alt=say("evaluate.result.pairs_alt"))


def _row(pair: Pair) -> dict[str, str | float]:
    more = "–" if pair.more_questions is None else f"{pair.more_questions:,}"
    return {
        say("evaluate.result.first"): printable(pair.a, keep_line_breaks=False),
        say("evaluate.result.verdict"): say(f"evaluate.verdict_word.{key_of(pair.verdict)}"),
        say("evaluate.result.second"): printable(pair.b, keep_line_breaks=False),
        say("evaluate.result.difference"): f"{pair.difference:+.3f}",
        say("evaluate.result.interval"): f"{pair.low:+.3f} … {pair.high:+.3f}",
        say("evaluate.result.p"): _p(pair),
        say("evaluate.result.smallest"): f"{pair.smallest:.3f}",
        say("evaluate.result.more"): more,
    }


def _safe(text: str) -> str:
    return escape(printable(text, keep_line_breaks=False))
