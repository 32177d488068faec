"""How far a download is: told to whoever follows it, else a bar where standard error is a terminal, else a line now and then.

This module knows nothing of where bytes come from.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

LINE_SECONDS = 15.0

# Told how many bytes of how many are here. What it raises ends the download, which goes on from there the next time.
OnBytes = Callable[[int, int], None]


class DownloadProgress:
    """Counts the bytes of one download, of all its files together; for use in a `with` statement."""

    def __init__(
        self, name: str, total: int, present: int, announce: Callable[[str], None], on_bytes: OnBytes | None = None
    ) -> None:
        """Show nothing yet: `total` bytes are wanted, `present` of them were here before; `on_bytes` is told how many are."""
        self._name = name
        self._total = total
        self._done = present
        self._announce = announce
        self._on_bytes = on_bytes
        self._next_line = time.monotonic() + LINE_SECONDS
        self._bar: Any = None

    def __enter__(self) -> DownloadProgress:
        """Show the bar, where there is one."""
        if self._on_bytes is not None:
            self._on_bytes(self._done, self._total)
        elif sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm  # type: ignore[import-untyped]

            self._bar = tqdm(
                desc=self._name, total=self._total, initial=self._done, unit="B", unit_scale=True, file=sys.stderr
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def update(self, count: float | None = 1) -> None:
        """Count bytes that have arrived."""
        self._done = min(self._total, self._done + int(count or 0))
        if self._on_bytes is not None:
            self._on_bytes(self._done, self._total)
        elif self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            self._announce(f"{self._name}: {self._done / 1e9:.2f} of {self._total / 1e9:.2f} GB")

    def of_one_file(self, **_: object) -> _OfOneFile:
        """Return what huggingface_hub takes for the bar of one file, made with the arguments of tqdm."""
        return _OfOneFile(self)


class _OfOneFile:
    """The part of a tqdm bar that huggingface_hub uses; it counts for the whole download."""

    def __init__(self, whole: DownloadProgress) -> None:
        self.update = whole.update

    def __enter__(self) -> _OfOneFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return
