"""An app that is used for long grows no larger: sessions come, ask, look at every page and go, and the base is rebuilt.

What the server takes (memory, open files, threads) is written to `tests/artifacts/soak-MINUTES.csv`.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median

import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import REPOSITORY, TEXTS
from tests.real_bases import build_small
from tests.ui.server import free_port, running
from tests.ui.visit import ARTIFACTS, DONE, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

QUESTIONS = ("How long is an account locked?", "Who approves leave?", "And for managers?")
PAGES = ("Compare", "Evaluate", "Knowledge bases", "Models", "Doctor")
GROWTH = 1.1
# Streamlit keeps a session that was left for two minutes, should it come back; files of a generation may be open until then.
SPARE_FILES, SPARE_THREADS = 30, 10


@dataclass(frozen=True)
class Sample:
    """What the server takes after so many seconds and rounds."""

    seconds: float
    rounds: int
    megabytes: float
    files: int
    threads: int


@dataclass(frozen=True)
class Soaked:
    """An app under way, its server, and what its base is built from."""

    address: str
    server: psutil.Process
    folder: Path
    embedder: Path

    def rebuild(self, number: int) -> None:
        """Write another generation, with a document that says something new."""
        build_small(
            self.folder, self.embedder, TEXTS | {"docs/changed.md": f"# Notes\n\nThe office has {number} desks."}
        )

    def sample(self, began: float, rounds: int) -> Sample:
        """Look at the server."""
        with self.server.oneshot():
            megabytes = self.server.memory_info().rss / 1e6
            files, threads = self.server.num_fds(), self.server.num_threads()
        return Sample(round(time.monotonic() - began, 1), rounds, round(megabytes, 1), files, threads)


@pytest.fixture
def soaked(tmp_path: Path, tiny_embedder: Path) -> Iterator[Soaked]:
    """An app over a small base."""
    indexes = build_small(tmp_path, tiny_embedder)
    port = free_port()
    environment = {"RAG_APP_GENERATOR": "quote", "PYTHONPATH": str(REPOSITORY)}
    command = ("rag_app", "serve", "--port", str(port), "--indexes", str(indexes))
    with running(command, port, environment, tmp_path) as address:
        (server,) = [child for child in psutil.Process().children() if str(port) in child.cmdline()]
        yield Soaked(address, server, tmp_path, tiny_embedder)


def use(browser: Browser, address: str) -> list[str]:
    """Be a session: ask, open a source, look at every page, close the tab. Return what went wrong in the browser."""
    visit = Visit(browser, address)
    for question in QUESTIONS:
        visit.ask(question)
    visit.page.locator(".rag-source summary").last.click()
    for name in PAGES:
        visit.page.get_by_role("link", name=name, exact=True).first.click()
        expect(visit.page).to_have_title(f"{name} - rag-app")
        visit.page.wait_for_selector(DONE)
    problems = visit.page.get_by_text("Problem", exact=True).count()
    visit.context.close()
    return visit.errors + visit.requested + ["a problem is shown"] * problems


def write(samples: list[Sample], minutes: float) -> None:
    """Keep the samples as a table."""
    ARTIFACTS.mkdir(exist_ok=True)
    with (ARTIFACTS / f"soak-{minutes:g}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([field.name for field in fields(Sample)])
        table.writerows(map(astuple, samples))


@pytest.mark.parametrize("minutes", [1, pytest.param(60, marks=pytest.mark.matrix)])
def test_hours_of_use_leave_nothing_behind(browser: Browser, soaked: Soaked, minutes: float) -> None:
    """The last quarter of the time takes no more than the second one: the first is for what is loaded once."""
    began = time.monotonic()
    samples: list[Sample] = []
    while time.monotonic() - began < minutes * 60 or len(samples) < 6:
        assert use(browser, soaked.address) == []
        if len(samples) % 3 == 0:
            soaked.rebuild(len(samples))
        samples.append(soaked.sample(began, len(samples) + 1))
        write(samples, minutes)
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    assert median(one.megabytes for one in late) <= GROWTH * median(one.megabytes for one in early), samples
    assert median(one.files for one in late) <= median(one.files for one in early) + SPARE_FILES, samples
    assert median(one.threads for one in late) <= median(one.threads for one in early) + SPARE_THREADS, samples
