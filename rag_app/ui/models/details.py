"""Everything that the catalogue says of one model, with where it is from; and the way to get it.

This module knows nothing of the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import streamlit as st

from rag_app.config import Settings
from rag_app.datatypes import NO_WINDOW
from rag_app.models.catalogue import EmbedderRow, GeneratorRow, ModelRow, RerankerRow
from rag_app.models.choosing.standings import BENCHMARKS
from rag_app.models.listing import Held, Kind
from rag_app.text import printable
from rag_app.ui.models.downloads import draw_install
from rag_app.ui.models.languages import language_name
from rag_app.ui.parts import heading_html, note_html
from rag_app.ui.words import language, say


def draw_details(kind: Kind, row: ModelRow, one: Held | None, settings: Settings) -> None:
    """Draw what a model is, what it costs and what was published of it."""
    with st.container(border=True):
        st.html(note_html(say(f"models.kinds.{kind}")))
        st.html(heading_html(row.id))
        if one is not None:
            st.badge(say("models.here"), icon=":material/check_circle:", color="green")
            st.text(say("models.lies_in", folder=str(one.folder), gigabytes=f"{one.bytes / 1e9:.2f}"))
        else:
            st.badge(say("models.not_here"), icon=":material/cloud_download:", color="gray")
        draw_install(row, settings, is_here=one is not None)
        st.code(_use(kind, row), language=None, wrap_lines=True)
        label, value = say("models.columns.fact"), say("models.columns.value")
        facts = [{label: name, value: printable(text)} for name, text in _facts(row)]
        st.dataframe(facts, hide_index=True, row_height=32, alt=say("models.facts_alt", model=row.id))
        _draw_figures(row)
        _draw_sources(row)


def _use(kind: Kind, row: ModelRow) -> str:
    name = row.alias or row.id
    if kind == "embedder":
        return f"python -m ingest FOLDER --kb NAME --embed-model {name}"
    return f'rag-app ask "QUESTION" --kb NAME --{kind} {name}'


def _facts(row: ModelRow) -> Iterator[tuple[str, str]]:
    """Give what there is to say of a model, each under its name."""
    said: list[tuple[str, Any]] = [
        ("parameters", f"{row.parameters_millions:g}"),
        ("download", f"{row.download_gb:g}"),
        ("memory", f"{row.memory_gb:g}"),
        ("languages", ", ".join(map(language_name, row.languages)) or say("models.languages_unknown")),
        ("licence", row.licence),
        ("commercial", say("models.yes") if row.commercial else say("models.no")),
        ("family", say(f"models.families.{row.family}")),
        *_facts_of_kind(row),
        ("revision", row.revision),
        ("gated", say("models.yes") if row.gated else ""),
        ("trained_on", row.trained_on),
        ("notes", row.notes),
    ]
    yield from ((say(f"models.facts.{name}"), str(value)) for name, value in said if value not in ("", None))


def _facts_of_kind(row: ModelRow) -> list[tuple[str, Any]]:
    runs = ("runs", say(f"models.runs.{row.runs}")) if hasattr(row, "runs") else ("runs", "")
    if isinstance(row, EmbedderRow):
        window = say("models.no_window") if row.max_tokens == NO_WINDOW else row.max_tokens
        return [
            ("dimension", row.dimension),
            ("shorter", ", ".join(map(str, row.matryoshka))),
            ("window", window),
            ("pooling", row.pooling),
            ("query_prompt", repr(row.query_prompt)),
            ("passage_prompt", repr(row.passage_prompt)),
            runs,
        ]
    if isinstance(row, RerankerRow):
        return [("window", row.max_tokens), runs]
    if isinstance(row, GeneratorRow):
        return [("context", row.context_tokens), runs]
    return [runs]


def _draw_figures(row: ModelRow) -> None:
    if not row.figures:
        return
    st.html(note_html(say("models.figures_about")))
    benchmark, figure, meaning = (say(f"models.columns.{name}") for name in ("benchmark", "figure", "meaning"))
    lines = [
        {benchmark: name, figure: value} | ({meaning: BENCHMARKS.get(name, "")} if language() == "en" else {})
        for name, value in row.figures.items()
    ]
    st.dataframe(lines, hide_index=True, alt=say("models.figures_alt", model=row.id))


def _draw_sources(row: ModelRow) -> None:
    if not row.sources:
        return
    with st.expander(say("models.sources"), icon=":material/menu_book:"):
        for name, source in row.sources.items():
            st.text(printable(f"{name}: {source}"))
