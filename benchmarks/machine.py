"""Prints the machine and the versions that figures depend on, for the line above a table in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from rag_app.waiting_threads import let_threads_sleep

let_threads_sleep()
PACKAGES = ("torch", "transformers", "sentence-transformers", "llama-index-core", "faiss-cpu", "bm25s", "streamlit")


def machine() -> str:
    """Return processor, cores, memory, system and package versions in one line."""
    cpu = platform.processor() or "unknown processor"
    information = Path("/proc/cpuinfo")
    if information.is_file():
        names = [
            line.partition(":")[2].strip() for line in information.read_text().splitlines() if "model name" in line
        ]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    hardware = f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"
    return f"{hardware}; Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    print(machine())
