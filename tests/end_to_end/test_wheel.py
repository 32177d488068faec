"""Everything works from an installed wheel: what is in it, and the commands and the server run from it, far from a clone."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.end_to_end.commands import run
from tests.ui.handshake import check_refusals
from tests.ui.server import free_port, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contents of the wheel, as an installation has them."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    zipfile.ZipFile(wheel).extractall(target)
    return target


def test_the_wheel_holds_the_data_files_and_nothing_foreign(installed: Path) -> None:
    prompts = (
        f"answering/prompting/prompts/{name}.{language}.toml"
        for name in ("answer", "standalone")
        for language in ("en", "zh")
    )
    data = (
        "models/catalogue.toml",
        "retrieval/foreign_questions.toml",
        "doctor/sayings.toml",
        "models/choosing/sayings.toml",
        "ui/words/zh/problems.toml",
        "ui/icon.png",
        "ui/.streamlit/config.toml",
        *prompts,
    )
    for name in (*data, "ui/app.py", "py.typed"):
        assert (installed / "rag_app" / name).is_file(), name
    top = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert top == {"rag_app", "ingest"}
    config = (installed / "rag_app" / "ui" / ".streamlit" / "config.toml").read_bytes()
    assert config == (REPOSITORY / ".streamlit" / "config.toml").read_bytes()


def test_commands_run_from_the_wheel(installed: Path, tmp_path: Path, tiny_embedder: Path) -> None:
    environment = {"PYTHONPATH": str(installed)}
    (tmp_path / "note.txt").write_text("The canteen opens at noon.")
    model = ("--embed-model", str(tiny_embedder), "--offline")
    built = run("ingest", "note.txt", "--kb", "notes", *model, environment=environment, folder=tmp_path)
    assert built.code == 0, built.messages
    asked = run(
        "rag_app",
        "ask",
        "When does the canteen open?",
        "--kb",
        "notes",
        "--no-answer",
        "--json",
        environment=environment,
        folder=tmp_path,
    )
    assert asked.code == 0, asked.messages
    assert asked.json["passages"][0]["text"] == "The canteen opens at noon."


def test_the_server_runs_from_the_wheel_with_the_shipped_configuration(installed: Path, tmp_path: Path) -> None:
    port = free_port()
    with running(("rag_app", "serve", "--port", str(port)), port, {"PYTHONPATH": str(installed)}, tmp_path) as address:
        with urllib.request.urlopen(address, timeout=10) as response:
            assert response.status == 200
        check_refusals(address)
        log = (tmp_path / "server.log").read_text()
    assert f"127.0.0.1:{port}" in log or f"localhost:{port}" in log
    assert "0.0.0.0" not in log
    assert "usage statistics" not in log
