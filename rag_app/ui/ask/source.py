"""The drawer in which a source is looked at: what is cited marked, what stands beside it, its page, its scores.

Whatever opens a source opens it here. This module knows nothing of how sources were found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from rag_app.config import SandboxSettings, Settings
from rag_app.datatypes import Chunk, Passage
from rag_app.errors import KnowledgeBaseError, PagePictureError
from rag_app.page_pictures import PictureProblem, page_picture
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.records.conversations import Turn
from rag_app.text import printable
from rag_app.ui.parts import note_html, problems_shown
from rag_app.ui.passages import name_html, passage_html, scores_html
from rag_app.ui.resources import live_knowledge_base
from rag_app.ui.words import say

_OPENED = "opened source"
_BESIDE = "beside the source"
_EXPLAINED = ("cosine", "percentile", "probability", "bm25", "sentence", "fused", "reranker")
_IN_SIGHT = ("cosine", "percentile", "probability")
_PICTURES = 32


@dataclass(frozen=True)
class Opened:
    """What is to be looked at: source `n` of a turn, with these spans of its document marked."""

    turn: str
    n: int
    spans: tuple[tuple[int, int], ...] = ()


def open_cited(key: str, turn: Turn) -> None:
    """Open the source whose number was clicked in an answer; `key` is that of the answer's widget."""
    cited = getattr(st.session_state.get(key), "cited", None)
    if isinstance(cited, dict) and all(isinstance(cited.get(name), int) for name in ("n", "start", "end")):
        st.session_state[_OPENED] = Opened(turn.id, cited["n"], ((cited["start"], cited["end"]),))


def open_number(key: str, turn: Turn) -> None:
    """Open the source whose number was chosen below an answer, with all that the answer cites of it marked."""
    n = st.session_state[key]
    st.session_state[key] = None
    if n is not None:
        st.session_state[_OPENED] = Opened(turn.id, n, tuple(spans_cited(turn, n)))


def spans_cited(turn: Turn, n: int) -> list[tuple[int, int]]:
    """Return the spans of a source's document that the answer cites."""
    sentences = turn.answer.sentences if turn.answer is not None else ()
    return [(one.start, one.end) for sentence in sentences for one in sentence.citations if one.n == n]


def draw_opened(turn: Turn, settings: Settings) -> None:
    """Open the drawer where a source of this turn was asked for."""
    opened: Opened | None = st.session_state.get(_OPENED)
    if opened is None or opened.turn != turn.id:
        return
    del st.session_state[_OPENED]
    passage = next((one for one in turn.passages if one.n == opened.n), None)
    if passage is not None:
        st.session_state.pop(_BESIDE, None)
        title = say("ask.source.title", n=passage.n)
        drawer = st.dialog(title, width="medium", position="right", icon=":material/description:")(_draw_drawer)
        drawer(turn, passage, opened.spans, settings)


def _draw_drawer(turn: Turn, passage: Passage, spans: Sequence[tuple[int, int]], settings: Settings) -> None:
    with problems_shown():
        _draw_source(turn, passage, spans, settings)


def _draw_source(turn: Turn, passage: Passage, spans: Sequence[tuple[int, int]], settings: Settings) -> None:
    base = _base_with(turn.knowledge_base, passage, settings)
    beside: Chunk | None = st.session_state.get(_BESIDE)
    shown = passage if beside is None else _as_passage(beside, passage)
    st.html(name_html(shown))
    if beside is None:
        _draw_scores(passage)
    else:
        st.html(note_html(say("ask.source.neighbour", n=passage.n)))
    marked = spans if beside is None else []
    st.html(passage_html(shown, turn.standalone or turn.question, marked))
    if base is None:
        st.html(note_html(say("ask.source.changed")))
        return
    _draw_neighbours(base, shown, is_source=beside is None)
    if shown.page is not None:
        _draw_picture(base, shown, marked or [(shown.start, shown.end)], settings)


def _base_with(name: str, passage: Passage, settings: Settings) -> KnowledgeBase | None:
    """Return the knowledge base where it still holds the passage as it was found, to the letter."""
    try:
        base = live_knowledge_base(settings.indexes, name).current().knowledge_base
        (text,) = base.chunks.slices(passage.document, [(passage.start, passage.end)])
    except KnowledgeBaseError:
        return None
    return base if text == passage.text else None


def _as_passage(chunk: Chunk, source: Passage) -> Passage:
    return Passage(
        source.n,
        chunk.document_path,
        chunk.page,
        chunk.start,
        chunk.end,
        chunk.text,
        chunk.heading_path,
        {},
        chunk.table_header,
        chunk.last_page,
    )


def _draw_scores(passage: Passage) -> None:
    """Draw the scores that mean something by themselves with what they mean, the others under one fold."""
    in_sight = [name for name in _IN_SIGHT if name in passage.scores]
    others = [name for name in passage.scores if name not in in_sight]
    st.html(scores_html([_score(passage, name) for name in in_sight]))
    if others:
        with st.expander(say("ask.source.scores")):
            st.html(scores_html([_score(passage, name) for name in others]))


def _score(passage: Passage, name: str) -> tuple[str, float, str]:
    """Return a score by its name, with what it means where that is known."""
    return name, passage.scores[name], say(f"ask.score.{name}") if name in _EXPLAINED else ""


def _draw_neighbours(base: KnowledgeBase, shown: Passage, *, is_source: bool) -> None:
    """Draw the way to what stands before and after in the document."""
    before = base.chunks.chunk_before(shown.document, shown.start)
    after = base.chunks.chunk_after(shown.document, shown.end)
    with st.container(horizontal=True):
        for chunk, word, icon in ((before, "previous", "arrow_upward"), (after, "next", "arrow_downward")):
            st.button(
                say(f"ask.source.{word}"),
                icon=f":material/{icon}:",
                disabled=chunk is None,
                on_click=_look_at,
                args=(chunk,),
                key=f"{word} passage",
            )
        if not is_source:
            st.button(
                say("ask.source.back"), icon=":material/undo:", on_click=_look_at, args=(None,), key="back to source"
            )
    if before is None:
        st.html(note_html(say("ask.source.first")))
    if after is None:
        st.html(note_html(say("ask.source.last")))


def _look_at(chunk: Chunk | None) -> None:
    st.session_state[_BESIDE] = chunk


def _draw_picture(base: KnowledgeBase, shown: Passage, spans: Sequence[tuple[int, int]], settings: Settings) -> None:
    """Draw the page of a PDF with the spans marked; of what has no pages nothing is said."""
    assert shown.page is not None
    page = _page_of(base, shown, spans)
    slot = st.empty()
    slot.html(note_html(say("ask.source.drawing")))
    try:
        generation = f"{base.folder} {base.manifest.created_at}"
        png = _picture(base, generation, shown.document, page, tuple(spans), settings.sandbox)
    except PagePictureError as error:
        slot.empty()
        if error.problem != PictureProblem.NOT_PAGED:
            st.html(note_html(say(f"ask.picture.{error.problem}", page=page, name=base.name)))
        return
    slot.image(png, width="stretch", alt=say("ask.source.picture", page=page, document=printable(shown.document)))


def _page_of(base: KnowledgeBase, shown: Passage, spans: Sequence[tuple[int, int]]) -> int:
    """Return the page on which the first span begins; a passage may go over several."""
    assert shown.page is not None
    start, end = min(spans)
    return min((box.page for box in base.chunks.boxes(shown.document, start, end)), default=shown.page)


@st.cache_data(show_spinner=False, max_entries=_PICTURES)
def _picture(
    _base: KnowledgeBase,
    generation: str,
    document: str,
    page: int,
    spans: tuple[tuple[int, int], ...],
    _sandbox: SandboxSettings,
) -> bytes:
    """Return a picture as PNG, drawn once for all sessions."""
    del generation  # a part of the key
    return page_picture(_base, document, page, spans, sandbox=_sandbox).png
