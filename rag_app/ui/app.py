"""The app: language, pages, navigation. Before a page's title is on its way, nothing is imported but this frame.

This module knows nothing of what a page shows. Streamlit runs it as a script where the project is installed as a package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import streamlit as st

from rag_app.errors import RagAppError
from rag_app.ui.words import draw_language_choice, say
from rag_app.waiting_threads import let_threads_sleep

if TYPE_CHECKING:
    from rag_app.config import Settings

# A file, since an icon by name would be fetched from a font server by the browser.
ICON = Path(__file__).with_name("icon.png")
STYLE = Path(__file__).with_name("style.css")


@dataclass(frozen=True)
class PageRow:
    """A page: `draw_page(settings)` of `rag_app.ui.NAME.page` draws it under `NAME.title`; `app.pages.NAME` is on its tab."""

    name: str
    icon: str
    layout: Literal["centered", "wide"] = "wide"


PAGES = (
    PageRow("ask", ":material/forum:", "centered"),
    PageRow("compare", ":material/compare:"),
    PageRow("evaluate", ":material/leaderboard:"),
    PageRow("knowledge_bases", ":material/library_books:"),
    PageRow("models", ":material/neurology:"),
    PageRow("doctor", ":material/stethoscope:", "centered"),
)


def main() -> None:
    """Draw the app once, as Streamlit does at every interaction."""
    let_threads_sleep()
    st.set_page_config(page_title="rag-app", page_icon=str(ICON))
    st.html(STYLE)
    with st.container(horizontal=True, horizontal_alignment="right"):
        draw_language_choice()
    pages = {row.name: _page(row) for row in PAGES}
    chosen = st.navigation(list(pages.values()), position="top")
    row = next(row for row in PAGES if pages[row.name] is chosen)
    st.set_page_config(page_title=f"{say(f'app.pages.{row.name}')} - rag-app", layout=row.layout)
    chosen.run()


def _page(row: PageRow) -> st.Page:
    def draw() -> None:
        st.title(say(f"{row.name}.title"), anchor=False)
        _draw_below_title(row.name)

    title = say(f"app.pages.{row.name}")
    return st.Page(draw, title=title, icon=row.icon, url_path=row.name, default=row is PAGES[0])


def _draw_below_title(name: str) -> None:
    """Draw a page. What it needs is imported here: settings, and the page itself, take longer than the title to be seen."""
    from rag_app.config import load_settings
    from rag_app.ui.parts import show_problem, unexpected

    try:
        draw_page: Callable[[Settings], None] = import_module(f"rag_app.ui.{name}.page").draw_page
        draw_page(load_settings())
    except RagAppError as error:
        show_problem(error)
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a person gets a sentence
        show_problem(unexpected(error))


if __name__ == "__main__":
    main()
