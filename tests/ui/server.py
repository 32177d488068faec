"""Starts the app as a user does, on a free port of this machine, and stops it by its own process id."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import REPOSITORY

START_SECONDS = 300
# Below the ports that systems give to whoever asks for any: what is free here now is free when a server has started.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running(command: Sequence[str], port: int, environment: dict[str, str], folder: Path) -> Iterator[str]:
    """Run a server until the block ends; give its address."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_APP_", "STREAMLIT_"))}
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=inherited | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:  # a thread that imports or embeds ends when it is done with that
                process.kill()
                process.wait(timeout=20)


@contextmanager
def running_script(script: str, environment: dict[str, str], folder: Path) -> Iterator[str]:
    """Run another script than the app's, with the app's configuration, until the block ends; give its address."""
    (folder / "script.py").write_text(script, encoding="utf-8")
    shutil.copytree(REPOSITORY / ".streamlit", folder / ".streamlit")
    port = free_port()
    with running(("streamlit", "run", "script.py", "--server.port", str(port)), port, environment, folder) as address:
        yield address


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}: {log.read_text()}")
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server did not start in {START_SECONDS} s: {log.read_text()}")
