"""Pieces of pages: HTML of answers and passages, and how a problem looks.

Everything that comes from a document, a question or a generator is escaped here and shown as text: it never becomes
markup, so no image is fetched and no link can be followed. This module knows nothing of engines or sessions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st

from rag_app.answering.prompting.hostile_text import is_hostile
from rag_app.datatypes import Answer, Citation, Passage
from rag_app.errors import RagAppError
from rag_app.text import matching_spans, printable
from rag_app.ui.words import say

_log = logging.getLogger(__name__)

# Of a passage's scores, those that its card shows before it is opened; where it has none of them, its first.
_IN_SIGHT = ("probability", "cosine", "percentile")

# Colours are mixed from the text's own, so that they fit the light and the dark theme.
_STYLE = """<style>
.rag-text { white-space: pre-wrap; overflow-wrap: anywhere; }
.rag-cite { font-size: .75em; font-weight: 600; vertical-align: super; padding: 0 .15em; }
.rag-unsupported { text-decoration: underline dotted; text-underline-offset: .2em; }
.rag-note { opacity: .75; font-size: .875em; margin: .5em 0 0; }
.rag-source { border: 1px solid color-mix(in srgb, currentColor 22%, transparent); border-radius: .5rem;
  padding: .5rem .75rem; margin: .4rem 0; }
.rag-source summary { cursor: pointer; display: flex; flex-wrap: wrap; gap: .15rem .6rem; align-items: baseline; }
.rag-source summary::marker { content: ""; }
.rag-name { font-weight: 600; overflow-wrap: anywhere; flex: 1 1 12rem; }
.rag-score { font-variant-numeric: tabular-nums; }
.rag-lead { flex: 1 1 100%; opacity: .75; font-size: .875em; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.rag-source[open] .rag-lead { display: none; }
.rag-busy { animation: rag-pulse 1.5s ease-in-out infinite; }
@keyframes rag-pulse { 50% { opacity: .35; } }
.rag-stopped { display: none; }
[data-test-script-state="notRunning"] .rag-busy { display: none; }
[data-test-script-state="notRunning"] .rag-stopped { display: block; }
.rag-source mark { background: color-mix(in srgb, #f5b800 40%, transparent); color: inherit; border-radius: .2em; }
.rag-source mark.rag-word { background: color-mix(in srgb, currentColor 12%, transparent); font-weight: 600; }
</style>"""


def text_html(text: str) -> str:
    """Return text as HTML that shows it as it is."""
    return f'{_STYLE}<div class="rag-text">{_safe(text)}</div>'


def note_html(text: str) -> str:
    """Return a remark in small letters."""
    return f'{_STYLE}<p class="rag-note">{_safe(text)}</p>'


def busy_html(stage: str) -> str:
    """Return what is going on, for as long as the script runs; once it was stopped, that it was stopped.

    After a click on Stop no Python runs that could change the page, so the page itself tells the two apart, by the state
    that Streamlit writes on its outermost element.
    """
    stopped = f'<p class="rag-note rag-stopped">{escape(say("app.stopped"))}</p>'
    return f'{_STYLE}<p class="rag-note rag-busy">{escape(stage)}</p>{stopped}'


def asked_html(standalone: str) -> str:
    """Return what a follow-up was understood to ask."""
    return note_html(f"Asked as: {standalone}")


def answer_html(answer: Answer) -> str:
    """Return an answer with its citations, unsupported sentences underlined, and a note on what that means."""
    if answer.abstained and not answer.text:
        return text_html(answer.abstention)
    if not answer.sentences:
        return text_html(answer.text or "Nothing was written. The passages that were found are below.")
    parts = []
    for sentence in answer.sentences:
        numbers = "".join(f'<span class="rag-cite">[{citation.n}]</span>' for citation in sentence.citations)
        kind = "" if sentence.supported else ' class="rag-unsupported"'
        parts.append(f"<span{kind}>{_safe(sentence.text)}</span>{numbers}")
    notes = [answer.abstention] if answer.abstention else []
    if answer.is_cited_by_computation:
        notes.append(
            "The generator's own citations were missing or wrong: the numbers were computed from the passages."
        )
    if not all(sentence.supported for sentence in answer.sentences):
        missing = dict.fromkeys(part for sentence in answer.sentences for part in sentence.missing)
        named = f" In none: {', '.join(missing)}." if missing else ""
        notes.append(f"Underlined: no passage supports it.{named}")
    if answer.is_cut:
        notes.append("The answer ends here because it reached its longest.")
    below = "".join(f'<p class="rag-note">{_safe(note)}</p>' for note in notes)
    return f'{_STYLE}<div class="rag-text">{" ".join(parts)}</div>{below}'


def sources_html(passages: Sequence[Passage], question: str, citations: Iterable[Citation] = ()) -> str:
    """Return the passages as cards that open: number, document, page and two scores in sight, text and all scores inside.

    In the text the words of the question are marked, and what is cited of it.
    """
    cited: dict[int, list[tuple[int, int]]] = {}
    for citation in citations:
        cited.setdefault(citation.n, []).append((citation.start, citation.end))
    return _STYLE + "".join(_source_html(passage, question, cited.get(passage.n, [])) for passage in passages)


def _source_html(passage: Passage, question: str, spans: Sequence[tuple[int, int]]) -> str:
    page = f", {passage.pages}" if passage.pages else ""
    notes = (
        " > ".join(passage.heading_path),
        passage.also_in_words and f"Also in {passage.also_in_words}",
        passage.table_header,
        is_hostile(passage) and "This passage speaks to the model, as an attack would: read it with care.",
    )
    above = "".join(f'<p class="rag-note">{_safe(note)}</p>' for note in notes if note)
    scores = " · ".join(f"{escape(name)} {value:.3f}" for name, value in passage.scores.items())
    in_sight = [name for name in _IN_SIGHT if name in passage.scores] or list(passage.scores)[:1]
    main_score = " · ".join(f"{escape(name)} {passage.scores[name]:.3f}" for name in in_sight)
    lead = " ".join(passage.text.split())[:160]
    return (
        f'<details class="rag-source"><summary><span>[{passage.n}]</span>'
        f'<span class="rag-name">{_safe(passage.document)}{page}</span><span class="rag-score">{main_score}</span>'
        f'<span class="rag-lead">{_safe(lead)}</span></summary>{above}'
        f'<div class="rag-text">{_marked(passage, question, spans)}</div><p class="rag-note">{scores}</p></details>'
    )


def _marked(passage: Passage, question: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the passage's text with the spans (offsets into the document) and the words of the question marked."""
    words = matching_spans(passage.text, question)
    parts = []
    position = 0
    for start, end in sorted((start - passage.start, end - passage.start) for start, end in spans):
        first = max(start, position)
        if first < end:
            parts.append(_with_words(passage.text, words, position, first))
            parts.append(f"<mark>{_with_words(passage.text, words, first, end)}</mark>")
            position = end
    return "".join(parts) + _with_words(passage.text, words, position, len(passage.text))


def _with_words(text: str, words: Sequence[tuple[int, int]], first: int, last: int) -> str:
    """Return `text[first:last]` with the spans of words marked that lie in it, or the part of them that does."""
    parts = []
    for word in words:
        start, end = max(word[0], first), min(word[1], last)
        if start < end:
            parts.append(f'{_safe(text[first:start])}<mark class="rag-word">{_safe(text[start:end])}</mark>')
            first = end
    return "".join(parts) + _safe(text[first:last])


def _safe(text: str) -> str:
    return escape(printable(text))


def counted(count: int, thing: str) -> str:
    """Return how many there are: `1 document`, `3 documents`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def unexpected(error: Exception) -> RagAppError:
    """Return a defect as a sentence for a person; the server's log has it in full."""
    _log.exception("unexpected error on a page", exc_info=error)
    return RagAppError(say("app.unexpected.found", kind=type(error).__name__), say("app.unexpected.remedy"))


def show_problem(error: RagAppError) -> None:
    """Show what happened and what to do, both as plain text."""
    with st.container(border=True):
        st.badge(say("app.problem"), icon=":material/error:", color="red")
        st.text(printable(error.found))
        if error.remedy:
            st.text(printable(error.remedy))


def show_notice(text: str) -> None:
    """Show, as plain text, what a reader has to know of what is on the page."""
    with st.container(border=True):
        st.badge(say("app.notice"), icon=":material/warning:", color="orange")
        st.text(printable(text))
