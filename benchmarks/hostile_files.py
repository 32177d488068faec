"""What becomes of damaged, encrypted and exploding files: whether each is accounted for, how long the slowest takes.

    python benchmarks/hostile_files.py PATH/TO/malformed/poi PATH/TO/malformed/pdfjs

A folder is read as a build reads it, with the settings in force, several files at once. A file's time is that of all its calls
in a child, start of the child and reading of scanned pages included; memory is the most that a child used which was not killed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ingest.parsing import ParsedDocument, parse
from ingest.parsing_plan import ParsingPlan, plan_parsing
from ingest.sources import discover, resolve_sources
from rag_app.config import load_settings
from rag_app.datatypes import DocumentReport, FileStatus
from rag_app.sandbox import SandboxLimits, SandboxPool

COLUMNS = (
    "folder", "files", "indexed", "empty", "skipped", "failed", "seconds", "slowest file", "peak MB",
    "every file accounted for",
)  # fmt: skip
STATUSES = (FileStatus.INDEXED, FileStatus.EMPTY, FileStatus.SKIPPED, FileStatus.FAILED)


@dataclass(frozen=True)
class Outcome:
    """What became of a folder: a report for each file or record, and what reading it took."""

    folder: Path
    reports: tuple[DocumentReport, ...]
    seconds: float
    seconds_by_path: dict[str, float]
    peak_megabytes: int


def main() -> None:
    """Print a Markdown table with a row for each folder, then which files were not indexed, by reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    settings = load_settings()
    plan = plan_parsing(settings, settings.chunking)
    print(f"| {' | '.join(COLUMNS)} |\n{'| --- ' * len(COLUMNS)}|")
    outcomes = []
    for folder in arguments.folders:
        outcome = _read(folder, plan, settings.limits.file_megabytes * 1_000_000)
        outcomes.append(outcome)
        counts = Counter(report.status for report in outcome.reports)
        slowest = max(outcome.seconds_by_path, key=lambda path: outcome.seconds_by_path[path], default="")
        named = f"`{slowest}` {outcome.seconds_by_path[slowest]:.1f} s" if slowest else "-"
        cells = [folder.name, _files_on_disk(folder).total(), *(counts[status] for status in STATUSES)]
        is_complete = not _faults(folder, outcome.reports)
        cells += [f"{outcome.seconds:.1f}", named, outcome.peak_megabytes, "yes" if is_complete else "NO"]
        print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)
    for outcome in outcomes:
        for fault in _faults(outcome.folder, outcome.reports):
            print(f"\n{outcome.folder.name}, NOT accounted for: {fault}")
        _print_reasons(outcome)


def _read(folder: Path, plan: ParsingPlan, max_bytes: int) -> Outcome:
    seconds_by_path: dict[str, float] = defaultdict(float)
    pools = []

    class TimedPool(SandboxPool):
        def __init__(self, function: str, limits: SandboxLimits, *, workers: int) -> None:
            super().__init__(function, limits, workers=workers)
            pools.append(self)

        def call(self, argument: Any, data: bytes = b"", *, seconds: float | None = None) -> Any:
            started = time.perf_counter()
            try:
                return super().call(argument, data, seconds=seconds)
            finally:
                seconds_by_path[argument[0]] += time.perf_counter() - started

        def call_each(self, calls: Sequence[tuple[Any, bytes]]) -> list[Any]:
            started = time.perf_counter()
            outcomes = super().call_each(calls)
            for argument, _ in calls:  # those of a batch share its time
                seconds_by_path[argument[0]] += (time.perf_counter() - started) / len(calls)
            return outcomes

    started = time.perf_counter()
    entries = list(discover(resolve_sources([folder], [], replace=False), max_bytes=max_bytes))
    with patch("ingest.parsing.SandboxPool", TimedPool):
        results = list(parse(entries, plan, None, lambda path: None))
    seconds = time.perf_counter() - started
    reports = tuple(result.report if isinstance(result, ParsedDocument) else result for result in results)
    return Outcome(folder, reports, seconds, seconds_by_path, max(pool.peak_megabytes for pool in pools))


def _files_on_disk(folder: Path) -> Counter[str]:
    """Return the path of every file and link below a folder as a build would name it, not as `discover` found it."""
    found: Counter[str] = Counter()
    for below, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(below, name))]  # noqa: PTH114, PTH118
        for name in files + links:
            path = os.path.relpath(os.path.join(below, name), folder.parent)  # noqa: PTH118 - names need not be Unicode
            found[os.fsencode(path).decode("utf-8", "backslashreplace").replace(os.sep, "/")] += 1
    return found


def _faults(folder: Path, reports: Sequence[DocumentReport]) -> list[str]:
    """Return what is missing from the outcome, twice in it, or not on the disk.

    Records (`file#record`) stand for their file, a hidden folder for all that is in it.
    """
    on_disk = _files_on_disk(folder)
    paths = Counter(report.path for report in reports)
    faults = [f"twice: {path}" for path, count in paths.items() if count > 1]
    of_files = {_file_of(path, on_disk) for path in paths}
    for path in on_disk:
        parents = [str(parent) for parent in Path(path).parents]
        if path not in of_files and not any(parent in paths for parent in parents):
            faults.append(f"missing: {path}")
    folders = {str(parent) for path in on_disk for parent in Path(path).parents}
    return faults + [f"not on the disk: {path}" for path in of_files if path not in on_disk and path not in folders]


def _file_of(path: str, on_disk: Counter[str]) -> str:
    """Return the path of the file that a record is from; names of files and of records may hold a `#` themselves."""
    file = path
    while file not in on_disk and "#" in file:
        file = file.rpartition("#")[0]
    return file if file in on_disk else path


def _print_reasons(outcome: Outcome) -> None:
    for status in reversed(STATUSES[1:]):
        by_reason: dict[str, list[str]] = defaultdict(list)
        for report in outcome.reports:
            if report.status is status:
                by_reason[report.reason].append(report.path.removeprefix(f"{outcome.folder.name}/"))
        if by_reason:
            print(f"\n{outcome.folder.name}, {status}:\n")
        for reason, paths in sorted(by_reason.items(), key=lambda item: -len(item[1])):
            print(f"- {len(paths)} × {reason} ({', '.join(paths)})")


if __name__ == "__main__":
    main()
