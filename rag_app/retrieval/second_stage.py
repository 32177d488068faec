"""The second stage of a search: what the best candidates say, sentence by sentence.

Of each candidate the sentence that is nearest to the question is found, by its vector where the embedding model is quick
enough to embed the sentences while a person waits, and by the words it shares. This module knows nothing of indexes or nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rag_app.datatypes import Chunk
from rag_app.text import search_tokens, searchable, sentence_spans, size_in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag_app.store.keywords import QuestionWords

# The sentences that are embedded for one question are no larger than this together, about as many tokens: those of the ten
# best passages of the usual size, with their headings. The bundled model embeds as many in 0.3 s on two cores; twice as many
# found hardly more (docs/benchmarks.md, "Retrieval").
_MOST_UNITS = 2500


class SentenceEmbedder(Protocol):
    """What embeds sentences."""

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (texts, dimension)."""
        ...


@dataclass(frozen=True)
class Evidence:
    """What passages say to a question, shape (passages,) each; see `fusion.PassageScores`.

    `best` are the spans of their best sentences in their texts.
    """

    sentences: NDArray[np.float32] | None
    sentence_words: NDArray[np.float32]
    word_pairs: NDArray[np.float32]
    best: tuple[tuple[int, int], ...]


def evidence_of(
    chunks: Sequence[Chunk],
    words: QuestionWords,
    cosines: NDArray[np.float32],
    vector: NDArray[np.float32],
    embedder: SentenceEmbedder | None,
) -> Evidence:
    """Look at passages closely.

    Args:
        chunks: the passages, best first.
        words: of the question.
        cosines: of the passages with the question, shape (passages,): they stand for sentences that are not embedded.
        vector: of the question, of unit length.
        embedder: None: no sentence is embedded.
    """
    weights = _weights(words)
    pairs = _question_pairs(words, weights)
    spans = [list(sentence_spans(chunk.text)) or [(0, len(chunk.text))] for chunk in chunks]
    shared = [
        np.array([_shared(chunk.text[start:end], weights) for start, end in parts], np.float32)
        for chunk, parts in zip(chunks, spans, strict=True)
    ]
    word_pairs = np.array([_shared_pairs(chunk.embedded_text, pairs) for chunk in chunks], np.float32)
    near = [] if embedder is None else _sentence_cosines(chunks, spans, vector, embedder)
    best = []
    sentences = None if embedder is None else cosines.copy()
    for place, (parts, by_words) in enumerate(zip(spans, shared, strict=True)):
        ranking = near[place] if place < len(near) else by_words
        best.append(parts[int(ranking.argmax())])
        if sentences is not None and place < len(near):
            sentences[place] = ranking.max()
    return Evidence(sentences, np.array([part.max() for part in shared], np.float32), word_pairs, tuple(best))


def _weights(words: QuestionWords) -> dict[str, float]:
    """Return what each token of the question weighs that some passage holds; twice in the question counts twice."""
    weights: dict[str, float] = {}
    for token, number, weight in zip(words.tokens, words.numbers.tolist(), words.weights.tolist(), strict=True):
        if number >= 0:
            weights[token] = weights.get(token, 0.0) + weight
    return weights


def _question_pairs(words: QuestionWords, weights: dict[str, float]) -> dict[tuple[str, str], float]:
    """Return the pairs of neighbouring tokens, each with the mean of what the two weigh by themselves."""
    single = dict(zip(words.tokens, words.weights.tolist(), strict=True))
    return {
        pair: (single[pair[0]] + single[pair[1]]) / 2 for pair in pairwise(words.tokens) if weights.keys() >= set(pair)
    }


def _shared(text: str, weights: dict[str, float]) -> float:
    return sum(weights[token] for token in weights.keys() & set(search_tokens(text)))


def _shared_pairs(text: str, pairs: dict[tuple[str, str], float]) -> float:
    if not pairs:
        return 0.0
    tokens = search_tokens(text)
    return sum(pairs[pair] for pair in pairs.keys() & set(pairwise(tokens)))


def _sentence_cosines(
    chunks: Sequence[Chunk],
    spans: Sequence[Sequence[tuple[int, int]]],
    vector: NDArray[np.float32],
    embedder: SentenceEmbedder,
) -> list[NDArray[np.float32]]:
    """Return the cosines of the sentences of as many of the passages, from the first, as may be embedded for one question.

    A sentence is embedded under its headings, as its passage was.
    """
    texts: list[str] = []
    ends: list[int] = []
    left = _MOST_UNITS
    for chunk, parts in zip(chunks, spans, strict=True):
        header = chunk.embedded_text.removesuffix(chunk.text)
        new = [searchable(header + chunk.text[start:end]) for start, end in parts]
        left -= sum(map(size_in_units, new))
        if left < 0 and ends:
            break
        texts += new
        ends.append(len(texts))
    cosines = embedder.embed_passages(texts) @ vector
    return np.split(cosines, ends[:-1])
