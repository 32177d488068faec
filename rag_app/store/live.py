"""Follows the live generation of a knowledge base: each question is asked of the newest one that is whole.

    live = LiveKnowledgeBase(Path("indexes"), "sample")
    served = live.current()        # again before each question: a new generation is picked up without a restart

The manifest and the size of every file are checked each time. The sums of all files are read in the background, once a
generation, and again where a file was touched since. Where the live generation is damaged, the newest before it that is
whole is served, with a notice. This module knows nothing of questions or screens.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rag_app.errors import FormatVersionError, KnowledgeBaseDamaged, KnowledgeBaseError, StorageError
from rag_app.store import layout
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Manifest

# Of the files of a generation: path, inode, size in bytes, time of the last change in nanoseconds.
Stamp = tuple[tuple[str, int, int, int], ...]


class SumCheck:
    """Reads every file of a generation in the background and remembers what it found."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Begin at once."""
        self._folder = folder
        self._manifest = manifest
        self._is_whole = False
        self._problem = f"{folder} could not be read to its end."  # stands where the thread ends before its time
        self._thread = threading.Thread(target=self._run, name=f"sums of {folder.name}", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether files are still being read: nothing can be said of them yet."""
        return self._thread.is_alive()

    @property
    def is_whole(self) -> bool:
        """Whether every file was read and is as it was written."""
        return self._is_whole

    @property
    def problem(self) -> str:
        """What is damaged, by name. Empty while files are read, and for what a later build removed meanwhile."""
        return "" if self.is_running else self._problem

    def wait(self, seconds: float | None = None) -> None:
        """Wait until every file has been read, or so many seconds."""
        self._thread.join(seconds)

    def _run(self) -> None:
        for name in self._manifest.files:
            if problem := layout.file_problem(self._folder, self._manifest, name):
                self._problem = "" if self._was_removed() else problem
                return
        self._problem = ""
        self._is_whole = True

    def _was_removed(self) -> bool:
        """Whether the generation is none of those that the live one keeps: its files go, and that is no damage."""
        live = layout.whole_manifest(self._folder.parent)
        if live is None:
            return not self._folder.exists()
        return not live.oldest_kept <= self._folder.name <= live.generation


@dataclass(frozen=True)
class Served:
    """The generation to ask now, wholly opened. `notice` says why it is not the live one as written; else it is empty."""

    knowledge_base: KnowledgeBase
    check: SumCheck
    notice: str = ""

    @property
    def version(self) -> str:
        """The generation and when it was built, in local time: `gen-00000007, built 2026-11-24 09:30`."""
        manifest = self.knowledge_base.manifest
        return f"{manifest.generation}, built {datetime.fromisoformat(manifest.created_at).astimezone():%Y-%m-%d %H:%M}"


class LiveKnowledgeBase:
    """The newest whole generation of one knowledge base. Safe to use from several threads.

    It holds one generation open. One that was returned before stays open as long as somebody holds it, also when its files
    are removed, and is closed with the last reference to it.
    """

    def __init__(self, indexes: Path, name: str) -> None:
        """Nothing is opened yet.

        Raises:
            KnowledgeBaseNameError: not a plain folder name.
        """
        self._name = layout.checked_name(name)
        self._base = indexes / name
        self._lock = threading.Lock()
        self._served: Served | None = None
        self._checks: dict[Stamp, SumCheck] = {}  # of the generations that were looked at last

    def current(self) -> Served:
        """Return the generation to ask now: the live one, or where it is damaged the newest before it that is whole.

        What was returned before stays usable: an answer that has begun ends with the generation it began with. Nothing is
        read to its end for this; `Served.check` says how far that is.

        Raises:
            KnowledgeBaseError: there is none that can be asked.
        """
        with self._lock:
            while True:
                current = self._read_current()
                try:
                    served = self._choose(current)
                except KnowledgeBaseError:
                    self._served = None
                    if current == self._read_current():
                        raise
                else:
                    # With a notice: if CURRENT has moved on, the generation was replaced under us, and is not damaged.
                    if not served.notice or current == self._read_current():
                        self._served = served
                        return served

    def verified(self) -> Served:
        """Return what `current` does, after every file of it has been read and found whole.

        Raises:
            KnowledgeBaseError: there is none that can be asked.
        """
        while True:
            served = self.current()
            served.check.wait()
            if served.check.is_whole:
                return served

    def _read_current(self) -> bytes | None:
        try:
            return (self._base / layout.CURRENT).read_bytes()
        except OSError:
            return None

    def _choose(self, current: bytes | None) -> Served:
        """Open the live generation, or the newest other that is whole as far as is known.

        Args:
            current: what CURRENT holds.
        """
        checks, self._checks = self._checks, {}
        try:
            return Served(*self._open(*layout.read_current(self._base), checks))
        except (KnowledgeBaseDamaged, FormatVersionError, StorageError) as error:
            problem: KnowledgeBaseError = _afresh(error)
        for folder in self._others(current):
            with suppress(KnowledgeBaseDamaged, FormatVersionError, StorageError):
                knowledge_base, check = self._open(folder, None, checks)
                answers = f"Answers come from {Served(knowledge_base, check).version}, the newest that is whole."
                return Served(knowledge_base, check, f"{problem.found} {answers} {problem.remedy}".strip())
        raise problem

    def _others(self, current: bytes | None) -> list[Path]:
        """Return the generations that may be served besides the live one, newest first.

        A generation that the live one does not keep, or that was never committed, is none of them. Where CURRENT or the live
        manifest is damaged, nothing says which those are.
        """
        folders = layout.generations(self._base)[::-1]
        live = layout.whole_manifest(self._base)
        if live is None or layout.current_text(live).encode() != current:
            return folders
        return [folder for folder in folders if live.oldest_kept <= folder.name < live.generation]

    def _open(
        self, folder: Path, manifest_sum: str | None, checks: dict[Stamp, SumCheck]
    ) -> tuple[KnowledgeBase, SumCheck]:
        """Open a generation with everything in it, since its files may be removed at any time.

        Raises:
            KnowledgeBaseDamaged: a file is missing or differs, by name.
            FormatVersionError: made by another version.
        """
        manifest = layout.read_manifest(folder, manifest_sum)
        stamp = _stamp(folder, manifest)
        check = self._checks[stamp] = checks.get(stamp) or SumCheck(folder, manifest)
        if not check.is_running and not check.is_whole:
            raise self._damaged(check.problem or f"{folder} was removed while it was read.")
        if self._served is not None and self._served.check is check:
            return self._served.knowledge_base, check
        try:
            return self._opened_wholly(folder, manifest), check
        except Exception:  # a library may say anything of a damaged file; which file it is, the sums say
            check.wait()
            if check.problem:
                raise self._damaged(check.problem) from None
            raise

    def _opened_wholly(self, folder: Path, manifest: Manifest) -> KnowledgeBase:
        knowledge_base = KnowledgeBase(self._name, folder, manifest)
        _ = knowledge_base.keywords
        for model in knowledge_base.models:
            knowledge_base.null_scores(model)  # opens the vectors, too
        return knowledge_base

    def _damaged(self, found: str) -> KnowledgeBaseDamaged:
        return KnowledgeBaseDamaged(found, layout.rebuild_command(self._base))


def _afresh(error: KnowledgeBaseError) -> KnowledgeBaseError:
    """Return an error without its traceback, which would keep open what the functions in it had opened."""
    return type(error)(error.found, error.remedy)


def _stamp(folder: Path, manifest: Manifest) -> Stamp:
    """Return by what a generation is seen to have been touched. A link from another generation changes none of it.

    Raises:
        KnowledgeBaseDamaged: a file is gone.
    """
    stamp = []
    for path in (folder / name for name in (layout.MANIFEST, *manifest.files)):
        try:
            found = path.stat()
        except OSError as error:
            raise KnowledgeBaseDamaged(
                f"{path} is missing: {error.strerror}.", layout.rebuild_command(folder.parent)
            ) from error
        stamp.append((str(path), found.st_ino, found.st_size, found.st_mtime_ns))
    return tuple(stamp)
