"""Answers in headless Chromium: stopped, abandoned, asked by many, followed up, quoted. A tiny model that writes for long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.checkpoints import make_llama_generator
from tests.conftest import REPOSITORY
from tests.real_bases import build_small
from tests.ui.server import running_script
from tests.ui.visit import DONE, INPUT, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

WAITING = re.compile(r"\d+ answers? before this one")
STOP = '[data-testid="stChatInputStopButton"]'

# The app, but for a generator that takes its time once there is text to be seen: it writes for longer than any page is waited
# for (`WAIT`), and what was stopped cannot just have ended.
LONG_WRITING_APP = """
import time
from rag_app.models.generating.run import _Streamer
from rag_app.ui.app import main

def slowly(streamer, tokens, put=_Streamer.put):
    put(streamer, tokens)
    if streamer.count > 300:
        time.sleep(0.5)

if _Streamer.put.__name__ != "slowly":
    _Streamer.put = slowly
main()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Iterator[str]:
    """The address of a running app whose generator would write for half an hour."""
    folder = tmp_path_factory.mktemp("answers")
    with long_writing(folder, build_small(folder, tiny_embedder)) as url:
        yield url


@contextmanager
def long_writing(folder: Path, indexes: Path) -> Iterator[str]:
    """Run the app over an index root with a generator that would write for half an hour; give its address."""
    generator = make_llama_generator(folder / "generator", window=16384, ends=False)
    environment = {
        "RAG_APP_INDEXES": str(indexes),
        "RAG_APP_GENERATOR": str(generator),
        "RAG_APP_ANSWERING__MAX_NEW_TOKENS": "4000",
        "RAG_APP_ANSWERING__TEMPERATURE": "2",
        "RAG_APP_ANSWERING__FALSE_ALARM_RATE": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    with running_script(LONG_WRITING_APP, environment, folder) as url:
        yield url


def begin(page: Page, question: str) -> None:
    """Ask, and do not wait."""
    area = page.locator(INPUT)
    area.fill(question)
    area.press("Enter")


def answer_of(page: Page) -> Locator:
    """Return the text of the last answer: not a question, nor a passage, which are there before it."""
    answers = page.locator('[data-testid="stChatMessage"]:has([data-testid="stChatMessageAvatarAssistant"])')
    return answers.last.locator(".rag-text:not(.rag-source *)")


def written(page: Page) -> str:
    return answer_of(page).inner_text()


def wait_for_text(page: Page) -> None:
    expect(answer_of(page)).to_have_text(re.compile(r"\S"))


def test_stop_gives_control_back_keeps_the_text_and_frees_the_model(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    begin(visit.page, "How long is an account locked?")
    wait_for_text(visit.page)
    visit.page.locator(STOP).click()
    expect(visit.page.get_by_text("Stopped.")).to_be_visible()
    visit.page.wait_for_selector(DONE)
    assert written(visit.page).strip()
    other = Visit(browser, address)
    begin(other.page, "Where is the reset portal?")
    wait_for_text(other.page)
    expect(other.page.get_by_text(WAITING)).to_have_count(0)
    other.page.locator(STOP).click()


def test_a_closed_tab_frees_the_model(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    begin(visit.page, "How long is an account locked?")
    wait_for_text(visit.page)
    visit.context.close()
    other = Visit(browser, address)
    begin(other.page, "Where is the reset portal?")
    wait_for_text(other.page)
    other.page.locator(STOP).click()


def test_who_waits_is_told_the_place_and_is_answered_in_turn(browser: Browser, address: str) -> None:
    first, second = Visit(browser, address), Visit(browser, address)
    begin(first.page, "How long is an account locked?")
    wait_for_text(first.page)
    begin(second.page, "Where is the reset portal?")
    expect(second.page.get_by_text("Waiting: 1 answer before this one ...")).to_be_visible()
    expect(second.page.locator(".rag-source").first).to_contain_text("docs/")
    second.screenshot("waiting")
    first.page.locator(STOP).click()
    wait_for_text(second.page)
    second.page.locator(STOP).click()


def test_a_follow_up_is_shown_as_it_was_understood_and_quotes_need_no_model(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    visit.page.get_by_label("Answers written by").click()
    visit.page.get_by_role("option", name="Quotes from the passages").click()
    visit.ask("How long is an account locked?")
    expect(visit.page.locator(".answer")).to_contain_text("An account is locked for 30 minutes")
    visit.ask("and what does the VPN need?")
    expect(
        visit.page.get_by_text("Asked as: How long is an account locked? And what does the VPN need?")
    ).to_be_visible()
    visit.screenshot("follow-up")
    assert visit.requested == []
    assert visit.errors == []
