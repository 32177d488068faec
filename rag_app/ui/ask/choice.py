"""What is chosen beside a question: the knowledge base, its embedding model, what writes, and where is searched.

Models are loaded here as they were chosen. This module knows nothing of turns or answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import ModelError, RagAppError
from rag_app.models.catalogue import QUOTE
from rag_app.ui.ask.narrowing import draw_narrowing
from rag_app.ui.choices import keep_chosen
from rag_app.ui.parts import show_notice
from rag_app.ui.resources import (
    import_libraries,
    live_knowledge_base,
    load_embedder,
    load_generator,
    load_reranker,
)
from rag_app.ui.words import say

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag_app.answering.query_engine import CitedQueryEngine
    from rag_app.datatypes import Fingerprint
    from rag_app.store.live import LiveKnowledgeBase, Served

PASSAGES_ONLY = "none"
DEFAULT = "default"


@dataclass(frozen=True)
class Choice:
    """What is chosen in the sidebar. `generator` is a model's name, `default` for the machine's, `quote`, or `none`.

    `only_in` holds the terms to which questions are narrowed.
    """

    live: LiveKnowledgeBase
    served: Served
    fingerprint: Fingerprint
    generator: str
    only_in: tuple[str, ...]

    def with_models(self, embedder: str, generator: str) -> Choice:
        """Return the choice with another embedding model of the base, by name, and another generator."""
        fingerprints = {model.model: model for model in self.served.knowledge_base.models}
        return replace(self, fingerprint=fingerprints.get(embedder, self.fingerprint), generator=generator)


def draw_sidebar(settings: Settings, names: list[str]) -> Choice:
    """Draw the sidebar; return what is chosen in it."""
    with st.sidebar:
        name = st.selectbox(say("ask.choice.knowledge_base"), names, key="kb", bind="query-params") or names[0]
        live = live_knowledge_base(settings.indexes, name)
        served = live.current()
        models = {model.model: model for model in served.knowledge_base.models}
        model = st.selectbox(say("ask.choice.model"), list(models), key=f"model {name}", persist_state="session")
        can_write = generators(settings)
        keep_chosen("generator", can_write, generator_name)
        generator = st.selectbox(
            say("ask.choice.generator"),
            can_write,
            key="generator",
            format_func=generator_name,
            persist_state="session",
        )
        only_in = draw_narrowing(served.knowledge_base)
    fingerprint = models[model] if model in models else served.knowledge_base.models[0]
    return Choice(live, served, fingerprint, generator or DEFAULT, only_in)


def generators(settings: Settings) -> list[str]:
    """Return what may write the answers: what is configured, else the default, then what is on this machine."""
    return list(dict.fromkeys([settings.generator or DEFAULT, *_generators_here(), QUOTE, PASSAGES_ONLY]))


@st.cache_data(show_spinner=False, ttl=10.0)  # seconds; as a word ("10s") it would import pandas
def _generators_here() -> list[str]:
    """Return the generators on this machine; looking for them at every click would be slow."""
    from rag_app.models.generating.on_machine import generators_on_machine

    return generators_on_machine()


def generator_name(generator: str) -> str:
    """Return what a generator is called on the page."""
    if generator == DEFAULT:
        return say("ask.choice.default")
    if generator == QUOTE:
        return say("ask.choice.quotes")
    return say("ask.choice.none") if generator == PASSAGES_ONLY else generator


def choose_quotes() -> None:
    """Have the next questions answered by quotes."""
    st.session_state["generator"] = QUOTE


def afresh(error: RagAppError) -> RagAppError:
    """Return an error that can be kept: the traceback of the one raised would keep open the generation that was asked."""
    return RagAppError(error.found, error.remedy)


def chosen_generator(choice: Choice, settings: Settings) -> tuple[LLM | Literal["quote"] | None, RagAppError | None]:
    """Return what writes, and why nothing does where a generator was asked for and cannot be loaded."""
    if choice.generator == PASSAGES_ONLY:
        return None, None
    if choice.generator == QUOTE:
        return "quote", None
    try:
        return load_generator(None if choice.generator == DEFAULT else choice.generator, settings), None
    except ModelError as error:
        return None, afresh(error)


def chosen_engine(
    choice: Choice,
    served: Served,
    llm: LLM | Literal["quote"] | None,
    settings: Settings,
    only_in: Sequence[str],
) -> CitedQueryEngine:
    """Return the engine over one generation, narrowed, with the chosen model as that generation has it."""
    import_libraries()
    from rag_app.answering.assembly import assemble_engine
    from rag_app.retrieval.filter_terms import filters_of

    knowledge_base = served.knowledge_base
    knowledge_base.check_has_model(choice.fingerprint.model)
    fingerprint = {model.model: model for model in knowledge_base.models}[choice.fingerprint.model]
    embedder = load_embedder(fingerprint, settings)
    reranker = load_reranker(settings.reranker, settings.device) if settings.reranker else None
    filters = filters_of(only_in, knowledge_base)
    return assemble_engine(
        knowledge_base, embedder, llm, settings, reranker=reranker, filters=filters, announce=show_notice
    )
