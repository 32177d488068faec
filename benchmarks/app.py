"""The app in a browser: how soon it is there, how soon passages are, what twenty sessions at once and ten swaps of models cost.

    python benchmarks/app.py [--source PATH] [--sessions 20] [--swaps 10] [--starts 5]

The app is started as a user starts it, with quoted answers, over a base with two embedding models (the bundled one and the
static one distilled from it), and looked at in headless Chromium. `--source` is what the base is built from; the sample
handbook if not given. First paint: a server that has answered nobody is asked for its page, until the title is on the screen;
and from its command on. Passages: from Enter to the first card, models loaded, as the browser sees it at each of its frames.
Sessions: each asks a question of its own, all at once; that its page shows its own question and
no other's is checked. Swaps: the embedding model is changed and a question asked, so many times; memory of the server is told
after the first two and after the last. Linux: the user data folder is a temporary one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from machine import machine
from playwright.sync_api import Browser, Page, sync_playwright
from served_app import REPOSITORY, ServedApp, served_app

HANDBOOK = REPOSITORY / "samples" / "helpdesk" / "handbook"
STATIC = "own/app"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
INPUT = '[data-testid="stChatInputTextArea"]'
DONE = '[data-test-script-state="notRunning"]'
WAIT = 180_000  # milliseconds
QUESTIONS = (
    "How long is an account locked after failed sign-ins?",
    "What does the VPN client need?",
    "How many days of leave are there?",
    "Who repairs a printer?",
    "How is a laptop encrypted?",
)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=HANDBOOK)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{machine()}\n\n| what | measured |\n| --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        os.environ["XDG_DATA_HOME"] = str(folder / "data")
        _run("rag_app", "models", "distil", "bundled", "--name", STATIC.removeprefix("own/"), "--offline")
        both = ("--embed-model", "bundled", "--embed-model", STATIC)
        built = _run(
            "ingest", str(arguments.source), "--kb", "app", *both, "--offline", "--indexes", str(folder / "indexes")
        )
        _row("base", next((line for line in built.splitlines() if "chunks;" in line), ""))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        _first_paint(browser, folder, arguments.starts)
        with served_app(folder / "indexes", folder) as app:
            _passages(browser, app)
            _sessions(browser, app, arguments.sessions)
            _swaps(browser, app, arguments.swaps)
        browser.close()


def _run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=REPOSITORY,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.stdout


def _row(what: str, measured: str) -> None:
    print(f"| {what} | {measured} |", flush=True)


def _first_paint(browser: Browser, folder: Path, starts: int) -> None:
    from_address, from_command = [], []
    for _ in range(starts):
        commanded = time.perf_counter()
        with served_app(folder / "indexes", folder) as app:
            page = browser.new_page()
            began = time.perf_counter()
            page.goto(app.address, wait_until="commit")
            page.wait_for_function("() => document.querySelector('h1')?.offsetHeight > 0", timeout=WAIT)
            from_address.append(time.perf_counter() - began)
            from_command.append(time.perf_counter() - commanded)
            page.close()
    listed = ", ".join(f"{one:.2f}" for one in sorted(from_address))
    _row(
        f"first paint, {starts} cold starts, seconds",
        f"median {median(from_address):.2f} ({listed}); from the command median {median(from_command):.2f}",
    )


def _opened(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(address)
    page.wait_for_selector(INPUT, timeout=WAIT)
    page.wait_for_selector(DONE, timeout=WAIT)
    return page


# Asked at each frame: what waits from outside looks ever more seldom, and adds up to a second.
_WATCH = """turns => {
  const began = performance.now();
  window.untilPassage = new Promise(seen => {
    const look = () => {
      const messages = document.querySelectorAll('[data-testid="stChatMessage"]');
      const card = messages[turns + 1]?.querySelector(".rag-source");
      if (card?.offsetHeight > 0) seen((performance.now() - began) / 1000);
      else requestAnimationFrame(look);
    };
    look();
  });
}"""


def _ask(page: Page, question: str) -> float:
    """Ask; return the seconds until the first card of the new turn, and wait until all is written."""
    turns = page.locator('[data-testid="stChatMessage"]')
    page.locator(INPUT).fill(question)
    page.evaluate(_WATCH, turns.count())
    page.locator(INPUT).press("Enter")
    seconds: float = page.evaluate("window.untilPassage")
    page.wait_for_timeout(300)
    page.wait_for_selector(DONE, timeout=WAIT)
    return seconds


def _passages(browser: Browser, app: ServedApp) -> None:
    page = _opened(browser, app.address)
    _ask(page, QUESTIONS[0])
    seconds = sorted(_ask(page, question) for question in QUESTIONS * 2)
    page.context.close()
    _row(
        f"Enter to the first passage, {len(seconds)} questions, seconds",
        f"median {median(seconds):.2f}, longest {seconds[-1]:.2f}",
    )


def _sessions(browser: Browser, app: ServedApp, count: int) -> None:
    pages = [_opened(browser, app.address) for _ in range(count)]
    began = time.perf_counter()
    for number, page in enumerate(pages):
        page.locator(INPUT).fill(f"{QUESTIONS[number % len(QUESTIONS)]} (desk {number})")
        page.locator(INPUT).press("Enter")
    mixed = failed = 0
    for number, page in enumerate(pages):
        page.locator('[data-testid="stChatMessage"] .rag-source').first.wait_for(timeout=WAIT)
        page.wait_for_selector(DONE, timeout=WAIT)
        shown = page.locator('[data-testid="stChatMessage"]').first.inner_text()
        desks = re.findall(r"\(desk (\d+)\)", shown)
        mixed += desks != [str(number)]
        failed += page.get_by_text("Problem", exact=True).count()
    seconds = time.perf_counter() - began
    _row(
        f"{count} sessions ask at once",
        f"all answered in {seconds:.1f} s, {failed} errors, {mixed} mixed up; {_megabytes(app.process):,.0f} MB",
    )
    for page in pages:
        page.context.close()


def _swaps(browser: Browser, app: ServedApp, count: int) -> None:
    page = _opened(browser, app.address)
    megabytes = []
    for number in range(count):
        page.get_by_role("combobox").nth(1).click()
        page.get_by_role("option").nth(1 - number % 2).click()
        page.wait_for_selector(DONE, timeout=WAIT)
        page.wait_for_timeout(500)
        page.wait_for_selector(DONE, timeout=WAIT)
        _ask(page, QUESTIONS[number % len(QUESTIONS)])
        megabytes.append(_megabytes(app.process))
    page.context.close()
    change = megabytes[-1] / megabytes[1] - 1
    _row(
        f"{count} swaps of the embedding model, memory",
        f"{megabytes[1]:,.0f} MB after two, {megabytes[-1]:,.0f} MB at the end ({change:+.1%})",
    )


def _megabytes(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1000


if __name__ == "__main__":
    main()
