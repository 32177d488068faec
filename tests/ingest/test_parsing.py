"""Parsing: many files at once, outcomes in order, unchanged documents taken over, scanned pages read where they can be."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.parsing import ParsedDocument, TakenOver, parse
from ingest.parsing_plan import ParsingPlan, plan_parsing
from ingest.sources import discover, resolve_sources
from rag_app.config import Settings, load_settings
from rag_app.datatypes import DocumentReport, FileStatus
from rag_app.errors import SandboxError
from rag_app.sandbox import SandboxPool
from tests.conftest import TEXTS, SmallBase
from tests.ingest import bad_files as bad

# Read before the tests' own fixture takes RAG_APP_* out of the environment.
REQUIRE_OCR = os.environ.get("RAG_APP_REQUIRE_OCR") == "1"


def plan(**settings: object) -> ParsingPlan:
    loaded: Settings = load_settings(**settings)
    return plan_parsing(loaded, loaded.chunking)


def parsed(folder: Path, **settings: object) -> list[ParsedDocument | TakenOver | DocumentReport]:
    entries = list(discover(resolve_sources([folder], [], replace=False), max_bytes=25_000_000))
    return list(parse(entries, plan(**settings), None, lambda path: None))


def reports(folder: Path, **settings: object) -> dict[str, DocumentReport]:
    outcomes = parsed(folder, **settings)
    return {
        report.path: report
        for report in (item.report if isinstance(item, ParsedDocument) else item for item in outcomes)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    made.mkdir()
    return made


def test_outcomes_come_in_the_order_of_the_files_however_long_each_takes(folder: Path) -> None:
    for number in range(60):
        size = 4000 if number % 7 == 0 else 1
        (folder / f"{number:02}.md").write_text(f"# Number {number}\n\n" + "Some words that are cut.\n\n" * size)
    paths = [item.document.path for item in parsed(folder) if isinstance(item, ParsedDocument)]
    assert paths == [f"docs/{number:02}.md" for number in range(60)]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_number_of_children_changes_nothing(folder: Path, workers: int) -> None:
    for number in range(12):
        (folder / f"{number:02}.md").write_text(f"# Number {number}\n\n" + f"Sentence {number} of some words. " * 60)
    assert parsed(folder, sandbox={"workers": workers}) == parsed(folder)


def test_one_file_that_hangs_its_reader_costs_its_time_and_nothing_else(folder: Path) -> None:
    (folder / "a.md").write_text("Before.")
    (folder / "b.pdf").write_bytes(bad.deflated_bomb(400))
    (folder / "c.md").write_text("After.")
    started = time.monotonic()
    found = reports(folder, sandbox={"seconds": 3, "cpu_seconds": 2, "memory_megabytes": 600, "workers": 1})
    assert time.monotonic() - started < 60
    assert [found[f"docs/{name}"].status for name in ("a.md", "c.md")] == [FileStatus.INDEXED] * 2
    assert found["docs/b.pdf"].status is FileStatus.FAILED
    assert found["docs/b.pdf"].remedy


def test_a_file_whose_reader_crashes_is_worth_a_second_try(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(pool: SandboxPool, calls: Sequence[object]) -> list[Exception]:
        return [SandboxError("The process that read it broke off.") for _ in calls]

    monkeypatch.setattr(SandboxPool, "call_each", crash)
    (folder / "a.md").write_text("Text.")
    (report,) = reports(folder).values()
    assert (report.status, report.reason) == (FileStatus.FAILED, "The process that read it broke off.")
    assert report.remedy.startswith("Run the command again; if it comes to the same, ")


def test_an_interrupted_build_leaves_no_child_behind(folder: Path) -> None:
    for number in range(30):
        (folder / f"{number:02}.md").write_text("Some text.")
    entries = list(discover(resolve_sources([folder], [], replace=False), max_bytes=1000))
    outcomes = parse(entries, plan(), None, lambda path: None)
    next(outcomes)
    started = time.monotonic()
    outcomes.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 20
    assert [process for process in Path("/proc").glob("[0-9]*") if _is_worker(process)] == []


def _is_worker(process: Path) -> bool:
    """Whether a process reads files for this one."""
    try:
        parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        return parent == os.getpid() and b"ingest.worker" in (process / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return False


def test_what_decides_the_text_is_in_the_manifest(folder: Path) -> None:
    manifest = plan().as_manifest()
    assert manifest["normalisation"] == "NFC"
    assert manifest["parsers"]["pypdfium2"]
    assert set(manifest["search"]) == {"text", "k1", "b", "bm25s", "pystemmer"}
    assert plan(reading={"ocr": False}).as_manifest()["ocr"] == ""
    assert plan(chunking={"chunk_tokens": 50}).as_manifest() != manifest
    assert plan(sandbox={"seconds": 5}).as_manifest() == manifest  # how long it may take changes no text


# Scanned pages


def picture_pdf(text: str, pages: int = 1) -> bytes:
    """Return a PDF of pictures of a text: what a scanner makes of a page."""
    import io

    import pypdfium2

    page = pypdfium2.PdfDocument(bad.good_pdf(pages))
    pictures = [page[number].render(scale=3).to_pil().convert("L") for number in range(pages)]
    stream = io.BytesIO()
    pictures[0].save(stream, "PDF", resolution=216, save_all=True, append_images=pictures[1:])
    return stream.getvalue()


def test_without_ocr_a_scanned_file_is_empty_and_the_way_to_read_it_is_said(folder: Path) -> None:
    (folder / "scan.pdf").write_bytes(picture_pdf(bad.SENTENCE, pages=2))
    (report,) = reports(folder, reading={"ocr": False}).values()
    assert (report.status, report.pages) == (FileStatus.EMPTY, 2)
    assert "None of its 2 pages has a text layer" in report.reason
    assert "RAG_APP_READING__OCR=true" in report.remedy  # it was turned off


@pytest.fixture
def tesseract() -> None:
    if not plan().ocr_languages:
        if REQUIRE_OCR:
            pytest.fail("tesseract is not installed, and RAG_APP_REQUIRE_OCR is set")
        pytest.skip("tesseract is not installed")


@pytest.mark.usefixtures("tesseract")
def test_where_ocr_takes_too_long_what_was_read_without_it_is_kept(folder: Path) -> None:
    (folder / "scan.pdf").write_bytes(picture_pdf(bad.SENTENCE, pages=9))
    settings = {"sandbox": {"seconds": 1, "cpu_seconds": 60}, "reading": {"ocr_page_seconds": 1}}
    outcomes = parse(
        list(discover(resolve_sources([folder], [], replace=False), max_bytes=25_000_000)),
        replace(plan(**settings), ocr_page_seconds=0),
        None,
        lambda path: None,
    )
    (report,) = outcomes
    assert isinstance(report, DocumentReport)
    assert report.status is FileStatus.EMPTY
    assert "None of its 9 pages has a text layer" in report.reason
    assert "OCR was given up: It took longer than 1 s." in report.reason


def test_what_was_given_up_on_the_way_is_read_again_by_the_next_build(
    folder: Path, monkeypatch: pytest.MonkeyPatch, small_base: SmallBase
) -> None:
    """The documents of the small base are unchanged, but one of them was not read to its end."""
    for path, text in TEXTS.items():
        (folder / path.removeprefix("docs/")).write_text(text)
    knowledge_base = small_base.open()
    report = replace(
        knowledge_base.report,
        documents=tuple(
            DocumentReport(
                path,
                FileStatus.INDEXED,
                complete=path != "docs/vpn.md",
                file_sha256=hashlib.sha256(text.encode()).hexdigest(),
            )
            for path, text in TEXTS.items()
        ),
    )
    monkeypatch.setitem(knowledge_base.__dict__, "report", report)
    entries = list(discover(resolve_sources([folder], [], replace=False), max_bytes=1000))
    outcomes = parse(entries, plan(), knowledge_base, lambda path: None)
    found = {item.report.path: type(item) for item in outcomes if not isinstance(item, DocumentReport)}
    assert found == {"docs/passwords.md": TakenOver, "docs/vpn.md": ParsedDocument, "docs/密码.md": TakenOver}


@pytest.mark.usefixtures("tesseract")
def test_with_ocr_a_scanned_file_is_read_and_said_to_be(folder: Path) -> None:
    (folder / "scan.pdf").write_bytes(picture_pdf(bad.SENTENCE, pages=2))
    (item,) = parsed(folder)
    assert isinstance(item, ParsedDocument)
    assert "five failed sign-ins" in item.document.text
    assert item.report.status is FileStatus.INDEXED
    assert "OCR" in item.report.reason
    assert item.document.boxes
