"""The passages of a document, one by one, beside the page on which they stand.

This module knows nothing of how a page is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from rag_app.config import SandboxSettings, Settings
from rag_app.datatypes import Chunk
from rag_app.errors import PagePictureError
from rag_app.page_pictures import PDF, PagePicture, page_picture
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.text import printable
from rag_app.ui.knowledge_bases.markup import passage_html
from rag_app.ui.parts import note_html, show_notice
from rag_app.ui.words import say

_PICTURES = 32


def draw_passages(settings: Settings, knowledge_base: KnowledgeBase, path: str) -> None:
    """Draw one passage of a document, the way to the ones beside it, and for a PDF its page with the passage marked."""
    chunks = knowledge_base.chunks.chunks_of(path)
    if not chunks:
        return
    chunk = chunks[_draw_way(knowledge_base.name, path, len(chunks)) - 1]
    facts = knowledge_base.chunks.facts([path])[path]
    if facts.media_type != PDF or chunk.page is None:
        _draw_text(chunk)
        return
    left, right = st.columns([2, 3])
    with left:
        _draw_text(chunk)
    with right:
        _draw_page(settings, knowledge_base, chunk)


def _draw_way(name: str, path: str, count: int) -> int:
    """Draw which passage is shown and the way to others; return its number, from 1."""
    key = f"passage of {name} {path}"
    number = min(max(int(st.session_state.get(key, 1)), 1), count)
    st.session_state[key] = number

    def go(to: int) -> None:
        st.session_state[key] = to

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            say("knowledge_bases.passages.previous"),
            icon=":material/chevron_left:",
            disabled=number == 1,
            on_click=go,
            args=(number - 1,),
        )
        st.number_input(
            say("knowledge_bases.passages.number", count=count), min_value=1, max_value=count, key=key, width=170
        )
        st.button(
            say("knowledge_bases.passages.next"),
            icon=":material/chevron_right:",
            disabled=number == count,
            on_click=go,
            args=(number + 1,),
        )
    return number


def _draw_text(chunk: Chunk) -> None:
    above = " > ".join(part for part in (chunk.name, *chunk.heading_path) if part)
    if above:
        st.html(note_html(above))
    st.html(passage_html("\n".join(part for part in (chunk.table_header, chunk.text) if part)))
    places = say("knowledge_bases.passages.characters", start=chunk.start, end=chunk.end)
    pages = _pages(chunk)
    if len(pages) == 1:
        places = f"{say('knowledge_bases.passages.page', page=pages[0])} · {places}"
    elif pages:
        places = f"{say('knowledge_bases.passages.pages', first=pages[0], last=pages[-1])} · {places}"
    st.html(note_html(places))


def _pages(chunk: Chunk) -> Sequence[int]:
    if chunk.page is None:
        return ()
    return range(chunk.page, (chunk.last_page or chunk.page) + 1)


def _draw_page(settings: Settings, knowledge_base: KnowledgeBase, chunk: Chunk) -> None:
    pages = _pages(chunk)
    page = pages[0]
    if len(pages) > 1:
        page = st.segmented_control(
            say("knowledge_bases.passages.which_page"),
            list(pages),
            default=page,
            required=True,
            key=f"page of {chunk.id}",
        )
    try:
        picture = _picture(
            knowledge_base,
            knowledge_base.folder,
            chunk.document_path,
            int(page),
            (chunk.start, chunk.end),
            settings.sandbox,
        )
    except PagePictureError as error:
        show_notice(say(f"knowledge_bases.picture.{error.problem}"))
        return
    said = say("knowledge_bases.passages.alt", page=page, path=printable(chunk.document_path))
    with st.container(border=True):  # a white page on a white screen has no edge
        st.image(picture.png, alt=said, width="stretch")


@st.cache_data(max_entries=_PICTURES, show_spinner=False)
def _picture(
    _knowledge_base: KnowledgeBase,
    generation: Path,  # noqa: ARG001 - stands for the knowledge base in what is remembered
    path: str,
    page: int,
    span: tuple[int, int],
    _sandbox: SandboxSettings,
) -> PagePicture:
    """Return the picture of a page."""
    return page_picture(_knowledge_base, path, page, [span], sandbox=_sandbox)
