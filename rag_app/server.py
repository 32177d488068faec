"""Starts the app for a browser on this machine, as `streamlit run` does.

The configuration lies beside the script: `.streamlit/config.toml` of a clone, or the copy inside the installed package.
This module knows nothing of the pages; it replaces its own process, so that a signal reaches the server itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).parent

# In the configuration as well; a flag also wins over STREAMLIT_* variables of the environment.
_PRIVATE = ("--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false")


def app_script() -> Path:
    """Return the script that Streamlit is to run: that of a clone, else that of the installed package."""
    in_clone = _PACKAGE.parent / "streamlit_app.py"
    return in_clone if in_clone.is_file() else _PACKAGE / "ui" / "app.py"


def run_server(port: int, indexes: Path) -> None:
    """Become the server. The index root travels in RAG_APP_INDEXES, like everything else that is set by flags."""
    command = [sys.executable, "-m", "streamlit", "run", str(app_script()), "--server.port", str(port), *_PRIVATE]
    environment = os.environ | {"RAG_APP_INDEXES": str(indexes.absolute())}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell, and no words but ours
