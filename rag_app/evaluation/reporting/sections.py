"""The sections of the report, each a function from a comparison to HTML: verdicts, systems, costs, pairs, calibration, cards.

This module knows nothing of the page around them.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag_app.evaluation.comparison import Comparison, Pair, SystemResult, Verdict
from rag_app.evaluation.metrics import MEANINGS
from rag_app.evaluation.reporting.headlines import (
    estimate_of,
    headline_metrics,
    headlines,
    metric_names,
    turned,
    verdict_counts,
)
from rag_app.evaluation.reporting.markup import UNKNOWN, definitions, figure, safe, signed, table
from rag_app.evaluation.reporting.plots import (
    Point,
    difference_svg,
    interval_svg,
    quality_cost_svg,
    reliability_svg,
    unbeaten,
)
from rag_app.evaluation.reporting.reliability import (
    FEWEST_UNANSWERABLE,
    percentile_reliability,
    probability_reliability,
)

_SIGNS = {Verdict.BETTER: "▲", Verdict.WORSE: "▼", Verdict.EQUIVALENT: "≈", Verdict.CANNOT_TELL: "?"}
# Costs of which less is better: the plots show the first two by which systems differ.
_PLOTTED_COSTS = ("milliseconds a question", "memory megabytes", "index megabytes", "model megabytes")
_PLOTS = 2


def verdicts_html(comparison: Comparison) -> str:
    """Return what the comparison comes to, in words."""
    parts = []
    for headline in headlines(comparison):
        items = "".join(f"<li>{_sign(pair.verdict)} {safe(said)}</li>\n" for pair, said in headline.verdicts)
        parts.append(f'<h3>{safe(headline.metric)}</h3><p class="lead">{safe(headline.lead)}</p>')
        parts.append(f'<ul class="verdicts">\n{items}</ul>\n' if items else "")
    if comparison.pairs:
        metrics = len({pair.metric for pair in comparison.pairs})
        parts.append(
            f'<p class="faint">All pairs of systems by {metrics} {"metric" if metrics == 1 else "metrics"}: '
            f"{len(comparison.pairs):,} comparisons, of which {verdict_counts(comparison.pairs)}.</p>"
        )
    return "".join(parts) or "<p>Nothing was measured: no question has a value.</p>"


def _sign(verdict: Verdict) -> str:
    return f'<span class="sign {verdict.name.lower()}" aria-hidden="true">{_SIGNS[verdict]}</span>'


def numbered(comparison: Comparison, name: str) -> str:
    """Return a system's name with its number in the report, as HTML."""
    number = next(number for number, system in enumerate(comparison.systems, 1) if system.name == name)
    return f'<span class="system"><span class="badge">{number}</span> <span class="name">{safe(name)}</span></span>'


def quality_html(comparison: Comparison) -> str:
    """Return the table of systems and metrics, each mean with its interval, and what the metrics say."""
    names = metric_names(comparison)
    rows = [
        [numbered(comparison, system.name), *(_estimate_html(comparison, system.name, name) for name in names)]
        for system in comparison.systems
    ]
    meanings = {name: MEANINGS.get(name.partition("@")[0], UNKNOWN) for name in names}
    return (
        table("Means of each system by each metric", ["system", *map(safe, names)], rows)
        + f"<details><summary>What each metric says</summary>\n{definitions(meanings)}</details>\n"
    )


def _estimate_html(comparison: Comparison, system: str, metric: str) -> str:
    found = estimate_of(comparison, system, metric)
    if found is None:
        return f'<span class="faint">{UNKNOWN}</span>'
    fewer = "" if found.count == len(comparison.questions) else f'<span class="faint">n = {found.count:,}</span>'
    return (
        f"<strong>{found.mean:.3f}</strong>{interval_svg(found)}"
        f'<span class="range">{found.low:.3f} to {found.high:.3f}</span>{fewer}'
    )


def costs_html(comparison: Comparison) -> str:
    """Return the table of costs, with what failed and what was not read whole."""
    names = list(dict.fromkeys(name for system in comparison.systems for name in system.cost))
    rows = [
        [
            numbered(comparison, system.name),
            *(f'<span class="figure">{safe(figure(system.cost.get(name)))}</span>' for name in names),
            _counted(system.failures),
            _counted(system.truncated),
        ]
        for system in comparison.systems
    ]
    head = ["system", *(safe(name) for name in names), "questions failed", "passages not read whole"]
    return table("Costs of each system", head, rows)


def _counted(count: int) -> str:
    return f'<strong class="warned">{count:,}</strong>' if count else "0"


def plots_html(comparison: Comparison) -> str:
    """Return the plots of quality against cost, with the names of the points."""
    figures = []
    for metric in headline_metrics(comparison):
        drawn = 0
        for cost in _PLOTTED_COSTS:
            points = _points(comparison, metric, cost)
            if drawn < _PLOTS and len({point.cost for point in points}) > 1:
                drawn += 1
                figures.append(_plot_html(points, cost, metric))
    if not figures:
        return "<p>No two systems with a quality differ in a cost that is known.</p>"
    names = "".join(f"<li>{numbered(comparison, system.name)}</li>\n" for system in comparison.systems)
    return f'<ul class="legend">\n{names}</ul>\n<div class="plots">{"".join(figures)}</div>\n'


def _points(comparison: Comparison, metric: str, cost: str) -> list[Point]:
    points = []
    for number, system in enumerate(comparison.systems, 1):
        quality, value = estimate_of(comparison, system.name, metric), system.cost.get(cost)
        if quality is not None and isinstance(value, int | float):
            points.append(Point(number, system.name, float(value), quality))
    return points


def _plot_html(points: Sequence[Point], cost: str, metric: str) -> str:
    best = ", ".join(str(one.number) for one in sorted(unbeaten(points), key=lambda one: one.cost))
    caption = f"{metric} against {cost}. Filled: no other system is as good and as cheap ({best})."
    return f"<figure>{quality_cost_svg(points, cost, metric)}<figcaption>{safe(caption)}</figcaption></figure>\n"


def pairs_html(comparison: Comparison) -> str:
    """Return every verdict, a part a metric: a matrix at a glance, and a table with the figures."""
    shown_first = headline_metrics(comparison)
    parts = []
    for metric in metric_names(comparison):
        pairs = [pair for pair in comparison.pairs if pair.metric == metric]
        if pairs:
            parts.append(
                f"<details{' open' if metric in shown_first else ''}><summary><strong>{safe(metric)}</strong> "
                f"{verdict_counts(pairs)}</summary>\n{_matrix_html(comparison, pairs)}"
                f"{_pairs_table(comparison, pairs)}</details>\n"
            )
    return "".join(parts) or "<p>There is one system, so no two to compare.</p>"


def _matrix_html(comparison: Comparison, pairs: Sequence[Pair]) -> str:
    known = {(pair.a, pair.b): pair for one in pairs for pair in (one, turned(one))}
    systems = [system.name for system in comparison.systems]
    if len(systems) < 3:
        return ""
    rows = [[numbered(comparison, a), *(_matrix_cell(known.get((a, b))) for b in systems)] for a in systems]
    head = ["row against column", *(f'<span class="badge">{number}</span>' for number, _ in enumerate(systems, 1))]
    return table(f"Verdicts of rows against columns by {pairs[0].metric}", head, rows)


def _matrix_cell(pair: Pair | None) -> str:
    if pair is None:
        return ""
    said = f"{pair.a} against {pair.b}: {pair.verdict}"
    return f'<span class="cell" title="{safe(said)}">{_sign(pair.verdict)} {signed(pair.difference)}</span>'


def _pairs_table(comparison: Comparison, pairs: Sequence[Pair]) -> str:
    reach = max(*(abs(end) for pair in pairs for end in (pair.low, pair.high)), 1.5 * comparison.margin, 1e-9)
    rows = [
        [
            f"{numbered(comparison, pair.a)}<br>{numbered(comparison, pair.b)}",
            f'<span class="verdict">{_sign(pair.verdict)} {pair.verdict}</span>',
            f"<strong>{signed(pair.difference)}</strong>"
            + difference_svg(pair.low, pair.difference, pair.high, comparison.margin, reach)
            + f'<span class="range">{signed(pair.low)} to {signed(pair.high)}</span>',
            f"{pair.p:.4f}",
            f"{pair.p_adjusted:.4f}",
            signed(pair.effect),
            f"{pair.smallest:.3f}" if pair.smallest < 1 else "none",
            UNKNOWN if pair.more_questions is None else f"{pair.more_questions:,}",
        ]
        for pair in pairs
    ]
    head = ["systems", "first is", "difference, 95 % interval", "p", "p adjusted", "effect"]
    return table(f"Pairs by {pairs[0].metric}", [*head, "smallest to be seen", "more questions"], rows)


def calibration_html(comparison: Comparison) -> str:
    """Return, for each system whose scores claim a share of cases, whether they kept their word."""
    figures = [drawn for system in comparison.systems for drawn in _calibration_figures(comparison, system)]
    if not figures:
        return (
            "<p>Nothing to show: no passage has a probability (labelled questions have to calibrate one), and a percentile is "
            f"checked on unanswerable questions, of which at least {FEWEST_UNANSWERABLE} are needed.</p>"
        )
    return f'<div class="plots">{"".join(figures)}</div>\n'


def _calibration_figures(comparison: Comparison, system: SystemResult) -> list[str]:
    figures = []
    probability = probability_reliability(system)
    if probability is not None:
        drawn = reliability_svg(probability.bins, "probability of a passage", "share that is right")
        said = (
            f"Probability: calibration error {probability.error:.3f} (chance alone makes {probability.error_by_chance:.3f}), "
            f"Brier score {probability.brier:.3f}, base rate {probability.brier_base_rate:.3f}."
        )
        figures.append((drawn, said))
    if bins := percentile_reliability(comparison.questions, system):
        drawn = reliability_svg(bins, "percentile", "share of questions below")
        said = (
            f"Percentile: of {bins[0].count:,} unanswerable questions, the share whose best passage lies below each one. "
            "On the dashed line it is what it says; below the line, what was found looks better than it is."
        )
        figures.append((drawn, said))
    return [
        f"<figure><h3>{numbered(comparison, system.name)}</h3>{drawn}<figcaption>{safe(said)}</figcaption></figure>\n"
        for drawn, said in figures
    ]


def cards_html(comparison: Comparison) -> str:
    """Return exactly what was compared: the comparison itself, then each system."""
    whole = {
        "data set": comparison.dataset,
        "questions": len(comparison.questions),
        "documents": comparison.groups,
        "seed": comparison.seed,
        "margin of equivalence": comparison.margin,
        **comparison.made,
    }
    cards = "".join(
        f"<details><summary>{numbered(comparison, system.name)}</summary>\n{definitions(system.card)}</details>\n"
        for system in comparison.systems
    )
    return f'<div class="card">{definitions(whole)}</div>\n{cards}'
