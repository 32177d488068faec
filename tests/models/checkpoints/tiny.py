"""Loads tiny checkpoints through the project's own code, as rows of the catalogue, beside the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rag_app.config import ModelSettings
from rag_app.models.catalogue import EmbedderRow, packaged_catalogue
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from tests.models.checkpoints.published import CUT, Published, publish, published
from tests.models.checkpoints.reference import Encode
from tests.models.rows import use_row

MODELS = published()
ROWS = {row.id: row for row in packaged_catalogue().embedders}

SHORT = {
    "English": "How do I reset the password of a locked account?",
    "Chinese": "忘记密码怎么办？请重置账号。",
    "both": "打印机 printer, 设备 device: 你好",
    "one letter": "a",
}
_SENTENCES = "Reset the password of the account, 然后重置打印机. 忘记密码怎么办？ "
BEYOND_512 = _SENTENCES * 30
BEYOND_8192 = _SENTENCES * 320
TEXTS = [*SHORT.values(), BEYOND_512]


class Tiny:
    """Tiny checkpoints, each made once; the catalogue is given their dimensions, all else is as in its row."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch

    def folder(self, model: Published) -> Path:
        """Return the folder of a model's tiny checkpoint."""
        folder = self._folder / model.id
        return folder if folder.exists() else publish(model, folder)

    def load(
        self, model: Published, folder: Path | None = None, *, cut: bool = False, **changes: object
    ) -> CatalogueEmbedding:
        """Load a model from its tiny checkpoint, or another folder, with changes to its row; its vectors cut to CUT numbers."""
        folder = folder or self.folder(model)
        row = tiny_row(model, folder, **changes)
        use_row(self._monkeypatch, row)
        spec = resolve_embedder(f"{folder}@{CUT}" if cut else str(folder), offline=True, models=ModelSettings())
        return CatalogueEmbedding(spec, device="cpu")


def tiny_row(model: Published, folder: Path, **changes: object) -> EmbedderRow:
    """Return the catalogue's row of a model, for its tiny checkpoint in a folder."""
    row = ROWS[model.id]
    lengths = (CUT,) if row.matryoshka else ()
    row = replace(row, id=str(folder), alias="", package="", dimension=model.tiny_dimension, matryoshka=lengths)
    return replace(row, **changes)  # type: ignore[arg-type]


def deviations(
    model: Published, embedder: CatalogueEmbedding, reference: Encode, texts: Sequence[str] = TEXTS
) -> list[str]:
    """Return in what a loaded model departs from what is published: prompts, pooling, window, vectors of either side."""
    found = embedder.fingerprint
    expected = {
        "query prompt": (found.query_prompt, model.query_prompt),
        "passage prompt": (found.passage_prompt, model.passage_prompt),
        "pooling": (found.pooling, model.pooling),
        "window": (found.max_tokens, model.window),
    }
    names = [name for name, (ours, theirs) in expected.items() if ours != theirs]
    passages = embedder.embed_passages(texts)  # as a batch: padding must not show
    for text, passage in zip(texts, passages, strict=True):
        if not agree(passage, reference(model.passage_prompt, text)):
            names.append(f"passage: {text[:20]}")
        if not agree(embedder.embed_question(text), reference(model.query_prompt, text)):
            names.append(f"question: {text[:20]}")
    return names


def agree(found: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    """Whether the cosine of two vectors is at least 0.9999, and both are of length one."""
    lengths = np.linalg.norm(found), np.linalg.norm(expected)
    return bool(np.allclose(lengths, 1, atol=1e-5) and float(found @ expected) >= 0.9999)
