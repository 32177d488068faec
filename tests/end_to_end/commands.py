"""Runs the project's commands as a user does: in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY

TIMEOUT = 300


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    output: str
    messages: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)


def run(
    *arguments: str,
    environment: dict[str, str] | None = None,
    without: tuple[str, ...] = (),
    folder: Path = REPOSITORY,
) -> Outcome:
    """Run `python -m ARGUMENTS` and wait for it, in an environment without RAG_APP_* and the names in `without`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("RAG_APP_") and name not in without
    }
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "utf-8"} | (environment or {}),
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
