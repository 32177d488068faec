"""What an evaluation compares: the base, its embedding models, the searches, what writes, and which questions are asked.

This module knows nothing of where questions come from or of how an evaluation is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import streamlit as st

from rag_app.config import RetrieverName, Settings
from rag_app.evaluation.request import DEFAULT_MARGIN, Request, brings_passages
from rag_app.evaluation.systems import NO_GENERATOR, chosen_systems
from rag_app.models.catalogue import QUOTE
from rag_app.models.embedders_on_machine import embedders_on_machine
from rag_app.models.generating.on_machine import generators_on_machine
from rag_app.text import printable
from rag_app.ui.choices import keep_chosen
from rag_app.ui.evaluate.wording import listed
from rag_app.ui.links import draw_link
from rag_app.ui.resources import live_knowledge_base
from rag_app.ui.words import say

if TYPE_CHECKING:
    from rag_app.ui.evaluate.questions import Chosen

RETRIEVERS: tuple[RetrieverName, ...] = get_args(RetrieverName)


def draw_systems(chosen: Chosen, settings: Settings, names: list[str]) -> Request | None:
    """Draw what is compared; return the request, None where there is nothing to compare yet."""
    base: str | None = None
    if brings_passages(chosen.question_set):
        st.text(say("evaluate.set.own_passages"))
        models = embedders_on_machine()
    elif names:
        base = st.selectbox(say("evaluate.base"), names, key="evaluate_base", persist_state="session") or names[0]
        models = [model.model for model in live_knowledge_base(settings.indexes, base).current().knowledge_base.models]
    else:
        st.text(say("evaluate.empty"))
        draw_link("knowledge_bases")
        return None
    if not models:
        st.text(say("evaluate.systems.no_models"))
        draw_link("models")
        return None
    embed_models, retrievers = _draw_searches(models, base)
    generator = _draw_generator(settings)
    sample, answerable_only, margin = _draw_more()
    systems = chosen_systems(embed_models, retrievers, (generator,))
    said = printable(listed(one.name for one in systems))
    st.text(say("evaluate.systems.count", count=len(systems), names=said))
    if len(systems) < 2:
        st.text(say("evaluate.systems.too_few"))
        return None
    return Request(
        questions=chosen.path,
        systems=systems,
        knowledge_base=base,
        sample=sample or None,
        answerable_only=answerable_only,
        margin=margin,
    )


def _draw_searches(models: list[str], base: str | None) -> tuple[list[str], list[RetrieverName]]:
    """Draw models and searches, all chosen at first; return those that are."""
    embed_models = st.multiselect(
        say("evaluate.systems.models"),
        models,
        default=models if base is not None else models[:1],
        key=f"evaluate_models {base}",
        persist_state="session",
    )
    if base is not None and len(models) == 1:
        st.text(say("evaluate.systems.one_model"))
        draw_link("knowledge_bases")
    retrievers = st.pills(
        say("evaluate.systems.retrievers"),
        RETRIEVERS,
        selection_mode="multi",
        default=RETRIEVERS,
        format_func=lambda one: say(f"compare.searches.{one}"),
        key="evaluate_retrievers",
        persist_state="session",
    )
    return embed_models, [one for one in RETRIEVERS if one in retrievers]


def _draw_generator(settings: Settings) -> str:
    """Draw what writes answers; at first nothing does, since a generator takes seconds a question."""
    configured = [settings.generator] if settings.generator is not None else []
    options = list(dict.fromkeys([NO_GENERATOR, QUOTE, *configured, *generators_on_machine()]))
    keep_chosen("evaluate_generator", options, _writer_name)
    generator = st.selectbox(
        say("evaluate.systems.generator"),
        options,
        format_func=_writer_name,
        key="evaluate_generator",
        persist_state="session",
    )
    if generator not in (NO_GENERATOR, QUOTE):
        st.text(say("evaluate.systems.slow"))
    return generator or NO_GENERATOR


def _writer_name(writer: str) -> str:
    return say(f"compare.writers.{writer}") if writer in (NO_GENERATOR, QUOTE) else writer


def _draw_more() -> tuple[int, bool, float]:
    """Draw what is seldom changed; return how many questions are drawn, whether they need an answer, and the margin."""
    with st.expander(say("evaluate.systems.more"), icon=":material/tune:"):
        sample = st.number_input(
            say("evaluate.systems.sample"),
            min_value=0,
            value=0,
            help=say("evaluate.systems.sample_help"),
            key="evaluate_sample",
        )
        answerable_only = st.toggle(say("evaluate.systems.answerable"), key="evaluate_answerable")
        margin = st.number_input(
            say("evaluate.systems.margin"), 0.001, 0.5, DEFAULT_MARGIN, 0.01, format="%.3f", key="evaluate_margin"
        )
    return int(sample), answerable_only, float(margin)
