"""The evaluations that were run before, to be opened again or removed. This module knows nothing of what is in them."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from rag_app.config import Settings
from rag_app.store.records.comparison_runs import RunRow, forget_run, runs
from rag_app.text import printable
from rag_app.ui.evaluate.running import OPENED
from rag_app.ui.words import say

_LISTED = 20


def draw_history(settings: Settings) -> None:
    """Draw the list of earlier evaluations, the latest first.

    Raises:
        StorageError: they cannot be read.
    """
    st.subheader(say("evaluate.history.title"), anchor=False)
    rows = runs(settings.indexes)
    if not rows:
        st.text(say("evaluate.history.none"))
    for row in rows[:_LISTED]:
        with st.container(horizontal=True, border=True, vertical_alignment="center"):
            st.text(_line(row), width="stretch")
            if st.button(say("evaluate.history.open"), icon=":material/open_in_new:", key=f"evaluate_open {row.id}"):
                st.query_params[OPENED] = row.id
                st.rerun()
            remove = say("evaluate.history.remove")
            if st.button(remove, icon=":material/delete:", type="tertiary", key=f"evaluate_remove {row.id}"):
                forget_run(settings.indexes, row.id)
                st.rerun()


def _line(row: RunRow) -> str:
    line = say(
        "evaluate.history.row",
        dataset=row.dataset,
        base=row.knowledge_base,
        questions=say("evaluate.set.count", count=row.questions),
        systems=row.systems,
        at=local_time(row.at),
    )
    return printable(line, keep_line_breaks=False)


def local_time(at: str) -> str:
    """Return a time as ISO 8601 has it, in this machine's zone, to the minute."""
    return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M}"
