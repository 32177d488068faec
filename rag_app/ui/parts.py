"""Pieces of pages: HTML of answers and passages, and how a problem looks.

Everything that comes from a document, a question or a generator is escaped here and shown as text: it never becomes
markup, so no image is fetched and no link can be followed. This module knows nothing of engines or sessions.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import escape

import streamlit as st

from rag_app.answering.citing.markers import STOPS
from rag_app.datatypes import Answer
from rag_app.errors import RagAppError
from rag_app.language import language_of
from rag_app.text import printable
from rag_app.ui.words import language, say
from rag_app.ui.words.translation import translated

_log = logging.getLogger(__name__)

# What may follow the words of a sentence of an answer: its markers, the signs that end it, and white space.
_AFTER_WORDS = re.compile(rf"(?:[ \t]*\[\d+\])*[{re.escape(STOPS)}]*(?:[ \t]*\[\d+\])*\s*")

# Colours are mixed from the text's own, so that they fit the light and the dark theme.
STYLE = """<style>
.rag-text { white-space: pre-wrap; overflow-wrap: anywhere; }
.rag-cite { font-size: .75em; font-weight: 600; vertical-align: super; padding: 0 .15em; }
.rag-unsupported { text-decoration: underline dotted; text-underline-offset: .2em; }
.rag-aside { border-left: .25rem solid color-mix(in srgb, currentColor 35%, transparent); padding-left: .75rem; }
.rag-cited { font-size: .8em; border: 1px solid currentColor; border-radius: .5rem; padding: 0 .4em; }
.rag-point { display: flex; gap: .5em; margin: .15em 0; overflow-wrap: anywhere; }
.rag-note { opacity: .75; font-size: .875em; margin: .5em 0 0; }
.rag-source { border: 1px solid color-mix(in srgb, currentColor 22%, transparent); border-radius: .5rem;
  padding: .5rem .75rem; margin: .4rem 0; }
.rag-source summary { cursor: pointer; display: flex; flex-wrap: wrap; gap: .15rem .6rem; align-items: baseline; }
.rag-source summary::marker { content: ""; }
.rag-name { font-weight: 600; overflow-wrap: anywhere; flex: 1 1 12rem; }
.rag-score { font-variant-numeric: tabular-nums; }
.rag-scores p { margin: 0 0 .3em; }
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
    return f'{STYLE}<div class="rag-text">{safe(text)}</div>'


def heading_html(text: str) -> str:
    """Return a name, as of a model, that stands above what is said of it."""
    return f'{STYLE}<div class="rag-name">{safe(text)}</div>'


def points_html(points: Iterable[tuple[str, str]]) -> str:
    """Return short statements, one a line, each behind a sign that says what kind it is."""
    lines = "".join(
        f'<div class="rag-point"><span aria-hidden="true">{escape(sign)}</span><span>{safe(text)}</span></div>'
        for sign, text in points
    )
    return f"{STYLE}{lines}"


def note_html(text: str) -> str:
    """Return a remark in small letters."""
    return f'{STYLE}<p class="rag-note">{safe(text)}</p>'


def busy_html(stage: str) -> str:
    """Return what is going on, for as long as the script runs; once it was stopped, that it was stopped.

    After a click on Stop no Python runs that could change the page, so the page itself tells the two apart, by the state
    that Streamlit writes on its outermost element.
    """
    stopped = f'<p class="rag-note rag-stopped">{escape(say("app.stopped"))}</p>'
    return f'{STYLE}<p class="rag-note rag-busy">{escape(stage)}</p>{stopped}'


def asked_html(standalone: str) -> str:
    """Return what a follow-up was understood to ask."""
    return note_html(say("ask.turn.asked_as", question=standalone))


def aside_html(text: str) -> str:
    """Return what stands where an answer would, and is none."""
    return f'{STYLE}<div class="rag-text rag-aside">{safe(text)}</div>'


def answer_html(answer: Answer) -> str:
    """Return an answer with its citations, unsupported sentences underlined, and a note on what that means."""
    if answer.abstained and not answer.text:
        return aside_html(answer.abstention)
    if not answer.sentences:
        return text_html(answer.text) if answer.text else aside_html(say("ask.answer.empty"))
    parts = []
    for sentence, gap in zip(answer.sentences, gaps_after(answer), strict=True):
        numbers = "".join(f'<span class="rag-cite">[{citation.n}]</span>' for citation in sentence.citations)
        kind = "" if sentence.supported else ' class="rag-unsupported"'
        parts.append(f"<span{kind}>{safe(sentence.text)}</span>{numbers}{gap}")
    return f'{STYLE}<div class="rag-text">{"".join(parts)}</div>{notes_html(answer)}'


def notes_html(answer: Answer) -> str:
    """Return what has to be said of an answer, in small letters below it."""
    return STYLE + "".join(f'<p class="rag-note">{safe(note)}</p>' for note in answer_notes(answer))


def answer_notes(answer: Answer) -> list[str]:
    """Return what has to be said of an answer that was written: where it has no support, and where it ends too early."""
    if not answer.sentences:
        return []
    notes = [answer.abstention] if answer.abstention else []
    if answer.not_asked:
        notes.append(say("ask.answer.not_asked", generator=answer.not_asked))
    if answer.is_cited_by_computation:
        notes.append(say("ask.answer.computed"))
    if not all(sentence.supported for sentence in answer.sentences):
        missing = dict.fromkeys(part for sentence in answer.sentences for part in sentence.missing)
        unsupported = say("ask.answer.unsupported")
        notes.append(f"{unsupported} {say('ask.answer.missing', parts=', '.join(missing))}" if missing else unsupported)
    if answer.is_cut:
        notes.append(say("ask.answer.cut"))
    return notes


def gaps_after(answer: Answer) -> list[str]:
    """Return the white space after each sentence of an answer, as it was written: a list keeps its lines."""
    text, gaps = answer.text or "", []
    position = 0
    for sentence in answer.sentences:
        words = sentence.text.rstrip(STOPS) or sentence.text
        start = text.find(words, position)
        if start < 0:
            gaps.append(" ")
            continue
        after = _AFTER_WORDS.match(text, start + len(words))
        position = after.end() if after else start + len(words)
        between = text[start + len(words) : position]
        gaps.append("\n" * min(between.count("\n"), 2) or (" " if between[-1:].isspace() else ""))
    return gaps


def safe(text: str) -> str:
    """Return text as HTML shows it, with what would act or hide in it made visible."""
    return escape(printable(text))


def unexpected(error: Exception) -> RagAppError:
    """Return a defect as a sentence for a person; the server's log has it in full."""
    _log.exception("unexpected error on a page", exc_info=error)
    return RagAppError(say("app.unexpected.found", kind=type(error).__name__), say("app.unexpected.remedy"))


@contextmanager
def problems_shown() -> Iterator[None]:
    """Show whatever goes wrong in the block as a sentence: the edge of what is drawn again by itself, as a fragment is."""
    try:
        yield
    except RagAppError as error:
        show_problem(error)
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a person gets a sentence
        show_problem(unexpected(error))


def show_problem(error: RagAppError) -> None:
    """Show what happened and what to do, both as plain text.

    Errors speak English, and are translated. Where one has no translation, its kind is told, and its own words are below a
    fold; what a page says in the chosen language itself is shown as it is.
    """
    with st.container(border=True):
        st.badge(say("app.problem"), icon=":material/error:", color="red")
        if language() in ("en", language_of(translated(error.found)).code):
            _draw_words_of(error)
            return
        st.text(say(f"problems.{type(error).__name__}"))
        with st.expander(say("app.problem_detail")):
            _draw_words_of(error)


def _draw_words_of(error: RagAppError) -> None:
    st.text(printable(translated(error.found)))
    if error.remedy:
        st.text(printable(translated(error.remedy)))


def show_notice(text: str) -> None:
    """Show, as plain text, what a reader has to know of what is on the page."""
    with st.container(border=True):
        st.badge(say("app.notice"), icon=":material/warning:", color="orange")
        st.text(printable(translated(text)))
