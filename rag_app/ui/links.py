"""Links from one page of the app to another. This module knows nothing of what the pages show."""

from __future__ import annotations

import streamlit as st

from rag_app.ui.words import say


def draw_link(name: str) -> None:
    """Draw a link to a page by its name, as its address has it; the pages themselves are those of the navigation."""
    title = say(f"app.pages.{name}")
    st.page_link(st.Page(_drawn_elsewhere, title=title, url_path=name), label=title, icon=":material/arrow_forward:")


def _drawn_elsewhere() -> None:
    """Stand for a page, which Streamlit finds by its address."""
