"""A visit to the app by headless Chromium: what its browser asked for and complained of, and how a question is asked."""

from __future__ import annotations

import os
import shutil
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import REPOSITORY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
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
DONE = '[data-test-script-state="notRunning"]'
# The last thing that is drawn of a question and its answer once it is over: what can be done with it.
OVER = '[data-testid="stExpander"]'
BROKEN = '[data-testid="stException"]'
# So many milliseconds a page is waited for, whatever for: where others keep the processors busy, a cold server's first answer
# takes a minute. What a test guards against lasts longer, or for ever.
WAIT = 300_000
expect.set_options(timeout=WAIT)
# The looks that a screenshot is taken of: dark or light, and the width of the window.
LOOKS = [(False, 1440), (True, 1440), (False, 390), (True, 390)]
# The same for tests: two that differ in both, and the others where all are run.
SOME_LOOKS = [LOOKS[0], *(pytest.param(*look, marks=pytest.mark.matrix) for look in LOOKS[1:3]), LOOKS[3]]


def require_chromium() -> None:
    """Skip the module that calls this where there is no Chromium, unless one is required."""
    if CHROMIUM is None and not os.environ.get("RAG_APP_REQUIRE_BROWSER"):
        pytest.skip("Chromium is not installed (apt-get install chromium)", allow_module_level=True)


# Notes the order in which passages and answer text come on the screen.
WATCH = """
window.order = [];
new MutationObserver(() => {
  if (!window.order.includes("passages") && document.querySelector(".rag-source")) window.order.push("passages");
  const answers = document.querySelectorAll('[data-testid="stChatMessage"] .rag-text:not(.rag-source *)');
  if (!window.order.includes("answer") && answers.length > 1) window.order.push("answer");
}).observe(document, {childList: true, subtree: true});
"""


class Visit:
    """A page of the app, with what its browser asked for and complained of. Requests to anyone else are aborted."""

    def __init__(
        self, browser: Browser, address: str, *, dark: bool = False, width: int = 1440, ready: str = INPUT
    ) -> None:
        self.requested: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.page.add_init_script(WATCH)
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.route("**/*", lambda route: self._allow(route, urlsplit(address).netloc))
        self.page.goto(address)
        self.page.wait_for_selector(f"{ready}, {BROKEN}")
        assert not self.page.locator(BROKEN).count(), "the page has failed: see the server's log"

    def _allow(self, route, host: str) -> None:
        url = urlsplit(route.request.url)
        if url.scheme in {"data", "blob"} or url.netloc == host:
            route.continue_()
        else:
            self.requested.append(route.request.url)
            route.abort()

    def ask(self, question: str) -> None:
        """Ask, and wait until the answer is whole and drawn as one that is over."""
        messages = self.page.locator('[data-testid="stChatMessage"]')
        before = messages.count()
        area = self.page.locator(INPUT)
        area.fill(question)
        area.press("Enter")
        expect(messages).to_have_count(before + 2)
        messages.last.locator(OVER).wait_for()
        self.page.wait_for_selector(DONE)

    def screenshot(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")
