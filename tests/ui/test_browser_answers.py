"""Answers in headless Chromium: stopped, abandoned, asked by many, followed up, quoted. A tiny model that writes for long."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.checkpoints import make_llama_generator
from tests.conftest import REPOSITORY
from tests.real_bases import build_small
from tests.ui.server import free_port, running
from tests.ui.visit import DONE, INPUT, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

WAITING = re.compile(r"\d+ answers? before this one")
STOP = '[data-testid="stChatInputStopButton"]'


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Iterator[str]:
    """The address of a running app whose generator would write for minutes."""
    folder = tmp_path_factory.mktemp("answers")
    indexes = build_small(folder, tiny_embedder)
    generator = make_llama_generator(folder / "generator", window=16384, ends=False)
    environment = {
        "RAG_APP_GENERATOR": str(generator),
        "RAG_APP_ANSWERING__MAX_NEW_TOKENS": "4000",
        "RAG_APP_ANSWERING__TEMPERATURE": "2",
        "RAG_APP_ANSWERING__FALSE_ALARM_RATE": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    port = free_port()
    command = ("rag_app", "serve", "--port", str(port), "--indexes", str(indexes))
    with running(command, port, environment, folder) as url:
        yield url


def begin(page: Page, question: str) -> None:
    """Ask, and do not wait."""
    area = page.locator(INPUT)
    area.fill(question)
    area.press("Enter")


def written(page: Page) -> str:
    return page.locator('[data-testid="stChatMessage"]').last.locator(".rag-text").first.inner_text()


def wait_for_text(page: Page) -> None:
    answer = page.locator('[data-testid="stChatMessage"]').last.locator(".rag-text").first
    expect(answer).to_have_text(re.compile(r"\S"), timeout=60_000)


def test_stop_gives_control_back_keeps_the_text_and_frees_the_model(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    begin(visit.page, "How long is an account locked?")
    wait_for_text(visit.page)
    started = time.monotonic()
    visit.page.locator(STOP).click()
    visit.page.wait_for_selector(DONE, timeout=60_000)
    assert time.monotonic() - started < 5  # on a busy machine; by itself it is a quarter of a second
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
    expect(second.page.get_by_text("Waiting: 1 answer before this one ...")).to_be_visible(timeout=60_000)
    expect(second.page.locator(".rag-source").first).to_contain_text("docs/", timeout=60_000)
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
