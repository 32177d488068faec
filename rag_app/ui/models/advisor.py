"""Which embedding model to choose: a short form, then what fits, best first, with the reasons.

The ranking is that of `rag-app models advise`. This module knows nothing of how it comes about.
"""

from __future__ import annotations

from contextlib import closing

import streamlit as st

from rag_app.config import Settings
from rag_app.models.catalogue import load_catalogue
from rag_app.models.choosing.advice import Advice, Recommendation, advise
from rag_app.models.choosing.needs import Needs, default_memory_gb, is_served, with_those_of
from rag_app.models.listing import held
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import knowledge_base_names
from rag_app.ui.models.downloads import draw_install
from rag_app.ui.models.languages import known_codes, language_name
from rag_app.ui.parts import heading_html, note_html, points_html
from rag_app.ui.words import language, say

_TOP = 3
_MORE = 10


def draw_advisor(settings: Settings) -> None:
    """Draw the form, and the advice for what is asked in it."""
    st.text(say("models.advice.about"))
    needs, kb = _form(settings)
    if kb is not None:
        needs = _with_those_of(kb, settings, needs)
    advice = advise(load_catalogue(), needs)
    if not advice.recommended:
        _draw_nothing_fits(advice)
        return
    _draw_asked(advice)
    for rank, one in enumerate(advice.recommended[:_TOP], 1):
        _draw_recommendation(rank, one, kb, settings)
    if len(advice.recommended) > _TOP:
        with st.expander(say("models.advice.more", count=len(advice.recommended) - _TOP)):
            for rank, one in enumerate(advice.recommended[_TOP:_MORE], _TOP + 1):
                _draw_recommendation(rank, one, kb, settings)
    _draw_rejected(advice)


def _form(settings: Settings) -> tuple[Needs, str | None]:
    """Draw the form, and return what is asked for, and the knowledge base that it is for."""
    with st.form("advice", border=True):
        languages_column, base_column = st.columns(2)
        languages = languages_column.multiselect(
            say("models.advice.languages"),
            known_codes(load_catalogue()),
            default=[language()],
            format_func=language_name,
            placeholder=say("models.filters.any_language"),
        )
        kb = base_column.selectbox(
            say("models.advice.base"),
            knowledge_base_names(settings.indexes),
            index=None,
            placeholder=say("models.advice.no_base"),
        )
        memory_column, download_column = st.columns(2)
        memory_gb = memory_column.number_input(
            say("models.advice.memory"), min_value=0.5, value=default_memory_gb() or 4.0, step=0.5, format="%.1f"
        )
        download_gb = download_column.number_input(
            say("models.advice.download"), min_value=0.05, value=None, step=0.5, placeholder=say("models.advice.any")
        )
        with st.container(horizontal=True):
            commercial = st.checkbox(say("models.advice.commercial"))
            fast = st.checkbox(say("models.advice.fast"))
            gpu = st.checkbox(say("models.advice.gpu"))
            pictures = st.checkbox(say("models.advice.pictures"))
        st.form_submit_button(say("models.advice.submit"), type="primary", icon=":material/recommend:")
    needs = Needs(
        languages=tuple(languages),
        memory_gb=memory_gb,
        download_gb=download_gb,
        commercial=commercial,
        fast=fast,
        gpu=gpu,
        pictures=pictures,
    )
    return needs, kb


def _with_those_of(kb: str, settings: Settings, needs: Needs) -> Needs:
    with closing(KnowledgeBase.open(settings.indexes, kb)) as base:
        return with_those_of(needs, base.report.documents, base.chunks.all_chunks(), base.models, base.report.models)


def _draw_asked(advice: Advice) -> None:
    needs = advice.needs
    languages = ", ".join([*map(language_name, needs.languages), *needs.scripts]) or say("models.filters.any_language")
    parts = [say("models.advice.asked_languages", languages=languages)]
    if needs.memory_gb is not None:
        parts.append(say("models.advice.asked_memory", gigabytes=f"{needs.memory_gb:g}"))
    if needs.window_tokens is not None:
        parts.append(say("models.advice.asked_window", tokens=needs.window_tokens))
    st.html(note_html(" · ".join(parts)))


def _draw_recommendation(rank: int, one: Recommendation, kb: str | None, settings: Settings) -> None:
    row = one.row
    here = held(row) is not None
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(say("models.advice.rank", rank=rank), color="blue" if rank == 1 else "gray")
            if here:
                st.badge(say("models.here"), icon=":material/check_circle:", color="green")
        st.html(heading_html(one.model))
        costs = (
            say("models.advice.by_server")
            if is_served(row)
            else say("models.advice.costs", download=f"{row.download_gb:g}", memory=f"{row.memory_gb:g}")
        )
        st.html(note_html(f"{costs} · {row.licence}"))
        signed = [*(("+", reason) for reason in one.reasons), *(("−", caveat) for caveat in one.caveats)]
        st.html(points_html((sign, said.in_language(language())) for sign, said in signed))
        draw_install(row, settings, is_here=here)
        where = f"--kb {kb}" if kb is not None else "FOLDER --kb NAME"
        st.code(f"python -m ingest {where} --embed-model {one.model}", language=None, wrap_lines=True)


def _draw_nothing_fits(advice: Advice) -> None:
    with st.container(border=True):
        st.badge(say("models.advice.nothing"), icon=":material/search_off:", color="orange")
        st.text(say("models.advice.relax"))
        _draw_hindrances(advice)


def _draw_rejected(advice: Advice) -> None:
    if advice.rejected:
        with st.expander(say("models.advice.rejected", count=len(advice.rejected))):
            _draw_hindrances(advice)


def _draw_hindrances(advice: Advice) -> None:
    need, excludes, alone = (say(f"models.columns.{name}") for name in ("need", "excludes", "alone"))
    st.dataframe(
        [
            {need: say(f"models.needs.{_key(one.need)}"), excludes: one.excludes, alone: one.alone}
            for one in advice.hindrances
        ],
        hide_index=True,
        alt=say("models.advice.hindrances_alt"),
    )


def _key(need: str) -> str:
    return need.lower().replace("'", "").replace(" ", "_")
