"""READ FIRST: how a question becomes a cited answer. (follow-up ->) question -> passages -> writer -> cited answer.

`CitedQueryEngine` is a LlamaIndex query engine: `engine.query(question)` returns a `Response` whose
`metadata["answer"]` is our `Answer`. `engine.ask(question)` is the same, step by step, for whoever shows it as it comes.
This module knows nothing of indexes, model files or screens.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import Response
from llama_index.core.callbacks import CallbackManager
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_app.answering.abstention import is_found, why_nothing, why_refused
from rag_app.answering.awaiting import in_thread
from rag_app.answering.conversation import Exchange, Standalone, standalone_question
from rag_app.answering.neighbours import Neighbours
from rag_app.answering.question import checked_question
from rag_app.answering.writers import Draft, Waiting, Writer, Writing, Written
from rag_app.config import AnsweringSettings, LimitSettings
from rag_app.datatypes import Answer, Passage
from rag_app.retrieval.nodes import passages_of


@dataclass(frozen=True)
class Rephrased:
    """A follow-up was understood as this question, by the generator or by a rule; it is what is searched for."""

    standalone: Standalone


@dataclass(frozen=True)
class Retrieved:
    """The passages were found; nothing is written yet. `nodes` are the same, as LlamaIndex has them.

    Where `is_found` is false they are the closest ones, and none of them answers the question: nothing will be written.
    `ranked` are the passages as they were found, before those that stand side by side were joined for the generator.
    """

    passages: tuple[Passage, ...]
    nodes: tuple[NodeWithScore, ...]
    is_found: bool = True
    ranked: tuple[Passage, ...] = ()


@dataclass(frozen=True)
class Answered:
    """All is done."""

    answer: Answer


AnswerEvent = Rephrased | Retrieved | Waiting | Written | Answered


class CitedQueryEngine(BaseQueryEngine):
    """Answers a question from retrieved passages, with citations. Without a `writer` it stops at the passages."""

    def __init__(
        self,
        retriever: BaseRetriever,
        writer: Writer | None,
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
        self._writer = writer
        self._answering = answering
        self._limits = limits
        self._embedder_name = embedder_name
        self._reranker_name = reranker_name
        self._node_postprocessors = node_postprocessors
        self._neighbours = neighbours

    def ask(self, question: str, history: Sequence[Exchange] = ()) -> Generator[AnswerEvent]:
        """Yield what happens, as it happens: `Rephrased` of a follow-up, `Retrieved`, any number of `Written`, `Answered`.

        `Waiting` comes between any of them, and before `Rephrased` too, where the generator puts the follow-up in full words.
        Closing stops the generator. `history` are the exchanges before, the last of them last.

        Raises:
            QuestionError: empty, or too long.
            RerankingError: the reranker failed.
            GenerationError: the generator failed; the passages were yielded before.
        """
        clock = _Clock()
        question = checked_question(question, self._limits)
        standalone = yield from self._standalone(question, history)
        if standalone.by:
            clock.lap("rephrasing")
            yield Rephrased(standalone)
        nodes = self._found(standalone.question, clock)
        wanted = 1 - self._answering.false_alarm_rate
        ranked = passages_of(nodes)
        found = is_found(ranked, wanted)
        budget = self._writer.budget(standalone.question) if self._writer is not None and found else None
        if budget is not None and self._neighbours is not None:
            nodes = self._neighbours.joined(nodes, budget.size, budget.room(standalone.question))
            clock.lap("neighbours")
        passages = passages_of(nodes)
        yield Retrieved(passages, tuple(nodes), found, ranked)
        draft = None
        if self._writer is not None and found:
            if standalone.failure is not None:
                raise standalone.failure
            draft = yield from _timed(self._writer.write(standalone.question, passages), clock)
        yield Answered(
            Answer(
                question=question,
                text=draft.text if draft else None,
                abstained=not found or (draft is not None and draft.is_refusal),
                sentences=draft.sentences if draft else (),
                passages=passages,
                embedder=self._embedder_name,
                generator=(draft.by if draft and draft.by else self._writer.name) if self._writer else None,
                not_asked=self._writer.name if self._writer and draft and draft.by else "",
                timings=clock.laps,
                reranker=self._reranker_name,
                wanted_percentile=wanted,
                prompt=draft.prompt if draft else None,
                is_cut=draft.is_cut if draft else False,
                standalone=standalone.question,
                abstention=_abstention(question, passages, draft, wanted, is_found=found),
            )
        )

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """Return the passages for a question, after every postprocessor, best first."""
        return self._postprocessed(self._retriever.retrieve(query_bundle), query_bundle)

    def _standalone(self, question: str, history: Sequence[Exchange]) -> Generator[Waiting, None, Standalone]:
        recent = history[-self._answering.history_turns :] if self._answering.history_turns else ()
        return standalone_question(question, recent, self._writer.llm if self._writer else None)

    def _found(self, question: str, clock: _Clock) -> list[NodeWithScore]:
        query_bundle = QueryBundle(question)
        nodes = self._retriever.retrieve(query_bundle)
        if self._reranker_name is not None:
            clock.lap("retrieval")
        nodes = self._postprocessed(nodes, query_bundle)
        clock.lap("retrieval" if self._reranker_name is None else "reranking")
        return nodes

    def _postprocessed(self, nodes: list[NodeWithScore], query_bundle: QueryBundle) -> list[NodeWithScore]:
        for postprocessor in self._node_postprocessors:
            nodes = postprocessor.postprocess_nodes(nodes, query_bundle=query_bundle)
        return nodes

    def _query(self, query_bundle: QueryBundle) -> Response:
        return _response(list(self.ask(query_bundle.query_str)))

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        # One thread for all of it: LlamaIndex's spans are of a thread.
        events = in_thread(self.ask(query_bundle.query_str), ThreadPoolExecutor(max_workers=1))
        return _response([event async for event in events])

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def said(answer: Answer) -> str:
    """Return what is said to who asked: the answer, or that nothing was found; empty where nobody was to write one."""
    return answer.text or answer.abstention


def _response(events: Sequence[AnswerEvent]) -> Response:
    """Return what LlamaIndex's users are given, of a question without a history."""
    retrieved, *_, answered = events
    assert isinstance(retrieved, Retrieved)
    assert isinstance(answered, Answered)
    answer = answered.answer
    return Response(response=said(answer), source_nodes=list(retrieved.nodes), metadata={"answer": answer})


def _abstention(
    question: str, passages: Sequence[Passage], draft: Draft | None, wanted: float, *, is_found: bool
) -> str:
    if not is_found:
        return why_nothing(question, passages, wanted)
    return why_refused(question) if draft is not None and draft.is_refusal else ""


def _timed(writing: Writing, clock: _Clock) -> Writing:
    """Hand on what is written, with the seconds to the first text and to the last."""
    with closing(writing):
        try:
            while True:
                event = next(writing)
                if isinstance(event, Written):
                    clock.lap_once("first_text")
                yield event
        except StopIteration as end:
            draft: Draft = end.value
    clock.lap("generation")
    return draft


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
