"""The one writer of a knowledge base: its lock, what it cleans up, and the commit that makes a build the live generation.

A kill at any moment leaves the generation before or the new one, and the next writer removes what was left over.
This module knows nothing of what a generation holds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rag_app.disk import sync, sync_tree
from rag_app.errors import KnowledgeBaseBusy, KnowledgeBaseError, KnowledgeBaseNotFound, StorageError, UsageError
from rag_app.store import layout
from rag_app.store.deletion import remove_deleted
from rag_app.store.files import storage_error, write_text
from rag_app.store.layout import Manifest

_PENDING_CURRENT = f"{layout.BUILD_PREFIX}{layout.CURRENT}"


@contextmanager
def writer_lock(base: Path) -> Iterator[None]:
    """Hold the one writer's lock of a knowledge base; put right before and after what a killed writer left.

    A base that is new and into which nothing was written is gone again afterwards.

    Raises:
        KnowledgeBaseBusy: another build is running.
        UsageError: the folder holds something else.
        StorageError: the index root cannot be written.
    """
    made: list[Path] = []
    try:
        if layout.holds_something_else(base):
            raise UsageError(
                f"The folder {base} holds something else than a knowledge base.",
                "Choose another name (--kb NAME) or another index root (--indexes FOLDER).",
            )
        made = _make_folder(base)
        lock = FileLock(base / layout.WRITER_LOCK, timeout=0)
        lock.acquire()
        if not (base / layout.WRITER_LOCK).exists():  # it was deleted between the opening of the lock and our turn
            lock.release()
            raise KnowledgeBaseBusy(f"The knowledge base '{base.name}' is being deleted.", "Run the command again.")
    except Timeout as error:
        raise KnowledgeBaseBusy(
            f"Another build of the knowledge base '{base.name}' is running.", "Wait until it has ended, then run again."
        ) from error
    except OSError as error:
        raise storage_error(error, base) from error
    try:
        try:
            remove_deleted(base.parent)
            recover(base)
        except OSError as error:
            raise storage_error(error, base) from error
        yield
    finally:
        with suppress(OSError):
            _remove_leftovers(base)
        if made and not layout.generations(base) and not (base / layout.CACHE).exists():
            with suppress(OSError):  # whatever else is in them is not ours
                (base / layout.WRITER_LOCK).unlink(missing_ok=True)
                for folder in made:
                    folder.rmdir()
        lock.release()


def is_being_written(base: Path) -> bool:
    """Whether a process holds the writer's lock, as the kernel lists it; the lock is not tried, which could refuse a build.

    Where the system has no such list, the answer is no: who starts a build is told then.
    """
    try:
        number = (base / layout.WRITER_LOCK).stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    # `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; what waits for a lock has an arrow after the number
    held = (line.split() for line in lines)
    return any(row[1] == "FLOCK" and row[5].rpartition(":")[2] == str(number) for row in held if len(row) > 5)


def _make_folder(base: Path) -> list[Path]:
    """Create the folder of a knowledge base where it is missing, so that it would be there after a power cut, too.

    Returns:
        The folders that were created, the innermost first.
    """
    missing = [folder for folder in (base, *base.parents) if not folder.exists()]
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in missing:
        sync(folder.parent)
    return missing


def recover(base: Path) -> None:
    """Put right what a killed writer left; call it under the writer's lock.

    Generations that were never committed, and those that a commit was to remove, are removed. Where CURRENT itself is gone
    or damaged, it is made to name the newest generation that is whole.
    """
    _remove_leftovers(base)
    if not _current_is_sound(base):
        newest = newest_whole(base)
        if newest is None:
            return
        _replace_current(base, newest)
    try:
        live = layout.read_manifest(*layout.read_current(base))
    except KnowledgeBaseError:
        return  # a damaged generation is named, and repaired, by who opens it
    _remove_other_generations(base, live)


def _current_is_sound(base: Path) -> bool:
    """Whether CURRENT says what was written there, whatever has become of the generation it names."""
    try:
        folder, manifest_sum = layout.read_current(base)
    except KnowledgeBaseNotFound:
        return True
    except KnowledgeBaseError:
        return False
    try:
        content = (folder / layout.MANIFEST).read_bytes()
        layout.Manifest.from_json(content, folder / layout.MANIFEST)
    except (OSError, KnowledgeBaseError):
        return True
    return hashlib.sha256(content).hexdigest() == manifest_sum


def newest_whole(base: Path) -> Manifest | None:
    """Return the manifest of the newest generation whose every file is as it was written, after reading them; else None."""
    for generation in reversed(layout.generations(base)):
        with suppress(KnowledgeBaseError):
            manifest = layout.read_manifest(generation)
            layout.check_sums(generation, manifest)
            return manifest
    return None


def next_generation(base: Path) -> str:
    """Return the name of the generation that the next build publishes."""
    newest = max((layout.generation_number(path.name) for path in layout.generations(base)), default=0)
    return layout.generation_name(newest + 1)


def new_build_folder(base: Path) -> Path:
    """Create and return an empty folder in which a build may write; call it under the writer's lock."""
    folder = base / f"{layout.BUILD_PREFIX}{os.getpid()}"
    folder.mkdir(mode=0o700)
    return folder


def commit(base: Path, build: Path, manifest: Manifest) -> None:
    """Make a finished build the live generation. Everything is on the disk before CURRENT is replaced: that commits.

    Args:
        base: the folder of the knowledge base.
        build: the build folder, complete but for manifest.json.
        manifest: its description; `generation` names the folder it becomes.
    """
    write_text(build / layout.MANIFEST, manifest.to_json())
    sync_tree(build)
    os.rename(build, base / manifest.generation)
    sync(base)
    _replace_current(base, manifest)
    _remove_other_generations(base, manifest)


def remove_between(base: Path, live: Manifest) -> None:
    """Remove the generations between the oldest that is kept and the live one: only the oldest is whole."""
    for path in layout.generations(base):
        if live.oldest_kept < path.name < live.generation:
            shutil.rmtree(path, ignore_errors=True)
    sync(base)


def _replace_current(base: Path, manifest: Manifest) -> None:
    pending = base / _PENDING_CURRENT
    pending.unlink(missing_ok=True)
    write_text(pending, layout.current_text(manifest))
    os.replace(pending, base / layout.CURRENT)
    try:
        sync(base)
    except OSError as error:
        raise StorageError(
            f"{manifest.generation} is live, but {base} could not be synced ({error.strerror}): a power cut may undo it.",
            "Check the disk, then run the command again.",
        ) from error


def _remove_other_generations(base: Path, live: Manifest) -> None:
    others = [path for path in layout.generations(base) if path.name > live.generation or path.name < live.oldest_kept]
    for path in others:
        shutil.rmtree(path, ignore_errors=True)
    if others:  # a power cut must not bring back what was purged
        sync(base)


def _remove_leftovers(base: Path) -> None:
    for path in base.glob(f"{layout.BUILD_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
