"""In headless Chromium: a question that is asked from further up is scrolled to; who is at it stays where they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import REPOSITORY
from tests.real_bases import build_small
from tests.ui.server import free_port, running
from tests.ui.test_browser_answers import begin
from tests.ui.visit import DONE, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

_MAIN = '[data-testid="stMain"]'


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Iterator[str]:
    """The address of a running app, which quotes."""
    folder = tmp_path_factory.mktemp("scrolling")
    indexes = build_small(folder, tiny_embedder)
    environment = {
        "RAG_APP_GENERATOR": "quote",
        "RAG_APP_ANSWERING__FALSE_ALARM_RATE": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    port = free_port()
    with running(
        ("rag_app", "serve", "--port", str(port), "--indexes", str(indexes)), port, environment, folder
    ) as url:
        yield url


def ask(page: Page, question: str) -> None:
    begin(page, question)
    expect(page.get_by_text(question)).to_have_count(1)
    page.wait_for_selector(DONE)


def test_a_question_that_is_asked_from_further_up_comes_into_sight(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    for number in range(3):
        ask(visit.page, f"How long is an account locked in case {number}?")
    top = visit.page.get_by_text("How long is an account locked in case 0?")
    top.scroll_into_view_if_needed()
    expect(top).to_be_in_viewport()
    ask(visit.page, "What needs Harbour Connect?")
    expect(visit.page.get_by_text("What needs Harbour Connect?")).to_be_in_viewport()
    visit.screenshot("asked-from-further-up")
    assert visit.errors == []
