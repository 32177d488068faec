"""`rag-app serve` before it becomes Streamlit: the port, and the address that is printed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import Run


@pytest.fixture
def port() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number: int = listening.getsockname()[1]
        yield number


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have taken the place of this process."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda program, command, environment: commands.append(command))
    return commands


def test_a_port_in_use_is_refused_with_a_way_out(run: Run, port: int, started: list[list[str]]) -> None:
    result = run("serve", "--port", str(port))
    assert (result.code, result.out, started) == (2, "", [])
    assert result.err == (
        f"error: Port {port} is in use on this machine. If the app runs there already, open http://127.0.0.1:{port}; "
        "else name another port: rag-app serve --port PORT\n"
    )


def test_a_port_that_is_not_allowed_is_refused(
    run: Run, port: int, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    result = run("serve", "--port", "80")
    assert (result.code, started) == (2, [])
    assert result.err.startswith("error: Port 80 cannot be opened: Permission denied. Name another port, above 1023:")


def test_a_free_port_is_served_under_the_address_of_the_readme(
    run: Run, tmp_path: Path, started: list[list[str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        free = str(listening.getsockname()[1])
    assert run("serve", "--port", free, "--indexes", tmp_path).code == 0
    (command,) = started
    options = dict(zip(command[5::2], command[6::2], strict=True))
    assert options["--server.port"] == free
    assert options["--server.address"] == options["--browser.serverAddress"] == "127.0.0.1"
