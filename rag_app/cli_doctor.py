"""`rag-app doctor`: what is wrong on this machine and how it is mended, then the facts; as text or as JSON.

This module knows nothing of what is looked at. What is slow to import is imported inside the command.
"""

from __future__ import annotations

import typer

from rag_app.cli_options import AsJson, Device, Indexes
from rag_app.terminal import print_json


def doctor(indexes: Indexes = None, device: Device = None, as_json: AsJson = False) -> None:
    """Say what is wrong on this machine and how to mend it; exit code 1 where something is. Nothing is changed or fetched."""
    from rag_app.config import load_settings
    from rag_app.doctor.examination import examine
    from rag_app.doctor.findings import as_text
    from rag_app.text import printable

    diagnosis = examine(load_settings(indexes=indexes, device=device))
    if as_json:
        print_json(diagnosis.as_json())
    else:
        print(printable(as_text(diagnosis)))
    if not diagnosis.ok:
        raise typer.Exit(1)
