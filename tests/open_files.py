"""What of a knowledge base this process holds open, as Linux tells it; for tests of what is closed, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="sees what is open in /proc")


def open_generations(base: Path) -> list[str]:
    """Return the generations of which a file is open or mapped into memory, removed ones included, sorted."""
    descriptors = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            descriptors.append(str(path.readlink()))
        except OSError:  # closed meanwhile, by another thread
            continue
    mapped = [line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    inside = [name.removeprefix(f"{base}/") for name in descriptors + mapped if name.startswith(f"{base}/gen-")]
    return sorted({name.partition("/")[0] for name in inside})
