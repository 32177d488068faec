"""The Ask page in Streamlit's own test harness, in each of its states, with tiny models through the real loading code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rag_app.ui import resources
from rag_app.ui.ask import page as ask
from rag_app.ui.ask import turn
from rag_app.ui.parts import busy_html
from tests.conftest import REPOSITORY
from tests.models.checkpoints.rerankers import RERANKERS, publish_reranker
from tests.real_bases import build_small

QUESTION = "How long is an account locked?"


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Path:
    """An index root with one knowledge base, built by the real build."""
    return build_small(tmp_path_factory.mktemp("page"), tiny_embedder)


def page(monkeypatch: pytest.MonkeyPatch, indexes: Path, generator: Path | str) -> AppTest:
    for cached in (resources.held_embedders, resources.load_generator):
        cached.clear()  # the caches are the process's, and tests differ in what can be loaded
    monkeypatch.setenv("RAG_APP_INDEXES", str(indexes))
    monkeypatch.setenv("RAG_APP_GENERATOR", str(generator))
    monkeypatch.setenv("RAG_APP_ANSWERING__MAX_NEW_TOKENS", "12")
    return AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=300).run()


def cited_answers(at: AppTest) -> list[dict[str, Any]]:
    """Return what the page gives the browser of each answer whose citations can be clicked."""
    return [json.loads(element.proto.json) for element in at.get("bidi_component")]


def shown(at: AppTest) -> str:
    """Return everything that is on the page, as one text."""
    html = [element.proto.body for element in at.get("html")]
    html += [sentence["text"] for answer in cited_answers(at) for sentence in answer["sentences"]]
    return "\n".join([*(element.value for element in [*at.text, *at.title, *at.caption, *at.code]), *html])


def test_without_a_knowledge_base_the_page_says_how_to_build_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at = page(monkeypatch, tmp_path / "nothing", "bundled")
    assert not at.exception
    assert "There is no knowledge base" in shown(at)
    assert "python -m ingest path/to/folder --embed-model bundled" in shown(at)
    assert not at.chat_input
    assert at.get("page_link")[0].proto.label == "Knowledge bases"


def test_the_page_names_the_knowledge_base_and_its_model(
    monkeypatch: pytest.MonkeyPatch, indexes: Path, page_generator: Path, tiny_embedder: Path
) -> None:
    at = page(monkeypatch, indexes, page_generator)
    assert not at.exception
    assert f"small: 3 documents, 3 passages, embedded by {tiny_embedder}" in shown(at)
    assert [box.label for box in at.selectbox] == ["Knowledge base", "Embedding model", "Answers written by"]
    assert at.selectbox[2].options[-1] == "Passages only"


def test_a_question_brings_an_answer_and_its_sources_and_stays(
    monkeypatch: pytest.MonkeyPatch, indexes: Path, page_generator: Path
) -> None:
    at = page(monkeypatch, indexes, page_generator)
    at.chat_input[0].set_value(QUESTION).run()
    assert not at.exception
    assert QUESTION in shown(at)
    assert "docs/passwords.md" in shown(at)
    assert "cosine " in shown(at)
    at.chat_input[0].set_value("忘记密码怎么办？").run()
    assert QUESTION in shown(at)
    assert "忘记密码怎么办？" in shown(at)
    assert "docs/密码.md" in shown(at)


def test_passages_only_needs_no_generator(monkeypatch: pytest.MonkeyPatch, indexes: Path) -> None:
    at = page(monkeypatch, indexes, "/no/such/model")
    at.selectbox(key="generator").set_value("none").run()
    at.chat_input[0].set_value(QUESTION).run()
    assert not at.exception
    assert "docs/passwords.md" in shown(at)
    assert "/no/such/model" not in shown(at)


def test_a_generator_that_is_not_there_leaves_the_passages_and_is_named(
    monkeypatch: pytest.MonkeyPatch, indexes: Path
) -> None:
    at = page(monkeypatch, indexes, "Qwen/Qwen2.5-1.5B-Instruct")
    at.chat_input[0].set_value(QUESTION).run()
    assert not at.exception
    assert "docs/passwords.md" in shown(at)
    assert "The generator Qwen/Qwen2.5-1.5B-Instruct (3.1 GB, Apache-2.0) is not on this machine" in shown(at)
    assert "--generator bundled" in shown(at)
    (instead,) = [button for button in at.button if button.label == "Quote the passages instead"]
    instead.click().run()
    at.chat_input[0].set_value(QUESTION).run()
    assert at.selectbox(key="generator").value == "quote"
    assert (
        cited_answers(at)[0]["sentences"][0]["text"] == "An account is locked for 30 minutes after 5 failed sign-ins."
    )


def test_a_follow_up_is_understood_by_the_question_before(monkeypatch: pytest.MonkeyPatch, indexes: Path) -> None:
    at = page(monkeypatch, indexes, "quote")
    at.chat_input[0].set_value(QUESTION).run()
    at.chat_input[0].set_value("and what does the VPN need?").run()
    assert not at.exception
    assert "Asked as: How long is an account locked? And what does the VPN need?" in shown(at)


def test_while_the_generator_puts_a_follow_up_in_full_words_that_is_said(
    monkeypatch: pytest.MonkeyPatch, indexes: Path, page_generator: Path
) -> None:
    stages: list[str] = []

    def noted(stage: str) -> str:
        stages.append(stage)
        return busy_html(stage)

    monkeypatch.setattr(turn, "busy_html", noted)
    monkeypatch.setattr("rag_app.models.generating.generator.SMALL_MILLIONS", 0)
    at = page(monkeypatch, indexes, page_generator)
    at.chat_input[0].set_value(QUESTION).run()
    del stages[:]
    at.chat_input[0].set_value("and what does the VPN need?").run()
    assert not at.exception
    rephrasing = stages.index("Putting the question in full words ...")
    assert "Searching ..." in stages[rephrasing:]
    assert "Reading the passages ..." not in stages[: stages.index("Searching ...", rephrasing)]


@pytest.mark.parametrize("question", ["?!", "   。"], ids=["punctuation", "blank"])
def test_a_question_without_a_word_is_refused_politely(
    monkeypatch: pytest.MonkeyPatch, indexes: Path, page_generator: Path, question: str
) -> None:
    at = page(monkeypatch, indexes, page_generator)
    at.chat_input[0].set_value(question).run()
    assert not at.exception
    assert "There is no question." in shown(at)


def test_a_damaged_index_is_named_and_not_answered_from(
    monkeypatch: pytest.MonkeyPatch, make_base, page_generator: Path
) -> None:
    base = make_base()
    chunks = base.open().folder / "chunks.sqlite"
    chunks.write_bytes(chunks.read_bytes()[:-100])
    at = page(monkeypatch, base.indexes, page_generator)
    assert not at.exception
    assert "chunks.sqlite is damaged" in shown(at)
    assert "Rebuild the knowledge base" in shown(at)
    assert not at.chat_input


def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, indexes: Path) -> None:
    monkeypatch.setenv("RAG_APP_RETRIEVAL__TOP_K", "many")
    at = page(monkeypatch, indexes, "bundled")
    assert not at.exception
    assert "retrieval.top_k" in shown(at)


def test_a_defect_of_a_page_is_a_sentence_and_the_log_has_the_rest(
    monkeypatch: pytest.MonkeyPatch, indexes: Path, page_generator: Path
) -> None:
    def broken(root: Path) -> list[str]:
        raise PermissionError(13, "secret path")

    monkeypatch.setattr(ask, "knowledge_base_names", broken)
    at = page(monkeypatch, indexes, page_generator)
    assert not at.exception
    assert "Something unexpected happened (PermissionError)." in shown(at)
    assert "secret path" not in shown(at)


def test_a_reranker_that_is_set_orders_the_passages(
    monkeypatch: pytest.MonkeyPatch, indexes: Path, page_generator: Path, tmp_path: Path
) -> None:
    model = RERANKERS["cross-encoder/mmarco-mMiniLMv2-L12-H384-v1"]
    monkeypatch.setenv("RAG_APP_RERANKER", str(publish_reranker(model, tmp_path / "reranker")))
    resources.load_reranker.clear()
    at = page(monkeypatch, indexes, page_generator)
    at.chat_input[0].set_value(QUESTION).run()
    assert not at.exception
    assert "reranker " in shown(at)
    assert "cosine " in shown(at)


def test_a_reranker_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, indexes: Path, page_generator: Path
) -> None:
    monkeypatch.setenv("RAG_APP_RERANKER", "BAAI/bge-reranker-base")
    at = page(monkeypatch, indexes, page_generator)
    assert not at.exception
    assert "The reranker BAAI/bge-reranker-base (1.11 GB, MIT) is not on this machine" in shown(at)
