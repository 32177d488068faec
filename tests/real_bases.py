"""A small knowledge base by the real build, for tests that look at it from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from tests.conftest import TEXTS


def build_small(folder: Path, embedder: Path, texts: Mapping[str, str] = TEXTS) -> Path:
    """Write texts below a folder, build them as the base `small`, and return the index root."""
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    settings = load_settings(indexes=folder / "indexes", offline=True)
    build(BuildRequest("small", (folder / "docs",), (str(embedder),)), settings, lambda event: None)
    return settings.indexes
