"""The edge of the commands: what Python does around one."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 1000))  # runs last
from rag_app.terminal import run_command
run_command(lambda: print(gc.get_threshold()[0] > 10_000))
print(gc.get_freeze_count() == 0)
"""


def test_a_command_does_not_look_through_what_stays_and_does_not_take_it_apart_at_its_end() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True", "True"]
