"""The report as a person reads it: files with the same fate in one row, what to do beside it, nothing cut."""

from __future__ import annotations

import pytest

from ingest.report_table import print_report
from rag_app.datatypes import DocumentReport, FileStatus, IngestReport, ModelReport


def report(*documents: DocumentReport) -> IngestReport:
    model = ModelReport("BAAI/bge-m3", "0" * 16, 1024, embedded=2, reused=1, truncated=1, chunks_per_second=3.5)
    return IngestReport("kb", "gen-00000003", 1.25, 3, documents, (model,))


def printed(capsys: pytest.CaptureFixture[str], *documents: DocumentReport, dry_run: bool = False) -> str:
    print_report(report(*documents), dry_run=dry_run)
    return capsys.readouterr().out


GOOD = DocumentReport("docs/good.md", FileStatus.INDEXED, chunks=3, language="en")
LOCKED = DocumentReport(
    "docs/a.pdf", FileStatus.FAILED, "It is encrypted: a password is needed.", "Save a copy without one."
)


def test_a_file_that_was_not_indexed_has_a_row_with_reason_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, GOOD, LOCKED)
    (row,) = [line for line in out.splitlines() if "docs/a.pdf" in line]
    assert row.split(maxsplit=2)[:2] == ["failed", "1"]
    assert "It is encrypted: a password is needed." in row
    assert "Save a copy without one." in row
    assert "good.md" not in out


def test_an_indexed_file_about_which_something_can_be_done_has_a_row_too(capsys: pytest.CaptureFixture[str]) -> None:
    reason, remedy = "2 of 9 pages are scanned and were not read: 3, 4.", "Install the extra ocr."
    out = printed(capsys, DocumentReport("docs/b.pdf", FileStatus.INDEXED, reason, remedy, chunks=8))
    (row,) = [line for line in out.splitlines() if "docs/b.pdf" in line]
    assert reason in row
    assert remedy in row


def test_a_remark_on_an_indexed_file_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, GOOD, DocumentReport("docs/b.pdf", FileStatus.INDEXED, "1 picture was not read.", chunks=8))
    assert "b.pdf" not in out
    assert "Remarks on indexed files, such as pictures that were not read: 1 (" in out


def test_a_long_path_is_folded_and_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    path = "docs/" + "/".join(f"folder-{number:02}" for number in range(30)) + ".pdf"
    out = printed(capsys, DocumentReport(path, FileStatus.FAILED, "It is damaged.", "Get a complete copy of it."))
    folded = [line.split()[0] for line in out.splitlines() if line.startswith(" ")]
    assert path.endswith("".join(folded))
    assert len("".join(folded)) > 100
    assert "…" not in out


def test_files_with_the_same_fate_share_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = [
        DocumentReport(f"docs/{n:03}.exe", FileStatus.SKIPPED, "The format .exe is not read.") for n in range(1000)
    ]
    out = printed(capsys, GOOD, *skipped)
    assert "skipped  1000" in out
    assert "docs/002.exe" in out
    assert "docs/003.exe" not in out
    assert "and 997 more" in out
    assert len(out.splitlines()) < 12


def test_with_nothing_to_tell_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, GOOD)
    assert out.splitlines() == [
        "BAAI/bge-m3: 2 chunks embedded, 1 known already, 4 a second, 1 cut at the window",
        "1 file (1 indexed); 3 chunks; 1.2 s",
        'kb is at gen-00000003. Ask it: rag-app ask "..." --kb kb',
    ]


def test_a_dry_run_says_that_nothing_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nothing was written (--dry-run)." in printed(capsys, GOOD, dry_run=True)


def test_names_and_reasons_are_data(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = DocumentReport(
        "docs/\x1b[31m[red]\n.md", FileStatus.FAILED, "[bold]It\u202e is\x07 bad.", "[link=x]y[/link]"
    )
    out = printed(capsys, hostile)
    assert "docs/\\x1b[31m[red]\\n.md" in out
    assert "[bold]It\\u202e is\\x07 bad." in out
    assert "[link=x]y[/link]" in out
    assert "\x1b" not in out


def test_what_was_read_now_is_named_beside_what_was_taken_over(capsys: pytest.CaptureFixture[str]) -> None:
    old = DocumentReport("docs/old.md", FileStatus.UNCHANGED, chunks=1)
    new = [DocumentReport(f"docs/new-{number:02}.md", FileStatus.INDEXED, chunks=1) for number in range(12)]
    out = printed(capsys, old, *new)
    assert "New or changed: docs/new-00.md, docs/new-01.md," in out
    assert "docs/new-09.md and 2 more" in out
    assert "New or changed" not in printed(capsys, *new)
