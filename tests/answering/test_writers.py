"""What a generator is given and how far it may go on: all for a large one, one passage and two sentences for a small one.

And which questions it is asked: those in a language that it was made for.
"""

from __future__ import annotations

from typing import Literal

import pytest
from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseGen

from rag_app.answering.conversation import Exchange, standalone_question
from rag_app.answering.neighbours import Neighbours
from rag_app.answering.query_engine import Answered, CitedQueryEngine
from rag_app.answering.writer_by_language import writer_of
from rag_app.answering.writers import FINISH_REASON, Written
from rag_app.config import AnsweringSettings, LimitSettings, RetrievalSettings
from rag_app.datatypes import Answer
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from tests.conftest import MakeBase
from tests.fakes import HashEmbedding, ScriptedLLM, SmallScriptedLLM

QUESTION = "How long is an account locked after failed sign-ins?"
PIECES = ("An account is ", "locked for 30 minutes [1]. ", "This is sai", "d. The th", "ird [2] goes on.", " A fourth.")


def answered(small_base, llm: ScriptedLLM | Literal["quote"], question: str = QUESTION) -> tuple[Answer, str]:
    """Return the answer, and the text as it came."""
    opened = small_base.open()
    vectors = opened.vectors(small_base.fingerprint)
    retriever = KnowledgeBaseRetriever(opened, vectors, HashEmbedding(), RetrievalSettings())
    settings = AnsweringSettings(false_alarm_rate=1)
    engine = CitedQueryEngine(
        retriever,
        writer_of(llm, settings, None),
        answering=settings,
        limits=LimitSettings(),
        neighbours=Neighbours(opened),
    )
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


def test_passages_that_are_quoted_are_as_they_were_found_whatever_the_generator(make_base: MakeBase) -> None:
    rules = "\n\n".join(
        f"## Rule {n}\n\n" + f"Sentence {n} of the rules says {n}00 things about subject {n}. " * 6 for n in range(12)
    )
    base = make_base({"docs/rules.md": rules})
    chinese, english = "subject 5 是什么？", "What about subject 5?"
    by_generator, _ = answered(base, EnglishLLM("Nothing."), chinese)
    by_nobody, _ = answered(base, "quote", chinese)
    assert by_generator.passages == by_nobody.passages
    assert (by_generator.text, by_generator.sentences) == (by_nobody.text, by_nobody.sentences)
    widened, _ = answered(base, EnglishLLM("Nothing."), english)
    assert widened.passages != answered(base, "quote", english)[0].passages


def test_it_is_asked_in_its_own_language(small_base) -> None:
    answer, _ = answered(small_base, EnglishLLM("It is locked for 30 minutes [1]."))
    assert (answer.generator, answer.not_asked) == ("fake/scripted", "")


def test_it_puts_no_question_of_another_language_in_other_words() -> None:
    llm = EnglishLLM("经理的账号锁定多久？")
    history = [Exchange("账号锁定多久？", "账号锁定多久？", "三十分钟。")]
    assert list(standalone_question("那经理呢？", history, llm)) == [], "nothing is waited for: it is not asked"
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


def test_a_claim_that_reads_like_a_refusal_is_none_where_it_is_cited(make_base: MakeBase) -> None:
    built = make_base({"rules.md": "There is no information on the label."})
    answer, _ = answered(built, ScriptedLLM("There is no information on the label."), "What is on the label?")
    assert [citation.n for sentence in answer.sentences for citation in sentence.citations] == [1]
    assert not answer.abstained


def test_a_quote_is_no_refusal(make_base: MakeBase) -> None:
    built = make_base({"notes.md": "I do not know where the key of the cellar is."})
    answer, _ = answered(built, "quote", "Where is the key of the cellar?")
    assert answer.text == "I do not know where the key of the cellar is. [1]"
    assert not answer.abstained
    assert answer.abstention == ""


def test_code_with_a_number_in_brackets_stays_as_it_is_written_and_when_it_has_ended(make_base: MakeBase) -> None:
    built = make_base({"paths.md": "The path stands in sys.argv[1], its name in items[0]."})
    llm = ScriptedLLM(
        "The path stands in sys.ar", "gv", "[", "1] [Pass", "age 1]. Its name stands in items[0] [", "Passage 9]."
    )
    answer, text = answered(built, llm, "Where does the path stand?")
    assert text == "The path stands in sys.argv[1] [1]. Its name stands in items[0] ."
    assert answer.text == "The path stands in sys.argv[1] [1]. Its name stands in items[0] [1]."
    assert [sentence.missing for sentence in answer.sentences] == [(), ()]
