"""What is chosen beside a question: the knowledge base, its embedding model, what writes, and where is searched.

Models are loaded here as they were chosen. This module knows nothing of turns or answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import ModelError, RagAppError
from rag_app.models.catalogue import QUOTE, load_catalogue
from rag_app.ui.ask.narrowing import draw_narrowing
from rag_app.ui.parts import show_notice
from rag_app.ui.resources import live_knowledge_base, load_embedder, load_generator, load_reranker

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag_app.answering.query_engine import CitedQueryEngine
    from rag_app.datatypes import Fingerprint
    from rag_app.store.live import LiveKnowledgeBase, Served

PASSAGES_ONLY = "Passages only"
QUOTES = "Quotes from the passages"
_DEFAULT_GENERATOR = "Default for this machine"


@dataclass(frozen=True)
class Choice:
    """What is chosen in the sidebar. `generator`: None for passages only, empty for the machine's default, or `quote`.

    `only_in` holds the terms to which questions are narrowed.
    """

    live: LiveKnowledgeBase
    served: Served
    fingerprint: Fingerprint
    generator: str | None
    only_in: tuple[str, ...]


def draw_sidebar(settings: Settings, names: list[str]) -> Choice:
    """Draw the sidebar; return what is chosen in it."""
    with st.sidebar:
        name = st.selectbox("Knowledge base", names, key="kb", bind="query-params") or names[0]
        live = live_knowledge_base(settings.indexes, name)
        served = live.current()
        models = {model.model: model for model in served.knowledge_base.models}
        model = st.selectbox("Embedding model", list(models), key=f"model {name}")
        generator = st.selectbox("Answers written by", _generators(settings), key="generator")
        only_in = draw_narrowing(served.knowledge_base)
    fingerprint = models[model] if model in models else served.knowledge_base.models[0]
    chosen = {PASSAGES_ONLY: None, _DEFAULT_GENERATOR: "", QUOTES: QUOTE}.get(generator or "", generator)
    return Choice(live, served, fingerprint, chosen, only_in)


def _generators(settings: Settings) -> list[str]:
    """Return what may write the answers: what is configured, else the default, then what is on this machine."""
    from rag_app.models.hub import find_on_machine

    rows = load_catalogue().generators
    here = [row.alias or row.id for row in rows if find_on_machine(row.id, row) is not None]
    first = settings.generator or _DEFAULT_GENERATOR
    first = QUOTES if first == QUOTE else first
    return list(dict.fromkeys([first, *here, QUOTES, PASSAGES_ONLY]))


def choose_quotes() -> None:
    """Have the next questions answered by quotes."""
    st.session_state["generator"] = QUOTES


def afresh(error: RagAppError) -> RagAppError:
    """Return an error that can be kept: the traceback of the one raised would keep open the generation that was asked."""
    return RagAppError(error.found, error.remedy)


def chosen_generator(choice: Choice, settings: Settings) -> tuple[LLM | Literal["quote"] | None, RagAppError | None]:
    """Return what writes, and why nothing does where a generator was asked for and cannot be loaded."""
    if choice.generator is None:
        return None, None
    if choice.generator == QUOTE:
        return "quote", None
    try:
        return load_generator(choice.generator or None, settings), None
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
