"""The page evaluate."""

from __future__ import annotations

import streamlit as st

from rag_app.config import Settings
from rag_app.ui.words import say


def draw_page(settings: Settings) -> None:
    """Draw the page."""
    st.title(say("evaluate.title"))
