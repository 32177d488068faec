"""The report of a comparison in headless Chromium, from a file. Screenshots go to tests/artifacts/."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from rag_app.evaluation.comparison import Comparison
from rag_app.evaluation.reporting.report import write_report
from rag_app.text import printable
from tests.comparisons import made_comparison
from tests.hostile_comparison import PAYLOADS, hostile_comparison
from tests.ui.visit import ARTIFACTS, SOME_LOOKS, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

# What is broken by a request, a dialog, a complaint of the browser, or a message of the policy that something was refused.
_WATCHED = ("console", "pageerror", "dialog", "popup", "download")


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return made_comparison(240)


@pytest.fixture(scope="module")
def report(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(comparison, path)
    return path


@contextmanager
def opened(
    browser: Browser, report: Path, *, dark: bool = False, width: int = 1440, script: bool = True
) -> Iterator[Page]:
    """Give the report in a window. At the end nothing but the file was asked for, and nothing happened that was not wanted."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", java_script_enabled=script
    )
    page = context.new_page()
    requested: list[str] = []
    happened: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    for event in _WATCHED:
        page.on(event, lambda what, event=event: happened.append(f"{event}: {getattr(what, 'text', what)}"))
    page.goto(report.as_uri())
    yield page
    page.wait_for_timeout(100)
    assert [url for url in requested if url != "data:,"] == [report.as_uri()]
    assert happened == []
    context.close()


@pytest.mark.parametrize(("dark", "width"), SOME_LOOKS)
def test_it_fits_the_window_in_every_look(browser: Browser, report: Path, dark: bool, width: int) -> None:
    with opened(browser, report, dark=dark, width=width) as page:
        first = page.locator("#list > details").first
        first.locator("summary").first.click()
        expect(first.locator(".side")).to_have_count(2)
        for closed in page.locator("details:not([open]) > summary").all()[:12]:
            closed.click()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
        colours = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (colours == "rgb(255, 255, 255)") is not dark
        ARTIFACTS.mkdir(exist_ok=True)
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=ARTIFACTS / f"report-{'dark' if dark else 'light'}-{width}.png")
        page.locator("#questions").scroll_into_view_if_needed()
        page.screenshot(path=ARTIFACTS / f"report-questions-{'dark' if dark else 'light'}-{width}.png")


def test_wins_and_losses_follow_the_choice(browser: Browser, report: Path, comparison: Comparison) -> None:
    first, second = comparison.systems[0], comparison.systems[3]
    values = [
        (one.values["hit@1"], other.values["hit@1"]) for one, other in zip(first.outcomes, second.outcomes, strict=True)
    ]
    wins = sum(other == 1 and one == 0 for one, other in values)
    losses = sum(other == 0 and one == 1 for one, other in values)
    with opened(browser, report) as page:
        page.get_by_label("first system").select_option("1 keyword")
        page.get_by_label("second system").select_option(f"4 {second.name}")
        page.get_by_label("metric", exact=True).select_option("hit@1")
        page.get_by_label("questions shown").select_option("b")
        expect(page.locator("#list > details")).to_have_count(min(wins, 50))
        expect(page.get_by_label("questions shown").locator("option").nth(1)).to_have_text(
            f"where the first is better ({losses})"
        )
        expect(page.locator("#summary")).to_contain_text(
            f"1 keyword is better in {losses} questions, 4 {second.name} in {wins},"
        )
        question = next(number for number, pair in enumerate(values) if pair == (0, 1))
        shown = page.locator("#list > details").first
        expect(shown).to_contain_text(comparison.questions[question].text)
        expect(shown).to_contain_text("▼ 0.000 against 1.000")
        shown.locator("summary").first.click()
        left, right = shown.locator(".side").all()
        expect(left).to_contain_text("No answer was asked for.")
        expect(right.locator(".passage.right")).to_have_count(1)
        expect(right.locator(".passage.right mark")).to_have_text(comparison.questions[question].answers[0])
        expect(right.locator(".cite").first).to_have_text("[1]")


def test_failures_refusals_and_unsupported_sentences_are_shown(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        page.get_by_label("questions shown").select_option("failed")
        failed = page.locator("#list > details")
        expect(failed).to_have_count(1)
        failed.locator("summary").first.click()
        expect(failed).to_contain_text("Failed: The model was killed: out of memory.")
        expect(failed).to_contain_text("No document answers this.")
        page.get_by_label("questions shown").select_option("differ")
        page.locator("#list > details > summary").first.click()
        expect(page.locator("#list .unsupported").first).to_have_text("It has been so since 1999.")
        expect(page.locator("#list").get_by_text("Underlined: no passage supports it.").first).to_be_visible()
        cut = "The answer ends here: it reached its longest, or the model repeated itself."
        expect(page.locator("#list").get_by_text(cut).first).to_be_visible()
        page.get_by_label("questions shown").select_option("all")
        page.get_by_label("containing").fill("claim 28?")
        expect(page.locator("#list > details")).to_have_count(1)
        page.locator("#list > details > summary").first.click()
        expect(page.locator("#list").get_by_text("The documents do not answer this.").first).to_be_visible()


def test_long_lists_come_in_parts(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        page.get_by_label("questions shown").select_option("all")
        for count in (50, 100, 150, 200):
            expect(page.locator("#list > details")).to_have_count(count)
            page.get_by_role("button", name="Show more").click()
        expect(page.locator("#list > details")).to_have_count(240)
        expect(page.get_by_role("button", name="Show more")).to_be_hidden()


def test_the_keyboard_reaches_everything(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        reached = []
        for _ in range(80):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
            if page.evaluate("document.activeElement.closest('#list') !== null"):
                break
        assert {"A", "DIV", "SUMMARY", "choose-a", "choose-b", "choose-metric", "choose-show", "choose-text"} <= set(
            reached
        )
        page.keyboard.press("Enter")
        expect(page.locator("#list > details[open] .side")).to_have_count(2)
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_everything_that_is_seen_has_a_name(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        for chart in page.locator("svg:not([aria-hidden=true])").all():
            assert chart.get_attribute("role") == "img"
            assert chart.get_attribute("aria-label")
        for box in page.locator("select, input").all():
            assert box.evaluate("one => one.labels.length") == 1
        assert page.locator("[id]").evaluate_all("all => new Set(all.map(one => one.id)).size === all.length")


def test_nothing_compared_becomes_a_part_of_the_page(browser: Browser, tmp_path: Path) -> None:
    comparison = hostile_comparison()
    path = tmp_path / "hostile.html"
    write_report(comparison, path)
    with opened(browser, path, width=390) as page:
        allowed = page.evaluate("[document.scripts.length, document.styleSheets.length, document.forms.length]")
        assert allowed == [2, 1, 0]
        page.get_by_label("questions shown").select_option("all")
        for number in range(len(comparison.questions)):
            page.locator("#list > details > summary").nth(number).click()
        expect(page.locator("#list > details[open] .side")).to_have_count(2 * len(comparison.questions))
        text = page.locator("#list").evaluate("one => one.textContent")
        for payload in PAYLOADS:
            assert printable(payload) in text
        foreign = "img, iframe, object, embed, video, form, base, math, template, svg, a, style, script, h1"
        assert page.locator("#list").locator(foreign).count() == 0
        assert page.title() == f"Comparison: {PAYLOADS[1]}"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"


def test_without_scripts_all_but_the_questions_is_there(browser: Browser, report: Path) -> None:
    with opened(browser, report, script=False) as page:
        expect(page.locator("noscript p")).to_be_visible()
        expect(page.locator("#controls")).to_be_hidden()
        expect(page.locator("#quality table")).to_be_visible()
        expect(page.locator("#cost svg.plot").first).to_be_visible()
