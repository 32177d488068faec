"""Where this page leads: to a knowledge base on it, back to all of them, and to the page on which one is asked.

The base that is looked at is in the page's address, so that a reload shows it again. This module knows nothing of bases.
"""

from __future__ import annotations

from typing import Literal

import streamlit as st

from rag_app.ui.words import say

_OPEN = "base"
_NEW = "creating a knowledge base"


def opened() -> str:
    """Return the name of the knowledge base that is looked at; empty for none."""
    return str(st.query_params.get(_OPEN, ""))


def open_base(name: str) -> None:
    """Look at a knowledge base from the next run on."""
    st.query_params[_OPEN] = name
    st.session_state[_NEW] = False


def close_base() -> None:
    """Look at all of them."""
    st.query_params.pop(_OPEN, None)
    st.session_state[_NEW] = False


def is_creating() -> bool:
    """Whether a new one is being described."""
    return bool(st.session_state.get(_NEW))


def create_base() -> None:
    """Describe a new one."""
    st.query_params.pop(_OPEN, None)
    st.session_state[_NEW] = True


def draw_ask_button(name: str, *, is_main: bool = False) -> None:
    """Draw the button that leads to the page on which this base is asked; `is_main` where that is what comes next."""
    label = say("knowledge_bases.ask")
    kind: Literal["primary", "secondary"] = "primary" if is_main else "secondary"
    if st.button(label, key=f"ask {kind} {name}", icon=":material/forum:", type=kind):
        st.switch_page(st.Page(_drawn_elsewhere, title=label, url_path="ask"), query_params={"kb": name})


def _drawn_elsewhere() -> None:
    """Stand for a page, which Streamlit finds by its address."""
