"""How well an answer is founded, in one word: what a page tells a reader before the first sentence.

It is told by the percentile of the best passage and by whether the sentences have support, never by a cosine.
This module knows nothing of how percentiles are measured.
"""

from __future__ import annotations

from enum import StrEnum

from rag_app.answering.abstention import PERCENTILE, is_found
from rag_app.datatypes import Answer

# One of twenty questions that have nothing to do with the documents finds a passage that scores as high.
_USUAL_PERCENTILE = 0.95


class Strength(StrEnum):
    """What stands behind an answer."""

    NOTHING_FOUND = "nothing_found"  # no passage may well answer; nothing was written
    REFUSED = "refused"  # the generator says that the passages do not answer
    PASSAGES_ONLY = "passages_only"  # nobody was asked to write
    UNSUPPORTED = "unsupported"  # no sentence has support in a passage
    WEAK = "weak"  # the best passage scores hardly higher than what questions find that are not answered here
    FOUNDED = "founded"


def strength_of(answer: Answer) -> Strength:
    """Return what stands behind an answer."""
    if answer.abstained:
        return Strength.REFUSED if is_found(answer.passages, answer.wanted_percentile) else Strength.NOTHING_FOUND
    if answer.text is None:
        return Strength.PASSAGES_ONLY
    if answer.sentences and not any(sentence.citations for sentence in answer.sentences):
        return Strength.UNSUPPORTED
    known = [passage.scores[PERCENTILE] for passage in answer.passages if PERCENTILE in passage.scores]
    return Strength.WEAK if known and max(known) < _USUAL_PERCENTILE else Strength.FOUNDED
