"""Takes the pictures of the README: an answer with its source open, and a comparison, in the app over the sample base.

    make demo SERVE=0
    python benchmarks/screenshots.py

The app is started as a user starts it, with the bundled embedding model and answers that are quoted, and looked at in headless
Chromium. The pictures go to docs/images/, with as many colours as keep each below 300 kB.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from served_app import REPOSITORY, served_app

IMAGES = REPOSITORY / "docs" / "images"
HANDBOOK = REPOSITORY / "samples" / "helpdesk" / "handbook"
QUESTION = "How long is an account locked after 5 failed sign-ins in a row?"
LARGEST = 300_000  # bytes of a picture
WIDTH, HEIGHT = 1280, 960
WAIT = 180_000  # milliseconds: models are loaded, on two busy processors too
DONE = '[data-test-script-state="notRunning"]'


def main() -> None:
    """Take both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--indexes", type=Path, help="An index root with the base `sample`; else it is built for the pictures."
    )
    parser.add_argument("--only", choices=["answer", "comparison"], help="One of the two.")
    arguments = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        indexes = (arguments.indexes or _sample(Path(folder))).absolute()
        with served_app(indexes, Path(folder)) as app, sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            for name, take in (("answer", _take_answer), ("comparison", _take_comparison)):
                if arguments.only in (None, name):
                    take(page, app.address)
                    _keep(name, page.screenshot())
            browser.close()


def _sample(folder: Path) -> Path:
    indexes = folder / "indexes"
    command = (
        "ingest",
        str(HANDBOOK),
        "--kb",
        "sample",
        "--embed-model",
        "bundled",
        "--offline",
        "--indexes",
        str(indexes),
    )
    subprocess.run([sys.executable, "-m", *command], cwd=REPOSITORY, check=True)
    return indexes


def _ask(page: Page, card: str) -> None:
    """Ask, and wait until the passages are there, in cards of this class, and all is written."""
    area = page.locator('[data-testid="stChatInputTextArea"]')
    area.wait_for(timeout=WAIT)
    page.wait_for_selector(DONE, timeout=WAIT)
    area.fill(QUESTION)
    area.press("Enter")
    page.locator(card).first.wait_for(timeout=WAIT)
    page.wait_for_timeout(1500)
    page.wait_for_selector(DONE, timeout=WAIT)


def _take_answer(page: Page, address: str) -> None:
    page.goto(address)
    _ask(page, ".rag-source")
    page.locator(".rag-source summary").first.click()
    page.wait_for_timeout(800)
    page.locator('[data-testid="stChatMessage"]').first.scroll_into_view_if_needed()
    page.wait_for_timeout(500)


def _take_comparison(page: Page, address: str) -> None:
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT + 560})  # the passages lie below both answers
    page.goto(f"{address}/compare")
    _ask(page, ".side-card")
    page.locator("h1").first.scroll_into_view_if_needed()
    page.wait_for_timeout(800)


def _keep(name: str, png: bytes) -> None:
    """Write a picture, with fewer colours where it would be too large."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        buffer = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= LARGEST:
            break
    path = IMAGES / f"{name}.png"
    path.write_bytes(buffer.getvalue())
    print(f"{path.relative_to(REPOSITORY)}: {buffer.tell() / 1000:.0f} kB, {picture.width} x {picture.height}")


if __name__ == "__main__":
    main()
