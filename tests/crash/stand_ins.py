"""What takes the place of models, and of the children that read documents, in builds that are killed by the hundred.

Neither writes to a knowledge base; all that does is the real build. This module knows nothing of what is done to a build.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ingest.calibrating
import ingest.embedding
import ingest.parsing
from ingest.worker import read_file
from rag_app.errors import DocumentError
from rag_app.models.embedder_spec import EmbedderSpec
from rag_app.retrieval.foreign_questions import foreign_questions

# Texts that are embedded and kept together: few, so that a small build has several windows to be killed between.
WINDOW = 4
_DIMENSION = 64


class StandInEmbedder:
    """Unit vectors that differ between models and texts and are the same in every process.

    As with a real model, the last digits of a vector depend on which texts are embedded together.
    """

    def __init__(self, spec: EmbedderSpec, **_: object) -> None:
        self._model = spec.path.name

    def embed_and_count(
        self, texts: Sequence[str], on_progress: Callable[[int], None]
    ) -> tuple[NDArray[np.float32], list[int]]:
        together = self._numbers(*texts)
        vectors = np.stack([self._numbers(text) + 1e-5 * together for text in texts])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        on_progress(len(texts))
        return vectors.astype(np.float32), [len(text.split()) for text in texts]

    def embed_questions(self, texts: Sequence[str], on_progress: Callable[[int], None]) -> NDArray[np.float32]:
        return self.embed_and_count(texts, on_progress)[0]

    def _numbers(self, *texts: str) -> NDArray[np.float64]:
        seed = hashlib.sha256("\0".join((self._model, *texts)).encode()).digest()
        return np.random.default_rng(list(seed)).standard_normal(_DIMENSION)


class InProcessPool:
    """What `ingest.parsing` uses of a SandboxPool, without a child."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> InProcessPool:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def call_each(self, calls: Sequence[tuple[Any, bytes]]) -> list[Any]:
        return [self._outcome(argument, data) for argument, data in calls]

    def _outcome(self, argument: Any, data: bytes) -> Any:
        try:
            return json.loads(json.dumps(read_file(argument, data)))
        except DocumentError as error:
            return error


def write_model(folder: Path) -> Path:
    """Make a folder that passes for an embedding model until it is loaded, and return it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"name": folder.name, "hidden_size": _DIMENSION}))
    (folder / "model.safetensors").write_text("never read as weights")  # a folder without any is refused
    return folder


def put_models() -> None:
    """Replace what models are loaded into, the size of a window, and most of the questions; torch is never imported."""
    embedder = ModuleType("rag_app.models.embedder")
    embedder.load_embedder = StandInEmbedder  # type: ignore[attr-defined]
    sys.modules[embedder.__name__] = embedder
    assert ingest.embedding.WINDOW > WINDOW
    ingest.embedding.WINDOW = WINDOW
    few = foreign_questions()[::133]  # of either language
    ingest.calibrating.foreign_questions = lambda: few  # type: ignore[assignment]


def put_reader() -> None:
    """Read documents in this process."""
    ingest.parsing.SandboxPool = InProcessPool  # type: ignore[assignment,misc]
