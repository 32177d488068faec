"""The HTML of what is side by side: passages with their rank, where they moved, and their percentile; names, times.

Everything that comes from a document or a model's name is escaped here. This module knows nothing of how anything is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rag_app.datatypes import Passage
from rag_app.evaluation.side_by_side import Move
from rag_app.text import matching_spans, printable
from rag_app.ui.words import say

_LEAD = 160  # characters of a passage that are seen before it is opened

# Colours are mixed from the text's own, so that they fit the light and the dark theme.
_STYLE = """<style>
.side-card { border: 1px solid color-mix(in srgb, currentColor 22%, transparent); border-radius: .5rem;
  padding: .5rem .75rem; margin: .4rem 0; }
.side-card.cited { border-left: .25rem solid color-mix(in srgb, currentColor 60%, transparent); }
.side-card summary { cursor: pointer; display: flex; flex-wrap: wrap; gap: .15rem .6rem; align-items: baseline; }
.side-card summary::marker { content: ""; }
.side-name { font-size: 1.15rem; font-weight: 600; overflow-wrap: anywhere; margin: 0; }
.side-question { font-size: 1.4rem; font-weight: 600; overflow-wrap: anywhere; margin: .5rem 0 0; }
.side-note { opacity: .75; font-size: .875em; margin: .2em 0; overflow-wrap: anywhere; }
.side-document { font-weight: 600; overflow-wrap: anywhere; flex: 1 1 8rem; }
.side-move { font-size: .875em; border-radius: 1em; padding: 0 .5em;
  background: color-mix(in srgb, currentColor 10%, transparent); white-space: nowrap; }
.side-move.up, .side-move.down, .side-move.alone, .side-move.new { font-weight: 600; }
.side-scale { flex: 1 1 100%; display: flex; align-items: center; gap: .5rem; font-size: .875em;
  font-variant-numeric: tabular-nums; }
.side-track { flex: 1 1 auto; height: .4rem; border-radius: .2rem; overflow: hidden;
  background: color-mix(in srgb, currentColor 14%, transparent); }
.side-fill { display: block; height: 100%; background: #0d9488; }
.side-lead { flex: 1 1 100%; opacity: .75; font-size: .875em; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.side-card[open] .side-lead { display: none; }
.side-text { white-space: pre-wrap; overflow-wrap: anywhere; margin-top: .4rem; }
.side-text mark { background: color-mix(in srgb, currentColor 12%, transparent); color: inherit; font-weight: 600;
  border-radius: .2em; }
</style>"""
_ARROWS = {"up": "↑", "down": "↓", "stays": "=", "alone": "◇", "new": "◇"}


def name_html(name: str) -> str:
    """Return the name of a side."""
    return f'{_STYLE}<h3 class="side-name">{_safe(name)}</h3>'


def question_html(question: str) -> str:
    """Return the question that was asked, as the title of what follows."""
    return f'{_STYLE}<h2 class="side-question">{_safe(question)}</h2>'


def remark_html(text: str) -> str:
    """Return a remark in small letters."""
    return f'{_STYLE}<p class="side-note">{_safe(text)}</p>'


def passages_html(
    passages: Sequence[Passage],
    question: str,
    moves: Sequence[Move] = (),
    reference: str = "",
    cited: Sequence[int] = (),
) -> str:
    """Return the passages of a system, best first, as cards that open.

    Args:
        passages: in their order.
        question: its words are marked in the texts.
        moves: where each is in the system that it is compared with; empty where that is not known.
        reference: the name of that system; empty for the one that the others are compared with: of its passages only those
            are marked that no other has.
        cited: ranks of those that the answer cites.
    """
    cards = []
    for rank, passage in enumerate(passages, start=1):
        move = moves[rank - 1] if moves else None
        cards.append(_card(passage, rank, question, move, reference, is_cited=rank in cited))
    return _STYLE + "".join(cards)


def blind_passages_html(passages: Sequence[Passage], question: str) -> str:
    """Return passages without anything that would tell who found them: no score, no move."""
    return _STYLE + "".join(
        _card(passage, rank, question, None, "", is_cited=False, is_blind=True)
        for rank, passage in enumerate(passages, start=1)
    )


def _card(
    passage: Passage,
    rank: int,
    question: str,
    move: Move | None,
    reference: str,
    *,
    is_cited: bool,
    is_blind: bool = False,
) -> str:
    place = ", ".join(part for part in (passage.document, _pages(passage)) if part)
    cited = f'<span class="side-move">{escape(say("compare.cited"))}</span>' if is_cited else ""
    scores = " · ".join(f"{escape(name)} {value:.3f}" for name, value in passage.scores.items())
    headings = " > ".join(passage.heading_path)
    above = f'<p class="side-note">{_safe(headings)}</p>' if headings else ""
    below = "" if is_blind or not scores else f'<p class="side-note">{scores}</p>'
    scale = "" if is_blind else _scale(passage)
    return (
        f'<details class="side-card{" cited" if is_cited else ""}"><summary><span>{rank}</span>'
        f'<span class="side-document">{_safe(place)}</span>{_move(move, reference)}{cited}{scale}'
        f'<span class="side-lead">{_safe(" ".join(passage.found_text.split())[:_LEAD])}</span></summary>{above}'
        f'<div class="side-text">{_marked(passage.text, question)}</div>{below}</details>'
    )


def _move(move: Move | None, reference: str) -> str:
    if move is None or not (reference or move.is_alone):
        return ""
    if move.is_alone:
        kind, words = "alone", say("compare.move.alone")
    elif move.before is None:
        kind, words = "new", say("compare.move.new", name=reference)
    elif move.before == move.now:
        kind, words = "stays", say("compare.move.stays")
    else:
        kind = "up" if move.now < move.before else "down"
        words = say(f"compare.move.{kind}", before=move.before, now=move.now)
    return f'<span class="side-move {kind}">{_ARROWS[kind]} {_safe(words)}</span>'


def _scale(passage: Passage) -> str:
    """Return the percentile on the scale from 0 to 1 that all systems share; nothing where the base has none."""
    percentile = passage.scores.get("percentile")
    if percentile is None:
        return ""
    share = round(100 * min(max(percentile, 0.0), 1.0), 1)
    return (
        f'<span class="side-scale"><span>percentile {percentile:.3f}</span><span class="side-track" aria-hidden="true">'
        f'<span class="side-fill" style="width: {share}%"></span></span></span>'
    )


def _pages(passage: Passage) -> str:
    if passage.page is None:
        return ""
    if passage.last_page in (None, passage.page):
        return say("compare.page", first=passage.page)
    return say("compare.pages", first=passage.page, last=passage.last_page)


def _marked(text: str, question: str) -> str:
    """Return a text with the words of the question marked."""
    parts, position = [], 0
    for start, end in matching_spans(text, question):
        parts.append(f"{_safe(text[position:start])}<mark>{_safe(text[start:end])}</mark>")
        position = end
    return "".join(parts) + _safe(text[position:])


def _safe(text: str) -> str:
    return escape(printable(text))
