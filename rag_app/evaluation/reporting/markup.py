"""Pieces of HTML and figures in words, for the report. Whatever is given as text is escaped here and shown as it is.

This module knows nothing of comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rag_app.text import printable

UNKNOWN = "–"


def safe(text: object) -> str:
    """Return a text as HTML that shows it as it is; control and bidirectional characters become visible escapes."""
    return escape(printable(str(text), keep_line_breaks=False))


def table(label: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table that scrolls by itself where it is too wide.

    Args:
        label: what it shows, as text.
        head: titles of the columns, as HTML.
        rows: cells, as HTML; the first of a row is its title.
    """
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>\n' for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{safe(label)}" tabindex="0"><table><thead><tr>{titles}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def definitions(values: Mapping[str, Any]) -> str:
    """Return a mapping, with those inside it, as a list of names and values."""
    pairs = "".join(f"<dt>{safe(name)}</dt><dd>{_value(value)}</dd>\n" for name, value in values.items())
    return f"<dl>\n{pairs}</dl>\n"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return definitions(value) if value else UNKNOWN
    if isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(one, Mapping) for one in value):
            return "".join(_value(one) for one in value)
        return ", ".join(_value(one) for one in value) or UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return UNKNOWN if value is None else safe(value) or '<span class="faint">(empty)</span>'


def figure(value: float | str | None) -> str:
    """Return a figure with three digits that count, a text as it is, a dash for what is not known; not yet escaped."""
    if value is None or isinstance(value, str):
        return value or UNKNOWN
    size = abs(value)
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.3g}"


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"{round(value, 3) + 0.0:+.3f}".replace("-", "\N{MINUS SIGN}")
