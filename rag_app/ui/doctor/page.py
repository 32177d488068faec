"""The page that says what is wrong on this machine, and the command that mends it.

It shows what `rag-app doctor` prints, and decides nothing. This module knows nothing of what is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.text import printable
from rag_app.ui.parts import heading_html, note_html, points_html
from rag_app.ui.words import language, say

if TYPE_CHECKING:
    from rag_app.doctor.findings import Diagnosis, Finding


def draw_page(settings: Settings) -> None:
    """Draw the page."""
    from rag_app.doctor.findings import State

    about, again = st.columns([3, 1], vertical_alignment="bottom")
    about.text(say("doctor.about"))
    again.button(say("doctor.again"), icon=":material/refresh:", width="stretch")  # every run of the page looks anew
    diagnosis = _diagnosis(settings)
    _draw_verdict(diagnosis)
    for state in (State.WRONG, State.NOTE):
        for finding in diagnosis.of(state):
            _draw_finding(finding)
    _draw_facts(diagnosis)
    _draw_settings(diagnosis)
    _draw_report(diagnosis)


def _diagnosis(settings: Settings) -> Diagnosis:
    """Return what is found now: whoever mended something in a terminal looks again."""
    with st.spinner(say("doctor.looking")):
        from rag_app.doctor.examination import examine
        from rag_app.doctor.program import REQUIRED_OPTIONS

        return examine(settings, {name: st.get_option(name) for name in REQUIRED_OPTIONS})


def _draw_verdict(diagnosis: Diagnosis) -> None:
    from rag_app.doctor.findings import State

    wrong, notes = len(diagnosis.of(State.WRONG)), len(diagnosis.of(State.NOTE))
    if wrong:
        st.badge(say("doctor.verdict.wrong", count=wrong), icon=":material/error:", color="red")
    elif notes:
        st.badge(say("doctor.verdict.notes", count=notes), icon=":material/check_circle:", color="green")
    else:
        st.badge(say("doctor.verdict.fine"), icon=":material/check_circle:", color="green")


def _draw_finding(finding: Finding) -> None:
    from rag_app.doctor.findings import State

    with st.container(border=True):
        if finding.state is State.WRONG:
            st.badge(say("doctor.state.wrong"), icon=":material/error:", color="red")
        else:
            st.badge(say("doctor.state.note"), icon=":material/info:", color="blue")
        st.text(printable(finding.saying.in_language(language())))
        if finding.command:
            st.html(note_html(say("doctor.mend")))
            st.code(printable(finding.command, keep_line_breaks=False), language=None, wrap_lines=True)
        if finding.detail:
            with st.expander(say("doctor.detail")):
                st.text(printable(finding.detail))


def _draw_facts(diagnosis: Diagnosis) -> None:
    from rag_app.doctor.findings import Section, State

    fine = diagnosis.of(State.FINE)
    with st.expander(say("doctor.facts", count=len(fine)), icon=":material/check:"):
        for section in Section:
            sayings = [finding.saying.in_language(language()) for finding in fine if finding.section is section]
            if sayings:
                st.html(heading_html(say(f"doctor.sections.{section}")))
                st.html(points_html(("✓", saying) for saying in sayings))


def _draw_settings(diagnosis: Diagnosis) -> None:
    with st.expander(say("doctor.settings"), icon=":material/tune:"):
        st.html(note_html(say("doctor.settings_about")))
        name, value, origin = (say(f"doctor.columns.{column}") for column in ("name", "value", "origin"))
        st.dataframe(
            [
                {name: one.name, value: printable(one.value), origin: say(f"doctor.origins.{one.origin}")}
                for one in diagnosis.settings
            ],
            hide_index=True,
            alt=say("doctor.settings"),
        )


def _draw_report(diagnosis: Diagnosis) -> None:
    from rag_app.doctor.findings import as_text

    with st.expander(say("doctor.report"), icon=":material/content_copy:"):
        st.html(note_html(say("doctor.report_about")))
        st.code(printable(as_text(diagnosis, language())), language=None, height=320)
