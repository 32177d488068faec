"""A build killed at a step it takes: the old or the new generation is served, and the next build ends as it would have."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.scenarios import Scenario
from tests.crash.shim import Kind, Mode
from tests.crash.trials import faults

Kill = tuple[Mode, int]
EVERY_DAY = 12
TWICE_EVERY_DAY = 6
TWICE = 100


def kills(scenario: Scenario) -> list[Kill]:
    """Return every kill there is: before each step, and halfway through each write."""
    halfway = [step.number for step in scenario.steps if step.kind is Kind.WRITE and len(step.data) > 1]
    before = [(Mode.KILL_BEFORE, number) for number in range(1, scenario.count + 1)]
    return before + [(Mode.KILL_HALFWAY, number) for number in halfway]


def killing(scenario: Scenario) -> Callable[[tuple[Kill, ...], Path], str]:
    """Return what runs one build for each kill, one after the other at the same place, and kills it."""

    def kill(trial: tuple[Kill, ...], place: Path) -> str:
        scenario.copy_template(place)
        outcomes = [scenario.build(place, mode, step) for mode, step in trial]
        # A build after the first has other steps: it may be over before its time has come.
        is_as_asked = outcomes[0].signal == signal.SIGKILL and not any(outcome.error for outcome in outcomes)
        return "" if is_as_asked else f"not killed: {outcomes}"

    return kill


def pairs(scenario: Scenario, count: int) -> list[tuple[Kill, ...]]:
    """Return kills of a build, each followed by a kill of the build that recovers from it."""
    chance = random.Random(f"{scenario.name}, twice")
    return [tuple(chance.choices(kills(scenario), k=2)) for _ in range(count)]


def test_a_build_killed_at_a_sample_of_its_steps_leaves_the_old_or_the_new(scenario: Scenario, tmp_path: Path) -> None:
    sample = random.Random(scenario.name).sample(kills(scenario), EVERY_DAY)
    assert faults([(kill,) for kill in sample], killing(scenario), scenario, tmp_path) == {}


def test_a_build_that_recovers_may_be_killed_as_well(scenario: Scenario, tmp_path: Path) -> None:
    assert faults(pairs(scenario, TWICE_EVERY_DAY), killing(scenario), scenario, tmp_path) == {}


@pytest.mark.matrix
def test_a_build_killed_at_any_step_leaves_the_old_or_the_new(scenario: Scenario, tmp_path: Path) -> None:
    trials = [(kill,) for kill in kills(scenario)]
    assert faults(trials, killing(scenario), scenario, tmp_path) == {}


@pytest.mark.matrix
def test_a_build_that_recovers_may_be_killed_at_many_steps(scenario: Scenario, tmp_path: Path) -> None:
    assert faults(pairs(scenario, TWICE), killing(scenario), scenario, tmp_path) == {}
