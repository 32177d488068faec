"""Builds that are killed, and what is compared after them: the stage that runs them, and the contents of a knowledge base.

This module knows nothing of how a build is killed or of what it writes in which order.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag_app.errors import KnowledgeBaseNotFound
from rag_app.store.layout import CACHE, CURRENT, MANIFEST, WRITER_LOCK, check_sums, read_current, read_manifest
from rag_app.store.live import LiveKnowledgeBase
from tests.conftest import REPOSITORY
from tests.crash.shim import Mode

INDEXES = "indexes"
NAME = "kb"
# Of builds in processes of their own: none of the developer's settings reaches them.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}

# What is compared of a generation, by file: its sum, or a manifest as JSON.
Content = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What a build is asked for; nothing: to bring the base up to date. `purged`: no build, but a purge of these documents."""

    sources: tuple[str, ...] = ()
    embed_models: tuple[str, ...] = ()
    purged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a build ended: the signal that killed it, or an error, or neither; and how many steps it took."""

    signal: int
    error: str = ""
    message: str = ""
    exit_code: int = 0
    steps: int = 0


class Stage:
    """The other end of `tests.crash.stage`; one build at a time."""

    def __init__(self, shim: Path) -> None:
        """Start the process; it imports for some seconds before its first answer."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # a fork keeps no threads
        environment = ENVIRONMENT | {"LD_PRELOAD": str(shim)} | threads
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.stage"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=environment,
        )

    def warm_up(self, place: Path, request: Request) -> None:
        """Build in the process itself, so that the forks find everything imported."""
        answer = self._ask(place, request, None)
        assert "error" not in answer, answer

    def build(
        self, place: Path, request: Request, mode: Mode = Mode.WATCH, step: int = 0, journal: Path | None = None
    ) -> Outcome:
        """Build in a fork, below `place`; at the given step what the mode says happens."""
        watch = {"folder": str(place), "mode": mode, "step": step, "journal": journal and str(journal)}
        return Outcome(**self._ask(place, request, watch))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, place: Path, request: Request, watch: dict[str, Any] | None) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = {"request": asdict(request) | {"indexes": str(place / INDEXES), "kb": NAME}, "watch": watch}
        print(json.dumps(question), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def served(place: Path) -> Content | None:
    """Return what a reader is given, after all of it was compared with its sums; None where there is no knowledge base.

    A reader is given anything but the live generation, and told so, only where no first build was ever committed.
    """
    try:
        found = LiveKnowledgeBase(place / INDEXES, NAME).current()
    except KnowledgeBaseNotFound:
        return None
    base = found.knowledge_base
    base.close()
    check_sums(base.folder, base.manifest)
    is_committed = (place / INDEXES / NAME / CURRENT).exists()
    assert bool(found.notice) is not is_committed, found.notice
    return content(base.folder)


def content(generation: Path) -> Content:
    """Return what must be equal in two builds of the same: every byte but the time, and the manifest's sum of itself."""
    manifest = json.loads((generation / MANIFEST).read_text())
    del manifest["created_at"], manifest["sum"]
    sums = {name: hashlib.sha256((generation / name).read_bytes()).hexdigest() for name in manifest["files"]}
    return {MANIFEST: manifest} | sums


def leftovers(place: Path) -> list[str]:
    """Return what a finished build must not leave behind: anything but the generations that are kept, and the cache.

    The cache's own journal may stay where a build had no need to open it: it is a part of it.
    """
    base = place / INDEXES / NAME
    live = read_manifest(*read_current(base))
    kept = {path.name for path in base.glob("gen-*") if live.oldest_kept <= path.name <= live.generation}
    found = {path.name for path in base.iterdir()} | {path.name for path in base.parent.iterdir() if path != base}
    strays = [path.name for path in base.glob(f"{CACHE}/*") if not path.name.startswith("embeddings.sqlite")]
    return sorted(found - kept - {CURRENT, WRITER_LOCK, CACHE}) + strays


def files_with(place: Path, word: str) -> list[str]:
    """Return the files below a place in which a word stands; none for no word."""
    files = (path for path in place.rglob("*") if word and path.is_file())
    return [path.relative_to(place).as_posix() for path in files if word.encode() in path.read_bytes()]
