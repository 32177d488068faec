"""Fixtures for builds that are killed: the compiled shim, the stage, and the builds as they end when left alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.builds import Request, Stage
from tests.crash.scenarios import PREPARATIONS, Scenario, make_scenario
from tests.crash.shim import COMPILER, IS_COMPILER_REQUIRED, compile_shim
from tests.crash.stand_ins import write_model


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim."""
    if sys.platform != "linux":
        pytest.skip("calls are caught as Linux's C library makes them")
    if COMPILER is None and not IS_COMPILER_REQUIRED:
        pytest.skip("there is no C compiler (apt-get install gcc)")
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def stage(shim: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A process that runs builds in forks."""
    stage = Stage(shim)
    folder = tmp_path_factory.mktemp("warm_up").resolve()
    (folder / "document.md").write_text("# Word\n\nSome text.")
    stage.warm_up(folder, Request((str(folder / "document.md"),), (str(write_model(folder / "model")),)))
    yield stage
    stage.close()


@pytest.fixture(scope="session", params=PREPARATIONS)
def scenario(request: pytest.FixtureRequest, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Each build that is killed."""
    return make_scenario(request.param, stage, tmp_path_factory.mktemp("scenario").resolve())
