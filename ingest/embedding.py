"""Chunks to vectors: each text once, from the cache where it was embedded before, the rest in windows sorted by length.

This module knows nothing of files or of how a generation is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rag_app.build_events import Event, EventHandler, EventKind
from rag_app.datatypes import Fingerprint, ModelReport
from rag_app.errors import EmbeddingError
from rag_app.store.embedding_cache import EmbeddingCache
from rag_app.store.truncation import measure_truncation

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Texts kept together: sorted by length inside, committed to the cache in one transaction. What a kill loses.
WINDOW = 1024
# How far from 1 the length of a unit vector may be.
_LENGTH_TOLERANCE = 1e-3
# Another version of these may change the last digits of a vector.
_LIBRARIES = ("sentence-transformers", "tokenizers", "torch", "transformers")


class PassageEmbedder(Protocol):
    """What a build needs of an embedding model."""

    def embed_and_count(
        self, texts: Sequence[str], on_progress: Callable[[int], None]
    ) -> tuple[NDArray[np.float32], list[int]]:
        """Return unit vectors, shape (texts, dimension), and how many tokens each text has for the model, were there no window.

        `on_progress` is told now and then how many of the texts are done.
        """
        ...


@dataclass(frozen=True)
class Embedded:
    """The vectors of all chunks, shape (chunks, dimension), and the model's line of the report.

    `libraries` are those that made the vectors, each with its version: several where some came from an earlier build.
    """

    vectors: NDArray[np.float32]
    report: ModelReport
    libraries: tuple[str, ...]


def embed_chunks(
    texts: Sequence[str],
    documents: Sequence[str],
    fingerprint: Fingerprint,
    load: Callable[[], PassageEmbedder],
    base: Path,
    on_event: EventHandler,
) -> Embedded:
    """Embed the chunks of a knowledge base under one model.

    Args:
        texts: what is embedded of each chunk, in chunk order.
        documents: what a person calls the document of each, for the message about a text that cannot be embedded.
        fingerprint: of the model.
        load: loads it; not called where the cache has everything.
        base: the folder of the knowledge base, which holds the cache.
        on_event: told of progress, and of a cache that was damaged.

    Raises:
        EmbeddingError: the model gives a vector that cannot be searched. What was embedded before is kept.
        StorageError: the cache cannot be written. What was embedded before is kept.
    """

    def announce(message: str) -> None:
        on_event(Event(EventKind.MESSAGE, message))

    with EmbeddingCache(base, fingerprint, announce) as cache:
        known = cache.get(texts)
        rows: dict[str, list[int]] = {}
        for row in np.flatnonzero(~known.is_known).tolist():
            rows.setdefault(texts[row], []).append(row)
        windows = cache.plan(list(rows), WINDOW)
        libraries, seconds = known.libraries, 0.0
        if windows:
            model = _CheckedModel(load(), fingerprint, lambda text: documents[rows[text][0]], len(rows), on_event)
            made_by = library_versions()
            libraries |= {made_by}
            started = time.perf_counter()
            for window in windows:
                part = sorted(window.texts, key=len)
                vectors, tokens = model.embed(part)
                cache.put(window, part, vectors, tokens, made_by)
                for text, vector, count in zip(part, vectors, tokens, strict=True):
                    known.vectors[rows[text]] = vector
                    known.tokens[rows[text]] = count
            seconds = time.perf_counter() - started
    report = _report(fingerprint, texts, known.tokens, len(rows), seconds)
    return Embedded(known.vectors, report, tuple(sorted(libraries)))


def library_versions() -> str:
    """Return the libraries that have a part in a vector, each with its version; none of them is loaded."""
    return ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)


class _CheckedModel:
    """An embedding model that tells of its progress, and gives no vector that an index would keep and never find."""

    def __init__(
        self,
        embedder: PassageEmbedder,
        fingerprint: Fingerprint,
        document_of: Callable[[str], str],
        total: int,
        on_event: EventHandler,
    ) -> None:
        self._embedder = embedder
        self._fingerprint = fingerprint
        self._document_of = document_of
        self._done = 0
        self._total = total
        self._on_event = on_event

    def embed(self, window: Sequence[str]) -> tuple[NDArray[np.float32], list[int]]:
        """Return vectors, shape (texts, dimension), and token counts."""

        def on_progress(done: int) -> None:
            self._on_event(Event(EventKind.EMBEDDING, self._fingerprint.model, self._done + done, self._total))

        try:
            vectors, tokens = self._embedder.embed_and_count(window, on_progress)
            self._check(vectors, window)
        except EmbeddingError as error:
            if error.row is None:
                raise
            document = self._document_of(window[error.row])
            where = f"It stands in {document}."
            raise EmbeddingError(f"{error.found} {where}", error.remedy) from error
        self._done += len(window)
        return vectors, tokens

    def _check(self, vectors: NDArray[np.float32], texts: Sequence[str]) -> None:
        model, expected = self._fingerprint.model, (len(texts), self._fingerprint.dimension)
        if vectors.shape != expected:
            raise EmbeddingError(
                f"{model} gave vectors of shape {vectors.shape}, expected {expected}, the first for the text "
                f"'{texts[0][:80]}'.",
                "Use another model.",
                row=0,
            )
        lengths = np.linalg.norm(vectors, axis=1)
        unusable = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))  # also where the length is not a number
        if unusable.size:
            row = int(unusable[0])
            raise EmbeddingError(
                f"{model} gave {unusable.size} vectors that cannot be searched (length {lengths[row]:.3g}, expected 1), "
                f"the first for the text '{texts[row][:80]}'.",
                "Run on another device (--device cpu), or use another model.",
                row=row,
            )


def _report(
    fingerprint: Fingerprint, texts: Sequence[str], tokens: NDArray[np.int64], embedded: int, seconds: float
) -> ModelReport:
    cuts = measure_truncation(texts, tokens, fingerprint.max_tokens)
    return ModelReport(
        model=fingerprint.model,
        fingerprint=fingerprint.digest,
        dimension=fingerprint.dimension,
        embedded=embedded,
        reused=len(texts) - embedded,
        truncated=cuts.truncated,
        chunks_per_second=round(embedded / seconds, 2) if embedded else 0.0,
        unseen_share=cuts.unseen_share,
        fitting_chunk_tokens=cuts.fitting_chunk_tokens,
    )
