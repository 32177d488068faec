"""The first stage of a search: which passages may be among the best, by what the indexes know of them.

Used for a question that is asked, and by `null_scores.py` for those that show what the scores are worth.
This module knows nothing of texts, models or nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rag_app.retrieval.fusion import Scales, best, fuse_first, keyword_scale
from rag_app.store.keywords import KeywordIndex, QuestionWords
from rag_app.store.vectors import WITHOUT_VECTOR, VectorIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag_app.config import RetrieverName

# Of each retriever so many passages take part in fusion: the best of the fused is among the best of either.
DEPTH = 1000
# What is expected before cosines are measured, and where an index brings no measure: so many nats in one standard deviation.
# It is about what is measured for the bundled model in English; `nats_per_cosine` of any null.json shows the measured ones.
NATS_PER_DEVIATION = 2.5


@dataclass(frozen=True)
class Candidates:
    """Passages that may be among the best: their `numbers`, sorted, and scores, shape (candidates,) each.

    `cosines` is None without vectors, and -1 for a passage without one, as a purge may leave; in `known_cosines` such a
    passage has the mean of all. `evidence` is None without both kinds of score.
    """

    numbers: NDArray[np.int64]
    bm25: NDArray[np.float32]
    cosines: NDArray[np.float32] | None
    known_cosines: NDArray[np.float32] | None
    evidence: NDArray[np.float32] | None
    scales: Scales


class FirstStage:
    """Finds candidates among the passages of one generation. Safe to use from several threads."""

    def __init__(
        self,
        keywords: KeywordIndex,
        vectors: VectorIndex | None,
        nats_per_cosine: float | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            keywords: the keyword index.
            vectors: of one embedding model; None for keyword search alone.
            nats_per_cosine: as measured at the build; None: told from the spread of a question's cosines.
        """
        self._keywords = keywords
        self._vectors = vectors
        self._nats_per_cosine = nats_per_cosine

    def find(
        self,
        words: QuestionWords,
        vector: NDArray[np.float32] | None,
        retriever: RetrieverName,
        count: int,
        allowed: NDArray[np.int64] | None = None,
    ) -> Candidates:
        """Return the passages that may be among the `count` best.

        Args:
            words: of the question.
            vector: of the question, of unit length; None without vectors.
            retriever: which is to rank them.
            count: how many are wanted, from 1.
            allowed: sorted numbers of the passages that may be found; None for all.
        """
        bm25 = self._keywords.scores_of(words)
        if self._vectors is None or vector is None:
            numbers = _found_by_words(bm25, count, allowed)
            return Candidates(numbers, bm25[numbers], None, None, None, Scales(0.0, keyword_scale(words.weight)))
        if retriever == "keyword":
            numbers = _found_by_words(bm25, count, allowed)
        elif retriever == "dense":
            numbers = np.sort(self._vectors.search(vector, count, allowed)[0])
        else:
            depth = max(DEPTH, count)
            numbers = np.union1d(self._vectors.search(vector, depth, allowed)[0], _best_of(bm25, depth, allowed))
        cosines, bm25 = self._vectors.cosines(vector, numbers), bm25[numbers]
        mean, deviation = self._vectors.spread(vector)
        known = np.where(cosines == WITHOUT_VECTOR, np.float32(mean), cosines)
        nats = self._nats_per_cosine
        if nats is None:
            nats = NATS_PER_DEVIATION / deviation if deviation > 0 else 0.0
        scales = Scales(nats, keyword_scale(words.weight))
        return Candidates(numbers, bm25, cosines, known, fuse_first(known, bm25, scales), scales)


def _found_by_words(bm25: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None) -> NDArray[np.int64]:
    found = _best_of(bm25, count, allowed)
    return np.sort(found[bm25[found] > 0])  # a passage that shares no word was not found by keyword search


def _best_of(scores: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the numbers of the passages with the highest scores, of those that may be found (sorted; None: all)."""
    return best(scores, count) if allowed is None else allowed[best(scores[allowed], count)]
