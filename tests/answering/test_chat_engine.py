"""The chat engine as LlamaIndex's users call it: answers with sources, follow-ups, histories, streams that stop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Generator, Sequence

import pytest
from llama_index.core.base.llms.types import ChatMessage, CompletionResponse, CompletionResponseGen, MessageRole
from llama_index.core.base.response.schema import Response
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.chat_engine.types import BaseChatEngine

from rag_app.answering.chat_engine import CitedChatEngine, exchanges_of
from rag_app.answering.conversation import Exchange
from rag_app.answering.query_engine import Answered, AnswerEvent, CitedQueryEngine, Retrieved
from rag_app.answering.writers import WAITING, GeneratorWriter
from rag_app.config import AnsweringSettings, LimitSettings, RetrievalSettings
from rag_app.datatypes import Answer
from rag_app.errors import GenerationError, QuestionError
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from tests.conftest import SmallBase
from tests.fakes import HashEmbedding, ScriptedLLM, SmallScriptedLLM

QUESTION = "How long is an account locked after failed sign-ins?"
PIECES = ("An account is locked ", "for 30 ", "minutes [1].")
HISTORY = (ChatMessage(role="user", content=QUESTION), ChatMessage(role="assistant", content="For 30 minutes."))


def chat_over(base: SmallBase, llm: ScriptedLLM | None, **answering: int) -> CitedChatEngine:
    opened = base.open()
    settings = AnsweringSettings(**answering)
    retriever = KnowledgeBaseRetriever(opened, opened.vectors(base.fingerprint), HashEmbedding(), RetrievalSettings())
    writer = None if llm is None else GeneratorWriter(llm, settings)
    return CitedChatEngine(CitedQueryEngine(retriever, writer, answering=settings, limits=LimitSettings()))


def answer_in(metadata: dict[str, object] | None) -> Answer:
    answer = (metadata or {}).get("answer")
    assert isinstance(answer, Answer)
    return answer


def test_an_answer_comes_with_its_sources_and_is_remembered(small_base: SmallBase) -> None:
    engine = chat_over(small_base, SmallScriptedLLM(*PIECES))
    assert isinstance(engine, BaseChatEngine)
    response = engine.chat(QUESTION)
    assert str(response) == response.response == "An account is locked for 30 minutes [1]."
    answer = answer_in(response.metadata)
    assert answer.text == response.response
    assert [node.node.get_content() for node in response.source_nodes] == [p.text for p in answer.passages]
    (source,) = response.sources
    assert (source.tool_name, source.raw_input, source.content) == ("query_engine", {"query": QUESTION}, answer.text)
    assert isinstance(source.raw_output, Response)
    assert [(message.role, message.content) for message in engine.chat_history] == [
        (MessageRole.USER, QUESTION),
        (MessageRole.ASSISTANT, answer.text),
    ]


def test_a_follow_up_is_searched_for_by_what_it_was_understood_to_ask(small_base: SmallBase) -> None:
    engine = chat_over(small_base, SmallScriptedLLM(*PIECES))
    engine.chat(QUESTION)
    response = engine.chat("and for managers?")
    understood = f"{QUESTION} And for managers?"
    assert response.sources[0].raw_input == {"query": understood}
    assert (answer_in(response.metadata).question, answer_in(response.metadata).standalone) == (
        "and for managers?",
        understood,
    )
    assert exchanges_of(engine.chat_history)[-1] == Exchange("and for managers?", understood, str(response))
    engine.reset()
    assert engine.chat_history == []
    assert engine.chat("and for managers?").sources[0].raw_input == {"query": "and for managers?"}


def test_a_history_given_takes_the_place_of_the_one_kept(small_base: SmallBase) -> None:
    engine = chat_over(small_base, SmallScriptedLLM(*PIECES))
    engine.chat("Which meals does the canteen serve?")
    given = [ChatMessage(role="user", content=QUESTION), ChatMessage(role="assistant", content="For 30 minutes.")]
    response = engine.chat("and for managers?", given)
    assert response.sources[0].raw_input == {"query": f"{QUESTION} And for managers?"}
    assert [message.content for message in engine.chat_history][:3] == [
        QUESTION,
        "For 30 minutes.",
        "and for managers?",
    ]
    assert len(given) == 2, "the caller's list stays as it was"
    assert engine.chat("and for managers?", []).sources[0].raw_input == {"query": "and for managers?"}


def test_follow_ups_in_a_history_from_elsewhere_are_understood_by_rule() -> None:
    messages = [
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="assistant", content="Hello!"),
        ChatMessage(role="user", content="How long is probation?"),
        ChatMessage(role="assistant", content="6 months."),
        ChatMessage(role="user", content="And for managers?"),
    ]
    assert exchanges_of(messages) == (
        Exchange("How long is probation?", "How long is probation?", "6 months."),
        Exchange("And for managers?", "How long is probation? And for managers?", ""),
    )


def test_the_history_is_bounded(small_base: SmallBase) -> None:
    engine = chat_over(small_base, SmallScriptedLLM("Yes."))
    for number in range(23):
        engine.chat(f"What do the rules say about subject {number}?")
    assert len(engine.chat_history) == 40
    assert engine.chat_history[0].content == "What do the rules say about subject 3?"
    forgetful = chat_over(small_base, SmallScriptedLLM("Yes."), history_turns=0)
    forgetful.chat(QUESTION)
    assert forgetful.chat("and for managers?").sources[0].raw_input == {"query": "and for managers?"}


def test_a_stream_has_its_sources_first_and_its_answer_at_the_end(small_base: SmallBase) -> None:
    llm = SmallScriptedLLM(*PIECES)
    engine = chat_over(small_base, llm)
    response = engine.stream_chat(QUESTION)
    assert response.source_nodes[0].node.metadata["document"] == "docs/passwords.md"
    assert llm.prompts == [], "the generator is asked only when somebody reads on"
    assert engine.chat_history == []
    pieces = list(response.response_gen)
    assert len(pieces) > 1
    assert "".join(pieces) == str(response) == answer_in(response.metadata).text
    assert engine.chat_history[-1].content == str(response)


def test_a_stream_that_is_closed_stops_the_generator_and_what_was_written_is_remembered(small_base: SmallBase) -> None:
    llm = SmallScriptedLLM(*["word "] * 100)
    engine = chat_over(small_base, llm)
    pieces = engine.stream_chat(QUESTION).response_gen
    assert next(pieces).strip() == "word"
    pieces.close()
    assert llm.closed
    assert [message.content for message in engine.chat_history] == [QUESTION, "word"]


def test_all_of_it_works_asynchronously(small_base: SmallBase) -> None:
    async def converse() -> list[str]:
        engine = chat_over(small_base, SmallScriptedLLM(*PIECES))
        first = await engine.achat(QUESTION)
        response = await engine.astream_chat("and for managers?")
        assert response.source_nodes
        pieces = [piece async for piece in response.async_response_gen()]
        assert len(pieces) > 1
        assert answer_in(response.metadata).standalone == f"{QUESTION} And for managers?"
        assert len(engine.chat_history) == 4
        return [str(first), "".join(pieces)]

    assert asyncio.run(converse()) == ["An account is locked for 30 minutes [1]."] * 2


def test_an_asynchronous_stream_that_is_closed_stops_the_generator(small_base: SmallBase) -> None:
    llm = SmallScriptedLLM(*["word "] * 100)

    async def read_one() -> None:
        response = await chat_over(small_base, llm).astream_chat(QUESTION)
        pieces = response.async_response_gen()
        await anext(pieces)
        await pieces.aclose()

    asyncio.run(read_one())
    assert llm.closed


def test_a_stream_can_be_closed_while_the_generator_only_waits(small_base: SmallBase) -> None:
    llm = WaitingLLM(_BEATS)
    engine = chat_over(small_base, llm)
    stream = engine.stream_chat(QUESTION).chat_stream
    assert stream is not None
    assert next(stream).delta == ""
    stream.close()
    assert llm.closed
    assert [message.content for message in engine.chat_history] == [QUESTION, ""]


async def cancelled(awaited: Awaitable[object], llm: WaitingLLM) -> None:
    """Await something that asks a generator, think better of it, and see that the generator was closed."""
    task = asyncio.ensure_future(awaited)
    assert await asyncio.to_thread(llm.asked.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert llm.closed


def test_who_awaits_the_first_text_can_be_cancelled(small_base: SmallBase) -> None:
    llm = WaitingLLM(_BEATS)

    async def read_and_think_better_of_it() -> None:
        response = await chat_over(small_base, llm).astream_chat(QUESTION)
        await cancelled(anext(response.async_response_gen()), llm)

    asyncio.run(read_and_think_better_of_it())
    assert not llm.has_waited_to_the_end


def test_who_awaits_a_whole_answer_can_be_cancelled_too(small_base: SmallBase) -> None:
    llm = WaitingLLM(_BEATS)

    async def ask_and_think_better_of_it() -> None:
        await cancelled(chat_over(small_base, llm).achat(QUESTION), llm)

    asyncio.run(ask_and_think_better_of_it())
    assert not llm.has_waited_to_the_end


def test_a_follow_up_that_the_generator_rephrases_is_searched_for_when_the_stream_is_read(
    small_base: SmallBase,
) -> None:
    understood = "How long is an account locked for managers?"
    llm = ScriptedLLM(understood)
    response = chat_over(small_base, llm).stream_chat("and for managers?", [*HISTORY])
    assert (response.source_nodes, llm.prompts) == ([], []), (
        "nobody waits, and nothing is asked, until somebody reads on"
    )
    pieces = response.response_gen
    assert next(pieces)
    assert response.source_nodes, "they are there before the first word"
    assert "".join(pieces) in str(response)
    assert answer_in(response.metadata).standalone == understood


def test_a_stream_can_be_closed_while_the_generator_rephrases(small_base: SmallBase) -> None:
    llm = ScriptedLLM(*["word "] * 50)
    engine = chat_over(small_base, llm)
    stream = engine.stream_chat("and for managers?", [*HISTORY]).chat_stream
    assert stream is not None
    assert [next(stream).delta for _ in range(3)] == ["", "", ""]
    assert not llm.closed
    stream.close()
    assert llm.closed
    assert exchanges_of(engine.chat_history)[-1] == Exchange(
        "and for managers?", f"{QUESTION} And for managers?", ""
    ), "what was not found out is understood by rule"


@pytest.mark.parametrize("written", ["Locked for 45 minutes [1].", "Locked for 45 minutes [2]."])
def test_what_is_returned_and_remembered_has_its_citations_checked(small_base: SmallBase, written: str) -> None:
    engine = chat_over(small_base, SmallScriptedLLM(written))
    response = engine.chat(QUESTION)
    checked = "Locked for 45 minutes."
    assert answer_in(response.metadata).text == checked
    assert response.response == checked
    assert engine.chat_history[-1].content == checked
    stream = engine.stream_chat(QUESTION)
    assert "".join(stream.response_gen).strip().startswith("Locked for 45 minutes")
    assert str(stream) == engine.chat_history[-1].content == checked
    responses = engine.stream_chat(QUESTION).chat_stream
    assert responses is not None
    *_, last = responses
    assert (last.delta, last.message.content) == ("", checked)


def test_a_reader_sees_nothing_of_the_waiting(small_base: SmallBase) -> None:
    response = chat_over(small_base, WaitingLLM(3, *PIECES)).stream_chat(QUESTION)
    pieces = list(response.response_gen)
    assert all(pieces)
    assert "".join(pieces) == "An account is locked for 30 minutes [1]."

    async def read() -> list[str]:
        response = await chat_over(small_base, WaitingLLM(3, *PIECES)).astream_chat(QUESTION)
        return [piece async for piece in response.async_response_gen()]

    assert asyncio.run(read()) == pieces


def test_where_nothing_is_found_that_is_said(small_base: SmallBase) -> None:
    engine = CitedChatEngine(_Abstaining())
    response = engine.chat("谁是国王？")
    assert response.response == answer_in(response.metadata).abstention == "什么也没有找到。"
    assert list(engine.stream_chat("谁是国王？").response_gen) == ["什么也没有找到。"]


def test_without_a_generator_the_passages_are_the_answer(small_base: SmallBase) -> None:
    response = chat_over(small_base, None).chat(QUESTION)
    assert response.response == ""
    assert response.source_nodes


def test_what_goes_wrong_reaches_the_caller_and_leaves_no_trace(small_base: SmallBase) -> None:
    engine = chat_over(small_base, SmallScriptedLLM("An", error=RuntimeError("out of luck")))
    with pytest.raises(GenerationError, match="out of luck"):
        engine.chat(QUESTION)
    with pytest.raises(QuestionError):
        engine.stream_chat("  ")
    with pytest.raises(QuestionError):
        asyncio.run(engine.astream_chat("  "))
    assert engine.chat_history == []


_BEATS = 500  # five seconds: a test that must wait for all of them fails, and does not hang


class WaitingLLM(SmallScriptedLLM):
    """A generator that says so many times that it waits, and then its pieces."""

    _beats: int = PrivateAttr()
    _asked: threading.Event = PrivateAttr()
    _has_waited: bool = PrivateAttr(default=False)

    def __init__(self, beats: int, *pieces: str) -> None:
        super().__init__(*pieces)
        self._beats = beats
        self._asked = threading.Event()

    @property
    def asked(self) -> threading.Event:
        return self._asked

    @property
    def has_waited_to_the_end(self) -> bool:
        return self._has_waited

    def _stream(self, prompt: str) -> CompletionResponseGen:
        said = super()._stream(prompt)
        try:
            self._asked.set()
            for _ in range(self._beats):
                time.sleep(0.01)
                yield CompletionResponse(text="", delta="", additional_kwargs={WAITING: 0})
            self._has_waited = True
            yield from said
        finally:
            self._closed = True


class _Abstaining(CitedQueryEngine):
    """Finds nothing, and says so."""

    def __init__(self) -> None:
        pass

    def ask(self, question: str, history: Sequence[Exchange] = ()) -> Generator[AnswerEvent]:
        yield Retrieved((), (), is_found=False)
        yield Answered(
            Answer(
                question,
                None,
                abstained=True,
                sentences=(),
                passages=(),
                embedder=None,
                generator=None,
                abstention="什么也没有找到。",
            )
        )
