"""The language: chosen at the top, kept in the address, taken from a link, and never a page without one."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

_SCRIPT = """
import streamlit as st
from rag_app.ui.words import draw_language_choice, say

draw_language_choice()
st.text(say("app.problem"))
"""


@pytest.mark.parametrize(("asked", "said"), [("zh", "问题"), ("en", "Problem"), ("xx", "Problem"), (None, "Problem")])
def test_a_link_decides_where_it_names_a_language(asked: str | None, said: str) -> None:
    at = AppTest.from_string(_SCRIPT)
    if asked is not None:
        at.query_params["lang"] = asked
    at.run()
    assert at.text[0].value == said
    assert at.query_params["lang"] in ("en", ["en"], "zh", ["zh"])


def test_a_choice_is_kept_and_stands_in_the_address() -> None:
    at = AppTest.from_string(_SCRIPT)
    at.query_params["lang"] = "zh"
    at.run()
    at.segmented_control[0].set_value("en").run()
    assert at.text[0].value == "Problem"
    assert at.query_params["lang"] in ("en", ["en"])
