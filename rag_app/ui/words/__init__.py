"""What the app says, in the language that is chosen.

The texts lie beside this file, one folder a language and one TOML file a page: `say("ask.title")` is `title` of `ask.toml`.
A text is a template for `str.format`; one that depends on a number is a table with `one` and `other`, and `count` decides.
Every language has the same texts with the same values (tests/ui/test_words.py). Names of models, files, commands and what
a document says are never translated. This module knows nothing of what is said.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import streamlit as st

LANGUAGES = {"en": "English", "zh": "中文"}
_CHOSEN = "lang"


def draw_language_choice() -> None:
    """Draw the choice of the language; it is in the page's address, too."""
    asked = st.query_params.get(_CHOSEN)
    if _CHOSEN not in st.session_state:
        st.session_state[_CHOSEN] = asked if asked in LANGUAGES else _preferred()
    chosen = st.segmented_control(
        "Language / 语言",
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        key=_CHOSEN,
        required=True,
        label_visibility="collapsed",
    )
    # Streamlit's own binding would write the name of the language there, not its code.
    if chosen is not None and asked != chosen:
        st.query_params[_CHOSEN] = chosen


def language() -> str:
    """Return the code of the language that is chosen, else what the browser prefers."""
    chosen = st.session_state.get(_CHOSEN)
    return chosen if chosen in LANGUAGES else _preferred()


def say(key: str, /, **values: object) -> str:
    """Return a text in the chosen language.

    Args:
        key: file and entry, `ask.title`.
        values: what the text's places hold; `count` also chooses between one and several.

    Raises:
        KeyError: there is no such text, or a place has no value.
    """
    return said_in(language(), key, **values)


def said_in(code: str, key: str, /, **values: object) -> str:
    """Return a text in a language, which is not asked of the session: for threads, and for tests."""
    page, _, entry = key.partition(".")
    text: Any = texts_of(code, page)
    for part in entry.split("."):
        text = text[part]
    if isinstance(text, dict):
        text = text["one" if values["count"] == 1 else "other"]
    return str(text).format(**values)


@cache
def texts_of(code: str, page: str) -> dict[str, Any]:
    """Return the texts of a page in a language."""
    return tomllib.loads((files(__name__) / code / f"{page}.toml").read_text(encoding="utf-8"))


def _preferred() -> str:
    locale = st.context.locale or ""
    return "zh" if locale.lower().startswith("zh") else "en"
