"""Rows of a catalogue for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag_app.models import embedder_spec
from rag_app.models.catalogue import Catalogue, EmbedderRow


def row_for(model_id: str | Path, **changes: object) -> EmbedderRow:
    """Return the row of an embedding model; `changes` replace fields."""
    values: dict[str, object] = {
        "id": str(model_id), "parameters_millions": 1.0, "download_gb": 0.1, "memory_gb": 0.2, "languages": ("en",),
        "licence": "MIT", "commercial": True, "dimension": 32, "max_tokens": 64, "pooling": "cls",
        "query_prompt": "", "passage_prompt": "",
    }  # fmt: skip
    return EmbedderRow(**values | changes)  # type: ignore[arg-type]


def use_row(monkeypatch: pytest.MonkeyPatch, row: EmbedderRow) -> None:
    """Make it the only row of the catalogue for what resolves an embedding model."""
    monkeypatch.setattr(embedder_spec, "load_catalogue", lambda: Catalogue((row,), (), ()))
