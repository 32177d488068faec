"""Conversations in headless Chromium: stopped and reloaded, citations clicked, another session, the language switched."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import HANDBOOK, TEXTS
from tests.real_bases import build_small
from tests.ui.test_browser_answers import STOP, begin, long_writing, wait_for_text, written
from tests.ui.visit import DONE, INPUT, SOME_LOOKS, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

QUESTION = "How long is an account locked after 5 failed sign-ins?"
PAYLOAD = (
    "# A note\n\nThe Zanzibar code <img src=http://127.0.0.1:9/a onerror=alert(1)> ![x](http://127.0.0.1:9/b) is 4711."
)
DRAWER = '[data-testid="stDialog"]'


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Iterator[str]:
    """The address of a running app whose generator would write for half an hour, and which can quote as well."""
    folder = tmp_path_factory.mktemp("conversations")
    (folder / "docs").mkdir()
    shutil.copy(HANDBOOK / "en" / "leave-policy.pdf", folder / "docs")
    with long_writing(folder, build_small(folder, tiny_embedder, TEXTS | {"docs/note.md": PAYLOAD})) as url:
        yield url


def choose_quotes(page: Page) -> None:
    """Have answers quoted: they come at once, and are cited."""
    if page.viewport_size and page.viewport_size["width"] < 800:
        page.locator('[data-testid="stExpandSidebarButton"]').click()
    page.get_by_label("Answers written by").click()
    page.get_by_role("option", name="Quotes from the passages").click()
    page.wait_for_selector(DONE)
    if page.viewport_size and page.viewport_size["width"] < 800:
        page.locator('[data-testid="stSidebarCollapseButton"] button').click()


def test_what_was_stopped_is_there_after_a_reload_and_nobody_else_sees_it(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    begin(visit.page, QUESTION)
    wait_for_text(visit.page)
    visit.page.locator(STOP).click()
    visit.page.wait_for_selector(DONE)
    before = written(visit.page)
    assert before.strip()
    assert "c=" in visit.page.url
    visit.page.reload()
    visit.page.wait_for_selector(INPUT)
    expect(visit.page.get_by_text("Stopped.")).to_be_visible()
    after = written(visit.page)
    assert after.startswith(before)  # the model may have written a word more than the screen showed
    expect(visit.page.get_by_text(QUESTION)).to_have_count(1)
    expect(visit.page.locator(".rag-source").first).to_contain_text("docs/")
    visit.screenshot("stopped-and-reloaded")
    other = Visit(browser, address)
    expect(other.page.get_by_text(QUESTION)).to_have_count(0)
    assert visit.errors == []


def test_a_reload_stops_an_answer_and_keeps_what_was_written(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    begin(visit.page, QUESTION)
    wait_for_text(visit.page)
    visit.page.reload()
    visit.page.wait_for_selector(INPUT)
    expect(visit.page.get_by_text("Stopped.")).to_be_visible()
    wait_for_text(visit.page)  # the page looks again until the run that it interrupted has kept what it had
    other = Visit(browser, address)  # the model is free again
    begin(other.page, "Where is the reset portal?")
    wait_for_text(other.page)
    other.page.locator(STOP).click()


@pytest.mark.parametrize(("dark", "width"), SOME_LOOKS)
def test_a_number_in_the_answer_opens_its_source(browser: Browser, address: str, dark: bool, width: int) -> None:
    visit = Visit(browser, address, dark=dark, width=width)
    choose_quotes(visit.page)
    visit.ask(QUESTION)
    number = visit.page.get_by_role("button", name="Open source 1", exact=True).first
    number.focus()
    visit.page.keyboard.press("Enter")
    drawer = visit.page.locator(DRAWER)
    expect(drawer.locator("mark:not(.rag-word)")).to_contain_text("An account is locked for 30 minutes")
    expect(drawer).to_contain_text("docs/passwords.md")
    expect(drawer).to_contain_text("Cosines of two models cannot be compared.")
    visit.page.wait_for_timeout(500)  # it slides in
    visit.screenshot(f"source-{'dark' if dark else 'light'}-{width}")
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    visit.page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    assert visit.requested == []
    assert visit.errors == []


def test_the_page_of_a_pdf_is_shown_and_what_stands_beside_a_passage_can_be_walked_to(
    browser: Browser, address: str
) -> None:
    visit = Visit(browser, address)
    choose_quotes(visit.page)
    visit.ask("How many days of annual leave are there in Bristol in a full year?")
    visit.page.get_by_role("button", name=re.compile(r"^Open source \d$")).first.click()
    drawer = visit.page.locator(DRAWER)
    picture = drawer.locator('img[alt$=" of docs/leave-policy.pdf, with the passage marked"]')
    expect(picture).to_be_visible()
    visit.screenshot("source-pdf")
    passage = drawer.locator(".rag-source .rag-text")
    before = passage.inner_text()
    drawer.get_by_role("button", name="Next passage").click()
    expect(passage).not_to_have_text(before)
    drawer.get_by_role("button", name="Back to the source").click()
    expect(passage).to_have_text(before)
    assert visit.requested == []
    assert visit.errors == []


def test_documents_stay_text_in_an_answer_and_in_the_drawer(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    choose_quotes(visit.page)
    visit.ask("What is the Zanzibar code?")
    answer = visit.page.locator('[data-testid="stChatMessage"]').last
    expect(answer).to_contain_text("![x](http://127.0.0.1:9/b)")
    visit.page.get_by_role("radio", name="1", exact=True).last.click()
    drawer = visit.page.locator(DRAWER)
    expect(drawer).to_contain_text("<img src=http://127.0.0.1:9/a onerror=alert(1)>")
    assert visit.page.locator(f"{DRAWER} :is(img, script, iframe, a[href])").count() == 0
    assert answer.locator(":is(img, script, iframe, a[href])").count() == 0
    assert visit.requested == []


def test_the_language_is_switched_at_once_and_the_conversation_stays(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    choose_quotes(visit.page)
    visit.ask(QUESTION)
    visit.page.get_by_text("中文").click()
    expect(visit.page.get_by_role("heading", name="向你的文档提问")).to_be_visible()
    expect(visit.page.get_by_role("button", name="打开来源 1").first).to_be_visible()
    expect(visit.page.get_by_text(QUESTION)).to_have_count(1)
    expect(visit.page.get_by_label("由谁作答").first).to_have_value("摘录段落原文")  # what was chosen stays chosen
    expect(visit.page.get_by_text("Open a source")).to_have_count(0)
    visit.screenshot("ask-chinese")
    assert visit.errors == []
