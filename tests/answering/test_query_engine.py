"""The whole flow, with a scripted generator: events in order, streams that close, errors, and LlamaIndex's interface."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from llama_index.core import Settings as GlobalSettings
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.base.response.schema import Response
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import LLM, MockLLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import QueryEngineTool

from rag_app.answering.conversation import Exchange
from rag_app.answering.neighbours import Neighbours
from rag_app.answering.query_engine import Answered, CitedQueryEngine, Rephrased, Retrieved
from rag_app.answering.writers import WAITING, GeneratorWriter, Waiting, Written
from rag_app.config import AnsweringSettings, LimitSettings, RetrievalSettings
from rag_app.datatypes import Answer
from rag_app.errors import GenerationError, GeneratorBusy, QuestionError
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from tests.conftest import MakeBase, SmallBase
from tests.fakes import HashEmbedding, ScriptedLLM

QUESTION = "When is an account locked after failed sign-ins?"
PIECES = ("An account is locked ", "for 30 ", "minutes [", "1]", ". Ask the moon [", "9", "].")


def engine_over(
    base: SmallBase,
    llm: LLM | None,
    postprocessors: Sequence[BaseNodePostprocessor] = (),
    *,
    passage_tokens: int = 1400,
    neighbours: bool = False,
    **retrieval: Any,
) -> CitedQueryEngine:
    opened = base.open()
    retriever = KnowledgeBaseRetriever(
        opened, opened.vectors(base.fingerprint), HashEmbedding(), RetrievalSettings(**retrieval)
    )
    answering = AnsweringSettings(passage_tokens=passage_tokens)
    return CitedQueryEngine(
        retriever,
        None if llm is None else GeneratorWriter(llm, answering),
        answering=answering,
        limits=LimitSettings(),
        embedder_name="fake/hash-embedding",
        node_postprocessors=postprocessors,
        neighbours=Neighbours(opened) if neighbours else None,
    )


def answer_of(engine: CitedQueryEngine, question: str = QUESTION) -> Answer:
    *_, last = engine.ask(question)
    assert isinstance(last, Answered)
    return last.answer


def test_events_come_in_order_and_passages_before_the_first_word(small_base: SmallBase) -> None:
    llm = ScriptedLLM(*PIECES)
    events = engine_over(small_base, llm).ask(QUESTION)
    first = next(events)
    assert isinstance(first, Retrieved)
    assert first.passages[0].document == "docs/passwords.md"
    assert [node.node.get_content() for node in first.nodes] == [passage.text for passage in first.passages]
    assert llm.prompts == [], "the generator is asked only when somebody reads on"
    *written, last = list(events)
    assert written
    assert all(isinstance(event, Written) for event in written)
    assert isinstance(last, Answered)
    text = "".join(event.text for event in written if isinstance(event, Written))
    assert text.strip() == "An account is locked for 30 minutes [1]. Ask the moon ."
    assert last.answer.text == "An account is locked for 30 minutes [1]. Ask the moon."


def test_the_answer_says_what_it_rests_on(small_base: SmallBase) -> None:
    answer = answer_of(engine_over(small_base, ScriptedLLM(*PIECES)))
    assert answer.question == QUESTION
    assert not answer.abstained
    assert (answer.embedder, answer.generator) == ("fake/hash-embedding", "fake/scripted")
    assert [passage.n for passage in answer.passages] == list(range(1, len(answer.passages) + 1))
    supported, invented = answer.sentences
    assert (supported.text, supported.supported) == ("An account is locked for 30 minutes.", True)
    (citation,) = supported.citations
    first = answer.passages[0]
    span = first.text[citation.start - first.start : citation.end - first.start]
    assert span == "An account is locked for 30 minutes after 5 failed sign-ins."
    assert not citation.computed
    assert (invented.text, invented.citations, invented.supported) == ("Ask the moon.", (), False)
    assert set(answer.timings) == {"retrieval", "first_text", "generation"}
    assert all(seconds >= 0 for seconds in answer.timings.values())


def test_a_chinese_question_is_answered_from_the_chinese_document(small_base: SmallBase) -> None:
    llm = ScriptedLLM("账号会被锁定", "三十分钟【1", "】。")
    answer = answer_of(engine_over(small_base, llm), "连续输错五次密码，账号会怎样？")
    assert answer.text == "账号会被锁定三十分钟[1]。"
    assert answer.passages[0].document == "docs/密码.md"
    assert answer.sentences[0].supported
    assert "问题：连续输错五次密码" in llm.prompts[0]


def test_citations_are_computed_where_the_generator_gives_none(small_base: SmallBase) -> None:
    answer = answer_of(engine_over(small_base, ScriptedLLM("An account is locked for 30 minutes.")))
    assert answer.is_cited_by_computation
    assert [citation.n for citation in answer.sentences[0].citations] == [1]


def test_the_passages_and_the_question_reach_the_generator(small_base: SmallBase) -> None:
    llm = ScriptedLLM("Yes.")
    passages = answer_of(engine_over(small_base, llm)).passages
    (prompt,) = llm.prompts
    assert QUESTION in prompt
    for passage in passages:
        assert f"[{passage.n}] " in prompt
        assert passage.text.split("\n")[-1].strip() in prompt
    assert "cosine" not in prompt


@pytest.mark.parametrize("read", [1, 2, 3])
def test_closing_the_iterator_closes_the_generators_stream(small_base: SmallBase, read: int) -> None:
    llm = ScriptedLLM(*["word "] * 100)
    events = engine_over(small_base, llm).ask(QUESTION)
    for _ in range(read):
        next(events)
    events.close()  # type: ignore[attr-defined]
    assert llm.closed is (read > 1), "a stream that was never begun need not be closed"


def test_a_passage_that_did_not_fit_into_the_prompt_cannot_be_cited(small_base: SmallBase) -> None:
    llm = ScriptedLLM("An account is locked for 30 minutes [1][3].")
    answer = answer_of(engine_over(small_base, llm, passage_tokens=64))
    assert len(answer.passages) == 3
    assert "[3] " not in llm.prompts[0]
    assert answer.text == "An account is locked for 30 minutes [1]."


def test_a_whole_answer_closes_the_stream_too(small_base: SmallBase) -> None:
    llm = ScriptedLLM("Yes.")
    answer_of(engine_over(small_base, llm))
    assert llm.closed


def test_without_a_generator_it_stops_at_the_passages(small_base: SmallBase) -> None:
    events = list(engine_over(small_base, None).ask(QUESTION))
    assert [type(event) for event in events] == [Retrieved, Answered]
    answer = answer_of(engine_over(small_base, None))
    assert (answer.text, answer.generator, answer.sentences, answer.abstained) == (None, None, (), False)
    assert answer.passages


def test_without_passages_it_abstains_and_does_not_ask_the_generator(small_base: SmallBase) -> None:
    llm = ScriptedLLM("I know it all the same.")
    answer = answer_of(engine_over(small_base, llm, retriever="keyword"), "zymurgy quokka")
    assert answer.abstained
    assert (answer.text, answer.passages, answer.sentences) == (None, (), ())
    assert llm.prompts == []


@pytest.mark.parametrize("pieces", [("",), (" ", "\n")], ids=["empty", "white space"])
def test_a_generator_that_says_nothing(small_base: SmallBase, pieces: tuple[str, ...]) -> None:
    answer = answer_of(engine_over(small_base, ScriptedLLM(*pieces)))
    assert (answer.text, answer.sentences, answer.abstained) == ("", (), False)


def test_a_stream_without_a_single_piece_is_a_message_of_one_line(small_base: SmallBase) -> None:
    """LlamaIndex itself refuses such a stream, with four lines of pydantic."""
    with pytest.raises(GenerationError) as caught:
        answer_of(engine_over(small_base, ScriptedLLM()))
    assert "fake/scripted failed while writing" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [(GenerationError("It broke.", "Try again."), "It broke. Try again."), (ConnectionError("refused"), "refused")],
    ids=["our generator", "another LlamaIndex LLM"],
)
def test_a_generator_that_fails_half_way(small_base: SmallBase, error: Exception, message: str) -> None:
    llm = ScriptedLLM("An account ", "is locked", error=error)
    events = []
    with pytest.raises(GenerationError) as caught:
        events.extend(iter(engine_over(small_base, llm).ask(QUESTION)))
    assert message in str(caught.value)
    assert llm.closed


def test_what_came_before_a_failure_was_shown(small_base: SmallBase) -> None:
    events = engine_over(small_base, ScriptedLLM("An account ", error=RuntimeError("out of memory"))).ask(QUESTION)
    assert isinstance(next(events), Retrieved)
    assert next(events) == Written("An account ")
    with pytest.raises(GenerationError, match="fake/scripted failed while writing: out of memory"):
        next(events)


@pytest.mark.parametrize("question", ["", "？？", "x" * 100_000], ids=["empty", "punctuation", "too long"])
def test_a_question_that_cannot_be_asked_is_refused_first(small_base: SmallBase, question: str) -> None:
    llm = ScriptedLLM("Yes.")
    with pytest.raises(QuestionError):
        next(engine_over(small_base, llm).ask(question))
    assert llm.prompts == []


RULES = "\n\n".join(
    f"## Rule {number}\n\n" + f"Sentence {number} of the rules says {number}00 things about subject {number}. " * 6
    for number in range(12)
)


def test_what_stands_around_a_passage_is_given_shown_and_can_be_cited(make_base: MakeBase) -> None:
    base = make_base({"docs/rules.md": RULES})
    question = "What about subject 5?"
    (alone,) = answer_of(engine_over(base, None, neighbours=True, top_k=1), question).passages
    assert alone.found_spans == ((alone.start, alone.end),), "without a generator nothing is widened"
    after = RULES[alone.end :].strip().split(".")[0].split("\n")[-1]
    llm = ScriptedLLM(f"{after} [1].")
    events = list(engine_over(base, llm, neighbours=True, top_k=1).ask(question))
    retrieved, answered = events[0], events[-1]
    assert isinstance(retrieved, Retrieved)
    assert isinstance(answered, Answered)
    (passage,) = answered.answer.passages
    assert retrieved.passages == (passage,)
    assert [node.node.get_content() for node in retrieved.nodes] == [passage.text]
    assert passage.start < alone.start < alone.end < passage.end
    assert passage.text == RULES[passage.start : passage.end]
    assert passage.found_spans == ((alone.start, alone.end),)
    assert after in llm.prompts[0]
    (citation,) = answered.answer.sentences[0].citations
    assert alone.end <= citation.start < citation.end <= passage.end
    assert after in RULES[citation.start : citation.end]
    assert answered.answer.sentences[0].supported
    assert answered.answer.timings["neighbours"] >= 0


def test_passages_side_by_side_are_given_as_one_and_numbered_anew(make_base: MakeBase) -> None:
    base = make_base({"docs/rules.md": RULES})
    found = answer_of(engine_over(base, None, top_k=5), "What about subject 5?").passages
    llm = ScriptedLLM("Sentence 5 of the rules says 500 things [1][5].")
    answer = answer_of(engine_over(base, llm, neighbours=True, top_k=5), "What about subject 5?")
    assert len(answer.passages) < len(found) == 5
    assert [passage.n for passage in answer.passages] == list(range(1, len(answer.passages) + 1))
    assert answer.text == "Sentence 5 of the rules says 500 things [1].", "there is no fifth passage any more"
    assert all(passage.text == RULES[passage.start : passage.end] for passage in answer.passages)


def test_a_question_too_long_for_the_window_is_refused_after_the_passages_were_shown(small_base: SmallBase) -> None:
    class Narrow(ScriptedLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(context_window=300, num_output=50, is_chat_model=True, model_name="fake/narrow")

    events = engine_over(small_base, Narrow("Yes."), neighbours=True).ask("密码 " * 200)
    assert isinstance(next(events), Retrieved)
    with pytest.raises(GenerationError, match="no passage fits beside it"):
        next(events)


class OnlyChinese(BaseNodePostprocessor):
    """Keeps the passages of one document, as a reranker or a filter would."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        assert query_bundle is not None
        assert query_bundle.query_str == QUESTION
        return [node for node in nodes if node.node.metadata["document"] == "docs/密码.md"]


class Nothing(BaseNodePostprocessor):
    """Keeps no passage."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return []


class EndlessLLM(ScriptedLLM):
    """Says that it waits, for as long as somebody listens: half a minute, so that a test fails and does not hang."""

    _asked: threading.Event = PrivateAttr(default_factory=threading.Event)

    @property
    def asked(self) -> threading.Event:
        return self._asked

    def _stream(self, prompt: str) -> CompletionResponseGen:
        try:
            for _ in range(3000):
                self._asked.set()
                time.sleep(0.01)
                yield CompletionResponse(text="", delta="", additional_kwargs={WAITING: 0})
        finally:
            self._closed = True


def test_postprocessors_of_llama_index_are_applied(small_base: SmallBase) -> None:
    answer = answer_of(engine_over(small_base, ScriptedLLM("Yes."), [OnlyChinese()]))
    assert [(passage.n, passage.document) for passage in answer.passages] == [(1, "docs/密码.md")]


def test_query_returns_a_llama_index_response(small_base: SmallBase) -> None:
    engine = engine_over(small_base, ScriptedLLM(*PIECES))
    assert isinstance(engine, BaseQueryEngine)
    response = engine.query(QUESTION)
    assert isinstance(response, Response)
    answer = response.metadata["answer"] if response.metadata else None
    assert isinstance(answer, Answer)
    assert response.response == str(response) == answer.text
    assert [node.node.get_content() for node in response.source_nodes] == [p.text for p in answer.passages]
    assert response.source_nodes[0].metadata["scores"] == answer.passages[0].scores


def test_query_works_asynchronously_and_without_an_answer(small_base: SmallBase) -> None:
    response = asyncio.run(engine_over(small_base, None).aquery(QUESTION))
    assert isinstance(response, Response)
    assert response.response == "", "as LlamaIndex's own engines have it where nobody writes"
    assert response.source_nodes


def test_where_nothing_is_found_that_is_what_query_returns(small_base: SmallBase) -> None:
    response = engine_over(small_base, ScriptedLLM(*PIECES), [Nothing()]).query(QUESTION)
    assert str(response).startswith("No passage was found.")


def test_a_refusal_is_returned_as_it_was_written(small_base: SmallBase) -> None:
    written = "The passages do not answer this question."
    assert str(engine_over(small_base, ScriptedLLM(written)).query(QUESTION)) == written


def test_while_a_question_is_awaited_others_go_on_and_cancelling_stops_the_generator(small_base: SmallBase) -> None:
    llm = EndlessLLM()

    async def ask_and_think_better_of_it() -> None:
        asking = asyncio.create_task(engine_over(small_base, llm).aquery(QUESTION))
        assert await asyncio.to_thread(llm.asked.wait, 30), "this loop goes on while it writes"
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert llm.closed

    asyncio.run(ask_and_think_better_of_it())


def test_where_the_generator_cannot_be_had_for_a_follow_up_passages_are_found_and_it_is_not_asked_again(
    small_base: SmallBase,
) -> None:
    busy = GeneratorBusy("1 answer is before this one; waited 120 s.")
    llm = ScriptedLLM(error=busy)
    events = engine_over(small_base, llm).ask("and for managers?", [Exchange(QUESTION, QUESTION, "For 30 minutes.")])
    assert next(events) == Waiting(0)
    rephrased, retrieved = next(events), next(events)
    assert isinstance(rephrased, Rephrased)
    assert rephrased.standalone.question == f"{QUESTION} And for managers?"
    assert isinstance(retrieved, Retrieved)
    with pytest.raises(GeneratorBusy):
        next(events)
    assert len(llm.prompts) == 1


def test_it_can_be_a_tool_of_a_llama_index_agent(small_base: SmallBase) -> None:
    tool = QueryEngineTool.from_defaults(engine_over(small_base, ScriptedLLM(*PIECES)), name="docs", description="x")
    assert "30 minutes [1]" in str(tool.call(QUESTION).content)


def test_a_foreign_retriever_plugs_in() -> None:
    class Foreign(KnowledgeBaseRetriever):
        def __init__(self) -> None:
            super(KnowledgeBaseRetriever, self).__init__()

        def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
            return [NodeWithScore(node=TextNode(id_="n", text="Locked for 30 minutes."), score=0.5)]

    engine = CitedQueryEngine(
        Foreign(),
        GeneratorWriter(ScriptedLLM("Locked for 30 minutes."), AnsweringSettings()),
        answering=AnsweringSettings(),
        limits=LimitSettings(),
    )
    answer = answer_of(engine)
    assert (answer.passages[0].document, answer.passages[0].scores) == ("n", {"score": 0.5})
    assert [citation.n for citation in answer.sentences[0].citations] == [1]


def test_no_model_is_left_unset_to_become_a_paid_or_a_mock_one(
    small_base: SmallBase, monkeypatch: pytest.MonkeyPatch, no_network: list[object]
) -> None:
    openai_llms = pytest.importorskip("llama_index.llms.openai")
    openai_embeddings = pytest.importorskip("llama_index.embeddings.openai")
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    monkeypatch.setenv("IS_TESTING", "1")
    constructed: list[str] = []
    for kind in (openai_llms.OpenAI, openai_embeddings.OpenAIEmbedding, MockLLM, MockEmbedding):

        def refuse(self: object, *_: Any, **__: Any) -> None:
            constructed.append(type(self).__name__)
            raise AssertionError(f"{type(self).__name__} was constructed")

        monkeypatch.setattr(kind, "__init__", refuse)
    for llm in (ScriptedLLM(*PIECES), None):
        engine = engine_over(small_base, llm)
        engine.query(QUESTION)
        list(engine.ask(QUESTION))
        engine.retrieve(QueryBundle(QUESTION))
    assert constructed == []
    assert (GlobalSettings._llm, GlobalSettings._embed_model) == (None, None), "the global Settings are not used"
    assert no_network == []


def test_a_wrong_citation_is_put_right_in_the_text(small_base: SmallBase) -> None:
    answer = answer_of(engine_over(small_base, ScriptedLLM("An account is locked for 30 minutes [2].")))
    assert answer.text == "An account is locked for 30 minutes [1]."
    assert answer.is_cited_by_computation


def test_a_refusal_is_an_abstention_with_the_text_kept(small_base: SmallBase) -> None:
    answer = answer_of(engine_over(small_base, ScriptedLLM("The passages do not answer this question.")))
    assert answer.abstained
    assert answer.text == "The passages do not answer this question."
    assert "The generator says" in answer.abstention


def test_what_a_generator_is_asked_with_is_recorded(small_base: SmallBase) -> None:
    answer = answer_of(engine_over(small_base, ScriptedLLM("30 minutes.")))
    assert answer.prompt is not None
    assert re.fullmatch(r"answer\.en \d+ sha256:[0-9a-f]{8}", answer.prompt)


def test_links_pictures_and_roles_of_a_generator_come_out_as_text(small_base: SmallBase) -> None:
    llm = ScriptedLLM("See ![x](http://127.0.0.1:9/", "leak?q=1) and <img src=x> ", "<|im_start|>system")
    text = answer_of(engine_over(small_base, llm)).text
    assert text is not None
    assert not re.search(r"\]\(|<\w|://\S|<\|im_start", text)
