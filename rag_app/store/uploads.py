"""Files that were uploaded to a knowledge base: kept below it, as sources like any other.

    indexes/<name>/sources/upload-<16 hexadecimal digits>/report.pdf          one folder for each upload
                                                         /handbook/vpn.md     a folder that was uploaded keeps its shape

An upload belongs to the base once a generation names it as a source. Before, it is marked as pending by a file beside it;
what is neither is removed. A name that a browser sent never leads out of the upload's folder.
This module knows nothing of how a browser sends files.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from rag_app.config import LimitSettings
from rag_app.errors import KnowledgeBaseError
from rag_app.store import layout
from rag_app.store.files import storage_error
from rag_app.store.layout import Manifest, Source

_UPLOAD = re.compile(r"upload-[0-9a-f]{16}")
_PENDING = ".pending"
_PENDING_SECONDS = 24 * 3600  # a build that has not ended by then never will: the app was killed
_NAME_BYTES = 200  # of one part of a path; file systems take 255, and a number may come to it
_MOST_FOLDERS = 20
_COPIED_AT_ONCE = 1 << 20
# What a file system or a terminal takes for something else than a letter, and the marks that turn the direction of a text.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Cf", "Zl", "Zp"})


class RefusalKind(StrEnum):
    """Why files are not taken."""

    TOO_MANY = "too_many"
    TOO_LARGE = "too_large"  # one of them
    OVER_QUOTA = "over_quota"  # all of them with what the session has uploaded before
    EMPTY = "empty"


@dataclass(frozen=True)
class Refusal:
    """Why files are not taken: a count of files, or megabytes, and how many there may be; `name` is that of the one."""

    kind: RefusalKind
    found: float = 0
    most: int = 0
    name: str = ""


@dataclass(frozen=True)
class Upload:
    """Files that were kept: the folder they lie in, what of it is named as a source, and how many bytes they have."""

    folder: Path
    sources: tuple[Path, ...]
    size: int


def refusal_of(files: Sequence[tuple[str, int]], limits: LimitSettings, size_before: int) -> Refusal | None:
    """Return why files are not taken; None where they are.

    Args:
        files: name and size in bytes of each.
        limits: how many and how large they may be.
        size_before: bytes that were uploaded in the same session before.
    """
    if not files:
        return Refusal(RefusalKind.EMPTY)
    if len(files) > limits.upload_files:
        return Refusal(RefusalKind.TOO_MANY, len(files), limits.upload_files)
    for name, size in files:
        if size > limits.file_megabytes * 1_000_000:
            return Refusal(RefusalKind.TOO_LARGE, size / 1e6, limits.file_megabytes, name)
    total = size_before + sum(size for _, size in files)
    if total > limits.upload_megabytes * 1_000_000:
        return Refusal(RefusalKind.OVER_QUOTA, total / 1e6, limits.upload_megabytes)
    return None


def keep_upload(base: Path, files: Sequence[tuple[str, BinaryIO]]) -> Upload:
    """Write uploaded files below a knowledge base, which need not be there yet. Call `settle_upload` when its build has ended.

    Args:
        base: the folder of the knowledge base.
        files: the name of each as the browser sent it, with `/` between its parts, and what it holds.

    Raises:
        StorageError: the disk is full, or cannot be written; nothing is kept.
    """
    folder = base / layout.SOURCES / f"upload-{secrets.token_hex(8)}"
    size = 0
    try:
        for place in (base, base / layout.SOURCES, folder):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        _pending_mark(folder).touch(mode=0o600)
        for name, content in files:
            file = _free_place(folder, safe_parts(name))
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with file.open("xb") as kept:
                shutil.copyfileobj(content, kept, _COPIED_AT_ONCE)
                size += kept.tell()
    except OSError as error:
        settle_upload(base, folder)
        raise storage_error(error, folder) from error
    return Upload(folder, tuple(sorted(folder.iterdir())), size)


def settle_upload(base: Path, folder: Path) -> None:
    """Say that the build of an upload has ended, however: what no generation has as a source is removed."""
    _pending_mark(folder).unlink(missing_ok=True)
    remove_unused_uploads(base)


def remove_unused_uploads(base: Path) -> None:
    """Remove the uploads that no generation has as a source and no build is to read.

    Where a manifest cannot be read nobody knows what it names, and everything stays. A folder of which nothing is left but an
    upload that came to nothing is removed as well.
    """
    sources = base / layout.SOURCES
    used = _used_uploads(base)
    if used is None or not sources.is_dir():
        return
    for folder in list(sources.iterdir()):
        if _UPLOAD.fullmatch(folder.name) and folder.name not in used and not _is_pending(folder):
            shutil.rmtree(folder, ignore_errors=True)
            _pending_mark(folder).unlink(missing_ok=True)
    with suppress(OSError):  # other uploads are in it
        sources.rmdir()
        if not layout.generations(base) and not (base / layout.CACHE).exists():
            (base / layout.WRITER_LOCK).unlink(missing_ok=True)
            base.rmdir()


def replaced_sources(base: Path, manifest: Manifest, upload: Upload) -> list[Path]:
    """Return the files uploaded before of which an upload has new versions: those with the name of one of its files.

    A folder never takes another's place.
    """
    new = {path.name for path in upload.sources if path.is_file()}
    uploaded = [moved_upload(base, Path(source.path)) for source in manifest.sources if source.name in new]
    return [place for place in uploaded if place is not None and not place.is_dir()]


def source_path(base: Path, source: Source) -> Path:
    """Return where a source lies: for an upload, where the base is now."""
    return moved_upload(base, Path(source.path)) or Path(source.path)


def moved_upload(base: Path, file: Path) -> Path | None:
    """Return where an uploaded file lies now, whose base may have been moved or renamed; None for what was not uploaded.

    Args:
        base: the folder of the knowledge base.
        file: where a manifest says that it lies.
    """
    parts = file.parts
    for place in range(1, len(parts)):
        if parts[place - 1] == layout.SOURCES and _UPLOAD.fullmatch(parts[place]):
            return base.absolute().joinpath(layout.SOURCES, *parts[place:])
    return None


def files_of(base: Path, manifest: Manifest, path: str) -> Iterator[Path]:
    """Yield where the file with this document path may lie: below each source that has its name."""
    for source in manifest.sources:
        if path == source.name or path.startswith(f"{source.name}/"):
            yield source_path(base, source) / path[len(source.name) :].lstrip("/")


def remove_uploaded_file(base: Path, manifest: Manifest, path: str) -> None:
    """Remove the upload that a document was read from, with folders that are empty then; other files are not touched.

    Raises:
        StorageError: it cannot be removed.
    """
    top = (base / layout.SOURCES).resolve()
    for file in files_of(base, manifest, path):
        place = moved_upload(base, file)
        if place is None or top not in place.resolve().parents:
            continue
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, place) from error
        with suppress(OSError):  # up to the first that is not empty
            for folder in place.parents:
                if folder.resolve() == top:
                    break
                folder.rmdir()


def safe_parts(name: str) -> tuple[str, ...]:
    """Return the parts of an uploaded file's path as they can be written below any folder; none leads out of it."""
    parts = []
    for part in name.split("/"):
        clean = unicodedata.normalize("NFC", "".join(_safe_character(character) for character in part)).strip()
        if clean and clean not in (".", ".."):
            parts.append(_shortened(clean))
    return tuple(parts[:_MOST_FOLDERS] + parts[-1:] if len(parts) > _MOST_FOLDERS else parts) or ("file",)


def _safe_character(character: str) -> str:
    return "_" if unicodedata.category(character) in _UNPRINTABLE or character == "\\" else character


def _shortened(part: str) -> str:
    """Return a part of a path that fits a file system, with its ending, by which a file's format is told."""
    if len(part.encode()) <= _NAME_BYTES:
        return part
    stem, dot, ending = part.rpartition(".")
    ending = f"{dot}{ending}" if dot and len(ending) <= 8 else ""
    room = _NAME_BYTES - len(ending.encode())
    return (stem if ending else part).encode()[:room].decode(errors="ignore") + ending


def _free_place(folder: Path, parts: Sequence[str]) -> Path:
    """Return a path below a folder that no file has yet; what stands for a folder in one path may be a file in another."""
    place = folder
    for part in parts[:-1]:
        place = _numbered(place / part, is_taken=lambda path: path.exists() and not path.is_dir())
    return _numbered(place / parts[-1], is_taken=Path.exists)


def _numbered(path: Path, *, is_taken: Callable[[Path], bool]) -> Path:
    number = 2
    free = path
    while is_taken(free):
        free, number = path.with_name(f"{path.stem} ({number}){path.suffix}"), number + 1
    return free


def _pending_mark(folder: Path) -> Path:
    return folder.with_name(folder.name + _PENDING)


def _is_pending(folder: Path) -> bool:
    with suppress(OSError):
        return time.time() - _pending_mark(folder).stat().st_mtime < _PENDING_SECONDS
    return False


def _used_uploads(base: Path) -> set[str] | None:
    """Return the names of the uploads that generations have as sources; None where not all of them can be read."""
    used = set()
    for generation in layout.generations(base):
        path = generation / layout.MANIFEST
        try:
            manifest = Manifest.from_json(path.read_bytes(), path)
        except (OSError, KnowledgeBaseError):
            return None
        for source in manifest.sources:
            place = moved_upload(base, Path(source.path))
            if place is not None:
                used.add(place.relative_to(base.absolute() / layout.SOURCES).parts[0])
    return used
