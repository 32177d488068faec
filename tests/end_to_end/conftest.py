"""The sample knowledge base, built once by the real command with the real bundled model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import HANDBOOK
from tests.end_to_end.commands import Outcome, run


@pytest.fixture(scope="session")
def sample_indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index root with the knowledge base `sample`."""
    return tmp_path_factory.mktemp("sample") / "indexes"


@pytest.fixture(scope="session")
def sample_build(sample_indexes: Path) -> Outcome:
    """What `python -m ingest` printed when it built the sample."""
    return run(
        "ingest",
        str(HANDBOOK),
        "--kb",
        "sample",
        "--embed-model",
        "bundled",
        "--indexes",
        str(sample_indexes),
        "--offline",
        "--json",
    )
