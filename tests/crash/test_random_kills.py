"""`python -m ingest` killed at any moment, in a process of its own: the old or the new generation is served."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import HANDBOOK, REPOSITORY
from tests.crash.builds import ENVIRONMENT, INDEXES, NAME, Content, Outcome, Request, Stage, served
from tests.crash.scenarios import BUILDS, Scenario, make_scenario
from tests.crash.trials import faults

EVERY_DAY = 3
MANY = 100
WITH_A_REAL_MODEL = 10
_MORE_DOCUMENTS = 40
_HANDBOOK = Request((str(HANDBOOK),), ("bundled",))


def command(module: str, place: Path, request: Request) -> list[str]:
    """Return the command that builds below `place` in a process of its own, and says each step on standard error."""
    models = [word for model in request.embed_models for word in ("--embed-model", model)]
    options = ["--kb", NAME, "--indexes", str(place / INDEXES), "--offline", "--device", "cpu", "--events", "--json"]
    return [sys.executable, "-m", module, *request.sources, *models, *options]


@contextmanager
def running(module: str, place: Path, request: Request) -> Iterator[subprocess.Popen[str]]:
    """Start a build in a process of its own, which has begun its work when this begins; wait until it has ended."""
    process = subprocess.Popen(
        command(module, place, request),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    with process:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first.startswith('{"event"'), first + process.stderr.read()
        yield process


class Killable(Protocol):
    """A build that can be started in a process of its own."""

    request: Request

    def copy_template(self, place: Path) -> None:
        """Put what is there before at a place."""


class RandomKill:
    """Kills builds at random moments, as many seconds after they have begun as one takes that is left alone."""

    def __init__(self, module: str, build: Killable, place: Path) -> None:
        """Measure one build, at a place."""
        self._module, self._build = module, build
        build.copy_template(place)
        with running(module, place, build.request) as process:
            began = time.perf_counter()
            _, errors = process.communicate()
        self._seconds = time.perf_counter() - began
        assert process.returncode == 0, errors
        self.hits = 0

    def __call__(self, seed: str, place: Path) -> str:
        self._build.copy_template(place)
        with running(self._module, place, self._build.request) as process:
            time.sleep(random.Random(seed).uniform(0, self._seconds))
            process.kill()
        self.hits += process.returncode == -signal.SIGKILL
        return "" if process.returncode in (0, -signal.SIGKILL) else f"it ended with {process.returncode}"


@pytest.fixture(scope="module", params=BUILDS)
def long_scenario(request: pytest.FixtureRequest, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Each build that is killed, with more documents."""
    return make_scenario(request.param, stage, tmp_path_factory.mktemp("long").resolve(), _MORE_DOCUMENTS)


def random_kills(scenario: Scenario, count: int, folder: Path) -> tuple[dict[str, str], int]:
    """Return what is wrong after so many kills, and how many of them came before the build had ended."""
    kill = RandomKill("tests.crash.child", scenario, folder / "alone")
    assert served(folder / "alone") == scenario.new
    return faults([f"{scenario.name} {number}" for number in range(count)], kill, scenario, folder), kill.hits


def test_a_build_killed_at_a_few_random_moments_leaves_the_old_or_the_new(
    long_scenario: Scenario, tmp_path: Path
) -> None:
    found, _ = random_kills(long_scenario, EVERY_DAY, tmp_path)
    assert found == {}


@pytest.mark.matrix
def test_a_build_killed_at_random_moments_leaves_the_old_or_the_new(long_scenario: Scenario, tmp_path: Path) -> None:
    found, hits = random_kills(long_scenario, MANY, tmp_path)
    assert found == {}
    assert hits > MANY / 2


@dataclass(frozen=True)
class RealBuild:
    """A first build of the sample handbook with the bundled model, as `python -m ingest` runs it."""

    new: Content
    again: Content
    old: None = None
    gone: str = ""
    request: Request = _HANDBOOK

    def copy_template(self, place: Path) -> None:
        place.mkdir()

    def build(self, place: Path) -> Outcome:
        with running("ingest", place, self.request) as process:
            _, errors = process.communicate()
        return Outcome(0, "" if process.returncode == 0 else errors)


@pytest.mark.matrix
@pytest.mark.slow
def test_a_build_with_a_real_model_killed_at_random_moments_leaves_nothing_or_the_new(tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    kill = RandomKill("ingest", RealBuild({}, {}), alone)
    new = served(alone)
    assert new is not None
    seeds = [f"real {number}" for number in range(WITH_A_REAL_MODEL)]
    assert faults(seeds, kill, RealBuild(new, new), tmp_path) == {}
    assert kill.hits > WITH_A_REAL_MODEL / 2
