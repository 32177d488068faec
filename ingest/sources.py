"""Which files a build reads: the sources named now and before, walked in a fixed order.

Links are not followed, pipes and devices not opened, hidden files passed over; each such entry is reported.
This module knows nothing of what is in a file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.loaders.registry import LOADERS, Loader, loader_for
from rag_app.datatypes import DocumentReport, FileStatus
from rag_app.errors import SourceError
from rag_app.store.layout import Source

_BEIR_CORPUS = "corpus.jsonl"


@dataclass(frozen=True)
class InputFile:
    """A file to be read: where it is, its document path, and its loader."""

    file: Path
    path: str
    loader: Loader


def resolve_sources(given: Sequence[Path], before: Sequence[Source], *, replace: bool) -> tuple[Source, ...]:
    """Return the sources of a build, each with a name of its own.

    Args:
        given: files or folders named now.
        before: the sources of the knowledge base as it is.
        replace: whether those named now take the place of those before.

    Raises:
        SourceError: a path that is not there, or nothing named for a new knowledge base.
    """
    sources = [] if replace and given else list(before)
    for path in given:
        absolute = Path(os.path.abspath(path.expanduser()))
        if not os.path.exists(absolute):  # noqa: PTH110 - Path.exists raises for a name that is too long
            raise SourceError(f"There is no file or folder {str(path)[:200]}.", "Check the path.")
        if str(absolute) not in [source.path for source in sources]:
            taken = {source.name for source in sources}
            name = base = absolute.name or "root"
            number = 2
            while name in taken:
                name, number = f"{base} ({number})", number + 1
            sources.append(Source(name, str(absolute)))
    if not sources:
        raise SourceError("A new knowledge base needs documents.", "Name a file or a folder: python -m ingest FOLDER")
    return tuple(sources)


def discover(
    sources: Sequence[Source], *, max_bytes: int, passed_over: Path | None = None
) -> Iterator[InputFile | DocumentReport]:
    """Yield every file below the sources, sorted by name: to be read, or not to be read and why.

    A source that is gone from the disk yields nothing: its documents are reported as removed. A file that two sources
    hold is read once.

    Args:
        sources: in the order that numbers their documents.
        max_bytes: larger files are not read.
        passed_over: a folder that is no source even inside one: the index root.
    """
    walk = _Walk(max_bytes, passed_over.resolve() if passed_over else None)
    for source in sources:
        root = Path(source.path)
        if root.is_dir():
            yield from walk.folder(root, source.name)
        elif root.exists():
            yield walk.file(root, source.name)


@dataclass
class _Walk:
    """One walk over all sources; `seen` says under which path a file was met first."""

    max_bytes: int
    passed_over: Path | None
    seen: dict[Path, str] = field(default_factory=dict)

    def folder(self, folder: Path, prefix: str) -> Iterator[InputFile | DocumentReport]:
        try:
            entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
        except OSError as error:
            yield DocumentReport(prefix, FileStatus.FAILED, f"The folder cannot be read: {error.strerror}.")
            return
        is_beir = (folder / _BEIR_CORPUS).is_file()
        for entry in entries:
            name = os.fsencode(entry.name).decode(
                "utf-8", "backslashreplace"
            )  # a name need not be Unicode, a path must
            path = f"{prefix}/{name}"
            if reason := self._left_out_by_design(entry, is_beir):
                yield DocumentReport(path, FileStatus.SKIPPED, reason, intended=True)
            elif entry.is_symlink():
                yield DocumentReport(path, FileStatus.SKIPPED, "a link; links are not followed")
            elif entry.is_dir():
                yield from self.folder(entry, path)
            else:
                yield self.file(entry, path)

    def _left_out_by_design(self, entry: Path, is_beir: bool) -> str:
        if entry.name.startswith("."):
            return "hidden"
        if is_beir and (entry.name == "qrels" or entry.name.startswith("queries")):
            return "questions of a BEIR data set, not documents"
        if self.passed_over is not None and entry.resolve() == self.passed_over:
            return "the index root"
        return ""

    def file(self, file: Path, path: str) -> InputFile | DocumentReport:
        try:
            status = file.stat()
            first = self.seen.setdefault(file.resolve(), path)
        except OSError as error:
            return DocumentReport(path, FileStatus.FAILED, f"It cannot be read: {error.strerror}.")
        if first != path:
            return DocumentReport(path, FileStatus.SKIPPED, f"read already as {first}", intended=True)
        loader = loader_for(file.name)
        if not stat.S_ISREG(status.st_mode):
            return DocumentReport(path, FileStatus.SKIPPED, "not a regular file")
        if loader is None:
            return DocumentReport(path, FileStatus.SKIPPED, f"format not supported; supported: {supported_endings()}")
        if status.st_size > self.max_bytes:
            sizes = f"{status.st_size / 1e6:.0f} MB, more than {self.max_bytes / 1e6:.0f} MB"
            return DocumentReport(path, FileStatus.SKIPPED, f"{sizes}: raise RAG_APP_LIMITS__FILE_MEGABYTES")
        return InputFile(file, path, loader)


def supported_endings() -> str:
    """Return the file name endings that are read, for messages."""
    return " ".join(ending for loader in LOADERS for ending in loader.endings)
