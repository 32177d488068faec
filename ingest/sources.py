"""Which files a build reads: the sources named now and before, walked in a fixed order.

Links are not followed, pipes and devices not opened, hidden files passed over; each such entry is reported.
This module knows nothing of what is in a file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
        if not absolute.exists():
            raise SourceError(f"There is no file or folder {path}.", "Check the path.")
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


def discover(sources: Sequence[Source], *, max_bytes: int) -> Iterator[InputFile | DocumentReport]:
    """Yield every file below the sources, sorted by name: to be read, or not to be read and why.

    A source that is gone from the disk yields nothing: its documents are reported as removed.
    """
    for source in sources:
        root = Path(source.path)
        if root.is_dir():
            yield from _walk(root, source.name, max_bytes)
        elif root.exists():
            yield _entry(root, source.name, max_bytes)


def _walk(folder: Path, prefix: str, max_bytes: int) -> Iterator[InputFile | DocumentReport]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        yield _refused(prefix, FileStatus.FAILED, f"The folder cannot be read: {error.strerror}.")
        return
    is_beir = (folder / _BEIR_CORPUS).is_file()
    for entry in entries:
        name = os.fsencode(entry.name).decode("utf-8", "backslashreplace")  # a name need not be Unicode, a path must
        path = f"{prefix}/{name}"
        if entry.name.startswith("."):
            yield _refused(path, FileStatus.SKIPPED, "hidden")
        elif entry.is_symlink():
            yield _refused(path, FileStatus.SKIPPED, "a link; links are not followed")
        elif is_beir and entry.name != _BEIR_CORPUS and (entry.name == "qrels" or entry.name.startswith("queries")):
            yield _refused(path, FileStatus.SKIPPED, "questions of a BEIR data set, not documents")
        elif entry.is_dir():
            yield from _walk(entry, path, max_bytes)
        else:
            yield _entry(entry, path, max_bytes)


def _entry(file: Path, path: str, max_bytes: int) -> InputFile | DocumentReport:
    try:
        status = file.stat()
    except OSError as error:
        return _refused(path, FileStatus.FAILED, f"It cannot be read: {error.strerror}.")
    loader = loader_for(file.name)
    if not stat.S_ISREG(status.st_mode):
        return _refused(path, FileStatus.SKIPPED, "not a regular file")
    if loader is None:
        return _refused(path, FileStatus.SKIPPED, f"format not supported; supported: {supported_endings()}")
    if status.st_size > max_bytes:
        limit = f"{max_bytes / 1e6:.0f} MB"
        reason = f"{status.st_size / 1e6:.0f} MB, more than {limit}: raise RAG_APP_LIMITS__FILE_MEGABYTES"
        return _refused(path, FileStatus.SKIPPED, reason)
    return InputFile(file, path, loader)


def supported_endings() -> str:
    """Return the file name endings that are read, for messages."""
    return " ".join(ending for loader in LOADERS for ending in loader.endings)


def _refused(path: str, status: FileStatus, reason: str) -> DocumentReport:
    return DocumentReport(path, status, reason)
