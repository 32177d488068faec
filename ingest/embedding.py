"""Chunks to vectors: each text once, from the cache where it was embedded before, the rest in windows sorted by length.

This module knows nothing of files or of how a generation is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ingest.events import Event, EventHandler, EventKind
from rag_app.config import MAX_CHUNK_TOKENS
from rag_app.datatypes import Fingerprint, ModelReport
from rag_app.store.embedding_cache import EmbeddingCache
from rag_app.text import size_in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Texts kept together: sorted by length inside, committed to the cache in one transaction.
WINDOW = 256
# Texts between two signs of progress.
_STEP = 64


class PassageEmbedder(Protocol):
    """What a build needs of an embedding model."""

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (texts, dimension)."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has for the model, were there no window."""


@dataclass(frozen=True)
class Embedded:
    """The vectors of all chunks, shape (chunks, dimension), and the model's line of the report."""

    vectors: NDArray[np.float32]
    report: ModelReport


def embed_chunks(
    texts: Sequence[str],
    fingerprint: Fingerprint,
    load: Callable[[], PassageEmbedder],
    base: Path,
    on_event: EventHandler,
) -> Embedded:
    """Embed the chunks of a knowledge base under one model.

    Args:
        texts: what is embedded of each chunk, in chunk order.
        fingerprint: of the model.
        load: loads it; not called where the cache has everything.
        base: the folder of the knowledge base, which holds the cache.
        on_event: told of progress.

    Raises:
        EmbeddingError: the model gives a vector that cannot be searched.
    """
    unique = list(dict.fromkeys(texts))
    with EmbeddingCache(base, fingerprint) as cache:
        known = cache.get(unique)
        missing = [text for text in unique if text not in known]
        started = time.perf_counter()
        if missing:
            embedder = load()
            started = time.perf_counter()
            for first in range(0, len(missing), WINDOW):
                window = sorted(missing[first : first + WINDOW], key=len)
                vectors = _embed_window(window, embedder, fingerprint, (first, len(missing)), on_event)
                tokens = embedder.count_tokens(window)
                cache.put(window, vectors, tokens)
                known.update(zip(window, zip(vectors, tokens, strict=True), strict=True))
        seconds = time.perf_counter() - started
    array = np.empty((len(texts), fingerprint.dimension), dtype=np.float32)
    for row, text in enumerate(texts):
        array[row] = known[text][0]
    token_counts = [known[text][1] for text in texts]
    return Embedded(array, _report(fingerprint, texts, token_counts, len(missing), seconds))


def _embed_window(
    window: Sequence[str],
    embedder: PassageEmbedder,
    fingerprint: Fingerprint,
    progress: tuple[int, int],
    on_event: EventHandler,
) -> NDArray[np.float32]:
    done, total = progress
    parts = []
    for first in range(0, len(window), _STEP):
        part = window[first : first + _STEP]
        parts.append(embedder.embed_passages(part))
        on_event(Event(EventKind.EMBEDDING, fingerprint.model, done + first + len(part), total))
    return np.concatenate(parts)


def _report(
    fingerprint: Fingerprint, texts: Sequence[str], tokens: Sequence[int], embedded: int, seconds: float
) -> ModelReport:
    window = fingerprint.max_tokens
    cut = [(text, count) for text, count in zip(texts, tokens, strict=True) if count > window]
    densest = max((count / max(size_in_units(text), 1) for text, count in cut), default=0.0)
    return ModelReport(
        model=fingerprint.model,
        fingerprint=fingerprint.digest,
        dimension=fingerprint.dimension,
        embedded=embedded,
        reused=len(texts) - embedded,
        truncated=len(cut),
        chunks_per_second=round(embedded / seconds, 2) if embedded else 0.0,
        unseen_share=round(sum(count - window for _, count in cut) / sum(count for _, count in cut), 4) if cut else 0.0,
        fitting_chunk_tokens=min(int(window / densest), MAX_CHUNK_TOKENS) if cut else None,
    )
