"""How far scores that claim a share of cases kept their word in a comparison: probabilities and percentiles.

This module knows nothing of how that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag_app.evaluation.comparison import AskedQuestion, SystemResult
from rag_app.retrieval.probability import reliability, wilson_interval
from rag_app.store.calibrations import Reliability, ReliabilityBin

PROBABILITY, PERCENTILE = "probability", "percentile"
# With fewer unanswerable questions, the interval of a share is wider than half the scale.
FEWEST_UNANSWERABLE = 10
_THRESHOLDS = tuple(tenth / 10 for tenth in range(1, 10))


def probability_reliability(system: SystemResult) -> Reliability | None:
    """Return predicted probabilities against the passages that were right; None where passages have no probability."""
    judged = [
        (passage.scores[PROBABILITY], passage.gain > 0)
        for outcome in system.outcomes
        for passage in outcome.found
        if PROBABILITY in passage.scores
    ]
    if not judged:
        return None
    predicted, holds = zip(*judged, strict=True)
    return reliability(np.array(predicted, dtype=np.float64), np.array(holds, dtype=np.bool_))


def percentile_reliability(questions: Sequence[AskedQuestion], system: SystemResult) -> tuple[ReliabilityBin, ...]:
    """Return, for each tenth, the share of unanswerable questions whose best percentile lies below it: a tenth, two tenths ...

    Empty where there are fewer than `FEWEST_UNANSWERABLE` such questions with passages that have a percentile.
    """
    best = [
        max(passage.scores[PERCENTILE] for passage in outcome.found)
        for question, outcome in zip(questions, system.outcomes, strict=True)
        if not question.is_answerable and outcome.found and all(PERCENTILE in one.scores for one in outcome.found)
    ]
    if len(best) < FEWEST_UNANSWERABLE:
        return ()
    shares = [(threshold, sum(value < threshold for value in best) / len(best)) for threshold in _THRESHOLDS]
    return tuple(ReliabilityBin(one, share, *wilson_interval(share, len(best)), len(best)) for one, share in shares)
