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
from rag_app.text import first_units, search_tokens, searchable, sentence_spans, size_in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag_app.store.keywords import QuestionWords

# The sentences that are embedded for one question are no larger than this together, about as many tokens: those of the ten
# best passages of the usual size, with their headings. `benchmarks/search_time.py`
# tells what that takes.
_MOST_UNITS = 2500
# Of a passage no more is looked at than this: passages without a limit of size (data sets) may be whole books.
_LOOKED_AT = 2000


class SentenceEmbedder(Protocol):
    """What embeds sentences."""

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (texts, dimension)."""
        ...

    def reads(self, text: str) -> bool:
        """Whether the model was made for the language of a text."""
        ...


@dataclass(frozen=True)
class Evidence:
    """What passages say to a question, shape (passages,) each; see `fusion.PassageScores`.

    `sentences` is not a number where no sentence was embedded. `best` are the spans of their best sentences in their texts.
    """

    sentences: NDArray[np.float32] | None
    sentence_words: NDArray[np.float32]
    word_pairs: NDArray[np.float32]
    best: tuple[tuple[int, int], ...]


def evidence_of(
    chunks: Sequence[Chunk],
    words: QuestionWords,
    vector: NDArray[np.float32],
    embedder: SentenceEmbedder | None,
) -> Evidence:
    """Look at passages closely, at the beginning of one that is very long.

    Args:
        chunks: the passages, best first.
        words: of the question.
        vector: of the question, of unit length.
        embedder: None: no sentence is embedded.
    """
    weights = _weights(words)
    pairs = _question_pairs(words, weights)
    seen = [first_units(chunk.text, _LOOKED_AT) or chunk.text[:_LOOKED_AT] for chunk in chunks]
    spans = [list(sentence_spans(text)) or [(0, len(text))] for text in seen]
    shared = [
        np.array([_shared(chunk.text[start:end], weights) for start, end in parts], np.float32)
        for chunk, parts in zip(chunks, spans, strict=True)
    ]
    headers = [chunk.embedded_text.removesuffix(chunk.text) for chunk in chunks]
    word_pairs = np.array(
        [_shared_pairs(header + text, pairs) for header, text in zip(headers, seen, strict=True)], np.float32
    )
    near = [] if embedder is None else _sentence_cosines(chunks, headers, spans, vector, embedder)
    best = []
    sentences = None if embedder is None else np.full(len(chunks), np.nan, np.float32)
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
    headers: Sequence[str],
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
    for chunk, header, parts in zip(chunks, headers, spans, strict=True):
        new = [searchable(header + chunk.text[start:end]) for start, end in parts]
        left -= sum(map(size_in_units, new))
        if left < 0 and ends:
            break
        texts += new
        ends.append(len(texts))
    cosines = embedder.embed_passages(texts) @ vector
    return np.split(cosines, ends[:-1])
