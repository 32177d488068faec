"""The report of a build as a person reads it: what was not indexed and why, what each model did, the sum of it.

Files with the same fate share a row, however many they are. Of indexed files, those have a row about which something can be
done; other remarks (a picture was not read) are counted. report.json has everything. This module knows nothing of builds.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rag_app.datatypes import DocumentReport, FileStatus, IngestReport
from rag_app.terminal import counted
from rag_app.text import printable

# Of the files that share a row, so many are named.
_NAMED = 3
# Of the documents that are new, so many are named.
_NEWS = 10
# Where standard output is no terminal, as wide as this: paths and sentences stay whole enough to be searched.
_WIDTH = 160


def print_report(report: IngestReport, *, dry_run: bool) -> None:
    """Print a report to standard output."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
    groups = _groups(report.documents)
    if groups:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("status", "files", "document", "why", "what to do"):
            table.add_column(title, overflow="fold")
        for (status, reason, remedy), paths in groups.items():
            table.add_row(str(status), str(len(paths)), *(Text(text) for text in (_names(paths), reason, remedy)))
        Console(width=width, highlight=False, markup=False).print(table)
    for model in report.models:
        print(
            f"{model.model}: {counted(model.embedded, 'chunk')} embedded, {model.reused} known already"
            + (f", {model.chunks_per_second:.0f} a second" if model.embedded else "")
            + (f", {model.truncated} cut at the window" if model.truncated else "")
        )
    counts = Counter(document.status for document in report.documents)
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    print(
        f"{counted(len(report.documents), 'file')} ({summary}); {counted(report.chunks, 'chunk')}; {report.seconds:.1f} s"
    )
    if news := _news(report.documents):
        print(f"New or changed: {news}")
    if remarks := sum(_is_remark(document) for document in report.documents):
        print(
            f"Remarks on indexed files, such as pictures that were not read: {remarks} (--json and report.json have them)"
        )
    if dry_run:
        print("Nothing was written (--dry-run).")
    else:
        print(f'{report.kb} is at {report.generation}. Ask it: rag-app ask "..." --kb {report.kb}')


def _groups(documents: Sequence[DocumentReport]) -> dict[tuple[FileStatus, str, str], list[str]]:
    """Return the paths of the documents there is something to say of, by what there is to say."""
    groups: dict[tuple[FileStatus, str, str], list[str]] = {}
    for document in documents:
        if not document.status.is_searchable or document.remedy:
            reason, remedy, path = (
                printable(text, keep_line_breaks=False) for text in (document.reason, document.remedy, document.path)
            )
            groups.setdefault((document.status, reason, remedy), []).append(path)
    return groups


def _news(documents: Sequence[DocumentReport]) -> str:
    """Return the names of the documents that were read now, where others were taken over; in a first build all are new."""
    indexed = [document.path for document in documents if document.status is FileStatus.INDEXED]
    if not any(document.status is FileStatus.UNCHANGED for document in documents):
        return ""
    rest = f" and {len(indexed) - _NEWS} more" if len(indexed) > _NEWS else ""
    return printable(", ".join(indexed[:_NEWS]), keep_line_breaks=False) + rest


def _is_remark(document: DocumentReport) -> bool:
    return document.status.is_searchable and bool(document.reason) and not document.remedy


def _names(paths: Sequence[str]) -> str:
    rest = f"\nand {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return "\n".join(paths[:_NAMED]) + rest
