"""Compare and Evaluate in headless Chromium: a real server, tiny models. Screenshots go to tests/artifacts/."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from rag_app.store.records.question_sets import question_sets
from tests.checkpoints import make_bert_embedder
from tests.conftest import REPOSITORY, TEXTS
from tests.ui.server import free_port, running
from tests.ui.visit import DONE, INPUT, WAIT, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

PAYLOAD = (
    "# Hostile <img src=http://127.0.0.1:9/t onerror=alert(1)>\n\nThe payload says ![x](http://127.0.0.1:9/a) and "
    "<script>document.title='owned'</script> and $\\frac{1}{2}$ and :material/error: and <svg onload=alert(2)>."
)
BADGES = "# Badges\n\nA badge is blocked for 20 minutes after 3 failed attempts.\n\nA backup is kept for 90 days."


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Path:
    """An index root with a base that has two embedding models, and one document of which is hostile."""
    folder = tmp_path_factory.mktemp("browser compare")
    second = make_bert_embedder(folder / "second", seed=1)
    for name, text in (TEXTS | {"docs/hostile.md": PAYLOAD, "docs/badges.md": BADGES}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    settings = load_settings(indexes=folder / "indexes", offline=True)
    build(BuildRequest("small", (folder / "docs",), (str(tiny_embedder), str(second))), settings, lambda _: None)
    return settings.indexes


@pytest.fixture(scope="module")
def address(indexes: Path) -> Iterator[str]:
    """The address of an app over it."""
    port = free_port()
    environment = {"PYTHONPATH": str(REPOSITORY), "IS_TESTING": "1", "RAG_APP_OFFLINE": "1"}
    command = ("rag_app", "serve", "--port", str(port), "--indexes", str(indexes))
    with running(command, port, environment, indexes.parent) as url:
        yield url


def ask(page: Page, question: str, until: str) -> None:
    """Ask, and wait until what is named is there and the script has ended."""
    area = page.locator(INPUT)
    area.fill(question)
    area.press("Enter")
    expect(page.locator("h2.side-question")).to_have_text(question)
    page.wait_for_selector(until)
    page.wait_for_selector(DONE)


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
    expect(page.get_by_text("Thank you. A was ")).to_be_visible()
    expect(page.locator("h3.side-name", has_text=re.compile("^[AB]$"))).to_have_count(0)
    expect(page.locator("h3.side-name")).to_have_count(2)


def test_drafted_questions_are_evaluated_and_the_report_taken_away(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    visit = Visit(browser, f"{address}/evaluate", ready="h1")
    page = visit.page
    page.get_by_role("button", name="Draft questions").click()
    page.get_by_role("button", name="Save the question set").click()
    page.get_by_role("button", name="Run the evaluation").click()
    page.get_by_role("button", name="Read the verdicts").click(timeout=5 * WAIT)  # models are loaded meanwhile
    expect(page.locator(".verdict-lead").first).to_contain_text("By ndcg@10")
    assert "run=" in page.url
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report (HTML)").click()
    download.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in report
    assert "What it comes to" in report
    page.reload()
    expect(page.locator(".verdict-lead").first).to_contain_text("By ndcg@10")
    expect(page.locator(".stVegaLiteChart, [data-testid=stVegaLiteChart]").first).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")  # or it scrolls sideways
    page.set_viewport_size({"width": 1440, "height": 3000})
    page.wait_for_timeout(500)
    visit.screenshot("evaluate-result")
    assert visit.requested == []


def drafts_drawn(page: Page) -> None:
    """Wait until the drafts are there to be edited."""
    page.get_by_role("button", name="Save the question set").wait_for()
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    page.wait_for_selector(DONE)


def edit_question(page: Page, row: int, text: str) -> None:
    """Type another question into a row of the drafts: the table is a picture, its rows 35 pixels high."""
    box = page.locator("[data-testid=stDataFrame] canvas").first.bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + 200, box["y"] + 35 * (row + 1) + 17)
    cell = page.locator("textarea.gdg-input")
    cell.fill(text)
    cell.press("Enter")
    expect(cell).to_have_count(0)
    page.wait_for_timeout(1000)
    page.wait_for_selector(DONE)


def test_drafts_keep_their_edits_and_a_choice_its_meaning_in_another_language(
    browser: Browser, address: str, indexes: Path
) -> None:
    visit = Visit(browser, f"{address}/evaluate", ready="h1")
    page = visit.page
    page.set_viewport_size({"width": 1440, "height": 2000})  # a mouse reaches what is on the screen only
    page.get_by_text("Draft from my documents").click()
    page.get_by_role("button", name="Draft questions").click()
    drafts_drawn(page)
    edit_question(page, 0, "Is this the first?")
    edit_question(page, 1, "Is this the second?")
    page.get_by_role("link", name="Doctor").click()
    expect(page.get_by_role("heading", name="Doctor")).to_be_visible()
    page.get_by_role("link", name="Evaluate").click()
    drafts_drawn(page)
    edit_question(page, 2, "Is this the third?")
    visit.screenshot("evaluate-drafts")
    page.get_by_label("Name of the question set").fill("edited")
    page.get_by_label("Name of the question set").press("Enter")
    page.wait_for_timeout(1000)
    page.wait_for_selector(DONE)
    page.get_by_role("button", name="Save the question set").click()
    page.get_by_text("Look at the questions").wait_for()
    (file,) = [file for file in question_sets(indexes) if file.stem == "edited"]
    asked = [json.loads(line)["question"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert asked[:3] == ["Is this the first?", "Is this the second?", "Is this the third?"]

    page.get_by_role("combobox", name="Answers written by").click()
    page.get_by_role("option", name="Quotes from the passages").click()
    page.wait_for_selector(DONE)
    page.get_by_text("中文").click()
    writer = page.get_by_role("combobox", name="由谁写回答")
    expect(writer).to_have_value("摘录段落原句")
    page.get_by_text("更多设置").click()
    page.get_by_text("只用有答案的问题").click()
    page.wait_for_timeout(500)
    page.wait_for_selector(DONE)
    expect(writer).to_have_value("摘录段落原句")
