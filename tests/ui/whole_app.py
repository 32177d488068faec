"""The whole app in Streamlit's own test harness, opened at one of its pages, as by its address."""

from __future__ import annotations

import re

from streamlit.navigation.page import calc_hash
from streamlit.testing.v1 import AppTest

from tests.conftest import REPOSITORY

_STYLE = re.compile("<style>.*?</style>", re.DOTALL)


def opened_app(page: str, *, language: str = "en", **parameters: str) -> AppTest:
    """Open a page by its name; settings come from the environment, `parameters` stand in its address."""
    at = AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=300)
    at._page_hash = calc_hash(page)
    at.session_state["lang"] = language
    for name, value in parameters.items():
        at.query_params[name] = value
    return at.run()


def html_of(at: AppTest) -> str:
    """Return the HTML on the page, without its styles."""
    return "\n".join(_STYLE.sub("", element.proto.body) for element in at.get("html"))


def plain_of(at: AppTest) -> str:
    """Return all plain texts and titles on the page."""
    return "\n".join(element.value for element in [*at.title, *at.subheader, *at.text])


def press(at: AppTest, label: str) -> AppTest:
    """Press the button of this label, the first of several."""
    return next(button for button in at.button if button.label == label).click().run()
