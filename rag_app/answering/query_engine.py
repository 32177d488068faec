"""READ FIRST: how a question becomes a cited answer. question -> passages -> prompt -> streamed answer -> citations.

`CitedQueryEngine` is a LlamaIndex query engine: `engine.query(question)` returns a `Response` whose
`metadata["answer"]` is our `Answer`. `engine.ask(question)` is the same, step by step, for whoever shows it as it comes.
This module knows nothing of indexes, model files or screens.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import Response
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import LLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_app.answering.abstention import is_found
from rag_app.answering.citations import MarkerFilter, cite
from rag_app.answering.neighbours import Neighbours
from rag_app.answering.prompt import Budget, Prompt, TokenCounter, build_prompt
from rag_app.answering.question import checked_question
from rag_app.config import AnsweringSettings, LimitSettings
from rag_app.datatypes import Answer, Passage
from rag_app.errors import GenerationError, RagAppError
from rag_app.retrieval.nodes import passages_of
from rag_app.text import size_in_units


@dataclass(frozen=True)
class Retrieved:
    """The passages were found; nothing is written yet. `nodes` are the same, as LlamaIndex has them.

    Where `is_found` is false they are the closest ones, and none of them answers the question: nothing will be written.
    """

    passages: tuple[Passage, ...]
    nodes: tuple[NodeWithScore, ...]
    is_found: bool = True


@dataclass(frozen=True)
class Written:
    """The generator has written some more text."""

    text: str


@dataclass(frozen=True)
class Answered:
    """All is done."""

    answer: Answer


AnswerEvent = Retrieved | Written | Answered


class CitedQueryEngine(BaseQueryEngine):
    """Answers a question from retrieved passages, with citations. Without an `llm` it stops at the passages."""

    def __init__(
        self,
        retriever: BaseRetriever,
        llm: LLM | None,
        *,
        answering: AnsweringSettings,
        limits: LimitSettings,
        embedder_name: str | None = None,
        reranker_name: str | None = None,
        node_postprocessors: Sequence[BaseNodePostprocessor] = (),
        neighbours: Neighbours | None = None,
    ) -> None:
        """Put the parts together. The names are recorded in the answer; the models are never left unset.

        `neighbours` gives passages what stands around them where an answer is written; None: they stay as they were found.
        """
        super().__init__(callback_manager=CallbackManager([]))
        self._retriever = retriever
        self._llm = llm
        self._answering = answering
        self._limits = limits
        self._embedder_name = embedder_name
        self._reranker_name = reranker_name
        self._node_postprocessors = node_postprocessors
        self._neighbours = neighbours

    def ask(self, question: str) -> Iterator[AnswerEvent]:
        """Yield what happens, as it happens: `Retrieved`, any number of `Written`, `Answered`.

        Closing the iterator stops the generator.

        Raises:
            QuestionError: empty, or too long.
            RerankingError: the reranker failed.
            GenerationError: the generator failed; the passages were yielded before.
        """
        clock = _Clock()
        question = checked_question(question, self._limits)
        query_bundle = QueryBundle(question)
        nodes = self._retriever.retrieve(query_bundle)
        if self._reranker_name is not None:
            clock.lap("retrieval")
        nodes = self._postprocessed(nodes, query_bundle)
        clock.lap("retrieval" if self._reranker_name is None else "reranking")
        wanted = 1 - self._answering.false_alarm_rate
        found = is_found(passages_of(nodes), wanted)
        if self._llm is not None and self._neighbours is not None and found:
            budget = self._budget(self._llm)
            nodes = self._neighbours.joined(nodes, budget.size, budget.room(question))
            clock.lap("neighbours")
        passages = passages_of(nodes)
        yield Retrieved(passages, tuple(nodes), found)
        text, given = None, passages
        if self._llm is not None and found:
            prompt = build_prompt(question, passages, self._budget(self._llm))
            text, given = "", prompt.passages
            for piece in self._write(self._llm, prompt):
                clock.lap_once("first_text")
                text += piece
                yield Written(piece)
            text = text.strip()
            clock.lap("generation")
        yield Answered(
            Answer(
                question=question,
                text=text,
                abstained=not found,
                sentences=cite(text, given) if text else (),
                passages=passages,
                embedder=self._embedder_name,
                generator=self._llm.metadata.model_name if self._llm else None,
                timings=clock.laps,
                reranker=self._reranker_name,
                wanted_percentile=wanted,
            )
        )

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """Return the passages for a question, after every postprocessor, best first."""
        return self._postprocessed(self._retriever.retrieve(query_bundle), query_bundle)

    def _postprocessed(self, nodes: list[NodeWithScore], query_bundle: QueryBundle) -> list[NodeWithScore]:
        for postprocessor in self._node_postprocessors:
            nodes = postprocessor.postprocess_nodes(nodes, query_bundle=query_bundle)
        return nodes

    def _budget(self, llm: LLM) -> Budget:
        window = llm.metadata.context_window
        return Budget(
            _token_counter(llm),
            passage_tokens=self._answering.passage_tokens,
            window=window - min(self._answering.max_new_tokens, window // 2),
            special_tokens=getattr(llm, "special_tokens", ()),
        )

    def _write(self, llm: LLM, prompt: Prompt) -> Iterator[str]:
        """Yield the answer's text as the generator writes it, without markers of passages that it was not given."""
        shown = MarkerFilter(len(prompt.passages))
        stream = None
        try:
            stream = llm.stream_chat(prompt.messages)
            for response in stream:
                if text := shown.feed(response.delta or ""):
                    yield text
            if text := shown.finish():
                yield text
        except RagAppError:
            raise
        except Exception as error:  # any LlamaIndex LLM may be plugged in; its reader gets a sentence all the same
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise GenerationError(
                f"{llm.metadata.model_name} failed while writing: {reason:.300}.",
                "The passages found are still shown.",
            ) from error
        finally:
            if stream is not None:
                stream.close()

    def _query(self, query_bundle: QueryBundle) -> Response:
        retrieved, *_, answered = self.ask(query_bundle.query_str)
        assert isinstance(retrieved, Retrieved)
        assert isinstance(answered, Answered)
        return Response(
            response=answered.answer.text,
            source_nodes=list(retrieved.nodes),
            metadata={"answer": answered.answer},
        )

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        return self._query(query_bundle)


def _token_counter(llm: LLM) -> TokenCounter:
    """Return the generator's own counter; for another LlamaIndex LLM the model-free unit, which counts high."""
    counter: TokenCounter = getattr(llm, "count_tokens", size_in_units)
    return counter


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(now - self._last, 4)
        self._last = now

    def lap_once(self, name: str) -> None:
        if name not in self.laps:
            self.laps[name] = round(time.perf_counter() - self._last, 4)
