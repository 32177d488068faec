"""One page of the app in Streamlit's own test harness, without the navigation around it, which the harness cannot use."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

_SCRIPT = """
from rag_app.ui.app import PAGES, _page
from rag_app.ui.words import draw_language_choice

draw_language_choice()
row = next(row for row in PAGES if row.name == {name!r})
_page(row)._page()
"""


def drawn_page(name: str, *, language: str = "en", **state: object) -> AppTest:
    """Draw a page by its name, with widgets set by their keys; settings come from the environment, as in the app."""
    return drawn(_SCRIPT.format(name=name), language=language, **state)


def drawn(script: str, *, language: str = "en", **state: object) -> AppTest:
    """Run a script that draws a part of a page."""
    at = AppTest.from_string(script, default_timeout=300)
    for key, value in ({"lang": language} | state).items():
        at.session_state[key] = value
    return at.run()


def texts_of(at: AppTest) -> str:
    """Return everything that is on the page, as one text."""
    html = [element.proto.body for element in at.get("html")]
    plain = [element.value for element in [*at.title, *at.subheader, *at.text, *at.code, *at.warning, *at.markdown]]
    labels = [element.label for element in [*at.button, *at.expander]]
    return "\n".join([*plain, *labels, *html])
