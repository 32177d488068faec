"""The report of a comparison as one HTML file: nothing is fetched, and nothing that was compared can become a part of the page.

A content security policy allows the page's own style and script, by their sums, and nothing else: no request, no picture, no
form. Texts of questions, answers, documents and names are escaped where they are HTML, and data where the script shows them.
The same comparison makes the same bytes. This module knows nothing of how systems are run.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path

from rag_app.errors import UsageError
from rag_app.evaluation.comparison import Comparison
from rag_app.evaluation.reporting.markup import safe
from rag_app.evaluation.reporting.questions import LONGEST, counted_questions, questions_json, texts_cut
from rag_app.evaluation.reporting.sections import (
    calibration_html,
    cards_html,
    costs_html,
    pairs_html,
    plots_html,
    quality_html,
    verdicts_html,
)


def write_report(comparison: Comparison, path: Path) -> None:
    """Write the report; a file that is there is replaced.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        path.write_text(report_html(comparison), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(
            f"The report cannot be written to {path}: {error.strerror}.",
            "Name a file in a folder that is there: --report FILE.html.",
        ) from error


def report_html(comparison: Comparison) -> str:
    """Return the report as one self-contained page."""
    style, script = _own_file("report.css"), _own_file("report.js")
    policy = (
        f"default-src 'none'; style-src '{_sum(style)}'; script-src '{_sum(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    title = safe(f"Comparison: {comparison.dataset}")
    sections = _sections(comparison)
    links = "".join(f'<a href="#{key}">{name}</a>\n' for key, name, _, _ in sections)
    body = "".join(
        f'<section id="{key}" aria-labelledby="{key}-title">\n<h2 id="{key}-title">{name}</h2>\n{about}{content}</section>\n'
        for key, name, about, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n'
        f"<header>\n<h1>{title}</h1>\n<p>{_facts(comparison)}</p>\n{_notes_html(comparison)}"
        f'<nav aria-label="Sections">\n{links}</nav>\n'
        f'</header>\n<main>\n{body}</main>\n<script type="application/json" id="data">{questions_json(comparison)}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _own_file(name: str) -> str:
    return resources.files("rag_app.evaluation.reporting").joinpath("files", name).read_text(encoding="utf-8")


def _sum(text: str) -> str:
    """Return what a content security policy calls an inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _facts(comparison: Comparison) -> str:
    systems = "1 system" if len(comparison.systems) == 1 else f"{len(comparison.systems)} systems"
    documents = "1 document" if comparison.groups == 1 else f"{comparison.groups:,} documents"
    return (
        f"{systems}, {counted_questions(comparison.questions)}, from {documents}. Intervals are of 95 %, "
        f"the margin of equivalence is {comparison.margin:g}, the seed {comparison.seed}."
    )


def _notes_html(comparison: Comparison) -> str:
    if not comparison.notes:
        return ""
    items = "".join(f"<li>{safe(note)}</li>\n" for note in comparison.notes)
    return f'<aside class="notes" aria-label="Notes"><h2>Before you read on</h2>\n<ul>\n{items}</ul></aside>\n'


def _sections(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """Return each section's key, title, what it shows, and its content, all but the first two as HTML."""
    return [
        ("verdicts", "What it comes to", "", verdicts_html(comparison)),
        (
            "quality",
            "Quality",
            "<p>Mean by each metric, with its 95 % interval on a scale from 0 to 1. A question that failed counts as 0.</p>",
            quality_html(comparison),
        ),
        ("cost", "Quality against cost", "", plots_html(comparison) + costs_html(comparison)),
        ("pairs", "Pairs of systems", _about_pairs(comparison), pairs_html(comparison)),
        ("questions", "Question by question", _about_questions(comparison), _questions_html()),
        (
            "calibration",
            "Do the scores keep their word?",
            "<p>A score that claims a share of cases should be right in that share: on the dashed line.</p>",
            calibration_html(comparison),
        ),
        ("cards", "What exactly was compared", "", cards_html(comparison)),
    ]


def _about_pairs(comparison: Comparison) -> str:
    return (
        "<p>▲ better, ▼ worse, ≈ equivalent, ? cannot tell yet. Differences are of the first system against the second; the "
        f"band around 0 is the margin of equivalence, {comparison.margin:g}. p is that of a paired randomisation test, "
        "adjusted by Holm over all pairs and metrics; the effect is the mean difference over its standard deviation. The "
        "smallest difference to be seen is what this sample would show four times in five.</p>"
    )


def _about_questions(comparison: Comparison) -> str:
    count = texts_cut(comparison)
    passages = "1 passage is" if count == 1 else f"{count:,} passages are"
    return f"<p>Texts are cut at {LONGEST} characters (…): {passages} longer.</p>" if count else ""


def _questions_html() -> str:
    """Return the controls; the script shows and fills them, and the list below."""
    names = ("a", "first system"), ("b", "second system"), ("metric", "metric"), ("show", "questions shown")
    fields = [(key, name, f'<select id="choose-{key}"></select>') for key, name in names]
    fields.append(("text", "containing", '<input id="choose-text" type="search" autocomplete="off">'))
    controls = "".join(f'<div><label for="choose-{key}">{name}</label>{field}</div>\n' for key, name, field in fields)
    return (
        "<noscript><p>The questions are shown by a script in this file, and scripts are turned off.</p></noscript>\n"
        f'<div class="controls" id="controls" hidden>\n{controls}</div>\n'
        '<p id="summary" role="status"></p>\n<div id="list"></div>\n<button id="more" type="button" hidden>Show more</button>\n'
    )
