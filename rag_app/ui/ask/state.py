"""What a page says of the generation that answers: which it is, whether its files are verified, why it is not the live one.

This module knows nothing of questions.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.ui.parts import note_html, problems_shown, show_notice
from rag_app.ui.words import say

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from rag_app.store.live import LiveKnowledgeBase, Served, SumCheck

_POLL_SECONDS = 1.0


def version_words(generation: str, built: str) -> str:
    """Return a generation and when it was built (ISO 8601) in words, by this machine's clock."""
    return say(
        "ask.version", generation=generation, built=f"{datetime.fromisoformat(built).astimezone():%Y-%m-%d %H:%M}"
    )


def version_of(served: Served) -> str:
    """Return which generation is served, in words."""
    manifest = served.knowledge_base.manifest
    return version_words(manifest.generation, manifest.created_at)


def draw_state(slot: DeltaGenerator, served: Served) -> bool:
    """Say which version answers and why it is not the live one; return whether its files are still being verified."""
    is_verifying = served.check.is_running
    with slot.container():
        _draw_version(version_of(served), is_verifying=is_verifying)
        if served.notice:
            show_notice(served.notice)
    return is_verifying


def _draw_version(version: str, *, is_verifying: bool) -> None:
    st.html(note_html(say("ask.verifying", version=version) if is_verifying else version))


def follow_state(slot: DeltaGenerator, live: LiveKnowledgeBase, shown: Served, *, is_verifying: bool) -> None:
    """Bring what `draw_state` said up to date, after everything else: by now, or as soon as the files are verified."""
    served = live.current()
    if served.check.is_running:
        with slot.container():
            _watch(version_of(served), served.check)
            if served.notice:
                show_notice(served.notice)
    elif is_verifying or (served.version, served.notice) != (shown.version, shown.notice):
        st.rerun()


@st.fragment(run_every=_POLL_SECONDS)
def _watch(version: str, check: SumCheck) -> None:
    """Show that files are being verified until they are; then the page is drawn anew, and nothing is asked again."""
    with problems_shown():
        if not check.is_running:
            st.rerun()
        _draw_version(version, is_verifying=True)
