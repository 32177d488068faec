"""How the scores of several retrievers become one: pure functions over arrays.

A fused score is a sum of evidence in nats: how much likelier it is, by each retriever, that this passage answers the question
than that another does. A cosine counts for as much as it was seen to tell among these passages (`null_scores.py` measures
that at every build, without labels): that of a model which cannot read the language of the documents counts for little.
Keyword scores are evidence as they are, less so in long questions, which share words with everything.
Chosen by measurement on the odd-numbered articles of SQuAD 2.0 (docs/benchmarks.md, "Retrieval"), where reciprocal ranks and
standard scores do worse.
This module knows nothing of questions, texts or indexes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Two retrievers that find the same passage have partly the same reason to: each counts for a share of what it tells alone.
_COSINE_SHARE = 0.5
_COSINE_SHARE_BESIDE_SENTENCES = 0.4
_SENTENCE_SHARE = 0.4
_KEYWORD_SHARE_BESIDE_SENTENCES = 0.65
_SENTENCE_WORDS_SHARE = 0.3
_WORD_PAIRS_SHARE = 0.2
# The weight of all words of a question, in nats, at which a keyword score counts as it is.
_USUAL_QUESTION_WEIGHT = 30.0


@dataclass(frozen=True)
class Scales:
    """What scores tell for one question.

    `cosine` is the nats of one unit of cosine, `keywords` those of one unit of a keyword score.
    """

    cosine: float
    keywords: float


def keyword_scale(question_weight: float) -> float:
    """Return the nats of one unit of a keyword score, for a question whose words weigh so much together.

    A question with twice the words has twice the score by chance, and is not twice as sure: the square root lies between
    counting all of a score and counting the share of the question that it covers.
    """
    return float(np.sqrt(_USUAL_QUESTION_WEIGHT / question_weight)) if question_weight > 0 else 0.0


def fuse_first(cosines: NDArray[np.float32], bm25: NDArray[np.float32], scales: Scales) -> NDArray[np.float32]:
    """Return the evidence of the first stage, from what an index knows of a passage.

    Args:
        cosines: shape (passages,).
        bm25: of the same passages.
        scales: those of the question.

    Returns:
        Shape (passages,), in nats; higher is better. It can be compared between questions.
    """
    evidence: NDArray[np.float32] = (
        np.float32(_COSINE_SHARE * scales.cosine) * cosines + np.float32(scales.keywords) * bm25
    )
    return evidence


@dataclass(frozen=True)
class PassageScores:
    """Scores of the same passages, shape (passages,) each.

    `sentences` are the cosines of their best sentences, None where none was embedded, not a number for a passage whose were
    not: its own cosine stands for it. `sentence_words` is what the words of the question weigh that their best sentences
    hold, `word_pairs` likewise of neighbouring words.
    """

    cosines: NDArray[np.float32]
    bm25: NDArray[np.float32]
    sentences: NDArray[np.float32] | None
    sentence_words: NDArray[np.float32]
    word_pairs: NDArray[np.float32]


def fuse_second(scores: PassageScores, scales: Scales) -> NDArray[np.float32]:
    """Return the evidence of the second stage, from what the passages say; shape (passages,), in nats; higher is better."""
    if scores.sentences is None:
        dense = _COSINE_SHARE * scores.cosines
    else:
        sentences = np.where(np.isnan(scores.sentences), scores.cosines, scores.sentences)
        dense = _COSINE_SHARE_BESIDE_SENTENCES * scores.cosines + _SENTENCE_SHARE * sentences
    keywords = (
        _KEYWORD_SHARE_BESIDE_SENTENCES * scores.bm25
        + _SENTENCE_WORDS_SHARE * scores.sentence_words
        + _WORD_PAIRS_SHARE * scores.word_pairs
    )
    evidence: NDArray[np.float32] = (scales.cosine * dense + scales.keywords * keywords).astype(np.float32)
    return evidence


def below(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first stage's evidence of passages that the second did not look at, moved below what it did look at."""
    if not len(first) or not len(second):
        return first
    moved: NDArray[np.float32] = first + min(np.float32(0), second.min() - first.max())
    return moved


def best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the positions of the `count` highest scores, highest first; of equal ones the lower position first."""
    count = min(count, len(scores))
    if not count:
        return np.empty(0, dtype=np.int64)
    threshold = np.partition(scores, -count)[-count]
    above = np.flatnonzero(scores > threshold)
    # Of a million passages nearly all may have the same score, 0: only as many as are wanted are sorted.
    candidates = np.concatenate([above, np.flatnonzero(scores == threshold)[: count - len(above)]])
    result: NDArray[np.int64] = candidates[np.lexsort((candidates, -scores[candidates]))]
    return result
