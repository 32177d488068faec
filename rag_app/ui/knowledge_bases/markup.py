"""Small pieces of HTML of this page. Names and reasons come from files: everything is escaped.

This module knows nothing of where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from rag_app.text import printable

_STYLE = """<style>
.kb-name { font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; margin: 0; }
.kb-facts { margin: .15rem 0 0; opacity: .8; font-size: .9rem; overflow-wrap: anywhere; }
.kb-files { list-style: none; margin: .25rem 0 0 !important; padding: 0 !important; font-size: .875rem; }
.kb-files li { display: flex; margin: 0 !important; gap: .25rem .75rem; padding: .2rem 0; flex-wrap: wrap;
  border-top: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
.kb-file { flex: 1 1 12rem; overflow-wrap: anywhere; }
.kb-word { font-weight: 600; }
.kb-why { flex: 1 1 100%; opacity: .8; overflow-wrap: anywhere; }
.kb-card { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .3rem 1rem; font-size: .9rem;
  margin: 0 !important; padding: 0 !important; }
.kb-card dt { opacity: .75; }
.kb-card dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
@media (max-width: 600px) { .kb-card { grid-template-columns: 1fr; gap: 0; } .kb-card dd { margin-bottom: .5rem; } }
.kb-passage { white-space: pre-wrap; overflow-wrap: anywhere; border-left: .25rem solid #d18b00;
  background: color-mix(in srgb, #f5b800 12%, transparent); padding: .6rem .8rem; border-radius: 0 .4rem .4rem 0; }
</style>"""


def heading_html(name: str, facts: str = "") -> str:
    """Return the name of a knowledge base as a heading, and what is to be said of it in a line below."""
    below = f'<p class="kb-facts">{_safe(facts)}</p>' if facts else ""
    return f'{_STYLE}<h2 class="kb-name">{_safe(name)}</h2>{below}'


def files_html(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a list of files: what became of each, its path, and why."""
    items = "".join(
        f'<li><span class="kb-word">{_safe(word)}</span><span class="kb-file">{_safe(path)}</span>'
        f"{f'<span class=kb-why>{_safe(why)}</span>' if why else ''}</li>"
        for word, path, why in rows
    )
    return f'{_STYLE}<ul class="kb-files">{items}</ul>'


def card_html(fields: Sequence[tuple[str, str]]) -> str:
    """Return pairs of a name and a value."""
    items = "".join(f"<dt>{_safe(name)}</dt><dd>{_safe(value) or '-'}</dd>" for name, value in fields)
    return f'{_STYLE}<dl class="kb-card">{items}</dl>'


def passage_html(text: str) -> str:
    """Return the text of a passage as it stands in its document."""
    return f'{_STYLE}<div class="kb-passage">{_safe(text)}</div>'


def uploader_style_html(choose: str, each: str) -> str:
    """Return what makes a file uploader say what is to be done in the app's language: its own words are English.

    Args:
        choose: for its button.
        each: beside it: how large a file may be.
    """
    place = '[data-testid="stFileUploaderDropzone"]'
    rules = "".join(
        f'{selector} {{ font-size: 0; }} {selector}::after {{ content: "{_safe(text)}"; font-size: .875rem; }}'
        for selector, text in (
            (f'{place} [data-testid="stBaseButton-secondary"] p', choose),
            (f'{place} [data-testid="stFileUploaderDropzoneInstructions"] span', each),
        )
    )
    return f"<style>{rules}</style>"


def _safe(text: str) -> str:
    return escape(printable(text))
