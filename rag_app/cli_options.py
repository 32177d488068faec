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
Retriever = Annotated[
    Literal["hybrid", "dense", "keyword"] | None, typer.Option("--retriever", help="What ranks the passages.")
]
Reranker = Annotated[
    str | None,
    typer.Option(
        "--reranker", help="A Hugging Face id or a folder: reads each passage with the question, and reorders."
    ),
]
TopK = Annotated[int | None, typer.Option("--top-k", min=1, help="How many passages.")]
PerDocument = Annotated[
    int | None,
    typer.Option("--per-document", min=1, help="At most so many of one document, while others fill the rest."),
]
