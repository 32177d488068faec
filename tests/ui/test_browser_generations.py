"""Generations in headless Chromium: a rebuild between two questions, a damaged generation, verification, by a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from rag_app.store import layout
from tests.conftest import REPOSITORY
from tests.ui.server import running_script
from tests.ui.visit import DONE, SOME_LOOKS, WAIT, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

# The app, but for a question that waits until the sums are read, however long that takes on this machine.
PATIENT_APP = """
from rag_app.ui.app import main
from rag_app.ui.ask import turn

turn._PATIENCE_SECONDS = 300
main()
"""
# The app, but for sums that are not read before a file appears: as they are not yet, of a large knowledge base.
SLOW_APP = """
import os, time
from rag_app.store import layout
from rag_app.ui.app import main

def patiently(*arguments, read=layout.file_problem):
    while not os.path.exists("go on"):
        time.sleep(0.05)
    return read(*arguments)

if layout.file_problem.__name__ != "patiently":
    layout.file_problem = patiently
main()
"""


@dataclass(frozen=True)
class Site:
    """A running app, the folder it runs in, and its knowledge base."""

    address: str
    folder: Path
    model: Path

    @property
    def base(self) -> Path:
        """The folder of the knowledge base."""
        return self.folder / "indexes" / "shuttle"

    def publish(self, hour: str) -> None:
        """Build a generation whose one document says when the shuttle leaves."""
        (self.folder / "docs").mkdir(exist_ok=True)
        (self.folder / "docs" / "shuttle.md").write_text(f"# Shuttle\n\nThe shuttle leaves at {hour}.")
        settings = load_settings(indexes=self.folder / "indexes", offline=True)
        request = BuildRequest("shuttle", (self.folder / "docs",), (str(self.model),), rebuild=True)
        build(request, settings, lambda event: None)

    def flip(self, name: str) -> Path:
        """Change one bit in a file of the live generation and return its path."""
        (file,) = layout.read_current(self.base)[0].rglob(name)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        return file


@contextmanager
def serving(script: str, folder: Path, embedder: Path, generator: Path) -> Iterator[Site]:
    """Run the app over a base of one generation."""
    site = Site("", folder, embedder)
    site.publish("eight")
    environment = {
        "RAG_APP_INDEXES": str(folder / "indexes"),
        "RAG_APP_GENERATOR": str(generator),
        "RAG_APP_ANSWERING__MAX_NEW_TOKENS": "20",
        "PYTHONPATH": str(REPOSITORY),
    }
    with running_script(script, environment, folder) as address:
        yield replace(site, address=address)


@pytest.fixture
def site(tmp_path: Path, tiny_embedder: Path, page_generator: Path) -> Iterator[Site]:
    """A running app."""
    with serving(PATIENT_APP, tmp_path, tiny_embedder, page_generator) as site:
        yield site


@pytest.fixture(scope="module")
def damaged_site(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path, page_generator: Path) -> Iterator[Site]:
    """A running app whose live generation is damaged."""
    with serving(PATIENT_APP, tmp_path_factory.mktemp("damaged"), tiny_embedder, page_generator) as site:
        site.publish("nine")
        site.flip("vectors.faiss")
        yield site


@pytest.fixture
def slow_site(tmp_path: Path, tiny_embedder: Path, page_generator: Path) -> Iterator[Site]:
    """The app over a base of two generations whose sums take as long as the file `go on` is not there."""
    with serving(SLOW_APP, tmp_path, tiny_embedder, page_generator) as site:
        site.publish("nine")
        yield site


def test_a_rebuild_is_answered_from_without_a_restart_and_damage_is_stepped_over(browser: Browser, site: Site) -> None:
    visit = Visit(browser, site.address)
    visit.ask("When does the shuttle leave?")
    answers = visit.page.locator('[data-testid="stChatMessage"]')
    expect(answers.nth(1)).to_contain_text("The shuttle leaves at eight.")
    site.publish("nine")
    visit.ask("When does the shuttle leave now?")
    expect(answers.nth(3)).to_contain_text("The shuttle leaves at nine.")
    expect(answers.nth(3)).not_to_contain_text("From shuttle")
    expect(answers.nth(1)).to_contain_text("From shuttle, gen-00000001, built ")
    damaged = site.flip("vectors.faiss")
    visit.ask("When does the shuttle leave, after all?")
    expect(answers.nth(5)).to_contain_text("The shuttle leaves at eight.")
    expect(answers.nth(5)).to_contain_text("From shuttle, gen-00000001, built ")
    notice = visit.page.get_by_text(f"{damaged} is damaged").first
    expect(notice).to_contain_text("Answers come from gen-00000001, built ")
    expect(notice).to_contain_text("--kb shuttle --rebuild")
    site.publish("ten")
    visit.ask("And when does the shuttle leave now?")
    expect(answers.nth(7)).to_contain_text("The shuttle leaves at ten.")
    expect(visit.page.get_by_text("is damaged")).to_have_count(0)
    assert visit.errors == []
    assert visit.requested == []


def test_what_is_not_verified_yet_is_said_until_it_is_and_damage_appears_by_itself(
    browser: Browser, slow_site: Site
) -> None:
    damaged = slow_site.flip("vectors.faiss")
    visit = Visit(browser, slow_site.address)
    page = visit.page
    expect(page.get_by_text("gen-00000002, built ")).to_contain_text("verifying its files")
    visit.ask("When does the shuttle leave?")  # answered although nothing is known of the files yet
    answer = page.locator('[data-testid="stChatMessage"]').nth(1)
    expect(answer).to_contain_text("The shuttle leaves at nine.")
    page.wait_for_timeout(3000)  # some polls
    expect(page.get_by_text("verifying its files")).to_have_count(1)
    expect(answer).to_contain_text("The shuttle leaves at nine.")
    visit.screenshot("verifying")
    page.locator('[data-testid="stChatInputTextArea"]').fill("Half a ques")
    (slow_site.folder / "go on").touch()
    expect(page.get_by_text("Answers come from gen-00000001")).to_have_count(1)  # nobody has touched the page
    expect(page.get_by_text("verifying its files")).to_have_count(0)
    expect(answer).to_contain_text(
        f"{damaged} is damaged: its sum is not the one in the manifest. This came from that version"
    )
    expect(page.locator('[data-testid="stChatInputTextArea"]')).to_have_value("Half a ques")
    expect(page.locator('[data-testid="stChatMessage"]')).to_have_count(2)  # nothing was asked again
    assert visit.errors == []


def test_verification_that_finds_nothing_leaves_nothing(browser: Browser, slow_site: Site) -> None:
    visit = Visit(browser, slow_site.address)
    page = visit.page
    expect(page.get_by_text("Loading the models")).to_have_count(0)
    page.wait_for_selector(DONE)
    expect(page.get_by_text("verifying its files")).to_have_count(1)
    assert not page.evaluate(STAYS_IDLE, WAIT)  # it looks every second
    (slow_site.folder / "go on").touch()
    expect(page.get_by_text("verifying its files")).to_have_count(0)
    expect(page.get_by_text("gen-00000002, built ")).to_have_count(1)
    expect(page.get_by_text("Notice")).to_have_count(0)
    # And no more: what was under way may still end, but a fragment that went on would be seen in each of these times.
    assert any(page.evaluate(STAYS_IDLE, 4_000) for _ in range(5))


# Whether the page stays at rest for so many milliseconds: a fragment that still ran would wake it.
STAYS_IDLE = """
milliseconds => new Promise(resolve => {
  const app = document.querySelector('[data-test-script-state]');
  const observer = new MutationObserver(() => resolve(false));
  observer.observe(app, {attributes: true, attributeFilter: ['data-test-script-state']});
  setTimeout(() => resolve(true), milliseconds);
})
"""


@pytest.mark.parametrize(("dark", "width"), SOME_LOOKS)
def test_the_notice_in_every_look(browser: Browser, damaged_site: Site, dark: bool, width: int) -> None:
    visit = Visit(browser, damaged_site.address, dark=dark, width=width)
    visit.ask("When does the shuttle leave?")
    expect(visit.page.get_by_text("Answers come from gen-00000001")).to_have_count(1)
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    visit.screenshot(f"notice-{'dark' if dark else 'light'}-{width}")
    assert visit.errors == []
