"""The keyword index of a generation: BM25 over the tokens of `rag_app.text.search_tokens`, memory-mapped.

k1 = 0.9 and b = 0.4 are the values of Anserini's baselines (Yang, Fang, Lin 2017), measured good on short passages.
The files are bm25s's own. The scores in them are computed here, a block of passages at a time: bm25s wants the tokens of all
passages as Python lists, which at a million passages are 6 GB.
This module knows nothing of vectors or of how texts were cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_app.errors import KnowledgeBaseDamaged, StorageError
from rag_app.store.keyword_tokens import PassageTokens, write_tokens
from rag_app.store.layout import rebuild_command
from rag_app.text import search_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

K1 = 0.9
B = 0.4

_TOKENS_AT_ONCE = 1 << 20
_NUMBERS_AT_ONCE = 1 << 24


def write_keywords(folder: Path, texts: Iterable[str], previous: Path | None = None) -> None:
    """Write the keyword index of the texts, whose order gives their numbers, and read it back.

    Args:
        folder: where its files go.
        texts: gone through once.
        previous: the folder of an index that is whole: what it holds of the same texts is not tokenised again.

    Raises:
        StorageError: what was read back is not what was written.
    """
    import bm25s

    folder.mkdir(parents=True, exist_ok=True)
    tokens = write_tokens(folder, texts, previous)
    data, indices, indptr = _bm25(tokens)
    index = bm25s.BM25(k1=K1, b=B)
    index.scores = {"data": data, "indices": indices, "indptr": indptr, "num_docs": len(tokens.offsets) - 1}
    index.vocab_dict = tokens.vocabulary
    index.nonoccurrence_array = None  # other variants have one
    index.save(folder, show_progress=False)
    for start in range(0, len(data) + 1, _NUMBERS_AT_ONCE):  # mapped anew: what was compared takes no memory any more
        part = slice(start, start + _NUMBERS_AT_ONCE)
        written = bm25s.BM25.load(folder, mmap=True, load_vocab=False).scores
        if any(
            not np.array_equal(written[name][part], index.scores[name][part]) for name in ("data", "indices", "indptr")
        ):
            raise StorageError(
                f"{folder} could not be written whole: what was read back is not what was written.",
                "Check the disk, make room, then run again.",
            )


def _bm25(tokens: PassageTokens) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    """Return the BM25 score of every token in every passage that has it, as a sparse matrix by columns.

    Lucene's variant, `idf * f / (k1 * (1 - b + b * length / mean length) + f)`, which is bm25s's own.

    Returns:
        Scores and passages, shape (pairs,) each, sorted by token and then by passage; where each token's begin, shape
        (tokens + 1,).
    """
    lengths = np.diff(tokens.offsets)
    holding = np.zeros(len(tokens.vocabulary), dtype=np.int64)
    for words, _, _ in _counted(tokens):
        holding += np.bincount(words, minlength=len(holding))
    idf = _idf(holding, len(lengths))
    saturation = K1 * ((1 - B) + B * lengths / lengths.mean())
    begins = np.concatenate([[0], np.cumsum(holding)])
    data = np.empty(begins[-1], dtype=np.float32)
    indices = np.empty(begins[-1], dtype=np.int32)
    following = begins[:-1].copy()
    for words, passages, counts in _counted(tokens):
        # Sorted by word: a pair's place is where its word's next one goes, plus how many of the word's are before it here.
        held, first, repeated = np.unique(words, return_index=True, return_counts=True)
        places = np.arange(len(words)) + np.repeat(following[held] - first, repeated)
        data[places] = idf[words] * (counts / (saturation[passages] + counts))
        indices[places] = passages
        following[held] += repeated
    return data, indices, begins


def _counted(tokens: PassageTokens) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield, for one block of passages after another, which words are in which passages how often, sorted by word, passage."""
    count = len(tokens.offsets) - 1
    first = 0
    while first < count:
        last = int(np.searchsorted(tokens.offsets, tokens.offsets[first] + _TOKENS_AT_ONCE, side="right")) - 1
        last = min(max(last, first + 1), count)
        size = last - first
        words = tokens.numbers(first, last).astype(np.int64)
        places = np.repeat(np.arange(size), np.diff(tokens.offsets[first : last + 1]))
        pairs, counts = np.unique(words * size + places, return_counts=True)
        yield pairs // size, pairs % size + first, counts
        first = last


def _idf(holding: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Return the weight of each word by how many of all passages hold it."""
    # By Python's logarithm, once for each number: NumPy's may differ in the last bit from one processor to another.
    distinct, places = np.unique(holding, return_inverse=True)
    weights = [math.log(1 + (count - held + 0.5) / (held + 0.5)) for held in distinct.tolist()]
    return np.array(weights, dtype=np.float32)[places]


@dataclass(frozen=True)
class QuestionWords:
    """The search tokens of a question, shape (tokens,) each.

    `numbers` are those of the index's vocabulary, -1 for a token that no text holds; `weights` the inverse document
    frequencies, in nats: a token that no text holds has the highest.
    """

    tokens: tuple[str, ...]
    numbers: NDArray[np.int64]
    weights: NDArray[np.float32]

    @property
    def weight(self) -> float:
        """What all tokens weigh together."""
        return float(self.weights.sum(dtype=np.float64))

    @property
    def known(self) -> int:
        """How many of the tokens some text holds."""
        return int((self.numbers >= 0).sum())


class KeywordIndex:
    """Scores every chunk by the words it shares with a question. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Open the index, memory-mapped.

        Raises:
            KnowledgeBaseDamaged: the files cannot be read.
        """
        import bm25s

        try:
            self._index = bm25s.BM25.load(folder, mmap=True)
        except Exception as error:  # one flipped bit makes bm25s raise whatever it likes
            raise KnowledgeBaseDamaged(
                f"The keyword index {folder} cannot be read: {str(error)[:200]}.",
                rebuild_command(folder.parent.parent),
            ) from error

    @property
    def count(self) -> int:
        """The number of texts."""
        return int(self._index.scores["num_docs"])

    def read(self, question: str) -> QuestionWords:
        """Return the search tokens of a question, and what each weighs among these texts."""
        tokens = search_tokens(question)
        numbers = [self._index.vocab_dict.get(token, -1) for token in tokens]
        begins = self._index.scores["indptr"]
        holding = np.array([begins[number + 1] - begins[number] if number >= 0 else 0 for number in numbers], np.int64)
        return QuestionWords(tuple(tokens), np.array(numbers, np.int64), _idf(holding, self.count))

    def scores(self, question: str) -> NDArray[np.float32]:
        """Return the BM25 score of every text, by its number: 0 where no word is shared, higher for a better match."""
        return self.scores_of(self.read(question))

    def scores_of(self, words: QuestionWords) -> NDArray[np.float32]:
        """Return what `scores` does, for a question that was read."""
        known = words.numbers[words.numbers >= 0].tolist()
        if not known:
            return np.zeros(self.count, dtype=np.float32)
        scores: NDArray[np.float32] = self._index.get_scores_from_ids(known)
        return scores
