"""Compare and Evaluate in headless Chromium: a real server, tiny models. Screenshots go to tests/artifacts/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from tests.checkpoints import make_bert_embedder
from tests.conftest import REPOSITORY, TEXTS
from tests.ui.server import free_port, running
from tests.ui.visit import DONE, INPUT, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

PAYLOAD = (
    "# Hostile <img src=http://127.0.0.1:9/t onerror=alert(1)>\n\nThe payload says ![x](http://127.0.0.1:9/a) and "
    "<script>document.title='owned'</script> and $\\frac{1}{2}$ and :material/error: and <svg onload=alert(2)>."
)
BADGES = "# Badges\n\nA badge is blocked for 20 minutes after 3 failed attempts.\n\nA backup is kept for 90 days."
WAIT = 60_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Iterator[str]:
    """The address of an app over a base with two embedding models, one document of which is hostile."""
    folder = tmp_path_factory.mktemp("browser compare")
    second = make_bert_embedder(folder / "second", seed=1)
    for name, text in (TEXTS | {"docs/hostile.md": PAYLOAD, "docs/badges.md": BADGES}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    settings = load_settings(indexes=folder / "indexes", offline=True)
    build(BuildRequest("small", (folder / "docs",), (str(tiny_embedder), str(second))), settings, lambda _: None)
    port = free_port()
    environment = {"PYTHONPATH": str(REPOSITORY), "IS_TESTING": "1", "RAG_APP_OFFLINE": "1"}
    command = ("rag_app", "serve", "--port", str(port), "--indexes", str(settings.indexes))
    with running(command, port, environment, folder) as url:
        yield url


def ask(page: Page, question: str, until: str) -> None:
    """Ask, and wait until what is named is there and the script has ended."""
    area = page.locator(INPUT)
    area.fill(question)
    area.press("Enter")
    expect(page.locator("h2.side-question")).to_have_text(question, timeout=WAIT)
    page.wait_for_selector(until, timeout=WAIT)
    page.wait_for_selector(DONE, timeout=WAIT)


@pytest.mark.parametrize(("dark", "width"), [(False, 1440), (True, 390)])
def test_two_models_answer_side_by_side(browser: Browser, address: str, dark: bool, width: int) -> None:
    visit = Visit(browser, f"{address}/compare", dark=dark, width=width)
    page = visit.page
    ask(page, "What does the payload say?", ".side-card")
    names = page.locator("h3.side-name")
    expect(names).to_have_count(2)
    first, second = (one.bounding_box() for one in names.all())
    assert first is not None
    assert second is not None
    is_beside = abs(first["y"] - second["y"]) < 5 and second["x"] > first["x"] + 100
    assert is_beside == (width > 1000), "side by side on a wide screen, one below the other on a narrow one"
    expect(page.get_by_text("overlap@").first).to_be_visible()
    card = page.locator(".side-card", has_text="hostile.md").first
    card.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(card).to_contain_text("<script>document.title='owned'</script>")
    assert page.locator(":is(.side-card, .rag-text, .side-question) :is(img, script, svg, a, iframe)").count() == 0
    assert page.title() == "Compare - rag-app"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    visit.screenshot(f"compare-{'dark' if dark else 'light'}-{width}")
    assert visit.requested == []


def test_a_blind_vote_reveals_the_names_and_is_counted(browser: Browser, address: str) -> None:
    visit = Visit(browser, f"{address}/compare")
    page = visit.page
    page.get_by_text("Hide the names until I have voted").click()
    ask(page, "How long is a badge blocked?", 'button:has-text("A is better")')
    assert page.locator("h3.side-name").all_text_contents() == ["A", "B"]
    assert page.get_by_text("percentile").count() == 0
    visit.screenshot("compare-blind")
    page.get_by_role("button", name="Neither is good").click()
    expect(page.get_by_text("Thank you. A was ")).to_be_visible(timeout=WAIT)
    expect(page.locator("h3.side-name", has_text=re.compile("^[AB]$"))).to_have_count(0)
    expect(page.locator("h3.side-name")).to_have_count(2)


def test_drafted_questions_are_evaluated_and_the_report_taken_away(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    visit = Visit(browser, f"{address}/evaluate", ready="h1")
    page = visit.page
    page.get_by_role("button", name="Draft questions").click()
    page.get_by_role("button", name="Save the question set").click(timeout=WAIT)
    page.get_by_role("button", name="Run the evaluation").click(timeout=WAIT)
    page.get_by_role("button", name="Read the verdicts").click(timeout=5 * WAIT)  # models are loaded meanwhile
    expect(page.locator(".verdict-lead").first).to_contain_text("By ndcg@10", timeout=WAIT)
    assert "run=" in page.url
    with page.expect_download(timeout=WAIT) as download:
        page.get_by_role("button", name="Download the report (HTML)").click()
    download.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in report
    assert "What it comes to" in report
    page.reload()
    expect(page.locator(".verdict-lead").first).to_contain_text("By ndcg@10", timeout=WAIT)
    expect(page.locator(".stVegaLiteChart, [data-testid=stVegaLiteChart]").first).to_be_visible(timeout=WAIT)
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    page.set_viewport_size({"width": 1440, "height": 3000})
    page.wait_for_timeout(500)
    visit.screenshot("evaluate-result")
    assert visit.requested == []
