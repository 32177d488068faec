"""A conversation over a knowledge base, as a LlamaIndex chat engine: each answer is that of `CitedQueryEngine`.

A response has `source_nodes` as soon as they are found, and at its end `metadata["answer"]`, our `Answer`. One engine holds
one conversation, and is asked one question at a time. This module knows nothing of how an answer comes about.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ChatResponseGen, MessageRole
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine, StreamingAgentChatResponse
from llama_index.core.tools import ToolOutput

from rag_app.answering.awaiting import in_thread
from rag_app.answering.conversation import Exchange, understood_by_rule
from rag_app.answering.query_engine import Answered, AnswerEvent, CitedQueryEngine, Rephrased, Retrieved, said
from rag_app.answering.writers import Waiting, Written
from rag_app.datatypes import Answer

_MOST_MESSAGES = 40  # twenty exchanges, the most that `AnsweringSettings.history_turns` may be
# Under this name a user's message in the history says what it was understood to ask.
STANDALONE = "standalone"


@dataclass
class CitedChatResponse(StreamingAgentChatResponse):
    """A response as it is written. Closing what `response_gen` or `async_response_gen` returns stops the generator.

    So does cancelling who awaits a piece. While nothing is written, `chat_stream` and `achat_stream` have an empty delta
    several times a second: who reads them has control then, too, and can close them. The pieces of the other two are never
    empty.

    `response` is what is written so far. The pieces are as the generator wrote them; once the stream has ended, `response` is
    the answer with its citations checked, so that a number that a piece had may be another in it, or gone.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    is_writing_to_memory: bool = False  # LlamaIndex would read the stream in a thread of its own, which nobody can stop

    @property
    def response_gen(self) -> Generator[str, None, None]:
        """The pieces of the answer."""
        assert self.chat_stream is not None
        with closing(self.chat_stream):
            for response in self.chat_stream:
                if response.delta:
                    yield response.delta

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        """Yield the pieces of the answer."""
        assert self.achat_stream is not None
        async with aclosing(self.achat_stream):
            async for response in self.achat_stream:
                if response.delta:
                    yield response.delta


class CitedChatEngine(BaseChatEngine):
    """Answers questions and follow-ups. The last twenty exchanges are kept; the engine is given them all."""

    def __init__(self, engine: CitedQueryEngine) -> None:
        """Take the engine that answers."""
        self._engine = engine
        self._history: list[ChatMessage] = []

    @property
    def chat_history(self) -> list[ChatMessage]:
        """Questions and checked answers, the oldest first; what a question was understood to ask is in `additional_kwargs`."""
        return list(self._history)

    def reset(self) -> None:
        """Forget the conversation."""
        self._history = []

    def chat(self, message: str, chat_history: Sequence[ChatMessage] | None = None) -> AgentChatResponse:
        """Return the answer to a question or follow-up, its citations checked; where nothing is found, that.

        Args:
            message: what is asked.
            chat_history: takes the place of the conversation so far.

        Raises:
            QuestionError, RerankingError, GenerationError: as `CitedQueryEngine.ask`.
        """
        response = self.stream_chat(message, chat_history)
        for _ in response.response_gen:
            pass
        return _whole(response)

    def stream_chat(self, message: str, chat_history: Sequence[ChatMessage] | None = None) -> CitedChatResponse:
        """Return the same answer as it is written.

        Its `source_nodes` are there at once, unless the generator puts a follow-up in full words before anything can be
        searched for: it is asked to when the stream is read, and they are there before the first word.
        """
        if chat_history is not None:
            self._history = list(chat_history)[-_MOST_MESSAGES:]
        response = CitedChatResponse()
        events = self._engine.ask(message, exchanges_of(self._history))
        begun: list[AnswerEvent] = []
        for event in events:
            begun.append(event)
            if isinstance(event, Retrieved):
                response.source_nodes = list(event.nodes)
            if not isinstance(event, Rephrased):
                break
        response.chat_stream = self._responses(message, begun, events, response)
        return response

    async def achat(self, message: str, chat_history: Sequence[ChatMessage] | None = None) -> AgentChatResponse:
        """Do as `chat`, in another thread; cancelling stops the generator."""
        response = await self.astream_chat(message, chat_history)
        async for _ in response.async_response_gen():
            pass
        return _whole(response)

    async def astream_chat(self, message: str, chat_history: Sequence[ChatMessage] | None = None) -> CitedChatResponse:
        """Do as `stream_chat`, in another thread."""
        thread = ThreadPoolExecutor(max_workers=1)  # one thread for all of it: LlamaIndex's spans are of a thread
        response = await asyncio.get_running_loop().run_in_executor(thread, self.stream_chat, message, chat_history)
        assert response.chat_stream is not None
        response.achat_stream = in_thread(response.chat_stream, thread)
        return response

    def _responses(
        self, message: str, begun: Sequence[AnswerEvent], events: Generator[AnswerEvent], response: CitedChatResponse
    ) -> ChatResponseGen:
        """Yield the answer piece by piece, and remember it; of one that is stopped, what was written.

        A piece is empty while the generator writes nothing: a generator that is never left cannot be closed.
        """
        standalone = ""  # of one that is stopped before that is known, `exchanges_of` says it
        with closing(events):
            try:
                for event in chain(begun, events):
                    piece = ""
                    if isinstance(event, Rephrased):
                        standalone = event.standalone.question
                    elif isinstance(event, Retrieved):
                        standalone = standalone or message
                        response.source_nodes = list(event.nodes)
                    elif isinstance(event, Written):
                        piece = event.text
                        response.response += piece
                    elif isinstance(event, Answered):
                        piece = "" if response.response else said(event.answer)
                        response.response = said(event.answer)
                        response.metadata["answer"] = event.answer
                        response.sources.append(_source(event.answer, response))
                    if piece or isinstance(event, Waiting | Answered):
                        yield _response(response.response, piece)
            except GeneratorExit:
                self._remember(message, standalone, response.response)
                raise
        self._remember(message, standalone, response.response)

    def _remember(self, message: str, standalone: str, text: str) -> None:
        asked = ChatMessage(role=MessageRole.USER, content=message, additional_kwargs={STANDALONE: standalone})
        answer = ChatMessage(role=MessageRole.ASSISTANT, content=text.strip())
        self._history = [*self._history, asked, answer][-_MOST_MESSAGES:]


def exchanges_of(messages: Sequence[ChatMessage]) -> tuple[Exchange, ...]:
    """Return the exchanges of a conversation in LlamaIndex's messages; only the user's and the assistant's count.

    Where a message does not say what it was understood to ask, a rule does.
    """
    exchanges: list[Exchange] = []
    for message in messages:
        text = message.content or ""
        if message.role == MessageRole.USER and text.strip():
            standalone = message.additional_kwargs.get(STANDALONE, "") or understood_by_rule(text, exchanges)
            exchanges.append(Exchange(text, standalone, ""))
        elif message.role == MessageRole.ASSISTANT and exchanges:
            last = exchanges[-1]
            exchanges[-1] = Exchange(last.question, last.standalone, f"{last.answer} {text}".strip())
    return tuple(exchanges)


def _whole(response: CitedChatResponse) -> AgentChatResponse:
    return AgentChatResponse(response.response, response.sources, response.source_nodes, metadata=response.metadata)


def _response(text: str, piece: str) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=piece)


def _source(answer: Answer, response: CitedChatResponse) -> ToolOutput:
    """Return what LlamaIndex's own chat engines say of where an answer is from."""
    return ToolOutput(
        tool_name="query_engine",
        content=said(answer),
        raw_input={"query": answer.standalone or answer.question},
        raw_output=Response(said(answer), response.source_nodes, response.metadata),
    )
