"""From the scores of a question's passages to the probability that a passage holds the answer: pure functions over arrays.

A logistic regression that never falls as the ranking score of a passage rises. Its features were chosen by cross-validation on
the odd-numbered articles of SQuAD 2.0 (docs/scores.md).
This module knows nothing of questions, files or LlamaIndex.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rag_app.store.calibrations import ProbabilityModel, Reliability, ReliabilityBin

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCORE, LEAD, BEHIND = "score", "lead", "behind"
FEATURES = (SCORE, LEAD, BEHIND)

FOLDS = 5
BINS = 10
# Weights of standardised features are drawn towards zero as if by one passage; the intercept hardly.
_PENALTY = 1.0
_INTERCEPT_PENALTY = 0.01
_STEPS = 100
_CONVERGED = 1e-9
_FURTHEST = 30.0  # of a logit: its probability differs from 0 or 1 by less than 1e-13
_DRAWS = 200
_Z = 1.959964  # of a 95 % interval


def question_features(names: Sequence[str], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the features of one question's passages.

    `score` is the ranking score itself, `lead` how far a passage stands above the best of the others, `behind` minus the square
    root of how far it stands below (0 for the best).

    Args:
        names: of the features, in the order wanted.
        scores: the ranking scores of the passages found, shape (passages,), at least two.

    Returns:
        Shape (passages, features).

    Raises:
        LookupError: a feature of an unknown name.
    """
    first, second = np.sort(scores)[-2:][::-1]
    margins = scores - np.where(np.arange(len(scores)) == int(np.argmax(scores)), second, first)
    columns = {SCORE: scores, LEAD: np.maximum(margins, 0.0), BEHIND: -np.sqrt(np.maximum(-margins, 0.0))}
    return np.column_stack([columns[name] for name in names])


def predict(model: ProbabilityModel, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities, shape (pairs,), for features of shape (pairs, features) in the model's order."""
    standard = (features - np.array(model.centres)) / np.array(model.scales)
    return np.clip(_sigmoid(standard @ np.array(model.weights) + model.intercept), model.least, 1 - model.least)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(logits, -_FURTHEST, _FURTHEST)))
    return result


def fit(names: Sequence[str], features: NDArray[np.float64], holds: NDArray[np.bool_]) -> ProbabilityModel:
    """Fit the logistic regression with no weight below zero: all features rise with the ranking score, and so does it.

    Args:
        names: of the features.
        features: shape (pairs, features).
        holds: shape (pairs,), whether the passage holds the answer.
    """
    centres, scales = features.mean(axis=0), features.std(axis=0)
    scales[scales < 1e-12] = 1.0
    standard = (features - centres) / scales
    kept = list(range(features.shape[1]))
    while True:
        solution = _newton(standard[:, kept], holds.astype(np.float64))
        if not kept or solution[1:].min() >= 0:
            break
        kept.pop(int(np.argmin(solution[1:])))
    weights = np.zeros(features.shape[1])
    weights[kept] = solution[1:]
    return ProbabilityModel(
        features=tuple(names),
        centres=tuple(centres.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(weights.tolist()),
        intercept=float(solution[0]),
        least=1 / (len(holds) + 2),  # by the rule of succession, what never happened among so many
    )


def _newton(standard: NDArray[np.float64], holds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return intercept and weights that minimise the penalised log loss, by Newton's method with halved steps."""
    inputs = np.column_stack([np.ones(len(standard)), standard])
    penalty = np.full(inputs.shape[1], _PENALTY)
    penalty[0] = _INTERCEPT_PENALTY
    solution = np.zeros(inputs.shape[1])

    def loss(at: NDArray[np.float64]) -> float:
        logits = inputs @ at
        return float(np.sum(np.logaddexp(0.0, logits) - holds * logits) + 0.5 * np.sum(penalty * at**2))

    for _ in range(_STEPS):
        predicted = _sigmoid(inputs @ solution)
        gradient = inputs.T @ (predicted - holds) + penalty * solution
        curvature = (inputs.T * (predicted * (1 - predicted))) @ inputs + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        while loss(solution - step) > loss(solution) and np.abs(step).max() > _CONVERGED:
            step /= 2
        solution = solution - step
        if np.abs(step).max() <= _CONVERGED:
            break
    return solution


def cross_fit(
    names: Sequence[str], features: NDArray[np.float64], holds: NDArray[np.bool_], groups: Sequence[Hashable]
) -> NDArray[np.float64]:
    """Return for each pair what a model says that was fitted on the other folds, shape (pairs,).

    Args:
        names: of the features.
        features: shape (pairs, features).
        holds: shape (pairs,).
        groups: of each pair, its document: one group is in one fold.
    """
    folds = _folds(groups, holds)
    predicted = np.empty(len(holds))
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.any():
            predicted[inside] = predict(fit(names, features[~inside], holds[~inside]), features[inside])
    return predicted


def _folds(groups: Sequence[Hashable], holds: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the fold of each pair: the largest groups first, each to the fold with the fewest answers, then pairs."""
    members: dict[Hashable, list[int]] = {}
    for pair, group in enumerate(groups):
        members.setdefault(group, []).append(pair)
    sizes = [(int(holds[pairs].sum()), len(pairs), pairs) for pairs in members.values()]
    filled = [(0, 0)] * FOLDS
    folds = np.empty(len(groups), dtype=np.int64)
    for answers, count, pairs in sorted(sizes, key=lambda size: size[:2], reverse=True):
        fold = min(range(FOLDS), key=lambda one: filled[one])
        filled[fold] = filled[fold][0] + answers, filled[fold][1] + count
        folds[pairs] = fold
    return folds


def reliability(predicted: NDArray[np.float64], holds: NDArray[np.bool_]) -> Reliability:
    """Compare predicted probabilities with what came of them, both of shape (pairs,)."""
    observed = holds.astype(np.float64)
    share = float(observed.mean())
    by_width = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    equal_width = [pairs for number in range(BINS) if len(pairs := np.flatnonzero(by_width == number))]
    equal_count = [pairs for pairs in np.array_split(np.argsort(predicted, kind="stable"), BINS) if len(pairs)]
    return Reliability(
        error=_calibration_error(predicted, observed, equal_width),
        error_equal_count=_calibration_error(predicted, observed, equal_count),
        error_by_chance=_error_by_chance(predicted, equal_width),
        brier=float(np.mean((predicted - observed) ** 2)),
        brier_base_rate=share * (1 - share),
        bins=tuple(_bin(predicted[pairs], observed[pairs]) for pairs in equal_width),
    )


def _calibration_error(
    predicted: NDArray[np.float64], observed: NDArray[np.float64], bins: Sequence[NDArray[np.int64]]
) -> float:
    gaps = (len(pairs) * abs(float(predicted[pairs].mean() - observed[pairs].mean())) for pairs in bins)
    return sum(gaps) / len(predicted)


def _error_by_chance(predicted: NDArray[np.float64], bins: Sequence[NDArray[np.int64]]) -> float:
    """Return the mean calibration error of labels that are drawn by the very probabilities predicted."""
    generator = np.random.default_rng(0)
    draws = [(generator.random(len(predicted)) < predicted).astype(np.float64) for _ in range(_DRAWS)]
    return sum(_calibration_error(predicted, drawn, bins) for drawn in draws) / _DRAWS


def _bin(predicted: NDArray[np.float64], observed: NDArray[np.float64]) -> ReliabilityBin:
    share = float(observed.mean())
    low, high = wilson_interval(share, len(observed))
    return ReliabilityBin(float(predicted.mean()), share, low, high, len(observed))


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval (Wilson's) of a share found among `count`, at least one."""
    spread = _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)
