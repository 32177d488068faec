"""What a system costs beside what it is worth: time, memory, disk, licence.

Times are those of this machine, just now. This module knows nothing of how good a system is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rag_app.evaluation.comparison import Outcome
from rag_app.models.catalogue import load_catalogue
from rag_app.store import layout
from rag_app.text import searchable

if TYPE_CHECKING:
    from rag_app.models.embedder import Embedder
    from rag_app.store.knowledge_base import KnowledgeBase

_SAMPLE = 64  # passages that are embedded to see how long it takes


def costs_of(
    knowledge_base: KnowledgeBase, embedder: Embedder | None, outcomes: Sequence[Outcome]
) -> dict[str, float | str | None]:
    """Return the costs by name, each with its unit in the name; None where they are not known or there are none.

    `milliseconds a question` is the median over the questions, the answer included where there is one; for those that were
    known from an earlier run, what they took then. Sizes of a model are those of the catalogue.
    """
    seconds = [outcome.seconds for outcome in outcomes if not outcome.failure]
    costs: dict[str, float | str | None] = {
        "milliseconds a question": round(median(seconds) * 1000, 1) if seconds else None,
        "passages a second": None,
        "index megabytes": _megabytes(knowledge_base.folder / layout.KEYWORDS),
        "model megabytes": None,
        "memory megabytes": None,
        "licence": None,
    }
    if embedder is None:
        return costs
    fingerprint = embedder.fingerprint
    row = load_catalogue().embedder(fingerprint.model.partition("@")[0])
    return costs | {
        "passages a second": _passages_a_second(knowledge_base, embedder),
        "index megabytes": _megabytes(layout.vectors_folder(knowledge_base.folder, fingerprint)),
        "model megabytes": None if row is None else row.download_gb * 1000,
        "memory megabytes": None if row is None else row.memory_gb * 1000,
        "licence": None if row is None else row.terms,
    }


def _passages_a_second(knowledge_base: KnowledgeBase, embedder: Embedder) -> float:
    count = knowledge_base.chunk_count
    step = max(1, count // _SAMPLE)
    chunks = knowledge_base.chunks.chunks(list(range(0, count, step))[:_SAMPLE])
    texts = [searchable(chunk.embedded_text) for chunk in chunks]
    started = time.perf_counter()
    embedder.embed_passages(texts)
    return round(len(texts) / (time.perf_counter() - started), 1)


def _megabytes(folder: Path) -> float:
    return round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6, 2)
