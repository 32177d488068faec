"""What the benchmarks of search at size share: a case, milliseconds of rivals that take turns, memory, and a cold disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNT = 10  # passages that a question wants

Ask = Callable[["NDArray[np.float32]"], object]


@dataclass(frozen=True)
class Case:
    """What a stage works on: a folder for its files, a set of vectors, their number and length, and the limit on memory."""

    folder: Path
    set: str
    count: int
    dimension: int
    memory_gb: float | None

    @property
    def name(self) -> str:
        """What the tables call it."""
        limit = f", {self.memory_gb:g} GB" if self.memory_gb else ""
        return f"{self.set}, {self.count:,} x {self.dimension}{limit}"


def taking_turns(rivals: Sequence[Ask], questions: NDArray[np.float32]) -> list[dict[str, float]]:
    """Return the milliseconds of each rival; each question is asked of all before the next."""
    seconds = np.empty((len(questions), len(rivals)))
    for place, question in enumerate(questions):
        for rival, ask in enumerate(rivals):
            started = time.perf_counter()
            ask(question)
            seconds[place, rival] = time.perf_counter() - started
    p50, p95 = np.percentile(seconds * 1000, [50, 95], axis=0)
    return [{"p50": middle, "p95": high} for middle, high in zip(p50.tolist(), p95.tolist(), strict=True)]


def drop_from_cache(paths: Sequence[Path]) -> None:
    """Make the next look at these files one at the disk."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory(field: str) -> float:
    """Return a field of this process's status in MB: VmRSS, what is resident, or VmHWM, the most that ever was."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(lines[field].split()[0]) * 1024 / 1e6
