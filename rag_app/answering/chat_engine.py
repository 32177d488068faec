"""A conversation over a knowledge base, as a LlamaIndex chat engine: each answer is that of `CitedQueryEngine`.

A response has `source_nodes` as soon as they are found, and at its end `metadata["answer"]`, our `Answer`. One engine holds
one conversation, and is asked one question at a time. This module knows nothing of how an answer comes about.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    MessageRole,
)
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine, StreamingAgentChatResponse
from llama_index.core.tools import ToolOutput

from rag_app.answering.conversation import Exchange, joined_by_rule
from rag_app.answering.follow_ups import is_follow_up
from rag_app.answering.query_engine import Answered, AnswerEvent, CitedQueryEngine, Rephrased, Retrieved
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
                    self.response += response.delta
                    yield response.delta

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        """Yield the pieces of the answer."""
        assert self.achat_stream is not None
        async with aclosing(self.achat_stream):
            async for response in self.achat_stream:
                if response.delta:
                    self.response += response.delta
                    yield response.delta


class CitedChatEngine(BaseChatEngine):
    """Answers questions and follow-ups. The last twenty exchanges are kept; the engine is given them all."""

    def __init__(self, engine: CitedQueryEngine) -> None:
        """Take the engine that answers."""
        self._engine = engine
        self._history: list[ChatMessage] = []

    @property
    def chat_history(self) -> list[ChatMessage]:
        """Questions and answers, the oldest first. What a follow-up was understood to ask is in its `additional_kwargs`."""
        return list(self._history)

    def reset(self) -> None:
        """Forget the conversation."""
        self._history = []

    def chat(self, message: str, chat_history: Sequence[ChatMessage] | None = None) -> AgentChatResponse:
        """Return the answer to a question or follow-up, cited; where nothing is found, that.

        Args:
            message: what is asked.
            chat_history: takes the place of the conversation so far.

        Raises:
            QuestionError, RerankingError, GenerationError: as `CitedQueryEngine.ask`.
        """
        response = self.stream_chat(message, chat_history)
        for _ in response.response_gen:
            pass
        return AgentChatResponse(response.response, response.sources, response.source_nodes, metadata=response.metadata)

    def stream_chat(self, message: str, chat_history: Sequence[ChatMessage] | None = None) -> CitedChatResponse:
        """Return the same answer as it is written; its `source_nodes` are there at once."""
        if chat_history is not None:
            self._history = list(chat_history)[-_MOST_MESSAGES:]
        response = CitedChatResponse()
        events = self._engine.ask(message, exchanges_of(self._history))
        standalone = message
        for event in events:
            if isinstance(event, Rephrased):
                standalone = event.standalone.question
            if isinstance(event, Retrieved):
                response.source_nodes = list(event.nodes)
                break
        response.chat_stream = self._responses(message, standalone, events, response)
        return response

    async def achat(self, message: str, chat_history: Sequence[ChatMessage] | None = None) -> AgentChatResponse:
        """Do as `chat`, in another thread."""
        return await asyncio.to_thread(self.chat, message, chat_history)

    async def astream_chat(self, message: str, chat_history: Sequence[ChatMessage] | None = None) -> CitedChatResponse:
        """Do as `stream_chat`, in another thread."""
        thread = ThreadPoolExecutor(max_workers=1)  # one thread for all of it: LlamaIndex's spans are of a thread
        response = await asyncio.get_running_loop().run_in_executor(thread, self.stream_chat, message, chat_history)
        assert response.chat_stream is not None
        response.achat_stream = _in_thread(response.chat_stream, thread)
        return response

    def _responses(
        self, message: str, standalone: str, events: Iterator[AnswerEvent], response: CitedChatResponse
    ) -> ChatResponseGen:
        """Yield the answer piece by piece, and remember it; of one that is stopped, what was written.

        A piece is empty while the generator writes nothing: a generator that is never left cannot be closed.
        """
        text = ""
        with closing(cast("Generator[AnswerEvent, None, None]", events)):
            try:
                for event in events:
                    piece = ""
                    if isinstance(event, Written):
                        piece = event.text
                    elif isinstance(event, Answered):
                        piece = "" if text else _said(event.answer)
                        response.metadata["answer"] = event.answer
                        response.sources.append(_source(event.answer, response))
                    if piece or isinstance(event, Waiting):
                        text += piece
                        yield ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=piece)
            except GeneratorExit:
                self._remember(message, standalone, text)
                raise
        self._remember(message, standalone, text)

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
            standalone = message.additional_kwargs.get(STANDALONE, "")
            if not standalone:
                standalone = joined_by_rule(text, exchanges[-1]) if exchanges and is_follow_up(text) else text
            exchanges.append(Exchange(text, standalone, ""))
        elif message.role == MessageRole.ASSISTANT and exchanges:
            last = exchanges[-1]
            exchanges[-1] = Exchange(last.question, last.standalone, f"{last.answer} {text}".strip())
    return tuple(exchanges)


def _said(answer: Answer) -> str:
    return answer.abstention if answer.abstained else answer.text or ""


def _source(answer: Answer, response: CitedChatResponse) -> ToolOutput:
    """Return what LlamaIndex's own chat engines say of where an answer is from."""
    text = _said(answer)
    return ToolOutput(
        tool_name="query_engine",
        content=text,
        raw_input={"query": answer.standalone or answer.question},
        raw_output=Response(text, response.source_nodes, response.metadata),
    )


async def _in_thread(stream: ChatResponseGen, thread: ThreadPoolExecutor) -> ChatResponseAsyncGen:
    """Yield what a stream does, read in a thread; closing it closes the stream there, and then ends the thread."""
    loop = asyncio.get_running_loop()
    try:
        while (response := await loop.run_in_executor(thread, next, stream, None)) is not None:
            yield response
    finally:
        await loop.run_in_executor(thread, stream.close)
        thread.shutdown(wait=False)
