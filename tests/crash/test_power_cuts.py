"""The power is cut during a build, and what was not synced is lost or torn: the old or the new generation is served."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.builds import files_with, served
from tests.crash.disk import Image, Loss, TornLoss, write_image
from tests.crash.scenarios import Scenario
from tests.crash.trials import faults


def distinct(images: Iterator[tuple[int, Image]]) -> dict[str, Image]:
    """Return the images, each once, by names that tell the number of steps before the cut."""
    found = {tuple(sorted(image.items())): (number, image) for number, image in images}
    return {f"{index}: after {number} steps": image for index, (number, image) in enumerate(found.values())}


def lost(scenario: Scenario) -> Iterator[tuple[int, Image]]:
    """Yield what the disk holds after each step if nothing is there that was not synced."""
    disk = scenario.disk()
    yield 0, disk.image(Loss())
    for step in scenario.steps:
        disk.take(step)
        yield step.number, disk.image(Loss())


def torn(scenario: Scenario, anywhere: int, at_commit: int) -> Iterator[tuple[int, Image]]:
    """Yield what the disk may hold after some of the steps if some is there that was not synced.

    Args:
        scenario: the build.
        anywhere: how many times the power is cut after a step drawn by chance.
        at_commit: how many times after each of the steps that put the generation in its place and make it the live one.
    """
    chance = random.Random(f"{scenario.name}, torn")
    last = len(scenario.steps)
    cuts = Counter(chance.choices(range(1, last + 1), k=anywhere))
    cuts.update(list(range(scenario.placing - 2, min(scenario.placing + 12, last) + 1)) * at_commit)
    disk = scenario.disk()
    for number, step in enumerate(scenario.steps, start=1):
        disk.take(step)
        for _ in range(cuts[number]):
            yield step.number, disk.image(TornLoss(chance.getrandbits(32)))


def faults_of(images: dict[str, Image], scenario: Scenario, folder: Path) -> dict[str, str]:
    def cut(name: str, place: Path) -> str:
        write_image(images[name], place)
        return ""

    return faults(images, cut, scenario, folder)


def test_a_build_that_has_ended_is_on_the_disk(scenario: Scenario, tmp_path: Path) -> None:
    *_, (_, image) = lost(scenario)
    write_image(image, tmp_path / "place")
    assert served(tmp_path / "place") == scenario.new
    assert files_with(tmp_path / "place", scenario.gone) == []


def test_the_power_is_cut_at_any_step(scenario: Scenario, tmp_path: Path) -> None:
    assert faults_of(distinct(lost(scenario)), scenario, tmp_path) == {}


def test_the_power_is_cut_and_writes_are_torn_at_a_sample_of_steps(scenario: Scenario, tmp_path: Path) -> None:
    assert faults_of(distinct(torn(scenario, anywhere=6, at_commit=1)), scenario, tmp_path) == {}


@pytest.mark.matrix
def test_the_power_is_cut_and_writes_are_torn(scenario: Scenario, tmp_path: Path) -> None:
    assert faults_of(distinct(torn(scenario, anywhere=100, at_commit=20)), scenario, tmp_path) == {}
