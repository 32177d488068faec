"""Deleting a knowledge base: its folder gets a hidden name first, so that a kill never leaves half of one.

This module knows nothing of what is in the folder: one that is damaged or of another format can be deleted like any other.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from filelock import FileLock, Timeout

from rag_app.disk import sync
from rag_app.errors import KnowledgeBaseBusy, KnowledgeBaseNotFound, StorageError, UsageError
from rag_app.store import layout
from rag_app.store.files import storage_error
from rag_app.store.records import comparison_runs, conversations, question_sets

# No knowledge base has such a name: it begins with a dot.
_DELETED_PREFIX = ".rag-app-deleted-"


@dataclass(frozen=True)
class Deletion:
    """What was deleted, or would be. `documents` is None where the knowledge base does not say how many it has."""

    kb: str
    folder: str
    documents: int | None
    files: int
    bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return what `kb delete --json` prints."""
        return asdict(self)


def describe(indexes: Path, name: str) -> Deletion:
    """Return what `delete` would delete.

    Raises:
        KnowledgeBaseNameError: not a plain folder name.
        KnowledgeBaseNotFound: nothing of that name.
        UsageError: what has the name is no knowledge base.
    """
    base = _checked_base(indexes, name)
    manifest = layout.whole_manifest(base)
    sizes: dict[tuple[int, int], int] = {}  # a file of several generations is one
    files = 0
    for path in base.rglob("*"):
        with suppress(FileNotFoundError):  # a build may remove it meanwhile
            status = path.lstat()
            if S_ISREG(status.st_mode):
                files += 1
                sizes[status.st_dev, status.st_ino] = status.st_size
    documents = manifest.counts.get("documents") if manifest else None
    return Deletion(name, str(base), documents, files, sum(sizes.values()))


def delete(indexes: Path, name: str) -> Deletion:
    """Delete a knowledge base with what the app keeps of it, and what a deletion that was killed has left of others.

    Raises:
        KnowledgeBaseNameError: not a plain folder name.
        KnowledgeBaseNotFound: nothing of that name.
        UsageError: what has the name is no knowledge base.
        KnowledgeBaseBusy: a build is running.
        StorageError: the folder cannot be renamed, or not all of it be removed.
    """
    base = _checked_base(indexes, name)
    try:
        with FileLock(base / layout.WRITER_LOCK, timeout=0):
            deleted = describe(indexes, name)
            hidden = _free_name(indexes, name)
            os.rename(base, hidden)  # the lock's file goes with it: a writer that opened it before finds no folder
            sync(indexes)
    except Timeout as error:
        raise KnowledgeBaseBusy(
            f"A build of the knowledge base '{name}' is running.", "Wait until it has ended, then run again."
        ) from error
    except OSError as error:
        raise storage_error(error, base) from error
    remove_deleted(indexes)
    try:
        with suppress(FileNotFoundError):  # all of it is gone, or another process removes the rest
            shutil.rmtree(hidden)
    except OSError as error:
        raise StorageError(
            f"'{name}' is deleted, but {error.filename or hidden} cannot be removed: {error.strerror}.",
            f"Remove the folder yourself: {hidden}",
        ) from error
    for kept in (conversations, comparison_runs, question_sets):
        kept.forget(indexes, name)
    return deleted


def remove_deleted(indexes: Path) -> None:
    """Remove what deletions that were killed have left in the index root, as far as that can be done."""
    for path in indexes.glob(f"{_DELETED_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _checked_base(indexes: Path, name: str) -> Path:
    base = indexes / layout.checked_name(name)
    if base.is_symlink():
        raise UsageError(
            f"{base} is a link, and links are not followed.", "Remove the link itself, or delete what it points to."
        )
    if base.exists() and not (base.is_dir() and layout.is_of_a_base(base)):
        raise UsageError(
            f"{base} is no knowledge base: it has no {layout.CURRENT} and no generation.", "Check the name."
        )
    if not base.exists():
        raise KnowledgeBaseNotFound(layout.said_of_missing(base), "Check the name.")
    return base


def _free_name(indexes: Path, name: str) -> Path:
    number = 1
    while (hidden := indexes / f"{_DELETED_PREFIX}{name}-{number}").exists():
        number += 1
    return hidden
