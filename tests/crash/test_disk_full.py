"""A disk that is full, or that cannot be trusted: the build says so and leaves nothing, and what was live before still is."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.builds import INDEXES, NAME, Content, Outcome, served
from tests.crash.disk import folder_image
from tests.crash.scenarios import BUILDS, Scenario
from tests.crash.shim import Kind, Mode
from tests.crash.trials import faults

EVERY_DAY = 6
_MESSAGE = re.compile(r"is full|cannot be written|could not be synced")


def steps(scenario: Scenario, *kinds: Kind) -> list[int]:
    """Return the numbers of the steps of some kinds."""
    return [step.number for step in scenario.steps if step.kind in kinds]


def steps_that_need_room(scenario: Scenario) -> list[int]:
    return steps(scenario, Kind.CREATE, Kind.WRITE, Kind.MAKE_FOLDER)


def sample(scenario: Scenario, numbers: list[int]) -> list[int]:
    return random.Random(scenario.name).sample(numbers, EVERY_DAY)


def failing(scenario: Scenario, mode: Mode) -> Callable[[int, Path], str]:
    """Return what runs a build in which a step fails, and says what is wrong with how it ends."""
    in_place = scenario.steps[scenario.placing].number

    def fail(step: int, place: Path) -> str:
        scenario.copy_template(place)
        outcome = scenario.build(place, mode, step)
        leftovers = [path.name for path in (place / INDEXES / NAME).glob(".build-*")]
        return f"left over: {leftovers}" if leftovers else wrong_end(outcome, step, served(place))

    def wrong_end(outcome: Outcome, step: int, found: Content | None) -> str:
        if not outcome.error:  # what failed was not needed: SQLite moves what is in the log of the cache another time
            return "" if found == scenario.new else "the build says that it has done its work and has not"
        if (outcome.error, outcome.exit_code) != ("StorageError", 1) or not _MESSAGE.search(outcome.message):
            return f"another error: {outcome}"
        # Once a generation is in place, a first one is served even where CURRENT does not name it yet.
        is_in_doubt = mode is not Mode.FILE_LIMIT and step > in_place
        is_kept = found == scenario.old or (is_in_doubt and found == scenario.new)
        return "" if is_kept else "what was live before is not any more"

    return fail


def test_a_disk_that_is_full_at_a_sample_of_steps(scenario: Scenario, tmp_path: Path) -> None:
    full = failing(scenario, Mode.DISK_FULL)
    assert faults(sample(scenario, steps_that_need_room(scenario)), full, scenario, tmp_path) == {}


def test_a_sync_that_fails_at_a_sample_of_steps(scenario: Scenario, tmp_path: Path) -> None:
    unsynced = failing(scenario, Mode.SYNC_FAILS)
    assert faults(sample(scenario, steps(scenario, Kind.SYNC)), unsynced, scenario, tmp_path) == {}


@pytest.mark.matrix
def test_a_disk_that_is_full_at_any_step(scenario: Scenario, tmp_path: Path) -> None:
    full = failing(scenario, Mode.DISK_FULL)
    assert faults(steps_that_need_room(scenario), full, scenario, tmp_path) == {}


@pytest.mark.matrix
def test_a_sync_that_fails_at_any_step(scenario: Scenario, tmp_path: Path) -> None:
    unsynced = failing(scenario, Mode.SYNC_FAILS)
    assert faults(steps(scenario, Kind.SYNC), unsynced, scenario, tmp_path) == {}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of less than a megabyte."""
    folder = tmp_path.resolve() / "small"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", folder], capture_output=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("scenario", BUILDS, indirect=True, scope="session")
def test_a_build_for_which_there_is_no_room_is_refused_before_it_has_begun(
    scenario: Scenario, small_disk: Path
) -> None:
    place = small_disk / "place"
    scenario.copy_template(place)
    before = folder_image(place)
    outcome = scenario.build(place)
    assert (outcome.error, outcome.exit_code) == ("StorageError", 1)
    assert re.search(r"has \d+\.\d MB free; the build needs about \d+\.\d MB", outcome.message)
    assert served(place) == scenario.old
    assert {name: data for name, data in folder_image(place).items() if name in before} == before
    assert not list(place.rglob(".build-*"))


def test_a_limit_on_the_size_of_files(scenario: Scenario, tmp_path: Path) -> None:
    limited = failing(scenario, Mode.FILE_LIMIT)
    assert faults([0, 1_000, 10_000, 20_000], limited, scenario, tmp_path) == {}
