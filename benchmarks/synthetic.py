"""Synthetic vectors, questions, passages and filters for `scale.py`: the same ones every time, at any size.

Sets of vectors, all of unit length:

`latent`: a thousand clusters in a space of 48 dimensions, turned into the full one, with some noise. How widely they spread was
chosen so that about as many lists have to be looked at as for real text: of 60 thousand vectors in 1,024 lists, questions need
68, 128 and 187 lists for a recall of 0.95, 0.98 and 0.99; 60 thousand English sentences under all-MiniLM-L6-v2, asked 1,500
real questions, need 52, 138 and 219.

`isotropic`: a thousand clusters that spread so widely in every dimension that they run into one another. Nearest neighbours
hardly stand out, and lie anywhere: of 200 thousand vectors in 2,048 lists, the nearest 15 hold 80 % of them, 98 % take 700.
Embeddings of text are not like that.

Questions are drawn like the vectors, with a seed of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from rag_app.datatypes import Chunk, Document

if TYPE_CHECKING:
    from numpy.typing import NDArray

SETS = ("latent", "isotropic")
VECTORS_SEED, QUESTIONS_SEED = 2, 4
_CLUSTERS = 1000
_LATENT_DIMENSIONS = 48
_SPREAD = {"latent": 1.15, "isotropic": 2.5}
_NOISE = 0.05
_ROWS_AT_ONCE = 50_000
_PASSAGES_A_DOCUMENT = 100
_SENTENCE = (
    "the reset portal opens after five failed sign-ins and the account is locked for thirty minutes until the help desk "
    "has seen a badge or a manager has written that the request is genuine"
)
_WORDS = tuple(_SENTENCE.split())
_WORDS_A_PASSAGE = 100


def vectors_of(name: str, count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    """Return vectors of a set, shape (count, dimension). The seed says which are drawn, not from what."""
    fixed, drawn = np.random.default_rng(1), np.random.default_rng(seed)
    inner = _LATENT_DIMENSIONS if name == "latent" else dimension
    centres = fixed.standard_normal((_CLUSTERS, inner), dtype=np.float32)
    turn = fixed.standard_normal((inner, dimension), dtype=np.float32) / np.float32(np.sqrt(inner))
    vectors = np.empty((count, dimension), dtype=np.float32)
    for start in range(0, count, _ROWS_AT_ONCE):
        block = vectors[start : start + _ROWS_AT_ONCE]
        drawn_around = centres[drawn.integers(_CLUSTERS, size=len(block))]
        drawn_around += np.float32(_SPREAD[name]) * drawn.standard_normal(drawn_around.shape, dtype=np.float32)
        if name == "latent":
            drawn_around = drawn_around @ turn
            drawn_around += np.float32(_NOISE) * drawn.standard_normal(block.shape, dtype=np.float32)
        block[:] = drawn_around / np.linalg.norm(drawn_around, axis=1, keepdims=True)
    return vectors


def documents_of(count: int) -> Iterator[tuple[Document, list[Chunk]]]:
    """Yield documents of a hundred passages of about 100 words each, `count` passages in all."""
    for first in range(0, count, _PASSAGES_A_DOCUMENT):
        path = f"docs/{first // _PASSAGES_A_DOCUMENT:05}.md"
        texts = [_text(number) for number in range(first, min(first + _PASSAGES_A_DOCUMENT, count))]
        starts = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])]).tolist()
        chunks = [
            Chunk(path, ordinal, start, start + len(text), text)
            for ordinal, (start, text) in enumerate(zip(starts, texts, strict=True))
        ]
        yield Document(path, "0" * 64, "text/markdown", "en", path, "\n".join(texts)), chunks


def _text(number: int) -> str:
    words = (_WORDS[(number * 7 + place * (1 + number % 5)) % len(_WORDS)] for place in range(_WORDS_A_PASSAGE))
    return f"Passage {number}: {' '.join(words)}"


def filters_of(vectors: NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
    """Return the passages that each filter keeps: shares at random, and a hundredth that all lie in one corner.

    The corner is what is nearest to one direction, as the documents of one folder or one author may be: from most questions
    it is far away.
    """
    drawn = np.random.default_rng(3)
    count, dimension = vectors.shape
    kept = {
        f"{share:g} %": np.sort(drawn.choice(count, max(1, int(count * share / 100)), replace=False))
        for share in (50, 10, 1, 0.1)
    }
    direction = drawn.standard_normal(dimension, dtype=np.float32)
    corner = np.argsort(-(vectors @ direction), kind="stable")[: max(1, count // 100)]
    return kept | {"1 %, one corner": np.sort(corner)}
