"""Which files a build reads: the sources named now and before, walked in a fixed order.

Links are not followed, pipes and devices not opened, hidden files passed over; each such entry is reported.
This module knows nothing of what is in a file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ingest.loaders.registry import FORMATS, NOT_READ, loader_for
from rag_app.datatypes import DocumentReport, FileStatus
from rag_app.dates import day_of_time
from rag_app.errors import DocumentError, SourceError
from rag_app.store.layout import Exclusion, Source

_OF_THE_SYSTEM = frozenset({"Thumbs.db", "desktop.ini"})
_BEIR_CORPUS = "corpus.jsonl"
_READ_ATTEMPTS = 2
_MAKE_READABLE = "Make it readable, then run again."
_RAISE_LIMIT = "To have it read all the same, raise RAG_APP_LIMITS__FILE_MEGABYTES."


@dataclass(frozen=True)
class InputFile:
    """A file to be read: where it is, its document path, how many bytes it has, and how many it may have.

    `excluded` are the names of records in it that were purged.
    """

    file: Path
    path: str
    size: int
    max_bytes: int
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FileContent:
    """The bytes of a file, and the day on which they were written (`rag_app.dates`), empty where that is not known."""

    data: bytes
    date: str


def resolve_sources(given: Sequence[Path], before: Sequence[Source], *, replace: bool) -> tuple[Source, ...]:
    """Return the sources of a build, each with a name of its own.

    Args:
        given: files or folders named now.
        before: the sources of the knowledge base as it is.
        replace: whether those named now take the place of those before.

    Raises:
        SourceError: a path that is not there.
    """
    sources = [] if replace and given else list(before)
    paths, names = {source.path for source in sources}, {source.name for source in sources}
    for path in given:
        absolute = Path(absolute_path(path))
        if not os.path.exists(absolute):  # noqa: PTH110
            raise SourceError(f"There is no file or folder {str(path)[:200]}.", "Check the path.")
        if shown_name(str(absolute)) != str(absolute):
            raise SourceError(
                f"The path {shown_name(str(absolute))[:200]} is not Unicode, and could not be written down.",
                "Rename it, or name a folder above it that is.",
            )
        if str(absolute) not in paths:
            name = absolute.name or "root"
            # The number stands before the ending, by which a file's loader is chosen.
            stem, ending = (absolute.stem, absolute.suffix) if absolute.is_file() else (name, "")
            number = 2
            while name in names:
                name, number = f"{stem} ({number}){ending}", number + 1
            sources.append(Source(name, str(absolute)))
            paths.add(str(absolute))
            names.add(name)
    return tuple(sources)


def absolute_path(path: Path) -> str:
    """Return a path as sources are written down: absolute, without `..` and `~`."""
    # os.path takes what Path raises for: an unknown ~user, a name that is too long
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH111


def discover(
    sources: Sequence[Source],
    *,
    max_bytes: int,
    passed_over: Path | None = None,
    excluded: Collection[Exclusion] = (),
) -> Iterator[InputFile | DocumentReport]:
    """Yield every file below the sources, sorted by name: to be read, or not to be read and why.

    A source that is gone from the disk yields nothing: its documents are reported as removed. A file that two sources
    hold, or that has two names (a hard link), is read once.

    Args:
        sources: in the order that numbers their documents.
        max_bytes: larger files are not read.
        passed_over: a folder that is no source even inside one: the index root.
        excluded: documents that were purged.
    """
    walk = _Walk(max_bytes, passed_over.resolve() if passed_over else None, _excluded_records(excluded, sources))
    for source in sources:
        root = Path(source.path)
        try:
            is_folder = stat.S_ISDIR(root.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            reason = f"The source cannot be read: {error.strerror}."
            yield DocumentReport(source.name, FileStatus.FAILED, reason, remedy=_MAKE_READABLE)
            continue
        if is_folder:
            yield from walk.folder(root, source.name)
        else:
            yield walk.file(root.resolve(), source.name)  # a link that is named is the source; others are not followed


def is_gone(source: Source) -> bool:
    """Whether a source is no longer on the disk; one that may not be looked at is still there."""
    try:
        Path(source.path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


_FileId = tuple[int, int]  # device and inode: the same under whatever name


def _excluded_records(
    excluded: Collection[Exclusion], sources: Sequence[Source]
) -> dict[_FileId | str, frozenset[str]]:
    """Return the names of the records that stay out, an empty one for a whole file.

    They stand under the file as it is there now, and under its document path: where `shown_name` had to write a name
    otherwise than it is, the file is not found under what was written.
    """
    names = {Path(source.path): Path(source.name) for source in sources}
    records: dict[_FileId | str, frozenset[str]] = {}
    for exclusion in excluded:
        file = Path(exclusion.file)
        known: list[_FileId | str] = [
            str(names[folder] / file.relative_to(folder)) for folder in (file, *file.parents) if folder in names
        ]
        with suppress(OSError):  # it is gone
            status = os.stat(exclusion.file)  # noqa: PTH116 - Path raises for a name that is too long
            known.append((status.st_dev, status.st_ino))
        for key in known:
            records[key] = records.get(key, frozenset()) | {exclusion.record}
    return records


@dataclass
class _Walk:
    """One walk over all sources.

    `seen` says under which path a file is read; `paths` are those that were given out; `excluded` holds the records of a file
    that stay out, an empty name for all of it.
    """

    max_bytes: int
    passed_over: Path | None
    excluded: dict[_FileId | str, frozenset[str]]
    seen: dict[_FileId, str] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)

    def folder(self, folder: Path, prefix: str) -> Iterator[InputFile | DocumentReport]:
        """Yield what is in a folder and those below it, depth first, without a Python call for each level."""
        levels = [self._entries(folder, prefix)]
        while levels:
            found = next(levels[-1], None)
            if found is None:
                levels.pop()
            elif isinstance(found, DocumentReport | InputFile):
                yield found
            else:
                levels.append(self._entries(*found))

    def _entries(self, folder: Path, prefix: str) -> Iterator[InputFile | DocumentReport | tuple[Path, str]]:
        """Yield the files of a folder, and the folders in it as a path on the disk and one to be shown."""
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            reason = f"The folder cannot be read: {error.strerror}."
            yield DocumentReport(prefix, FileStatus.FAILED, reason, remedy=_MAKE_READABLE)
            return
        is_beir = any(entry.name == _BEIR_CORPUS for entry in entries)
        for entry in entries:
            path = self._own_path(f"{prefix}/{shown_name(entry.name)}")
            if reason := self._left_out_by_design(entry, is_beir):
                yield DocumentReport(path, FileStatus.SKIPPED, reason, intended=True)
            elif entry.is_symlink():
                yield DocumentReport(
                    path,
                    FileStatus.SKIPPED,
                    "It is a link; links are not followed.",
                    remedy="Name its target as a source.",
                )
            elif entry.is_dir():
                yield Path(entry.path), path
            else:
                yield self.file(Path(entry.path), path)

    def _own_path(self, path: str) -> str:
        """Return a path that no other entry has: `shown_name` may make two names one."""
        own, number = path, 2
        while own in self.paths:
            own, number = f"{path} ({number})", number + 1
        self.paths.add(own)
        return own

    def _left_out_by_design(self, entry: os.DirEntry[str], is_beir: bool) -> str:
        if entry.name.startswith("."):
            return "It is hidden."
        if entry.name.startswith("~$") or entry.name in _OF_THE_SYSTEM:
            return "It is a file that a program or the system keeps for itself."
        if is_beir and (entry.name == "qrels" or entry.name.startswith("queries")):
            return "It holds questions of a BEIR data set, not documents."
        if self.passed_over is not None and entry.name == self.passed_over.name:
            return "It is the index root." if Path(entry.path).resolve() == self.passed_over else ""
        return ""

    def file(self, file: Path, path: str) -> InputFile | DocumentReport:
        try:
            status = file.stat()
        except OSError as error:
            reason = f"It cannot be read: {error.strerror}."
            return DocumentReport(path, FileStatus.FAILED, reason, remedy=_MAKE_READABLE)
        if not stat.S_ISREG(status.st_mode):
            return DocumentReport(path, FileStatus.SKIPPED, "It is not a regular file.")
        identity = (status.st_dev, status.st_ino)
        excluded = self.excluded.get(identity, frozenset()) | self.excluded.get(path, frozenset())
        if "" in excluded:
            return DocumentReport.purged(path)
        if refusal := self._refusal(path, status.st_size):
            return refusal
        first = self.seen.setdefault(identity, path) if status.st_ino else path
        if first != path:
            return DocumentReport(path, FileStatus.SKIPPED, f"It is read already, as {first}.", intended=True)
        return InputFile(file, path, status.st_size, self.max_bytes, excluded)

    def _refusal(self, path: str, size: int) -> DocumentReport | None:
        """Return why a regular file is not read; None where it is."""
        if loader_for(path) is None:
            ending = PurePosixPath(path).suffix
            remedy = NOT_READ.get(ending.lower(), f"Formats that are read: {FORMATS}.")
            return DocumentReport(path, FileStatus.SKIPPED, "Its format is not read.", remedy=remedy)
        if size > self.max_bytes:
            return DocumentReport(path, FileStatus.SKIPPED, _too_large(size, self.max_bytes), remedy=_RAISE_LIMIT)
        return None


def shown_name(name: str) -> str:
    """Return a file name as Unicode: it need not be, a document's path must."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def read_input(entry: InputFile) -> FileContent:
    """Return the bytes of a file, the same ones from its first to its last, and their day.

    No link is followed, and nothing that is no regular file is opened for longer than it takes to see that; a file that is
    written while it is read is read once more.

    Raises:
        DocumentError: it cannot be read, has become something else, or does not stand still.
    """
    try:
        for _ in range(_READ_ATTEMPTS):
            # O_NONBLOCK: opening a pipe would wait for its writer
            descriptor = os.open(entry.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                before = os.fstat(descriptor)
                if not stat.S_ISREG(before.st_mode):
                    raise DocumentError("It is not a regular file.")
                data = file.read(min(before.st_size, entry.max_bytes) + 1)
                after = os.fstat(descriptor)
            if len(data) > entry.max_bytes:
                raise DocumentError(_too_large(after.st_size, entry.max_bytes), _RAISE_LIMIT)
            if before.st_mtime_ns == after.st_mtime_ns and before.st_size == len(data) == after.st_size:
                return FileContent(data, day_of_time(after.st_mtime_ns))
    except OSError as error:
        raise DocumentError(f"It cannot be read: {error.strerror}.", _MAKE_READABLE) from error
    raise DocumentError("It changed while it was being read.", "Run the command again when nothing writes to it.")


def _too_large(size: int, most: int) -> str:
    return f"It has {size / 1e6:.0f} MB, more than {most / 1e6:.0f} MB."
