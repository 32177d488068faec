"""What questions are narrowed to, chosen in the sidebar: folders, types of files, languages, dates.

What there is to choose from, and what a choice means, comes from retrieval. This module knows nothing of questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.retrieval.choices import choices_of, terms_of_choice
from rag_app.ui.parts import note_html
from rag_app.ui.words import say

if TYPE_CHECKING:
    from rag_app.store.knowledge_base import KnowledgeBase

_DAYS = ("from", "to")
_WORTH_A_CHOICE = 2  # values


def draw_narrowing(knowledge_base: KnowledgeBase) -> tuple[str, ...]:
    """Draw what a question can be narrowed by and return the terms of what is chosen; none where all is asked.

    What has a single value in this knowledge base is no choice, and not drawn.
    """
    choices, keys = choices_of(knowledge_base), _keys(knowledge_base.name)
    dates = [date.fromisoformat(day) for day in choices.dates or ()]
    is_dated = len(set(dates)) == _WORTH_A_CHOICE
    listed = (choices.folders, choices.types, choices.languages)
    if not is_dated and all(len(values) < _WORTH_A_CHOICE for values in listed):
        return ()
    with st.expander(say("ask.narrowing.title")):
        folders = _several(say("ask.narrowing.folders"), choices.folders, keys["folders"])
        if choices.unlisted_folders:
            st.caption(say("ask.narrowing.unlisted", count=choices.unlisted_folders))
        types = _several(say("ask.narrowing.types"), choices.types, keys["types"])
        languages = _several(say("ask.narrowing.languages"), choices.languages, keys["languages"])
        days = _days(dates, choices.undated, (keys["from"], keys["to"])) if is_dated else (None, None)
        terms = terms_of_choice(folders, types, languages, *days)
        st.button(
            say("ask.narrowing.clear"),
            on_click=_clear,
            args=(knowledge_base.name,),
            disabled=not terms,
            key=f"clear {knowledge_base.name}",
        )
    if terms:
        st.html(note_html(narrowed_to(terms)))
    return terms


def narrowed_to(terms: Sequence[str]) -> str:
    """Return what a question was narrowed to, in words."""
    return say("ask.narrowing.to_terms", terms=", ".join(terms))


def _keys(name: str) -> dict[str, str]:
    return {what: f"only {what} {name}" for what in ("folders", "types", "languages", *_DAYS)}


def _several(label: str, values: Sequence[str], key: str) -> list[str]:
    """Draw a choice of several values; one that was chosen and is gone since is no longer chosen."""
    chosen = [value for value in st.session_state.get(key, ()) if value in values]
    if len(values) < _WORTH_A_CHOICE:
        return chosen
    st.session_state[key] = chosen
    return st.multiselect(label, values, key=key, placeholder=say("ask.narrowing.all"))


def _days(ends: Sequence[date], undated: int, keys: tuple[str, str]) -> tuple[date | None, date | None]:
    """Draw a choice of the first and the last day, either of which may be left open."""
    first, last = ends
    begin = _day(say("ask.narrowing.from"), first, last, keys[0])
    end = _day(say("ask.narrowing.to"), begin or first, last, keys[1])
    if undated:
        st.caption(say("ask.narrowing.undated", count=undated))
    return begin, end


def _day(label: str, first: date, last: date, key: str) -> date | None:
    chosen = st.session_state.get(key)
    st.session_state[key] = chosen if chosen is not None and first <= chosen <= last else None
    return st.date_input(label, None, min_value=first, max_value=last, key=key, format="YYYY-MM-DD")


def _clear(name: str) -> None:
    for what, key in _keys(name).items():
        st.session_state[key] = None if what in _DAYS else []
