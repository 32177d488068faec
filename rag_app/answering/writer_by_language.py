"""A generator that is asked in the languages it was made for; in others the passages are quoted.

A small model made for English that is asked in Chinese repeats its instructions (`benchmarks/injection.py` saw it in 18 of 20
answers). This module knows nothing of retrieval or screens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from llama_index.core.llms import LLM

from rag_app.answering.prompting.prompt import Budget
from rag_app.answering.quoting import QuotingWriter
from rag_app.answering.writers import GeneratorWriter, Writer, Writing
from rag_app.config import AnsweringSettings
from rag_app.datatypes import Passage
from rag_app.models.catalogue import QUOTE

if TYPE_CHECKING:
    from rag_app.answering.quoting import QuestionEmbedder


def writer_of(
    llm: LLM | Literal["quote"] | None, answering: AnsweringSettings, embedder: QuestionEmbedder | None
) -> Writer | None:
    """Return what writes answers; `quote` stands for the passages' own sentences, None for nobody.

    Args:
        llm: a generator. Where it has a method `is_made_for(text)`, that decides what it is asked.
        answering: the longest answer, and what it may be given.
        embedder: what embeds sentences while a person waits; None: words decide.
    """
    if llm is None:
        return None
    return QuotingWriter(embedder) if isinstance(llm, str) else WriterByLanguage(llm, answering, embedder)


class WriterByLanguage:
    """Writes with a generator, or quotes."""

    def __init__(self, llm: LLM, answering: AnsweringSettings, embedder: QuestionEmbedder | None = None) -> None:
        """Take what `writer_of` takes."""
        self.llm: LLM = llm
        self._generator = GeneratorWriter(llm, answering, embedder)
        self._quotes = QuotingWriter(embedder)

    @property
    def name(self) -> str:
        """The generator's name."""
        return self._generator.name

    def budget(self, question: str) -> Budget | None:
        """What the generator can be given; None where the passages will be quoted."""
        return self._generator.budget(question) if is_made_for(self.llm, question) else None

    def write(self, question: str, passages: Sequence[Passage]) -> Writing:
        """Yield the answer as it is written; `by` of the draft says where the generator was not asked.

        Raises:
            GenerationError: the generator failed.
        """
        if is_made_for(self.llm, question):
            return (yield from self._generator.write(question, passages))
        draft = yield from self._quotes.write(question, passages)
        return replace(draft, by=QUOTE)


def is_made_for(llm: LLM, text: str) -> bool:
    """Whether a generator was made for the language of a text; of one that does not say, yes."""
    says = getattr(llm, "is_made_for", None)
    return says is None or bool(says(text))
