"""The Ask page in headless Chromium: a real server, a real browser, tiny models. Screenshots go to tests/artifacts/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import REPOSITORY, TEXTS
from tests.real_bases import build_small
from tests.ui.server import free_port, running
from tests.ui.visit import SOME_LOOKS, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

PAYLOAD = (
    "# Hostile <img src=http://127.0.0.1:9/t onerror=alert(1)>\n\nThe payload says ![x](http://127.0.0.1:9/a) and "
    "<img src='http://127.0.0.1:9/b'> and <script>document.title='owned'</script> and [r]: http://127.0.0.1:9/c "
    "and $\\frac{1}{2}$ and :material/error: and <svg onload=alert(2)>."
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path, page_generator: Path) -> Iterator[str]:
    """The address of a running app over a small knowledge base, one document of which is hostile."""
    folder = tmp_path_factory.mktemp("browser")
    indexes = build_small(folder, tiny_embedder, TEXTS | {"docs/hostile.md": PAYLOAD})
    port = free_port()
    environment = {
        "RAG_APP_GENERATOR": str(page_generator),
        "RAG_APP_ANSWERING__MAX_NEW_TOKENS": "60",
        "PYTHONPATH": str(REPOSITORY),
        "OPENAI_API_KEY": "canary",
        "IS_TESTING": "1",
    }
    command = ("rag_app", "serve", "--port", str(port), "--indexes", str(indexes))
    with running(command, port, environment, folder) as url:
        yield url


@pytest.mark.parametrize(("dark", "width"), SOME_LOOKS)
def test_a_question_is_answered_with_passages_first(browser: Browser, address: str, dark: bool, width: int) -> None:
    visit = Visit(browser, address, dark=dark, width=width)
    visit.ask("How long is an account locked after 5 failed sign-ins?")
    page = visit.page
    assert page.evaluate("window.order") == ["passages", "answer"]
    first = page.locator(".rag-source").first
    expect(first).to_contain_text("docs/passwords.md")
    expect(first.locator(".rag-score")).to_contain_text("cosine ")
    first.locator("summary").click()
    expect(first).to_contain_text("An account is locked for 30 minutes")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    visit.screenshot(f"ask-{'dark' if dark else 'light'}-{width}")
    assert visit.requested == []
    assert visit.errors == []


def test_documents_never_become_markup_or_requests(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    visit.ask("What does the payload say? <img src=http://127.0.0.1:9/q onerror=alert(3)> ![y](http://127.0.0.1:9/z)")
    page = visit.page
    hostile = page.locator(".rag-source", has_text="hostile.md").first
    hostile.locator("summary").click()
    expect(hostile).to_contain_text("<script>document.title='owned'</script>")
    expect(hostile).to_contain_text("![x](http://127.0.0.1:9/a)")
    assert page.locator(".rag-source :is(img, script, svg, a, iframe)").count() == 0
    assert page.locator('[data-testid="stChatMessage"] .rag-text :is(img, script, svg, a, iframe)').count() == 0
    assert page.title() == "Ask - rag-app"
    assert visit.requested == []
    visit.screenshot("hostile")


def test_sources_open_by_keyboard(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    visit.ask("Where is the reset portal?")
    summary = visit.page.locator(".rag-source summary").first
    summary.focus()
    visit.page.keyboard.press("Enter")
    assert visit.page.locator(".rag-source").first.get_attribute("open") is not None


def test_two_sessions_do_not_see_one_another(browser: Browser, address: str) -> None:
    one, other = Visit(browser, address), Visit(browser, address)
    one.ask("What does the VPN need? session one")
    other.ask("Where is the reset portal? session two")
    expect(one.page.get_by_text("session one")).to_have_count(1)
    expect(one.page.get_by_text("session two")).to_have_count(0)
    expect(other.page.get_by_text("session one")).to_have_count(0)
