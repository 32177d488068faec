"""What was written is on the disk, not in the system's memory alone: it outlasts a power cut.

This module knows nothing of what is in a file.
"""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Make sure that a file's bytes, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make sure that a folder is on the disk with everything below it."""
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)
