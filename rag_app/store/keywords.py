"""The keyword index of a generation: BM25 over the tokens of `rag_app.text.search_tokens`, memory-mapped.

k1 = 0.9 and b = 0.4 are the values of Anserini's baselines (Yang, Fang, Lin 2017), measured good on short passages.
This module knows nothing of vectors or of how texts were cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_app.errors import KnowledgeBaseDamaged, StorageError
from rag_app.store.layout import rebuild_command
from rag_app.text import search_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

K1 = 0.9
B = 0.4

# bm25s cannot index a corpus without a single token; no text can hold this one.
_NO_TOKEN = "\0"  # noqa: S105 - a search token


def write_keywords(folder: Path, texts: Iterable[str]) -> None:
    """Write the keyword index of the texts, whose order gives their numbers, and read it back.

    Raises:
        StorageError: what was read back is not what was written.
    """
    import bm25s

    # Numbered by first occurrence: bm25s itself goes through a set, and no two processes would write the same file.
    vocabulary: dict[str, int] = {}
    corpus = [
        [vocabulary.setdefault(token, len(vocabulary)) for token in search_tokens(text) or [_NO_TOKEN]]
        for text in texts
    ]
    index = bm25s.BM25(k1=K1, b=B)
    index.index((corpus, vocabulary), show_progress=False)
    index.save(folder, show_progress=False)
    written = bm25s.BM25.load(folder, mmap=True).scores
    if any(not np.array_equal(written[name], index.scores[name]) for name in ("data", "indices", "indptr")):
        raise StorageError(
            f"{folder} could not be written whole: what was read back is not what was written.",
            "Check the disk, make room, then run again.",
        )


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

    def scores(self, question: str) -> NDArray[np.float32]:
        """Return the BM25 score of every text, by its number: 0 where no word is shared, higher for a better match."""
        known = self._index.get_tokens_ids(search_tokens(question))
        if not known:
            return np.zeros(self.count, dtype=np.float32)
        scores: NDArray[np.float32] = self._index.get_scores_from_ids(known)
        return scores
