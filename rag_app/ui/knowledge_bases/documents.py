"""The documents of a knowledge base: what became of each file, one to be looked at, and its removal.

This module knows nothing of how a document was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from rag_app.config import Settings
from rag_app.store.document_rows import DocumentRow, document_rows
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.text import printable
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.markup import files_html
from rag_app.ui.knowledge_bases.passages import draw_passages
from rag_app.ui.knowledge_bases.progress import show_start
from rag_app.ui.models.languages import language_name
from rag_app.ui.words import say
from rag_app.ui.words.translation import translated

if TYPE_CHECKING:
    from streamlit.elements.arrow import DataframeState

_ROW_PIXELS, _MOST_ROWS = 35, 12
_OPEN_PROBLEMS = 3
_DELETING = "document to be deleted"
_MARKS = {"indexed": "✓", "failed": "✕", "skipped": "–", "empty": "○"}  # with the word beside it


def draw_documents(settings: Settings, knowledge_base: KnowledgeBase) -> None:
    """Draw the table of the files, and below it the one that is chosen."""
    rows = document_rows(knowledge_base)
    shown = _filtered(rows)
    key = _key(knowledge_base)
    _draw_table(knowledge_base, shown)
    _draw_problems(shown, is_document_open=bool(st.session_state.get(key)))
    searchable = [row.path for row in rows if row.is_searchable]
    if st.session_state.get(key) not in searchable:
        st.session_state[key] = None
    chosen = st.selectbox(
        say("knowledge_bases.documents.look_at"),
        searchable,
        index=None,
        key=key,
        format_func=printable,
        placeholder=say("knowledge_bases.documents.choose"),
    )
    if chosen:
        _draw_removal(settings, knowledge_base.name, chosen)
        draw_passages(settings, knowledge_base, chosen)


def _filtered(rows: Sequence[DocumentRow]) -> list[DocumentRow]:
    """Draw the filter by what became of files, where there is more than one kind, and return what it lets through."""
    counts = Counter(row.status.value for row in rows)
    if len(counts) < 2:
        return list(rows)
    chosen = st.pills(
        say("knowledge_bases.documents.filter"),
        list(counts),
        selection_mode="multi",
        format_func=lambda status: f"{_word(status)} {counts[status]}",
        key="statuses shown",
    )
    return [row for row in rows if not chosen or row.status.value in chosen]


def _word(status: str) -> str:
    return f"{_MARKS[status]} {say(f'knowledge_bases.status.{status}')}"


def _reason(row: DocumentRow) -> str:
    return f"{translated(row.reason)} {translated(row.remedy)}".strip()


def _draw_table(knowledge_base: KnowledgeBase, rows: Sequence[DocumentRow]) -> None:
    if not rows:
        return
    table = {
        "path": [printable(row.path) for row in rows],
        "status": [_word(row.status.value) for row in rows],
        "reason": [printable(_reason(row)) for row in rows],
        "pages": [row.pages for row in rows],
        "chunks": [row.chunks for row in rows],
        "language": [language_name(row.language) for row in rows],
        "type": [row.media_type for row in rows],
    }
    # The event has the number of a row, and the table may be another by the time it comes.
    paths = [row.path if row.is_searchable else "" for row in rows]
    column = st.column_config
    key = f"table {knowledge_base.name} {knowledge_base.generation} {hash(tuple(paths))}"
    st.dataframe(
        table,
        key=key,
        hide_index=True,
        placeholder="-",
        height=_ROW_PIXELS * (min(len(rows), _MOST_ROWS) + 1) + 3,
        on_select=lambda: _take_selection(key, paths, _key(knowledge_base)),
        selection_mode="single-row",
        column_config={
            "path": column.TextColumn(say("knowledge_bases.documents.path"), width="medium"),
            "status": column.TextColumn(say("knowledge_bases.documents.status"), width="small"),
            "reason": column.TextColumn(say("knowledge_bases.documents.reason"), width="medium"),
            "pages": column.NumberColumn(say("knowledge_bases.documents.pages"), width="small", format="%d"),
            "chunks": column.NumberColumn(say("knowledge_bases.documents.chunks"), width="small"),
            "language": column.TextColumn(say("knowledge_bases.documents.language"), width="small"),
            "type": column.TextColumn(say("knowledge_bases.documents.type"), width="small"),
        },
        alt=say("knowledge_bases.documents.alt", count=len(rows)),
    )


def _draw_problems(rows: Sequence[DocumentRow], *, is_document_open: bool) -> None:
    """Draw in full why files that should be in the base are not: a cell of the table is too narrow for it."""
    problems = [row for row in rows if not row.is_searchable and not row.intended]
    if not problems:
        return
    is_open = len(problems) <= _OPEN_PROBLEMS and not is_document_open
    with st.expander(say("knowledge_bases.work.not_indexed", count=len(problems)), expanded=is_open):
        st.html(files_html((_word(row.status.value), row.path, _reason(row)) for row in problems))


def _take_selection(key: str, paths: Sequence[str], chosen: str) -> None:
    """Look at the document whose row was selected."""
    state: DataframeState | dict[str, Any] = st.session_state[key]
    numbers = state["selection"]["rows"]
    if numbers and paths[numbers[0]]:
        st.session_state[chosen] = paths[numbers[0]]


def _key(knowledge_base: KnowledgeBase) -> str:
    return f"document of {knowledge_base.name}"


def _draw_removal(settings: Settings, name: str, path: str) -> None:
    """Draw the removal of a document, which is asked twice."""
    if st.session_state.get(_DELETING) != (name, path):
        st.button(
            say("knowledge_bases.documents.delete"),
            icon=":material/delete:",
            key="delete document",
            disabled=work.is_changing(name),
            on_click=_choose_to_delete,
            args=((name, path),),
        )
        return
    with st.container(border=True):
        st.text(say("knowledge_bases.documents.delete_question", path=printable(path)))
        st.text(say("knowledge_bases.documents.delete_about"))
        with st.container(horizontal=True):
            is_sure = st.button(say("knowledge_bases.documents.delete_yes"), key="delete document yes", type="primary")
            st.button(say("knowledge_bases.keep"), key="delete document no", on_click=_choose_to_delete, args=(None,))
    if is_sure:
        is_started = work.start_purge(settings, name, [path])
        if is_started:
            _choose_to_delete(None)
        show_start(is_started, name)


def _choose_to_delete(what: tuple[str, str] | None) -> None:
    st.session_state[_DELETING] = what
