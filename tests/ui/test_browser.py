"""The Ask page in headless Chromium: a real server, a real browser, tiny models. Screenshots go to tests/artifacts/."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from tests.conftest import REPOSITORY, TEXTS
from tests.ui.server import free_port, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.browser
if CHROMIUM is None and not os.environ.get("RAG_APP_REQUIRE_BROWSER"):
    pytest.skip("Chromium is not installed (apt-get install chromium)", allow_module_level=True)

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ARTIFACTS = REPOSITORY / "tests" / "artifacts"
INPUT = '[data-testid="stChatInputTextArea"]'
ANSWER = '[data-testid="stChatMessage"] .rag-text:not(.rag-source *)'
PAYLOAD = (
    "# Hostile <img src=http://127.0.0.1:9/t onerror=alert(1)>\n\nThe payload says ![x](http://127.0.0.1:9/a) and "
    "<img src='http://127.0.0.1:9/b'> and <script>document.title='owned'</script> and [r]: http://127.0.0.1:9/c "
    "and $\\frac{1}{2}$ and :material/error: and <svg onload=alert(2)>."
)
# Notes the order in which passages and answer text come on the screen.
WATCH = """
window.order = [];
new MutationObserver(() => {
  if (!window.order.includes("passages") && document.querySelector(".rag-source")) window.order.push("passages");
  const answers = document.querySelectorAll('[data-testid="stChatMessage"] .rag-text:not(.rag-source *)');
  if (!window.order.includes("answer") && answers.length > 1) window.order.push("answer");
}).observe(document, {childList: true, subtree: true});
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path, tiny_generator: Path) -> Iterator[str]:
    """The address of a running app over a small knowledge base, one document of which is hostile."""
    folder = tmp_path_factory.mktemp("browser")
    for name, text in (TEXTS | {"docs/hostile.md": PAYLOAD}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    settings = load_settings(indexes=folder / "indexes", offline=True)
    build(BuildRequest("small", (folder / "docs",), (str(tiny_embedder),)), settings, lambda event: None)
    port = free_port()
    environment = {
        "RAG_APP_GENERATOR": str(tiny_generator),
        "RAG_APP_ANSWERING__MAX_NEW_TOKENS": "60",
        "PYTHONPATH": str(REPOSITORY),
        "OPENAI_API_KEY": "canary",
        "IS_TESTING": "1",
    }
    command = ("rag_app", "serve", "--port", str(port), "--indexes", str(folder / "indexes"))
    with running(command, port, environment, folder) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    assert CHROMIUM, "Chromium is required (RAG_APP_REQUIRE_BROWSER) and not installed"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


class Visit:
    """A page of the app, with what its browser asked for and complained of. Requests to anyone else are aborted."""

    def __init__(self, browser: Browser, address: str, *, dark: bool = False, width: int = 1440) -> None:
        self.requested: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.page: Page = self.context.new_page()
        self.page.add_init_script(WATCH)
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.route("**/*", lambda route: self._allow(route, urlsplit(address).netloc))
        self.page.goto(address)
        self.page.wait_for_selector(INPUT, timeout=60_000)

    def _allow(self, route, host: str) -> None:
        url = urlsplit(route.request.url)
        if url.scheme in {"data", "blob"} or url.netloc == host:
            route.continue_()
        else:
            self.requested.append(route.request.url)
            route.abort()

    def ask(self, question: str) -> None:
        """Ask, and wait until the answer is whole: the send button has taken the stop button's place again."""
        area = self.page.locator(INPUT)
        area.fill(question)
        area.press("Enter")
        self.page.wait_for_selector(".rag-source", timeout=120_000)
        expect(self.page.get_by_text("Loading the models")).to_have_count(0, timeout=120_000)
        expect(self.page.get_by_text("Writing ...")).to_have_count(0, timeout=120_000)

    def screenshot(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")


@pytest.mark.parametrize(("dark", "width"), [(False, 1440), (True, 1440), (False, 390), (True, 390)])
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
    assert page.title() == "rag-app"
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
