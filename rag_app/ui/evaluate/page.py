"""The page on which systems are evaluated: choose questions and systems, run, read the verdicts, come back to them.

It draws and does not decide: questions, verdicts and intervals come from `evaluation`, what is kept from the records.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import RagAppError
from rag_app.store.layout import knowledge_base_names
from rag_app.store.records.comparison_runs import comparison_of, runs
from rag_app.ui.evaluate.history import draw_history
from rag_app.ui.evaluate.questions import draw_questions
from rag_app.ui.evaluate.result import draw_result
from rag_app.ui.evaluate.running import OPENED, draw_job, is_running, start
from rag_app.ui.evaluate.systems import draw_systems
from rag_app.ui.links import draw_link
from rag_app.ui.parts import show_problem
from rag_app.ui.words import say

if TYPE_CHECKING:
    from rag_app.evaluation.comparison import Comparison


def draw_page(settings: Settings) -> None:
    """Draw the page: an evaluation that is read, else a new one and the list of earlier ones."""
    opened = st.query_params.get(OPENED)
    if opened:
        _draw_opened(settings, opened)
        return
    st.text(say("evaluate.lead"))
    names = knowledge_base_names(settings.indexes)
    if not names:
        st.text(say("evaluate.empty"))
        draw_link("knowledge_bases")
    try:
        _draw_new(settings, names)
    except RagAppError as error:  # a base that is damaged keeps nobody from what runs and what was found before
        show_problem(error)
    draw_job(settings)
    draw_history(settings)


def _draw_opened(settings: Settings, opened: str) -> None:
    if st.button(say("evaluate.result.back"), icon=":material/arrow_back:", type="tertiary", key="evaluate_back"):
        del st.query_params[OPENED]
        st.rerun()
    row = next((row for row in runs(settings.indexes) if row.id == opened), None)
    if row is None:
        st.text(say("evaluate.history.gone"))
        return
    draw_result(_comparison(settings.indexes, row.id), row.id)


@st.cache_resource(show_spinner=False, max_entries=2)
def _comparison(indexes: Path, run: str) -> Comparison:
    """Return a kept evaluation; it is read once, since it may be megabytes, and never changed.

    Raises:
        StorageError: it cannot be read.
    """
    from rag_app.evaluation.kept_comparisons import comparison_from

    return comparison_from(comparison_of(indexes, run) or "")


def _draw_new(settings: Settings, names: list[str]) -> None:
    """Draw the three steps to an evaluation, each once the one before it is taken."""
    st.subheader(say("evaluate.step_questions"), anchor=False)
    chosen = draw_questions(settings, names)
    if chosen is None:
        return
    st.subheader(say("evaluate.step_systems"), anchor=False)
    request = draw_systems(chosen, settings, names)
    if request is None:
        return
    st.subheader(say("evaluate.step_run"), anchor=False)
    if is_running(settings):
        st.text(say("evaluate.run.busy"))
    elif st.button(say("evaluate.run.start"), type="primary", icon=":material/play_arrow:", key="evaluate_start"):
        start(request, settings)
        st.rerun()
