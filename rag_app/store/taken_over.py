"""The vectors of a generation that another takes over, and those that it leaves behind.

Passages have other numbers there; a vector goes with its passage where the very same text is embedded for it.
This module knows nothing of documents or of why passages are left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_app.datatypes import Chunk, Fingerprint, ModelReport
from rag_app.store.embedding_cache import EmbeddingCache
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.publishing import ModelVectors
from rag_app.store.traces import VECTOR_BYTES
from rag_app.store.truncation import measure_truncation
from rag_app.store.vectors import VectorIndex
from rag_app.text import searchable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 16384
_FLOAT_BYTES = 4


def vectors_taken_over(
    previous: KnowledgeBase,
    fingerprint: Fingerprint,
    old_passages: Sequence[Chunk],
    passages: Sequence[Chunk],
    announce: Callable[[str], None],
) -> ModelVectors:
    """Return the vectors that passages have already, from the generation before or from the cache, by their new numbers.

    Args:
        previous: the generation before.
        fingerprint: of the model.
        old_passages: its passages, in the order of their numbers.
        passages: those of the generation to be.
        announce: told of a cache that was damaged.
    """
    index = previous.vectors(fingerprint)
    new_numbers = {passage.content: number for number, passage in enumerate(passages)}
    moved = np.full(len(old_passages), -1, dtype=np.int64)
    for old_number, passage in enumerate(old_passages):
        number = new_numbers.get(passage.content, -1)
        if number >= 0 and passages[number].embedded_text == passage.embedded_text:
            moved[old_number] = number
    numbers = moved[index.rows]
    rows = np.flatnonzero(numbers >= 0)
    rows = rows[np.argsort(numbers[rows], kind="stable")]
    missing = np.setdiff1d(np.arange(len(passages)), numbers)
    with EmbeddingCache(previous.folder.parent, fingerprint, announce) as cache:
        found = cache.get([searchable(passages[number].embedded_text) for number in missing.tolist()])
    all_numbers = np.concatenate([numbers[rows], missing[found.is_known]])
    order = np.argsort(all_numbers, kind="stable")
    vectors = np.concatenate([index.vectors(rows), found.vectors[found.is_known]])[order]
    libraries = {*previous.manifest.vectors[fingerprint.digest].libraries, *found.libraries}
    terms = previous.manifest.terms[fingerprint.digest]
    worth = previous.null_scores(fingerprint)  # hardly another after a purge, and to be measured only with the model
    measure = None if worth is None else lambda *_: worth
    return ModelVectors(vectors, all_numbers[order], tuple(sorted(libraries)), terms, measure)


def report_taken_over(
    base: Path,
    fingerprint: Fingerprint,
    report: ModelReport,
    texts: Sequence[str],
    announce: Callable[[str], None],
) -> ModelReport:
    """Return what is said of a model where these texts are embedded, from the token counts that the cache has.

    Where it has not all of them, what was said before stays.
    """
    if not report.truncated:
        return report
    tokens = np.zeros(len(texts), dtype=np.int64)
    with EmbeddingCache(base, fingerprint, announce) as cache:
        for first in range(0, len(texts), _ROWS_AT_ONCE):
            found = cache.get(texts[first : first + _ROWS_AT_ONCE])
            if not found.is_known.all():
                return report
            tokens[first : first + _ROWS_AT_ONCE] = found.tokens
    return replace(report, **asdict(measure_truncation(texts, tokens, fingerprint.max_tokens)))


def vectors_left_behind(versions: Sequence[KnowledgeBase], texts: Collection[str]) -> list[bytes]:
    """Return how the vectors of some generations begin that were made of other texts than these, and are of none of them.

    Args:
        versions: the generations.
        texts: what is embedded of the passages that stay.

    Returns:
        The first `VECTOR_BYTES` bytes of each, or all where it has less; each once.
    """
    left: set[bytes] = set()
    staying: set[bytes] = set()
    for version in versions:
        is_staying = (searchable(passage.embedded_text) in texts for passage in version.chunks.all_chunks())
        stays = np.fromiter(is_staying, np.bool_)
        for fingerprint in version.models:
            index = version.vectors(fingerprint)
            row_stays = stays[index.rows]
            left.update(_beginnings(index, np.flatnonzero(~row_stays)))
            staying.update(_beginnings(index, np.flatnonzero(row_stays)))
    return sorted(left - staying)


def _beginnings(index: VectorIndex, rows: NDArray[np.int64]) -> Iterator[bytes]:
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        vectors = index.vectors(rows[first : first + _ROWS_AT_ONCE])[:, : VECTOR_BYTES // _FLOAT_BYTES]
        for vector in np.ascontiguousarray(vectors, dtype="<f4"):
            yield vector.tobytes()


def count_cached(
    base: Path, versions: Sequence[KnowledgeBase], texts: Collection[str], announce: Callable[[str], None]
) -> int:
    """Return how many vectors of the passages of some generations the cache has, other than those of these texts."""
    others = {
        text
        for version in versions
        for passage in version.chunks.all_chunks()
        if (text := searchable(passage.embedded_text)) not in texts
    }
    count = 0
    for fingerprint in {fingerprint for version in versions for fingerprint in version.models}:
        with EmbeddingCache(base, fingerprint, announce) as cache:
            count += int(cache.get(list(others)).is_known.sum())
    return count
