"""A browser for the tests of the pages that need a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    from tests.ui.visit import CHROMIUM, FLAGS

    assert CHROMIUM, "Chromium is required (RAG_APP_REQUIRE_BROWSER) and not installed"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def page_generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random generator whose window holds a prompt: each letter is a token of its."""
    from tests.checkpoints import make_llama_generator

    return make_llama_generator(tmp_path_factory.mktemp("page"), window=1024)
