"""The shim itself: it sees every step, and what is asked for happens at the step that was chosen."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.disk import NoLoss, folder_image
from tests.crash.scenarios import Scenario
from tests.crash.shim import Kind, Mode, Step, read_journal

# Works in the folder that is its first argument; the mode and the step are the next two, the journal the last.
PROGRAM = """
import ctypes, os, sys
import numpy
folder, mode, step, journal = sys.argv[1:]
watch = ctypes.CDLL(None).crash_shim_watch
watch(os.fsencode(folder), int(mode), ctypes.c_long(int(step)), os.fsencode(journal))
os.mkdir(folder + "/inside")
with open(folder + "/inside/draft", "xb", buffering=0) as file:
    file.write(b"abcd")
    os.fsync(file.fileno())
os.rename(folder + "/inside/draft", folder + "/inside/final")
os.link(folder + "/inside/final", folder + "/linked")
numpy.arange(4, dtype="u1").tofile(folder + "/array")
with open(os.path.dirname(folder) + "/elsewhere", "wb") as file:
    file.write(b"not watched")
os.unlink(folder + "/linked")
"""


def run(shim: Path, folder: Path, mode: Mode = Mode.WATCH, step: int = 0) -> subprocess.CompletedProcess[str]:
    (folder / "watched").mkdir()
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder / "watched"), str(int(mode)), str(step), str(folder / "journal")],
        env={"LD_PRELOAD": str(shim)},
        capture_output=True,
        text=True,
        check=False,
    )


def steps(folder: Path) -> list[Step]:
    return list(read_journal(folder / "journal"))


def test_every_change_of_the_folder_is_written_down_and_nothing_else(shim: Path, tmp_path: Path) -> None:
    assert run(shim, tmp_path).returncode == 0
    names = [(step.kind, Path(step.other or step.path).name) for step in steps(tmp_path)]
    assert names == [
        (Kind.MAKE_FOLDER, "inside"),
        (Kind.CREATE, "draft"),
        (Kind.WRITE, ""),
        (Kind.SYNC, "draft"),
        (Kind.RENAME, "final"),
        (Kind.LINK, "linked"),
        (Kind.CREATE, "array"),
        (Kind.WRITE, ""),
        (Kind.UNLINK, "linked"),
    ]
    assert [step.data for step in steps(tmp_path) if step.data] == [b"abcd", b"abcd", bytes(range(4))]


def test_a_process_is_killed_before_a_step_or_halfway_through_a_write(shim: Path, tmp_path: Path) -> None:
    for mode, expected in ((Mode.KILL_BEFORE, b""), (Mode.KILL_HALFWAY, b"ab")):
        folder = tmp_path / mode.name
        folder.mkdir()
        assert run(shim, folder, mode, step=3).returncode == -signal.SIGKILL
        assert (folder / "watched" / "inside" / "draft").read_bytes() == expected


def test_what_numpy_writes_itself_can_be_cut_as_well(shim: Path, tmp_path: Path) -> None:
    assert run(shim, tmp_path, Mode.KILL_HALFWAY, step=8).returncode == -signal.SIGKILL
    assert (tmp_path / "watched" / "array").read_bytes() == bytes(range(2))


@pytest.mark.parametrize(
    ("mode", "step", "error"),
    [
        (Mode.DISK_FULL, 1, "No space left on device: "),
        (Mode.DISK_FULL, 8, "4 requested and 2 written"),
        (Mode.SYNC_FAILS, 4, "Input/output error"),
    ],
)
def test_a_full_disk_and_a_failed_sync_are_errors_of_the_call(
    shim: Path, tmp_path: Path, mode: Mode, step: int, error: str
) -> None:
    assert error in run(shim, tmp_path, mode, step).stderr


def test_no_step_of_a_build_is_missed(scenario: Scenario) -> None:
    """What the journal leads to is what is on the disk, to the byte."""
    disk = scenario.disk()
    for step in scenario.steps:
        disk.take(step)
    assert disk.image(NoLoss()) == folder_image(scenario.finished)
