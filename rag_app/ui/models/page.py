"""The page about models: the catalogue, which model to choose, and how near texts are to one another by a model.

It draws and does not decide. This module knows nothing of model files.
"""

from __future__ import annotations

import streamlit as st

from rag_app.config import Settings
from rag_app.ui.models.advisor import draw_advisor
from rag_app.ui.models.catalogue import draw_catalogue
from rag_app.ui.models.downloads import draw_downloads
from rag_app.ui.models.similarity import draw_similarity
from rag_app.ui.words import say

_VIEWS = {
    "catalogue": (draw_catalogue, ":material/table_view:"),
    "advice": (draw_advisor, ":material/recommend:"),
    "similarity": (draw_similarity, ":material/grid_on:"),
}


def draw_page(settings: Settings) -> None:
    """Draw the page."""
    view = st.segmented_control(
        say("models.view"),
        list(_VIEWS),
        format_func=lambda name: f"{_VIEWS[name][1]} {say(f'models.views.{name}')}",
        default="catalogue",
        required=True,
        key="models_view",
        label_visibility="collapsed",
    )
    draw_downloads()
    draw, _ = _VIEWS[view or "catalogue"]
    draw(settings)
