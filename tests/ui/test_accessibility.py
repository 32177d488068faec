"""axe-core finds nothing serious on any page, in both languages, light and dark (axe-playwright-python brings its script)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.conftest import REPOSITORY
from tests.real_bases import build_small
from tests.ui.server import free_port, running
from tests.ui.visit import DONE, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

# The pages by their icons, whose names are the same in every language.
PAGES = ("ask", "compare", "evaluate", "knowledge_bases", "models", "doctor")
LOOKS = [("en", False, 1440), ("zh", True, 390)]
SERIOUS = ("serious", "critical")
# What is drawn fades in, and is pale for a moment.
AT_REST = "document.getAnimations().every(one => one.playState !== 'running' || one.effect.getTiming().iterations === Infinity)"
LOOKS_AT_EACH = 3


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Iterator[str]:
    """The address of a running app over a small base."""
    folder = tmp_path_factory.mktemp("accessible")
    indexes = build_small(folder, tiny_embedder)
    port = free_port()
    environment = {"RAG_APP_GENERATOR": "quote", "PYTHONPATH": str(REPOSITORY)}
    command = ("rag_app", "serve", "--port", str(port), "--indexes", str(indexes))
    with running(command, port, environment, folder) as url:
        yield url


def serious(page) -> list[str]:
    """Return what axe finds of weight: the rule, how often, and the first element."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}, {len(rule['nodes'])}): {rule['nodes'][0]['html'][:160]}: "
        f"{' '.join(check['message'] for check in rule['nodes'][0]['any'])}"
        for rule in found
        if rule["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(("language", "dark", "width"), LOOKS)
def test_nothing_serious_is_found_on_any_page(
    browser: Browser, address: str, language: str, dark: bool, width: int
) -> None:
    visit = Visit(browser, f"{address}/?lang={language}", dark=dark, width=width)
    page = visit.page
    page.wait_for_selector(DONE)
    visit.ask("How long is an account locked?")
    found = {}
    for name in PAGES:
        if name != "ask":
            page.goto(f"{address}/{name}?lang={language}")
            page.wait_for_selector("h1")
            page.wait_for_selector(DONE)
        for _ in range(LOOKS_AT_EACH):  # something may be drawn while axe looks
            page.wait_for_function(AT_REST)
            if not (problems := serious(page)):
                break
            page.wait_for_timeout(500)
        else:
            found[name] = problems
    assert found == {}
