"""Whether anything was found: decided by the percentile of the best passage, never by a cosine.

A percentile of 0.9 says that nine of ten questions that the knowledge base cannot answer have no passage that scores as high:
whoever answers from there on answers one of ten of them (`AnsweringSettings.false_alarm_rate`).
This module knows nothing of how percentiles are measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag_app.datatypes import Passage

PERCENTILE = "percentile"


def is_found(passages: Sequence[Passage], wanted_percentile: float) -> bool:
    """Return whether one of the passages may well answer; where their percentiles are not known, whether there are any."""
    known = [passage.scores[PERCENTILE] for passage in passages if PERCENTILE in passage.scores]
    return max(known) >= wanted_percentile if known else bool(passages)
