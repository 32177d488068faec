"""Starts the app for a browser on this machine, as `streamlit run` does.

The configuration lies beside the script: `.streamlit/config.toml` of a clone, or the copy inside the installed package.
This module knows nothing of the pages; it replaces its own process, so that a signal reaches the server itself.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

from rag_app.errors import UsageError

_ADDRESS = "127.0.0.1"
_PACKAGE = Path(__file__).parent

# In the configuration as well; a flag also wins over STREAMLIT_* variables of the environment.
_PRIVATE = ("--server.address", _ADDRESS, "--browser.gatherUsageStats", "false")
# What Streamlit prints as the address to open.
_SHOWN = ("--browser.serverAddress", _ADDRESS)


def app_script() -> Path:
    """Return the script that Streamlit is to run: that of a clone, else that of the installed package."""
    in_clone = _PACKAGE.parent / "streamlit_app.py"
    return in_clone if in_clone.is_file() else _PACKAGE / "ui" / "app.py"


def run_server(port: int, indexes: Path) -> None:
    """Become the server. The index root travels in RAG_APP_INDEXES, like everything else that is set by flags.

    Raises:
        UsageError: the port cannot be had.
    """
    _check_port(port)
    arguments = ["--server.port", str(port), *_PRIVATE, *_SHOWN]
    command = [sys.executable, "-m", "streamlit", "run", str(app_script()), *arguments]
    environment = os.environ | {"RAG_APP_INDEXES": str(indexes.absolute())}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell, and no words but ours


def _check_port(port: int) -> None:
    """Refuse a port that cannot be had: Streamlit would say so without a way out.

    Raises:
        UsageError: it is in use, or not allowed.
    """
    with socket.socket() as tried:
        # As the server does it: a connection that ended a moment ago does not hold the port.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((_ADDRESS, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UsageError(
                    f"Port {port} is in use on this machine.",
                    f"If the app runs there already, open http://{_ADDRESS}:{port}; else name another port: "
                    "rag-app serve --port PORT",
                ) from error
            raise UsageError(
                f"Port {port} cannot be opened: {error.strerror}.",
                "Name another port, above 1023: rag-app serve --port PORT",
            ) from error
