"""The options that several commands have, so that each means the same everywhere.

This module knows nothing of the commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Indexes = Annotated[
    Path | None, typer.Option("--indexes", help="The index root; else RAG_APP_INDEXES, else ./indexes.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the model hub.")]
Hub = Annotated[
    Literal["huggingface", "modelscope"] | None, typer.Option("--hub", help="Where models that are not here come from.")
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps.")]
