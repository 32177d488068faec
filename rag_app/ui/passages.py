"""Passages as HTML: cards that open, and a whole passage, with what is cited and the words of the question marked.

Everything that comes from a document is escaped, as in `rag_app.ui.parts`. This module knows nothing of pages or sessions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape

from rag_app.answering.prompting.hostile_text import is_hostile
from rag_app.datatypes import Citation, Passage
from rag_app.text import matching_spans
from rag_app.ui.parts import STYLE, safe
from rag_app.ui.words import say

# Of a passage's scores, those that its card shows before it is opened; where it has none of them, its first.
_IN_SIGHT = ("probability", "cosine", "percentile")
_NAMED_PLACES = 3  # of the other documents where a passage stands
# A passage can be a whole document: so many characters of it are shown, from a little before what is cited.
_ON_CARD, _IN_FULL, _BEFORE, _NOTE = 4000, 60_000, 400, 1000
_IN_LINE = 160  # characters of it that its card has in sight before it is opened
_HEADING_MARK = re.compile(r"^#{1,6}[ \t]+", re.MULTILINE)


def named(passage: Passage) -> str:
    """Return the document of a passage, with its pages where it has some."""
    if passage.page is None:
        return passage.document
    if passage.last_page in (None, passage.page):
        return say("ask.source.on_page", document=passage.document, page=passage.page)
    return say("ask.source.on_pages", document=passage.document, first=passage.page, last=passage.last_page)


def also_in(passage: Passage) -> str:
    """Return the other documents where a passage stands, the first of them by name; empty where there are none."""
    others = list(dict.fromkeys(place.document for place in passage.also_in))
    if not others:
        return ""
    named, more = ", ".join(others[:_NAMED_PLACES]), len(others) - _NAMED_PLACES
    if more > 0:
        return say("ask.source.also_in_more", documents=named, count=more)
    return say("ask.source.also_in", documents=named)


def sources_html(passages: Sequence[Passage], question: str, citations: Iterable[Citation] = ()) -> str:
    """Return the passages as cards that open: number, document, page and two scores in sight, text and all scores inside.

    In the text the words of the question are marked, and what is cited of it.
    """
    cited: dict[int, list[tuple[int, int]]] = {}
    for citation in citations:
        cited.setdefault(citation.n, []).append((citation.start, citation.end))
    return STYLE + "".join(_source_html(passage, question, cited.get(passage.n, [])) for passage in passages)


def _source_html(passage: Passage, question: str, spans: Sequence[tuple[int, int]]) -> str:
    cited = f'<span class="rag-cited">{escape(say("ask.source.cited"))}</span>' if spans else ""
    scores = " · ".join(f"{escape(name)} {value:.3f}" for name, value in passage.scores.items())
    part = _part(passage, spans, _ON_CARD)
    in_sight = [name for name in _IN_SIGHT if name in passage.scores] or list(passage.scores)[:1]
    main_score = " · ".join(f"{escape(name)} {passage.scores[name]:.3f}" for name in in_sight)
    return (
        f'<details class="rag-source"><summary><span>[{passage.n}]</span>'
        f'<span class="rag-name">{safe(named(passage))}</span>{cited}<span class="rag-score">{main_score}</span>'
        f'<span class="rag-lead">{safe(_lead(passage, spans))}</span></summary>{_above_html(passage)}'
        f'<div class="rag-text">{_marked(part, question, spans)}</div>{_left_out_html(part, passage)}'
        f'<p class="rag-note">{scores}</p></details>'
    )


def _lead(passage: Passage, spans: Sequence[tuple[int, int]]) -> str:
    """Return what is in sight of a passage: from its first cited sentence on, else from the one nearest to the question."""
    nearest = [passage.best_sentence] if passage.best_sentence is not None else []
    first = min((start - passage.start for start, _ in spans or nearest), default=0)
    text = " ".join(_HEADING_MARK.sub("", passage.text[max(first, 0) :][:_ON_CARD]).split())[:_IN_LINE]
    return f"… {text}" if first > 0 else text


def passage_html(passage: Passage, question: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return a passage with what stands above it, the spans (offsets into the document) and the question's words marked."""
    part = _part(passage, spans, _IN_FULL)
    return (
        f'{STYLE}<div class="rag-source">{_above_html(passage)}'
        f'<div class="rag-text">{_marked(part, question, spans)}</div>{_left_out_html(part, passage)}</div>'
    )


def _part(passage: Passage, spans: Sequence[tuple[int, int]], most: int) -> Passage:
    """Return the passage, or the part of it that is shown where it is longer."""
    if len(passage.text) <= most:
        return passage
    cited = min((start for start, _ in spans), default=passage.start) - passage.start
    first = min(max(cited - _BEFORE, 0), len(passage.text) - most)
    return replace(
        passage,
        text=passage.text[first : first + most],
        start=passage.start + first,
        end=passage.start + first + most,
    )


def _left_out_html(part: Passage, passage: Passage) -> str:
    """Say what of a passage is not shown."""
    if part is passage:
        return ""
    first = part.start - passage.start
    note = say("ask.source.part", first=first + 1, last=first + len(part.text), count=len(passage.text))
    return f'<p class="rag-note">{escape(note)}</p>'


def name_html(passage: Passage) -> str:
    """Return the document of a passage and its pages, as the heading of what follows."""
    return f'{STYLE}<div class="rag-text rag-name">{safe(named(passage))}</div>'


def scores_html(scores: Iterable[tuple[str, float, str]]) -> str:
    """Return scores, each with its name, its value and what it means."""
    rows = "".join(
        f'<p><b>{safe(name)} <span class="rag-score">{value:.3f}</span></b> <span class="rag-note">{safe(means)}</span></p>'
        for name, value, means in scores
    )
    return f'{STYLE}<div class="rag-scores">{rows}</div>'


def _above_html(passage: Passage) -> str:
    """Return what a reader has to know before the text: headings, other places, the table's header, a warning."""
    notes = (
        " > ".join(passage.heading_path),
        also_in(passage),
        passage.table_header,
        is_hostile(passage) and say("ask.source.hostile"),
    )
    return "".join(f'<p class="rag-note">{safe(_clipped(note))}</p>' for note in notes if note)


def _clipped(note: str) -> str:
    """Return a note, or the beginning of one that is longer than anybody reads: a table may have ten thousand columns."""
    return note if len(note) <= _NOTE else f"{note[:_NOTE]} …"


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
            parts.append(f'{safe(text[first:start])}<mark class="rag-word">{safe(text[start:end])}</mark>')
            first = end
    return "".join(parts) + safe(text[first:last])
