"""Whatever is in documents and file names stays text, in a real browser: no request, no element, no script (B54 to B56)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import REPOSITORY
from tests.real_bases import build_small
from tests.ui.payloads import ACTED, NAMES, TEXTS
from tests.ui.server import free_port, running
from tests.ui.visit import DONE, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

PAGES = ("Compare", "Evaluate", "Knowledge bases", "Models", "Doctor")


def documents() -> dict[str, str]:
    """Return a document for each payload in a text, and for each in a file's name; and two that are merely enormous."""
    texts = enumerate(TEXTS.items())
    found = {f"docs/text-{number}.md": f"The payload {name} says {text} here." for number, (name, text) in texts}
    found |= {f"docs/{name}.md": f"The payload in the name {kind} is here." for kind, name in NAMES.items()}
    found["docs/long-line.txt"] = "The payload line is long. " * 40_000
    found["docs/wide.csv"] = "payload,".join(f"c{number}," for number in range(5_000)) + "end"
    return found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Iterator[str]:
    """The address of a running app over a base of payloads."""
    folder = tmp_path_factory.mktemp("payloads")
    indexes = build_small(folder, tiny_embedder, documents())
    port = free_port()
    environment = {
        "RAG_APP_GENERATOR": "quote",
        "RAG_APP_RETRIEVAL__TOP_K": "60",
        "RAG_APP_RETRIEVAL__PER_DOCUMENT": "1",
        "RAG_APP_ANSWERING__FALSE_ALARM_RATE": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = ("rag_app", "serve", "--port", str(port), "--indexes", str(indexes))
    with running(command, port, environment, folder) as url:
        yield url


def test_there_are_payloads_enough() -> None:
    assert len(TEXTS) >= 30
    assert len(documents()) == len(TEXTS) + len(NAMES) + 2


def test_a_payload_that_acts_is_seen(browser: Browser) -> None:
    """The check itself: in a page that takes them for markup, most of them leave something."""
    page = browser.new_page()
    page.route("**/*", lambda route: route.abort())
    acted = 0
    for name, text in TEXTS.items():
        if name == "refresh":  # it would lead away from the page that is looked at
            continue
        page.set_content(f"<div>{text}</div>")
        acted += bool(page.evaluate(ACTED))
    page.close()
    assert acted >= 15


def test_no_payload_acts_on_any_page(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    visit.ask(
        "What does the payload say here? ![q](http://127.0.0.1:9/q) <img src=x onerror=window.owned=1> :red[REDMARK]"
    )
    page = visit.page
    shown = page.locator("body").inner_text()
    seen = [number for number in range(len(TEXTS)) if f"text-{number}.md" in shown]
    assert len(seen) >= 25, "the passages with the payloads are not on the page"
    for summary in page.locator(".rag-source summary").all():
        summary.evaluate("summary => { summary.parentElement.open = true }")
    assert page.evaluate(ACTED) == []
    visit.screenshot("payloads")
    for name in PAGES:
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page).to_have_title(f"{name} - rag-app")
        page.wait_for_selector("h1")
        page.wait_for_selector(DONE)
        assert page.evaluate(ACTED) == [], name
    assert visit.requested == []
    assert visit.errors == []
