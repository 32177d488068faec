"""What the scores of a build's indexes are worth: asks questions whose answers are known to be there, or not to be.

Halves of sentences are drawn from the passages, the same ones as long as those passages stay; they and the bundled foreign
questions are embedded as questions, through the cache, before anything is written.
This module knows nothing of what is made of the scores (`rag_app/retrieval/null_scores.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ingest.embedding import embed_chunks
from rag_app.build_events import Event, EventHandler, EventKind
from rag_app.datatypes import Chunk, Fingerprint
from rag_app.retrieval.first_stage import NATS_PER_DEVIATION, FirstStage
from rag_app.retrieval.foreign_questions import foreign_questions
from rag_app.retrieval.null_scores import NullScores, Unanswerable, fit_nats_per_cosine, fit_nulls, size_of
from rag_app.store.keywords import KeywordIndex
from rag_app.store.vectors import VectorIndex
from rag_app.text import CJK_CHARACTER, first_units, search_tokens, searchable, sentence_spans, size_in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Enough that a quarter of them gives much the same nats; each is one short text more to embed.
DRAWN = 150
# A sentence that is drawn has so many units of size at least, so that half of it still says something.
_LEAST_UNITS = 10
_LEAST_WORDS = 4
_MOST_UNITS = 60  # of a half: text without a full stop may be one sentence from first to last
_LEAST_CHARACTERS = 6
# The nearest passages stand for all others when the own one is told from them.
_OTHERS = 1000
_MOSTLY_CJK = 0.3


@dataclass(frozen=True)
class DrawnQuestion:
    """Half a sentence of a passage, and the passage's number."""

    text: str
    passage: int


def draw_questions(passages: Sequence[Chunk]) -> list[DrawnQuestion]:
    """Return halves of sentences of at most `DRAWN` passages, one of each, in an order that only their own texts decide."""
    order = sorted(range(len(passages)), key=lambda number: _digest(passages[number].embedded_text))
    drawn: list[DrawnQuestion] = []
    for number in order:
        if len(drawn) == DRAWN:
            break
        text = searchable(passages[number].text)
        sentences = [text[start:end] for start, end in sentence_spans(text)]
        long = [sentence for sentence in sentences if size_in_units(sentence) >= _LEAST_UNITS]
        if long:
            half = _half(long[_digest(text)[0] % len(long)])
            if search_tokens(half):
                drawn.append(DrawnQuestion(half, number))
    return drawn


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _half(sentence: str) -> str:
    """Return half of a sentence, from anywhere in it: by characters where it is mostly CJK, else by words."""
    is_cjk = len(CJK_CHARACTER.findall(sentence)) > _MOSTLY_CJK * len(sentence)
    parts: Sequence[str] = sentence if is_cjk else sentence.split()
    length = max(len(parts) // 2, _LEAST_CHARACTERS if is_cjk else _LEAST_WORDS)
    first = _digest(sentence)[1] % (max(len(parts) - length, 0) + 1)
    return first_units(("" if is_cjk else " ").join(parts[first : first + length]), _MOST_UNITS)


class QuestionEmbedder(Protocol):
    """What a calibration needs of an embedding model."""

    def embed_questions(self, texts: Sequence[str], on_progress: Callable[[int], None]) -> NDArray[np.float32]:
        """Return unit vectors, shape (texts, dimension)."""
        ...


class _AsPassages:
    """Embeds questions where passages are asked for, so that they go through the same cache."""

    def __init__(self, embedder: QuestionEmbedder) -> None:
        self._embedder = embedder

    def embed_and_count(
        self, texts: Sequence[str], on_progress: Callable[[int], None]
    ) -> tuple[NDArray[np.float32], list[int]]:
        return self._embedder.embed_questions(texts, on_progress), [0] * len(texts)


@dataclass(frozen=True)
class CalibrationQuestions:
    """The questions that a calibration asks: foreign ones, then drawn ones; their `vectors` have shape (questions, dimension).

    `documents` number those that the passages are first found in, shape (passages,).
    """

    foreign: tuple[str, ...]
    drawn: tuple[DrawnQuestion, ...]
    vectors: NDArray[np.float32]
    documents: NDArray[np.int64]

    def measure(self, vectors: VectorIndex, keywords: KeywordIndex) -> Mapping[str, Any]:
        """Ask them of the indexes and return what null.json holds."""
        nats = self._nats(vectors)
        stage = FirstStage(keywords, vectors, nats)
        foreign = [
            _asked(stage, keywords, text, vector, None)
            for text, vector in zip(self.foreign, self.vectors, strict=False)
        ]
        drawn = [
            _asked(stage, keywords, one.text, vector, allowed)
            for one, vector in self._drawn()
            if len(allowed := self._others(one))
        ]
        return NullScores(nats, fit_nulls([*foreign, *drawn])).as_json()

    def _drawn(self) -> list[tuple[DrawnQuestion, NDArray[np.float32]]]:
        return list(zip(self.drawn, self.vectors[len(self.foreign) :], strict=True))

    def _others(self, one: DrawnQuestion) -> NDArray[np.int64]:
        """Return the passages of other documents than that of a drawn question, sorted."""
        return np.flatnonzero(self.documents != self.documents[one.passage])

    def _nats(self, vectors: VectorIndex) -> float:
        own, others = [], []
        for one, vector in self._drawn():
            numbers, cosines = vectors.search(vector, _OTHERS)
            own.append(float(vectors.cosines(vector, np.array([one.passage]))[0]))
            others.append(cosines[numbers != one.passage].astype(np.float64))
        # Not from the passages: two of them have hardly a spread.
        foreign = self.vectors[: len(self.foreign)]
        deviation = float((foreign @ foreign.T)[np.triu_indices(len(foreign), 1)].std())
        prior = NATS_PER_DEVIATION / deviation if deviation > 0 else 1.0
        return fit_nats_per_cosine(np.array(own), others, prior)


def _asked(
    stage: FirstStage,
    keywords: KeywordIndex,
    text: str,
    vector: NDArray[np.float32],
    allowed: NDArray[np.int64] | None,
) -> Unanswerable:
    words = keywords.read(text)
    found = stage.find(words, vector, "hybrid", 1, allowed)
    assert found.cosines is not None
    assert found.evidence is not None
    scores = {"cosine": found.cosines, "bm25": found.bm25, "evidence": found.evidence}
    best = {name: float(values.max(initial=0.0)) for name, values in scores.items()}
    return Unanswerable(size_of(words), best, drawn=allowed is not None)


def embed_calibration_questions(
    passages: Sequence[Chunk],
    fingerprint: Fingerprint,
    load: Callable[[], QuestionEmbedder],
    base: Path,
    on_event: EventHandler,
) -> CalibrationQuestions:
    """Embed the questions of a calibration, those that the cache does not have.

    Args:
        passages: in the order of their numbers.
        fingerprint: of the model.
        load: loads it; not called where the cache has everything.
        base: the folder of the knowledge base, which holds the cache.
        on_event: told of a cache that was damaged.

    Raises:
        EmbeddingError, StorageError: as `embed_chunks`.
    """
    foreign = tuple(question.text for question in foreign_questions())
    drawn = tuple(draw_questions(passages))
    texts = [*foreign, *(one.text for one in drawn)]
    # Their prompt tells the vectors of questions from those of passages in the cache.
    as_questions = replace(
        fingerprint, passage_prompt=fingerprint.query_prompt, model=f"{fingerprint.model} (questions)"
    )

    def quietly(event: Event) -> None:
        if event.kind is EventKind.MESSAGE:
            on_event(event)

    message = f"Asking {len(texts):,} questions to learn what the scores of {fingerprint.model} are worth ..."
    on_event(Event(EventKind.MESSAGE, message))
    embedded = embed_chunks(texts, texts, as_questions, lambda: _AsPassages(load()), base, quietly)
    numbers: dict[str, int] = {}
    documents = [numbers.setdefault(passage.document_path, len(numbers)) for passage in passages]
    return CalibrationQuestions(foreign, drawn, embedded.vectors, np.array(documents, np.int64))
