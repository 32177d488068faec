"""Stub, being written."""

from __future__ import annotations

from pathlib import Path


def check_folder(folder: Path, *, trusted: bool) -> None:
    """Stub."""
