"""Choices whose options change their names: with the language, with what is counted in them, with what is on the machine.

Streamlit knows an option by its name. Where names change it tells the browser nothing, and the browser goes on to send the
old name of what is chosen: one that is no more, so that something else is chosen than what is shown. This module knows
nothing of what is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import streamlit as st

Option = TypeVar("Option")


def keep_chosen(key: str, options: Iterable[Option], name_of: Callable[[Option], str]) -> None:
    """Have the browser show what is chosen by its new name; to be called before the select box or multiselect is drawn.

    Args:
        key: of the widget. Its first choice is the first option, or stands in the session: `index` and `default` are not for
            a widget that is set.
        options: what may be chosen.
        name_of: what the widget shows each as.
    """
    names = [name_of(option) for option in options]
    shown = f"names shown by {key}"
    if key in st.session_state and st.session_state.get(shown, names) != names:
        st.session_state[key] = st.session_state[key]  # the browser keeps what it shows until it is set
    st.session_state[shown] = names
