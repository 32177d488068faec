"""Conversations that begin with the same question are told apart, on the page as in the list."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.real_bases import build_small
from tests.ui.test_ask_conversations import asked, button
from tests.ui.test_ask_page import QUESTION, page


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> AppTest:
    """The page, which quotes."""
    monkeypatch.setenv("RAG_APP_ANSWERING__FALSE_ALARM_RATE", "1")
    return page(monkeypatch, build_small(tmp_path_factory.mktemp("titles"), tiny_embedder), "quote")


def test_a_question_stays_in_its_conversation_beside_another_that_began_alike(at: AppTest) -> None:
    first = asked(at)
    button(at, "New conversation").click().run()
    second = asked(at)
    (listed,) = [one for one in at.selectbox if one.label == "Conversations of this visit"]
    assert listed.options == [f"{QUESTION} (2)", QUESTION]
    assert asked(at, "What needs Harbour Connect?") == second != first
