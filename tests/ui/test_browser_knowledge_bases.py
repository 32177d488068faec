"""The page of the knowledge bases in headless Chromium: a real server, real builds, tiny models."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from tests.conftest import REPOSITORY
from tests.test_page_pictures import pdf
from tests.ui.server import free_port, running
from tests.ui.visit import DONE, LOOKS, Visit, require_chromium

require_chromium()
pytestmark = pytest.mark.browser

# A program that is building for as long as nobody says a line to it.
HOLD_LOCK = """
import sys
from pathlib import Path
from rag_app.store.writer import writer_lock

with writer_lock(Path(sys.argv[1])):
    sys.stdin.readline()
"""
LOCKED, BACKUP = "An account is locked for 30 minutes.", "A backup is made every night."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def address(folder: Path, tiny_embedder: Path, page_generator: Path) -> Iterator[str]:
    """The address of a running app without any knowledge base."""
    port = free_port()
    environment = {
        "RAG_APP_GENERATOR": str(page_generator),
        "RAG_APP_EMBED_MODEL": str(tiny_embedder),
        "RAG_APP_ANSWERING__MAX_NEW_TOKENS": "20",
        "RAG_APP_OFFLINE": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONPATH": str(REPOSITORY),
        "IS_TESTING": "1",
    }
    command = ("rag_app", "serve", "--port", str(port), "--indexes", str(folder / "indexes"))
    with running(command, port, environment, folder) as url:
        yield url


@pytest.fixture
def base(folder: Path, tiny_embedder: Path, request: pytest.FixtureRequest) -> str:
    """The name of a knowledge base of this test, built from two files."""
    name = request.node.name.split("[")[0].replace("test_", "")[:40]
    documents = folder / name
    documents.mkdir(exist_ok=True)
    (documents / "locked.pdf").write_bytes(pdf(LOCKED, BACKUP))
    (documents / "notes.md").write_text("# Notes\n\nThe printer is in room 7.", encoding="utf-8")
    settings = load_settings(indexes=folder / "indexes", offline=True)
    build(BuildRequest(name, (documents,), (str(tiny_embedder),)), settings, lambda _: None)
    return name


def visit_page(browser: Browser, address: str, base: str = "", **looks) -> Visit:
    query = f"?base={base}" if base else ""
    return Visit(browser, f"{address}/knowledge_bases{query}", ready='[data-testid="stMain"] h1', **looks)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=False)


def name_of(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Name")


def complaints(visit: Visit) -> list[str]:
    """Return what the browser complained of, but for Streamlit's own looking for its server below the page's address."""
    return [error for error in visit.errors if "404 (Not Found)" not in error]


def open_creation(page: Page) -> None:
    """Have the form for a new base on the screen: where there are bases already, it comes with a click."""
    new = button(page, "New knowledge base")
    expect(new.or_(page.locator('input[type="file"]')).first).to_be_attached()
    if new.count():
        new.click()


def choose_document(page: Page, path: str) -> None:
    page.get_by_role("combobox", name="Look at a document").click()
    page.get_by_role("option", name=path).click()


def test_five_clicks_lead_from_an_empty_app_to_an_answer_over_an_own_pdf(
    browser: Browser, address: str, folder: Path
) -> None:
    file = folder / "Staff handbook.pdf"
    file.write_bytes(pdf(LOCKED, BACKUP))
    visit = Visit(browser, address, ready='[data-testid="stMain"] h1')
    page = visit.page
    page.get_by_role("link", name="Knowledge bases").first.click()  # 1
    with page.expect_file_chooser() as chooser:
        page.get_by_test_id("stFileUploaderDropzone").locator("button").click()  # 2
    chooser.value.set_files(file)  # 3: in the browser's own dialog
    expect(name_of(page)).to_have_value("Staff-handbook")
    button(page, "Build").click()  # 4
    expect(page.get_by_text("At work")).to_be_visible()
    expect(button(page, "Cancel")).to_be_visible()
    page.reload()  # closing the tab harms nothing, and the work is still seen
    expect(page.get_by_text("It holds 1 document")).to_be_visible()
    button(page, "Ask it").last.click()  # 5
    area = page.locator('[data-testid="stChatInputTextArea"]')
    area.fill("How long is an account locked?")
    area.press("Enter")
    expect(page.get_by_text("Staff handbook.pdf").first).to_be_visible()
    assert visit.requested == []


def test_asking_from_here_asks_this_base(browser: Browser, address: str, base: str, folder: Path) -> None:
    visit = visit_page(browser, address, base)
    button(visit.page, "Ask it").click()
    expect(visit.page.get_by_text(f"{base}: 2 documents")).to_be_visible()


def test_a_build_is_cancelled_at_once_and_leaves_nothing(browser: Browser, address: str, folder: Path) -> None:
    visit = visit_page(browser, address)
    page = visit.page
    open_creation(page)
    texts = [
        "".join(f"Rule {rule} of {file}. " for rule in range(5_000)) for file in range(50)
    ]  # no two passages alike
    page.locator('input[type="file"]').set_input_files(
        [
            {"name": f"{number}.md", "mimeType": "text/markdown", "buffer": text.encode()}
            for number, text in enumerate(texts)
        ]
    )
    expect(name_of(page)).to_have_value("0")
    name_of(page).fill("cancelled")
    button(page, "Build").click()
    button(page, "Cancel").click()
    expect(page.get_by_text("'cancelled' was not built")).to_be_visible()
    assert not (folder / "indexes" / "cancelled").exists()


def test_a_passage_is_seen_on_its_page_and_the_document_deleted(
    browser: Browser, address: str, base: str, folder: Path
) -> None:
    visit = visit_page(browser, address, base)
    page = visit.page
    choose_document(page, "locked.pdf")
    picture = page.locator('[data-testid="stImage"] img')
    expect(picture).to_be_visible()
    assert "locked.pdf" in (picture.get_attribute("alt") or "")
    expect(page.get_by_text(LOCKED)).to_be_visible()
    picture.scroll_into_view_if_needed()
    visit.screenshot("knowledge-base-passage")
    button(page, "Delete this document").click()
    button(page, "Delete it for good").click()
    expect(page.get_by_text("The document is deleted for good")).to_be_visible()
    expect(page.get_by_text("0 traces found")).to_be_visible()
    button(page, "Close this").click()
    page.get_by_role("combobox", name="Look at a document").click()
    expect(page.get_by_role("option")).to_have_count(1)
    assert visit.requested == []
    assert complaints(visit) == []


def test_a_rebuild_in_a_terminal_is_seen_on_the_open_page(
    browser: Browser, address: str, base: str, folder: Path
) -> None:
    visit = visit_page(browser, address, base)
    page = visit.page
    expect(page.get_by_text("2 documents").first).to_be_visible()
    (folder / base / "third.md").write_text("# Third\n\nThe lift is out of order.", encoding="utf-8")
    holding = [sys.executable, "-c", HOLD_LOCK, str(folder / "indexes" / base)]
    with subprocess.Popen(holding, cwd=REPOSITORY, stdin=subprocess.PIPE, text=True) as holder:
        expect(page.get_by_text("Another program is building")).to_be_visible()
        holder.communicate("\n")
    assert holder.returncode == 0
    command = ["-m", "ingest", "--kb", base, "--offline", "--indexes", str(folder / "indexes")]
    subprocess.run([sys.executable, *command], cwd=REPOSITORY, stderr=subprocess.DEVNULL, check=True)
    expect(page.get_by_text("3 documents").first).to_be_visible()
    expect(page.get_by_text("Another program is building")).to_have_count(0)


@pytest.mark.matrix
def test_a_folder_is_uploaded_with_its_shape_and_hostile_names_are_text(
    browser: Browser, address: str, folder: Path
) -> None:
    book = folder / "book"
    (book / "deep").mkdir(parents=True)
    hostile = "<img src=x onerror=alert(1)> ![a](http:127.0.0.1:9) $x^2$ :red[b].md"
    (book / "deep" / hostile).write_text("Rule one.", encoding="utf-8")
    (book / "a.md").write_text("Rule two.", encoding="utf-8")
    visit = visit_page(browser, address)
    page = visit.page
    open_creation(page)
    page.get_by_text("A folder", exact=True).click()
    page.locator('input[type="file"][webkitdirectory]').set_input_files(book)
    expect(name_of(page)).to_have_value("book")
    button(page, "Build").click()
    expect(page.get_by_text("It holds 2 documents")).to_be_visible()
    choose_document(page, f"book/deep/{hostile}")
    expect(page.get_by_text("Rule one.")).to_be_visible()
    button(page, "Delete this document").click()
    expect(page.get_by_text(f"Delete book/deep/{hostile} from this knowledge base")).to_be_visible()
    assert page.locator('[data-testid="stMain"] :is(img, script, iframe)').count() == 0
    assert visit.requested == []
    assert complaints(visit) == []


@pytest.mark.parametrize(
    ("language", "look"),
    [
        ("en", LOOKS[0]),
        pytest.param("zh", LOOKS[1], marks=pytest.mark.matrix),
        pytest.param("en", LOOKS[2], marks=pytest.mark.matrix),
        ("zh", LOOKS[3]),
    ],
)
def test_the_page_in_its_looks(
    browser: Browser, address: str, base: str, language: str, look: tuple[bool, int]
) -> None:
    dark, width = look
    visit = visit_page(browser, address, f"{base}&lang={language}", dark=dark, width=width)
    visit.page.wait_for_selector(DONE)
    expect(visit.page.get_by_text(base).first).to_be_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    visit.screenshot(f"knowledge-bases-{language}-{'dark' if dark else 'light'}-{width}")
