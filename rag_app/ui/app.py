"""The app: settings, pages, navigation. No model is loaded and torch is not imported before the first page is painted.

This module knows nothing of what a page shows. Streamlit runs it as a script where the project is installed as a package.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from rag_app.config import load_settings
from rag_app.errors import RagAppError
from rag_app.ui.ask import ask_page
from rag_app.ui.parts import show_problem, unexpected
from rag_app.waiting_threads import let_threads_sleep

# A file, since an icon by name would be fetched from a font server by the browser.
ICON = Path(__file__).with_name("icon.png")


def main() -> None:
    """Draw the app once, as Streamlit does at every interaction."""
    let_threads_sleep()
    st.set_page_config(page_title="rag-app", page_icon=str(ICON), layout="centered")
    try:
        settings = load_settings()
    except RagAppError as error:
        show_problem(error)
        return

    def ask() -> None:
        try:
            ask_page(settings)
        except RagAppError as error:
            show_problem(error)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a person gets a sentence
            show_problem(unexpected(error))

    st.navigation([st.Page(ask, title="Ask", url_path="ask", default=True)], position="hidden").run()


if __name__ == "__main__":
    main()
