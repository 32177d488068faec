"""Conversations on the Ask page in Streamlit's own test harness: kept, opened by address, begun anew, deleted; sources."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.runtime.scriptrunner_utils.exceptions import StopException
from streamlit.testing.v1 import AppTest

from rag_app.answering.query_engine import CitedQueryEngine
from rag_app.errors import StorageError
from rag_app.store.records.conversations import Turn, TurnState, keep_turn, kept_turns, new_id
from rag_app.store.records.database import records_file
from rag_app.ui.ask import conversation as conversation_module
from rag_app.ui.ask.source import Opened
from tests.conftest import REPOSITORY
from tests.real_bases import build_small
from tests.ui.test_ask_page import QUESTION, cited_answers, page, shown


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Path:
    """An index root with one knowledge base, built by the real build."""
    return build_small(tmp_path_factory.mktemp("conversations"), tiny_embedder)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, indexes: Path) -> AppTest:
    """The page, which quotes."""
    monkeypatch.setenv("RAG_APP_ANSWERING__FALSE_ALARM_RATE", "1")
    return page(monkeypatch, indexes, "quote")


def asked(at: AppTest, question: str = QUESTION) -> str:
    """Ask, and return the id of the conversation."""
    at.chat_input[0].set_value(question).run()
    assert not at.exception
    return address(at)


def address(at: AppTest) -> str:
    """Return the conversation that the page's address names."""
    named = at.query_params["c"]
    return named if isinstance(named, str) else named[0]


def opened_by_address(conversation: str, **params: str) -> AppTest:
    """Return the page as another session sees it that opens an address."""
    other = AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=300)
    for name, value in {"c": conversation, **params}.items():
        other.query_params[name] = value
    other.run()
    assert not other.exception
    return other


def button(at: AppTest, label: str):
    (found,) = [one for one in at.button if one.label == label]
    return found


def badges(at: AppTest) -> str:
    return "\n".join(element.value for element in at.markdown)


def test_a_reload_shows_everything_again(at: AppTest) -> None:
    conversation = asked(at)
    other = opened_by_address(conversation)
    assert cited_answers(other) == cited_answers(at)
    assert QUESTION in shown(other)
    assert "docs/passwords.md" in shown(other)
    assert address(other) == conversation


def test_a_session_without_the_address_sees_nothing_of_it(at: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(at, "What needs Harbour Connect?")
    other = AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=300).run()
    assert not other.exception
    assert "What needs Harbour Connect?" not in shown(other)
    assert "c" not in other.query_params


@pytest.mark.parametrize("wrong", ["f" * 32, "' OR 1=1 --", "../../etc/passwd"])
def test_an_address_that_leads_nowhere_is_said_and_a_question_begins_a_new_one(at: AppTest, wrong: str) -> None:
    other = opened_by_address(wrong)
    assert "There is no conversation at this address any more." in shown(other)
    assert asked(other) != wrong


def test_what_was_stopped_is_there_after_a_reload_with_its_text(at: AppTest, indexes: Path) -> None:
    conversation = new_id()
    for state in (TurnState.STOPPED, TurnState.UNDER_WAY):  # the second: its server was killed
        turn = Turn("Stopped question?", "small", state=state, written="Half an answer <b>")
        keep_turn(indexes, conversation, turn)
    other = opened_by_address(conversation)
    assert shown(other).count("Half an answer &lt;b&gt;") == 2
    assert badges(other).count("Stopped.") == 2


@pytest.fixture
def followed(indexes: Path) -> Iterator[tuple[str, Turn]]:
    """The id of a conversation, and its turn, which another session is answering."""
    conversation, turn = new_id(), Turn("Asked elsewhere?", "small", state=TurnState.UNDER_WAY)
    keep_turn(indexes, conversation, turn)
    with conversation_module.being_answered(turn):
        yield conversation, turn


def test_records_that_cannot_be_read_while_a_turn_is_followed_are_a_sentence(
    at: AppTest, followed: tuple[str, Turn], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise StorageError("The file of records cannot be read.", "Look at it.")

    monkeypatch.setattr(conversation_module, "kept_turn", unreadable)
    other = opened_by_address(followed[0])  # which asserts that there is no exception on the page
    assert "The file of records cannot be read." in shown(other)


def test_a_turn_is_followed_until_it_is_over(at: AppTest, followed: tuple[str, Turn], indexes: Path) -> None:
    conversation, turn = followed
    other = opened_by_address(conversation)
    assert "This is being answered in another window" in shown(other)
    keep_turn(indexes, conversation, replace(turn, state=TurnState.STOPPED, written="Half an answer."))
    other.run()
    assert not other.exception
    assert "Half an answer." in shown(other)
    assert "This is being answered in another window" not in shown(other)
    assert "Stopped." in badges(other)


def test_a_turn_is_kept_before_it_is_answered_and_stopped_when_the_script_is(
    at: AppTest, indexes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Turn] = []

    def ask(self: CitedQueryEngine, question: str, history: object):
        from rag_app.answering.writers import Written

        (conversation,) = [at.session_state["conversation"].id]
        seen.extend(kept_turns(indexes, conversation))
        yield Written("The first words")
        raise StopException  # as a click on Stop does

    monkeypatch.setattr(CitedQueryEngine, "ask", ask)
    at.chat_input[0].set_value(QUESTION).run()
    (before,) = seen
    assert (before.question, before.state, before.written) == (QUESTION, TurnState.UNDER_WAY, "")
    (after,) = kept_turns(indexes, at.session_state["conversation"].id)
    assert (after.state, after.written) == (TurnState.STOPPED, "The first words")


def test_a_new_conversation_begins_empty_and_the_old_one_can_be_chosen_again(at: AppTest) -> None:
    first = asked(at)
    button(at, "New conversation").click().run()
    assert QUESTION not in [element.value for element in at.text]
    assert "c" not in at.query_params
    second = asked(at, "What needs Harbour Connect?")
    assert second != first
    choice = at.selectbox(key="chosen conversation")
    assert choice.options == ["What needs Harbour Connect?", QUESTION]
    choice.set_value(first).run()
    assert not at.exception
    assert address(at) == first
    assert "What needs Harbour Connect?" not in shown(at)


def test_a_deleted_conversation_is_gone(at: AppTest, indexes: Path) -> None:
    conversation = asked(at)
    assert kept_turns(indexes, conversation)
    at.button(key="delete conversation").click().run()
    assert not at.exception
    assert kept_turns(indexes, conversation) == []
    assert not at.exception
    assert "c" not in at.query_params
    assert not cited_answers(at)


def test_feedback_is_kept(at: AppTest, indexes: Path) -> None:
    conversation = asked(at)
    at.feedback[0].set_value(1).run()
    assert not at.exception
    assert [turn.feedback for turn in kept_turns(indexes, conversation)] == [1]
    assert opened_by_address(conversation).feedback[0].value == 1


def test_a_source_opens_in_the_drawer_with_what_is_cited_marked(at: AppTest, indexes: Path) -> None:
    conversation = asked(at)
    (turn,) = kept_turns(indexes, conversation)
    citation = cited_answers(at)[0]["sentences"][0]["citations"][0]
    at.pills[0].set_value(citation["n"]).run()
    assert not at.exception
    text = shown(at)
    assert "<mark>" in text
    assert "cosine" in text
    assert "Cosines of two models cannot be compared." in text
    assert at.pills[0].value is None  # the same can be opened again
    at.session_state["opened source"] = Opened(turn.id, 99)  # there is no such source: nothing opens
    at.run()
    assert not at.exception
    assert "Cosines of two models cannot be compared." not in shown(at)


def test_another_model_answers_the_same_question_below(at: AppTest, indexes: Path) -> None:
    conversation = asked(at)
    at.session_state[f"again {kept_turns(indexes, conversation)[0].id}"] = True
    at.run()
    at.selectbox(key=f"again with {kept_turns(indexes, conversation)[0].id} en").set_value("none").run()
    button(at, "Ask again").click().run()
    assert not at.exception
    first, again = kept_turns(indexes, conversation)
    assert (again.question, again.again_of, again.generator) == (QUESTION, first.id, "none")
    assert again.answer is not None
    assert again.answer.text is None
    assert at.selectbox(key="generator").value == "quote"  # what is chosen for the next question stays
    assert "Passages only" in badges(at)


def test_weak_evidence_is_said_and_what_was_found_is_there(at: AppTest) -> None:
    asked(at, "Who painted the ceiling of the Sistine Chapel in Rome?")
    assert "Weak evidence" in badges(at)
    assert "check it before you rely on the answer" in shown(at)
    assert "docs/" in shown(at)


def test_nothing_found_looks_different_from_an_answer(monkeypatch: pytest.MonkeyPatch, indexes: Path) -> None:
    at = page(monkeypatch, indexes, "quote")
    asked(at, "Who painted the ceiling of the Sistine Chapel in Rome?")
    assert "Not found in the documents" in badges(at)
    assert 'class="rag-text rag-aside"' in shown(at)
    assert "docs/" in shown(at)  # the closest passages
    assert not cited_answers(at)


def test_a_suggestion_is_asked(at: AppTest, indexes: Path) -> None:
    suggestion = at.button(key="suggestion 0")
    question = suggestion.label
    suggestion.click().run()
    assert not at.exception
    assert [turn.question for turn in kept_turns(indexes, address(at))] == [question]
    assert not [one for one in at.button if str(one.key).startswith("suggestion")]


def timed(work: Callable[[], AppTest]) -> tuple[float, AppTest]:
    began = time.monotonic()
    outcome = work()
    return time.monotonic() - began, outcome


def test_a_long_conversation_shows_its_latest_and_the_others_when_asked(at: AppTest, indexes: Path) -> None:
    conversation = asked(at)
    (turn,) = kept_turns(indexes, conversation)
    seconds_of_one, _ = timed(lambda: opened_by_address(conversation))
    for number in range(49):
        one_more = replace(turn, id=new_id(), question=f"Question number {number}?", is_kept=False)
        keep_turn(indexes, conversation, one_more)
    seconds, other = timed(lambda: opened_by_address(conversation))
    assert len(cited_answers(other)) == 8
    assert seconds < 2 * 8 * seconds_of_one
    button(other, "Show 42 earlier questions").click().run()
    seconds, _ = timed(other.run)
    assert len(cited_answers(other)) == 50
    assert seconds < 2 * 50 * seconds_of_one


def test_a_conversation_that_cannot_be_kept_is_answered_and_the_page_says_so(
    at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise StorageError("The disk is full.", "Free some of it.")

    monkeypatch.setattr(conversation_module, "keep_turn", full)
    asked(at)
    assert cited_answers(at)
    assert "This conversation could not be kept" in shown(at)
    assert "The disk is full." in shown(at)


def test_a_damaged_file_of_records_is_named(at: AppTest, indexes: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RAG_APP_INDEXES", str(tmp_path))
    records_file(tmp_path).parent.mkdir()
    records_file(tmp_path).write_bytes(b"no database" * 1000)
    other = opened_by_address("f" * 32)
    assert "records.sqlite" in shown(other)


def test_the_page_is_chinese_where_chinese_is_chosen_and_what_it_has_said_stays(at: AppTest) -> None:
    conversation = asked(at)
    other = opened_by_address(conversation, lang="zh")
    text = shown(other)
    assert "3 个文档" in text
    assert "已引用" in text
    assert "摘自段落原文" in text
    assert [box.label for box in other.selectbox] == ["知识库", "嵌入模型", "由谁作答"]
    assert other.chat_input[0].placeholder == "就你的文档提一个问题"
    for english in ("Quotes", "built", "documents", ">cited<", "Copy", "Open a source"):
        assert english not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL), english
