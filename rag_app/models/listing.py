"""The catalogue as a list of all kinds, and what of it is on this machine: where, and what it takes on the disk.

This module knows nothing of how a list is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rag_app.models.catalogue import Catalogue, GeneratorRow, ModelRow, user_data_folder
from rag_app.models.hub import find_on_machine

Kind = Literal["embedder", "reranker", "generator"]


def rows_of(catalogue: Catalogue) -> list[tuple[Kind, ModelRow]]:
    """Return all rows, each with its kind."""
    return [
        *(("embedder", row) for row in catalogue.embedders),
        *(("reranker", row) for row in catalogue.rerankers),
        *(("generator", row) for row in catalogue.generators),
    ]


def is_like(row: ModelRow, *, languages: Sequence[str], memory_gb: float | None, commercial: bool) -> bool:
    """Whether a model was made for all of the languages, fits the memory, and may be used commercially where that is wanted."""
    return (
        all(row.covers(code) for code in languages)
        and (memory_gb is None or row.memory_gb <= memory_gb)
        and (row.commercial or not commercial)
    )


@dataclass(frozen=True)
class Held:
    """What a model takes on this machine: where its files are, and how many bytes they have."""

    folder: Path
    bytes: int


def held(row: ModelRow) -> Held | None:
    """Return what a model takes on this machine; None where it is not here."""
    found = find_on_machine(row.id, row)
    if found is None:
        return None
    size = _bytes_below(found.path)
    if isinstance(row, GeneratorRow) and row.gguf_file:  # the bundled one is kept converted as well
        size += _bytes_below(user_data_folder() / "models" / row.id.replace("/", "--"))
    return Held(found.path, size)


def _bytes_below(folder: Path) -> int:
    """Return what the files below a folder take; in a cache they are links, and what they lead to counts."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
