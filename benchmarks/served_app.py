"""Starts the app for a benchmark as a user starts it, on a free port of this machine, and stops it by its own process id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
_START_SECONDS = 60


@dataclass(frozen=True)
class ServedApp:
    """A running app: its address, and the server's process id."""

    address: str
    process: int


@contextmanager
def served_app(indexes: Path, folder: Path) -> Iterator[ServedApp]:
    """Run the app over an index root, with quoted answers, from a working folder until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"RAG_APP_GENERATOR": "quote", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "rag_app", "serve", "--port", str(port), "--indexes", str(indexes)]
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield ServedApp(f"http://127.0.0.1:{port}", server.pid)
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"the app did not start in {_START_SECONDS} s")
