"""The similarity lab: a few texts, one model or several, and how near the texts are to one another by each.

Each model has a heat map and a scale of its own: cosines of two models are never on one axis. This module knows nothing of
how they are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import ModelError
from rag_app.models.embedder_spec import is_at_hand, resolve_embedder
from rag_app.models.embedders_on_machine import embedders_on_machine
from rag_app.text import printable, searchable
from rag_app.ui.models.languages import language_name
from rag_app.ui.parts import heading_html, note_html, show_problem
from rag_app.ui.resources import load_embedder
from rag_app.ui.words import say

if TYPE_CHECKING:
    import altair

    from rag_app.models.choosing.similarity import Similarity

# A heat map of more cannot be read.
MOST_TEXTS = 20
_RESULT = "similarity_result"


def draw_similarity(settings: Settings) -> None:
    """Draw the form, and what the models say of the texts in it."""
    st.text(say("models.similarity.about"))
    models = _at_hand(settings)
    if not models:
        st.text(say("models.similarity.no_model"))
        st.code("rag-app models install bundled", language=None)
        return
    with st.form("similarity", border=True):
        typed = st.text_area(
            say("models.similarity.texts"), value=say("models.similarity.example"), height=160, key="similarity_texts"
        )
        chosen = st.multiselect(say("models.similarity.models"), models, default=models[:1], key="similarity_models")
        as_question = st.checkbox(say("models.similarity.as_question"), key="similarity_question")
        asked = st.form_submit_button(say("models.similarity.compare"), type="primary", icon=":material/grid_on:")
    if asked:
        st.session_state[_RESULT] = _compared(typed, chosen, settings, as_question=as_question)
    if _RESULT in st.session_state:
        texts, found = st.session_state[_RESULT]
        _draw_result(texts, found)


def _at_hand(settings: Settings) -> list[str]:
    """Return the embedding models that can be used without fetching anything."""
    names = embedders_on_machine()
    if is_at_hand(settings.embed_model, settings.models):
        names.insert(0, settings.embed_model)
    return list(dict.fromkeys(names))


Result = tuple[list[str], list["Similarity"]]


def _compared(typed: str, models: Sequence[str], settings: Settings, *, as_question: bool) -> Result:
    """Return the texts, and what each model says of them; nothing where there is nothing to compare."""
    texts = [line.strip() for line in typed.splitlines() if searchable(line).strip()]
    longest = settings.limits.question_characters
    if len(texts) < 2 or not models:
        st.warning(say("models.similarity.too_few"), icon=":material/warning:")
        return [], []
    if len(texts) > MOST_TEXTS or max(map(len, texts)) > longest:
        st.warning(say("models.similarity.too_many", most=MOST_TEXTS, longest=longest), icon=":material/warning:")
        return [], []
    from rag_app.models.choosing.similarity import compare

    found = []
    for name in models:
        try:
            with st.spinner(say("models.similarity.running")):
                spec = resolve_embedder(name, offline=True, models=settings.models)
                embedder = load_embedder(spec.fingerprint, settings)
                found.append(compare(embedder, spec.row, texts, first_is_question=as_question))
        except ModelError as error:
            show_problem(error)
    return texts, found


def _draw_result(texts: Sequence[str], found: Sequence[Similarity]) -> None:
    for one in found:
        with st.container(border=True):
            st.html(heading_html(one.fingerprint.model))
            _draw_nearest(one)
            for warning in _warnings(one):
                st.warning(warning, icon=":material/warning:")
            chart, numbers = st.columns([3, 2])
            with chart:
                _draw_heat_map(one)
            with numbers:
                _draw_numbers(texts, one)
    if len(found) > 1:
        st.html(note_html(say("models.similarity.own_scale")))


def _nearest(found: Similarity) -> tuple[int, int, float]:
    """Return the pair of texts with the highest cosine, numbered from 1."""
    pairs = combinations(range(len(found.cosines)), 2)
    first, second = max(pairs, key=lambda pair: float(found.cosines[pair]))
    return first + 1, second + 1, float(found.cosines[first, second])


def _draw_nearest(found: Similarity) -> None:
    first, second, cosine = _nearest(found)
    st.html(note_html(say("models.similarity.nearest", first=first, second=second, cosine=f"{cosine:.3f}")))


def _draw_heat_map(found: Similarity) -> None:
    first, second, cosine = _nearest(found)
    alt = say(
        "models.similarity.alt",
        model=found.fingerprint.model,
        count=len(found.cosines),
        first=first,
        second=second,
        cosine=f"{cosine:.3f}",
    )
    st.altair_chart(heat_map(found), alt=alt, key=f"heat {found.fingerprint.digest}")


def heat_map(found: Similarity) -> altair.LayerChart:
    """Return the heat map of one model; its colours are of its own cosines alone."""
    import altair as alt

    values = found.cosines.tolist()
    cells = [
        {"a": str(row), "b": str(column), "cosine": round(value, 3)}
        for row, line in enumerate(values, 1)
        for column, value in enumerate(line, 1)
    ]
    lowest = min(cell["cosine"] for cell in cells)
    order = [str(number) for number in range(1, len(values) + 1)]
    base = alt.Chart({"values": cells}).encode(
        x=alt.X("b:N", sort=order, title=None, axis=alt.Axis(orient="top", labelAngle=0)),
        y=alt.Y("a:N", sort=order, title=None),
    )
    colour = alt.Color(
        "cosine:Q",
        title=say("models.similarity.cosine"),
        scale=alt.Scale(domain=[lowest, 1.0], scheme="tealblues"),
        legend=alt.Legend(orient="bottom"),
    )
    # The darkest third of the colours wants white letters.
    dark = f"datum.cosine > {lowest + (1 - lowest) * 0.6}"
    letters = base.mark_text(fontSize=12).encode(
        text=alt.Text("cosine:Q", format=".2f"),
        color=alt.condition(dark, alt.value("white"), alt.value("#10222b")),
    )
    return alt.LayerChart(layer=[base.mark_rect().encode(color=colour), letters], height=alt.Step(44))


def _draw_numbers(texts: Sequence[str], found: Similarity) -> None:
    label = say("models.columns.text")
    lines = [
        {label: f"{number} {printable(text, keep_line_breaks=False)}"}
        | {str(column): float(value) for column, value in enumerate(line, 1)}
        for number, (text, line) in enumerate(zip(texts, found.cosines.tolist(), strict=True), 1)
    ]
    config = {str(column): st.column_config.NumberColumn(format="%.3f") for column in range(1, len(texts) + 1)}
    st.dataframe(
        lines,
        hide_index=True,
        column_config={label: st.column_config.TextColumn(width="medium", pinned=True)} | config,
        alt=say("models.similarity.numbers_alt", model=found.fingerprint.model),
    )


def _warnings(found: Similarity) -> list[str]:
    """Return what to know before the cosines are believed."""
    warnings = []
    for language in dict.fromkeys(one for one in found.uncovered if one is not None):
        numbers = _numbers([one == language for one in found.uncovered])
        warnings.append(say("models.similarity.uncovered", language=language_name(language.code), numbers=numbers))
    if any(found.truncated):
        numbers = _numbers(found.truncated)
        warnings.append(say("models.similarity.truncated", tokens=found.fingerprint.max_tokens, numbers=numbers))
    return warnings


def _numbers(chosen: Sequence[bool]) -> str:
    return ", ".join(str(number) for number, is_chosen in enumerate(chosen, start=1) if is_chosen)
