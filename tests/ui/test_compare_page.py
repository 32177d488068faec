"""The page of the comparison side by side in Streamlit's own test harness, with tiny models through the real loading code."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from rag_app.datatypes import Answer, Sentence
from rag_app.evaluation.side_by_side import SideSystem
from rag_app.store.records.votes import tallies
from rag_app.ui import resources
from rag_app.ui.compare import vote
from rag_app.ui.compare.round import Side
from rag_app.ui.compare.sides import shown_answer
from tests.checkpoints import make_bert_embedder
from tests.conftest import TEXTS
from tests.ui.whole_app import html_of, opened_app, plain_of, press

QUESTION = "How long is an account locked?"
HOSTILE = "<img src=x onerror=alert(1)> ![a](http://127.0.0.1:9/a) :red[b] $\\frac{1}{2}$"


@pytest.fixture(scope="module")
def second_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert_embedder(tmp_path_factory.mktemp("second"), seed=1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path, second_embedder: Path) -> Path:
    """An index root: `one` has one embedding model, `two` has two; a document of both is hostile."""
    folder = tmp_path_factory.mktemp("compare")
    for name, text in (TEXTS | {"docs/hostile.md": f"# {HOSTILE}\n\nThe payload says {HOSTILE}"}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    settings = load_settings(indexes=folder / "indexes", offline=True)
    for name, models in (("one", [tiny_embedder]), ("two", [tiny_embedder, second_embedder])):
        build(BuildRequest(name, (folder / "docs",), tuple(map(str, models))), settings, lambda _: None)
    return settings.indexes


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, built: Path) -> None:
    resources.held_embedders.clear()  # the caches are the process's, and tests differ in what can be loaded
    monkeypatch.setenv("RAG_APP_INDEXES", str(built))
    monkeypatch.setenv("RAG_APP_OFFLINE", "1")


def ask(at: AppTest, question: str = QUESTION) -> AppTest:
    at.chat_input(key="compare_question").set_value(question).run()
    assert not at.exception
    return at


def test_without_a_knowledge_base_the_page_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAG_APP_INDEXES", str(tmp_path / "nothing"))
    at = opened_app("compare")
    assert not at.exception
    assert "There is no knowledge base yet." in plain_of(at)
    assert not at.chat_input


def test_two_searches_stand_side_by_side_with_what_moved(built: Path) -> None:
    at = ask(opened_app("compare"))
    html, text = html_of(at), plain_of(at)
    assert "Hybrid: meaning and words</h3>" in html
    assert "Dense: meaning only</h3>" in html
    assert f"{QUESTION}</h2>" in html
    assert "overlap@" in text
    assert "percentile " in html
    assert "cosine " in html
    assert html.count("Passages in ") == 2
    assert "answer in " in html
    assert "where Hybrid: meaning and words has them" in html
    moved = [word for word in ("same place", "from ", "only here") if word in html]
    assert moved
    assert "The cosines of two models are on different scales." in html
    ask(at, "What does the VPN need?")
    assert "What does the VPN need?</h2>" in html_of(at)


def test_one_embedding_model_cannot_be_compared_and_the_page_says_what_can(built: Path) -> None:
    at = opened_app("compare")
    at.segmented_control(key="compare_kind one").set_value("models").run()
    assert not at.exception
    assert "has one embedding model" in plain_of(at)
    assert at.chat_input(key="compare_question").disabled
    at.segmented_control(key="compare_kind one").set_value("searches").run()
    assert not at.chat_input(key="compare_question").disabled


def test_two_embedding_models_are_what_is_compared_where_there_are_two(
    built: Path, tiny_embedder: Path, second_embedder: Path
) -> None:
    at = opened_app("compare")
    at.selectbox(key="compare_base").set_value("two").run()
    ask(at)
    html = html_of(at)
    assert f"{tiny_embedder}</h3>" in html
    assert f"{second_embedder}</h3>" in html
    assert "overlap@" in plain_of(at)


def test_three_may_be_compared_and_one_cannot(built: Path) -> None:
    at = opened_app("compare")
    at.multiselect(key="compare_systems searches one").set_value(["hybrid", "dense", "keyword"]).run()
    ask(at)
    assert html_of(at).count("</h3>") == 3
    assert sum("overlap@" in text.value for text in at.text) == 3
    at.multiselect(key="compare_systems searches one").set_value(["hybrid"]).run()
    assert "Choose at least two to compare." in plain_of(at)
    assert at.chat_input(key="compare_question").disabled


def test_passages_only_beside_quotes(built: Path) -> None:
    at = opened_app("compare")
    at.segmented_control(key="compare_kind one").set_value("writers").run()
    at.multiselect(key="compare_systems writers one").set_value(["quote", "none"]).run()
    ask(at)
    html = html_of(at)
    assert "An account is locked for 30 minutes after 5 failed sign-ins." in html
    assert "No answer was written: only passages were asked for." in html


def test_a_generator_that_cannot_be_loaded_is_named_and_the_other_side_stays(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_APP_GENERATOR", "Qwen/Qwen2.5-1.5B-Instruct")
    at = opened_app("compare")
    at.segmented_control(key="compare_kind one").set_value("writers").run()
    at.multiselect(key="compare_systems writers one").set_value(["quote", "Qwen/Qwen2.5-1.5B-Instruct"]).run()
    ask(at)
    assert "Qwen/Qwen2.5-1.5B-Instruct (3.1 GB, Apache-2.0) is not on this machine" in plain_of(at)
    assert "An account is locked for 30 minutes after 5 failed sign-ins." in html_of(at)


def test_a_generator_writes_beside_quotes(built: Path, monkeypatch: pytest.MonkeyPatch, page_generator: Path) -> None:
    resources.load_generator.clear()
    monkeypatch.setenv("RAG_APP_GENERATOR", str(page_generator))
    monkeypatch.setenv("RAG_APP_ANSWERING__MAX_NEW_TOKENS", "12")
    at = opened_app("compare")
    at.segmented_control(key="compare_kind one").set_value("writers").run()
    at.multiselect(key="compare_systems writers one").set_value(["quote", str(page_generator)]).run()
    ask(at)
    assert html_of(at).count("Passages in ") == html_of(at).count("answer in ") == 2
    assert f"{page_generator}</h3>" in html_of(at)
    assert "(overlap@5 1.00)" in plain_of(at) or "(overlap@4 1.00)" in plain_of(at), "the search is the same for both"


def test_a_blind_vote_shows_no_name_until_it_is_given_and_counts_once(built: Path) -> None:
    at = opened_app("compare")
    at.segmented_control(key="compare_kind one").set_value("writers").run()
    at.multiselect(key="compare_systems writers one").set_value(["quote", "none"]).run()
    at.toggle(key="compare_shuffle").set_value(True).run()
    ask(at)
    html = html_of(at)
    assert "A</h3>" in html
    assert "B</h3>" in html
    for told in ("Quotes from", "Nothing: passages", "percentile", "cosine", "Passages in"):
        assert told not in html
    assert "cannot tell" not in plain_of(at).lower()
    press(at, "A is better")
    assert "Thank you. A was " in plain_of(at)
    assert "Quotes from the passages</h3>" in html_of(at)
    (tally,) = tallies(built, "one")
    assert (tally.count, tally.first_preferred + tally.second_preferred) == (1, 1)
    assert at.dataframe[0].value["What it comes to"][0] == "Cannot tell yet"
    ask(at)
    press(at, "B is better")
    assert "only the first vote counts" in plain_of(at)
    assert [tally.count for tally in tallies(built, "one")] == [1]


def test_before_the_vote_a_generator_that_was_not_asked_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    quote = Sentence("An account is locked.", (), True)
    answer = Answer("q", quote.text, False, (quote,), (), "e", "quote", not_asked="me/small")
    side = Side(SideSystem("e", "dense", "me/small"), is_asked=True, answer=answer)
    drawn: list[str] = []
    monkeypatch.setattr(vote.st, "html", drawn.append)
    vote._draw_blind(side, "A", "q")
    assert "An account is locked." in "".join(drawn)
    assert "me/small" not in "".join(drawn)
    assert "me/small" in shown_answer(side)


def test_sides_that_did_the_same_are_not_voted_on(built: Path) -> None:
    at = opened_app("compare")
    at.toggle(key="compare_shuffle").set_value(True).run()
    at.multiselect(key="compare_systems searches one").set_value(["keyword", "hybrid"]).run()
    ask(at, "What does the VPN need?")
    labels = [button.label for button in at.button]
    is_same = "Both found the same passages" in plain_of(at)
    assert is_same != ("A is better" in labels)


def test_what_a_document_says_is_text_and_nothing_else(built: Path) -> None:
    at = ask(opened_app("compare"), f"What does the payload say? {HOSTILE}")
    html = html_of(at)
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert not [element for element in at.markdown if "127.0.0.1:9" in element.value]


def test_a_question_without_a_word_is_refused_on_both_sides(built: Path) -> None:
    at = ask(opened_app("compare"), "?!")
    assert plain_of(at).count("There is no question.") == 2


def test_a_damaged_base_is_named(built: Path, monkeypatch: pytest.MonkeyPatch, make_base) -> None:
    base = make_base()
    chunks = base.open().folder / "chunks.sqlite"
    chunks.write_bytes(chunks.read_bytes()[:-100])
    monkeypatch.setenv("RAG_APP_INDEXES", str(base.indexes))
    at = opened_app("compare")
    assert not at.exception
    assert "chunks.sqlite is damaged" in plain_of(at)


def test_in_chinese_nothing_of_the_page_is_english(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag_app.ui.words._preferred", lambda: "zh")  # the harness names options outside the session
    at = ask(opened_app("compare", language="zh"))
    text = plain_of(at)
    assert "并排对比" in text
    assert "混合：语义加词语</h3>" in html_of(at)
    assert "，构建于 20" in html_of(at)
    for english in ("Compare", "Passages", "share", "Blind", "built"):
        assert english not in text
        assert english not in html_of(at)


def test_what_was_stopped_keeps_what_came_of_it(built: Path) -> None:
    at = ask(opened_app("compare"))
    one = at.session_state["compared"]
    one.is_done = False
    one.sides[1].answer, one.sides[1].written = None, "An account is"
    one.sides[1].ranked = one.sides[1].ranked[:1]
    at.run()
    assert not at.exception
    assert "An account is" in html_of(at)
    assert "Stopped." in plain_of(at)
    assert "overlap@" not in plain_of(at)
