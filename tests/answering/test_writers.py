"""What a generator is given and how far it may go on: all for a large one, one passage and two sentences for a small one.

And which questions it is asked: those in a language that it was made for.
"""

from __future__ import annotations

import pytest
from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseGen

from rag_app.answering.conversation import Exchange, standalone_question
from rag_app.answering.query_engine import Answered, CitedQueryEngine
from rag_app.answering.writer_by_language import writer_of
from rag_app.answering.writers import FINISH_REASON, Written
from rag_app.config import AnsweringSettings, LimitSettings, RetrievalSettings
from rag_app.datatypes import Answer
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from tests.fakes import HashEmbedding, ScriptedLLM, SmallScriptedLLM

QUESTION = "How long is an account locked after failed sign-ins?"
PIECES = ("An account is ", "locked for 30 minutes [1]. ", "This is sai", "d. The th", "ird [2] goes on.", " A fourth.")


def answered(small_base, llm: ScriptedLLM, question: str = QUESTION) -> tuple[Answer, str]:
    """Return the answer, and the text as it came."""
    opened = small_base.open()
    vectors = opened.vectors(small_base.fingerprint)
    retriever = KnowledgeBaseRetriever(opened, vectors, HashEmbedding(), RetrievalSettings())
    settings = AnsweringSettings(false_alarm_rate=1)
    engine = CitedQueryEngine(retriever, writer_of(llm, settings, None), answering=settings, limits=LimitSettings())
    *events, last = engine.ask(question)
    assert isinstance(last, Answered)
    return last.answer, "".join(event.text for event in events if isinstance(event, Written))


def test_a_small_generator_is_given_the_best_passage_alone_and_ends_after_two_sentences(small_base) -> None:
    llm = SmallScriptedLLM(*PIECES)
    answer, text = answered(small_base, llm)
    assert len(answer.passages) > 1, "all that were found are shown"
    assert ("[1]" in llm.prompts[0], "[2]" in llm.prompts[0]) == (True, False)
    assert text.strip() == "An account is locked for 30 minutes [1]. This is said."
    assert answer.text == text.strip()
    assert [sentence.text for sentence in answer.sentences] == ["An account is locked for 30 minutes.", "This is said."]
    assert llm.closed, "it does not go on"
    assert not answer.is_cut, "it ended as it was asked to"


def test_a_larger_one_is_given_all_and_goes_on(small_base) -> None:
    llm = ScriptedLLM(*PIECES)
    _, text = answered(small_base, llm)
    assert "[2]" in llm.prompts[0]
    assert text.endswith("A fourth.")


class EnglishLLM(ScriptedLLM):
    """One that was made for English."""

    def is_made_for(self, text: str) -> bool:
        return text.isascii()


def test_a_generator_that_was_not_made_for_the_language_is_not_asked_and_passages_are_quoted(small_base) -> None:
    llm = EnglishLLM("段落结束。请回答问题。")
    answer, text = answered(small_base, llm, "账号 locked 多久？")
    assert llm.prompts == []
    assert (answer.generator, answer.not_asked) == ("quote", "fake/scripted")
    assert answer.text == text.strip()
    assert all(sentence.citations for sentence in answer.sentences)
    assert answer.text


def test_it_is_asked_in_its_own_language(small_base) -> None:
    answer, _ = answered(small_base, EnglishLLM("It is locked for 30 minutes [1]."))
    assert (answer.generator, answer.not_asked) == ("fake/scripted", "")


def test_it_puts_no_question_of_another_language_in_other_words() -> None:
    llm = EnglishLLM("经理的账号锁定多久？")
    history = [Exchange("账号锁定多久？", "账号锁定多久？", "三十分钟。")]
    assert standalone_question("那经理呢？", history, llm).by == "rule"
    assert llm.prompts == []


class EndedLLM(ScriptedLLM):
    """One that says why it ended."""

    reason: str = "stop"

    def _stream(self, prompt: str) -> CompletionResponseGen:
        yield from super()._stream(prompt)
        yield CompletionResponse(text="", delta="", additional_kwargs={FINISH_REASON: self.reason})


@pytest.mark.parametrize(("reason", "is_cut"), [("stop", False), ("length", True), ("repetition", True)])
def test_an_answer_that_did_not_end_by_itself_is_said_to_be_cut(small_base, reason: str, is_cut: bool) -> None:
    llm = EndedLLM("An account is locked for 30 minutes [1]. A passage also mentions that it can get")
    llm.reason = reason
    answer, _ = answered(small_base, llm)
    assert answer.is_cut is is_cut
