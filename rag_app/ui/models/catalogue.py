"""The catalogue as a table to filter: what each model is for, what it costs, whether it is on this machine.

This module knows nothing of how a model is fetched.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from rag_app.config import Settings
from rag_app.models.catalogue import EmbedderRow, ModelRow, load_catalogue
from rag_app.models.listing import Held, Kind, held, is_like, rows_of
from rag_app.ui.choices import keep_chosen
from rag_app.ui.models.details import draw_details
from rag_app.ui.models.languages import known_codes, language_name
from rag_app.ui.parts import note_html
from rag_app.ui.words import say

_KINDS: tuple[Kind, ...] = ("embedder", "reranker", "generator")

Listed = tuple[Kind, ModelRow, Held | None]


def draw_catalogue(settings: Settings) -> None:
    """Draw filters, table, and the details of the model that is chosen in it."""
    rows: list[Listed] = [(kind, row, held(row)) for kind, row in rows_of(load_catalogue())]
    _draw_totals(rows)
    shown = _filtered(rows)
    if not shown:
        st.text(say("models.nothing_like_that"))
        return
    st.html(note_html(say("models.shown", count=len(shown), total=len(rows))))
    event = st.dataframe(
        [_line(*one) for one in shown],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config=_columns(),
        key=f"models_table_{hash(tuple(row.id for _, row, _ in shown))}",  # another table, another choice
        placeholder="-",
        alt=say("models.table_alt", count=len(shown)),
    )
    chosen = event.selection.rows
    if not chosen:
        st.html(note_html(say("models.choose_one")))
        return
    draw_details(*shown[chosen[0]], settings)


def _draw_totals(rows: list[Listed]) -> None:
    here = [one for _, _, one in rows if one is not None]
    gigabytes = sum(one.bytes for one in here) / 1e9
    st.text(say("models.totals", count=len(here), total=len(rows), gigabytes=f"{gigabytes:.2f}"))


def _filtered(rows: list[Listed]) -> list[Listed]:
    catalogue = load_catalogue()
    kinds, languages, memory = st.columns([2, 2, 1], vertical_alignment="bottom")
    kind = kinds.segmented_control(
        say("models.filters.kind"), _KINDS, format_func=lambda name: say(f"models.kinds.{name}"), key="models_kind"
    )
    known = known_codes(catalogue)
    keep_chosen("models_language", known, language_name)
    codes = languages.multiselect(
        say("models.filters.language"),
        known,
        format_func=language_name,
        key="models_language",
        placeholder=say("models.filters.any_language"),
    )
    memory_gb = memory.number_input(
        say("models.filters.memory"), min_value=0.5, value=None, step=0.5, key="models_memory", placeholder="-"
    )
    with st.container(horizontal=True):
        commercial = st.toggle(say("models.filters.commercial"), key="models_commercial")
        only_here = st.toggle(say("models.filters.here"), key="models_here")
    return [
        (name, row, one)
        for name, row, one in rows
        if kind in (None, name)
        and is_like(row, languages=codes, memory_gb=memory_gb, commercial=commercial)
        and (one is not None or not only_here)
    ]


def _line(kind: Kind, row: ModelRow, one: Held | None) -> dict[str, Any]:
    """Return a line of the table by the names of `_columns`."""
    return {
        "model": row.id,
        "kind": say(f"models.kinds.{kind}"),
        "memory": row.memory_gb,
        "download": row.download_gb,
        "disk": one.bytes / 1e9 if one is not None else None,
        "languages": ", ".join(map(language_name, row.languages)) or say("models.languages_unknown"),
        "licence": row.licence if row.commercial else say("models.licence_not_commercial", licence=row.licence),
        "reads": _reads(row),
        "dimension": row.dimension if isinstance(row, EmbedderRow) else None,
    }


def _reads(row: ModelRow) -> int | None:
    """Return how many tokens a model reads; None where it has no window."""
    if isinstance(row, EmbedderRow) and row.is_static:
        return None
    return getattr(row, "max_tokens", None) or getattr(row, "context_tokens", None)


def _columns() -> dict[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "model": text(say("models.columns.model"), width=310),
        "kind": text(say("models.columns.kind")),
        "memory": number(say("models.columns.memory"), format="%.1f"),
        "download": number(say("models.columns.download"), format="%.2f"),
        "disk": number(say("models.columns.disk"), format="%.2f", help=say("models.disk_help")),
        "languages": text(say("models.columns.languages")),
        "licence": text(say("models.columns.licence")),
        "reads": number(say("models.columns.reads")),
        "dimension": number(say("models.columns.dimension")),
    }
