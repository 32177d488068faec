"""However the app is started, it listens on this machine alone, refuses foreign pages and reports nothing (B58)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.ui.handshake import check_refusals, stream_status, upload_status
from tests.ui.server import free_port, running


def start_of(how: str, port: int) -> tuple[str, ...]:
    if how == "serve":
        return ("rag_app", "serve", "--port", str(port))
    return ("streamlit", "run", str(REPOSITORY / "streamlit_app.py"), "--server.port", str(port))


@pytest.mark.parametrize("how", ["serve", "streamlit run"])
def test_only_its_own_page_may_speak_to_the_app(how: str, tmp_path: Path) -> None:
    port = free_port()
    with running(start_of(how, port), port, {"PYTHONPATH": str(REPOSITORY)}, tmp_path) as address:
        check_refusals(address)
        sockets = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [local for local, _, state in sockets if state == "0A" and local.endswith(f":{port:04X}")]
    assert listening == [f"0100007F:{port:04X}"]  # 127.0.0.1, and no other address


def test_without_the_shipped_configuration_a_foreign_name_would_be_let_in(tmp_path: Path) -> None:
    """What is refused above is refused by the configuration: another page elsewhere lets the foreign name in."""
    (tmp_path / "page.py").write_text("import streamlit as st\nst.text('x')")
    port = free_port()
    command = ("streamlit", "run", "page.py", "--server.port", str(port), "--server.headless", "true")
    loopback = ("--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false")
    unprotected = ("--server.enableXsrfProtection", "false")
    with running((*command, *loopback, *unprotected), port, {}, tmp_path) as address:
        assert upload_status(address) != 403
        rebound = f"evil.example:{port}"
        assert stream_status(address, host=rebound, origin=f"http://{rebound}") == 101


def test_make_serves_by_the_command_whose_refusals_are_tested() -> None:
    planned = subprocess.run(
        ["make", "-n", "serve", "PORT=8599"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert "rag-app serve --port 8599" in planned
