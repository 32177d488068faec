"""From scores to probabilities: features, the fit, cross-fitting, and how they are judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.retrieval.probability import (
    BINS,
    FEATURES,
    FOLDS,
    cross_fit,
    fit,
    predict,
    question_features,
    reliability,
    wilson_interval,
)
from rag_app.store.calibrations import ProbabilityModel

GENERATOR = np.random.default_rng(0)


def made_pairs(questions: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return features, labels and groups of questions whose answers follow a logistic law of their scores."""
    generator = np.random.default_rng(seed)
    features, holds, groups = [], [], []
    for question in range(questions):
        scores = np.sort(generator.normal(3, 2, 5))[::-1]
        made = question_features(FEATURES, scores)
        logits = -2 + 0.3 * made[:, 0] + 0.8 * made[:, 1] + 0.9 * made[:, 2]
        features.append(made)
        holds.append(generator.random(5) < 1 / (1 + np.exp(-logits)))
        groups += [question // 8] * 5
    return np.concatenate(features), np.concatenate(holds), groups


def test_features_are_the_score_and_its_distance_from_the_best_of_the_others() -> None:
    found = question_features(FEATURES, np.array([7.0, 3.0, 2.0]))
    assert found[:, 0].tolist() == [7, 3, 2]
    assert found[:, 1].tolist() == [4, 0, 0]
    assert found[:, 2].tolist() == [0, -2, pytest.approx(-np.sqrt(5))]


def test_of_equal_scores_neither_leads() -> None:
    found = question_features(FEATURES, np.array([7.0, 7.0]))
    assert found[:, 1:].tolist() == [[0, 0], [0, 0]]


def test_a_feature_that_is_not_known_is_refused() -> None:
    with pytest.raises(LookupError):
        question_features(["weather"], np.array([1.0, 2.0]))


def test_the_fit_finds_the_law_that_made_the_labels() -> None:
    features, holds, _ = made_pairs(4000)
    model = fit(FEATURES, features, holds)
    slopes = np.array(model.weights) / np.array(model.scales)
    assert slopes.tolist() == pytest.approx([0.3, 0.8, 0.9], abs=0.1)


def test_the_fit_is_that_of_an_independent_minimiser() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    features, holds, _ = made_pairs(60)
    model = fit(FEATURES, features, holds)
    standard = np.column_stack([np.ones(len(features)), (features - features.mean(0)) / features.std(0)])
    penalty = np.array([0.01, 1, 1, 1])

    def loss(at: np.ndarray) -> float:
        logits = standard @ at
        return float(np.sum(np.logaddexp(0, logits) - holds * logits) + 0.5 * np.sum(penalty * at**2))

    bounds = [(None, None), *[(0, None)] * 3]
    best = optimize.minimize(loss, np.zeros(4), method="L-BFGS-B", bounds=bounds).x
    assert [model.intercept, *model.weights] == pytest.approx(best.tolist(), abs=1e-3)


def test_a_weight_below_zero_is_none() -> None:
    features, holds, _ = made_pairs()
    model = fit(FEATURES, -features, holds)
    assert min(model.weights) >= 0
    assert fit(FEATURES, features * [1, 0, 0], holds).weights[1:] == (0, 0)


@given(
    scores=st.lists(st.floats(-50, 50), min_size=2, max_size=8),
    place=st.integers(0, 7),
    rise=st.floats(0, 60),
    weights=st.tuples(*[st.floats(0, 5)] * 3),
)
def test_probability_never_falls_as_the_score_of_a_passage_rises(
    scores: list[float], place: int, rise: float, weights: tuple[float, float, float]
) -> None:
    model = ProbabilityModel(FEATURES, (0, 0, 0), (1, 2, 3), weights, -1, 0.001)
    place %= len(scores)
    higher = [score + rise * (number == place) for number, score in enumerate(scores)]
    before = predict(model, question_features(FEATURES, np.array(scores)))[place]
    assert predict(model, question_features(FEATURES, np.array(higher)))[place] >= before - 1e-12


def test_of_one_question_a_higher_score_never_has_a_lower_probability() -> None:
    features, holds, _ = made_pairs(50)
    model = fit(FEATURES, features, holds)
    for seed in range(50):
        scores = np.sort(np.random.default_rng(seed).normal(0, 5, 6))[::-1]
        found = predict(model, question_features(FEATURES, scores))
        assert (np.diff(found) <= 0).all()


def test_perfectly_parted_labels_do_not_run_away() -> None:
    features = np.arange(40, dtype=float).reshape(-1, 1)
    model = fit(["score"], features, features[:, 0] >= 20)
    found = predict(model, features)
    assert np.isfinite(model.weights).all()
    assert 0 < found[0] < 0.2
    assert 0.8 < found[-1] < 1


def test_the_model_is_no_surer_than_what_it_was_fitted_on_allows() -> None:
    features = np.arange(40, dtype=float).reshape(-1, 1)
    model = fit(["score"], features, features[:, 0] >= 20)
    assert predict(model, np.array([[-1e9], [1e9]])).tolist() == pytest.approx([1 / 42, 41 / 42])


def test_labels_of_one_kind_do_not_run_away() -> None:
    model = fit(["score"], np.arange(40, dtype=float).reshape(-1, 1), np.zeros(40, dtype=bool))
    assert 0 < predict(model, np.array([[20.0]]))[0] < 0.05


def test_cross_fitted_probabilities_of_lawful_labels_are_calibrated() -> None:
    features, holds, groups = made_pairs(2000)
    found = reliability(cross_fit(FEATURES, features, holds, groups), holds)
    assert max(found.error, found.error_equal_count) < 0.02
    assert found.brier < found.brier_base_rate


def test_what_cross_fitting_predicts_for_a_document_was_not_learnt_from_it() -> None:
    features, holds, groups = made_pairs(80)
    before = cross_fit(FEATURES, features, holds, groups)
    inside = np.array(groups) == 3
    # Its labels are exchanged, their number is not: it stays in its fold.
    changed = holds.copy()
    changed[inside] = holds[inside][::-1]
    assert cross_fit(FEATURES, features, changed, groups)[inside].tolist() == before[inside].tolist()
    assert not np.allclose(cross_fit(FEATURES, features, changed, groups), before)


def test_a_document_is_in_one_fold_and_the_folds_are_even() -> None:
    from rag_app.retrieval import probability

    _, holds, groups = made_pairs(200)
    folds = probability._folds(groups, holds)
    of_group = {group: {int(fold) for fold, one in zip(folds, groups, strict=True) if one == group} for group in groups}
    assert all(len(found) == 1 for found in of_group.values())
    answers = [int(holds[folds == fold].sum()) for fold in range(FOLDS)]
    assert max(answers) - min(answers) <= 10


def test_labels_without_a_law_are_no_better_than_the_base_rate() -> None:
    features, _, groups = made_pairs(400)
    holds = GENERATOR.random(len(features)) < 0.3
    found = reliability(cross_fit(FEATURES, features, holds, groups), holds)
    assert found.brier == pytest.approx(found.brier_base_rate, rel=0.02)


def test_reliability_of_a_few_numbers_by_hand() -> None:
    predicted = np.array([0.05, 0.05, 0.95, 1.0])
    found = reliability(predicted, np.array([False, True, True, True]))
    assert found.error == pytest.approx((2 * 0.45 + 2 * 0.025) / 4)
    assert found.error_equal_count == pytest.approx((0.05 + 0.95 + 0.05 + 0) / 4)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 0.05**2) / 4)
    assert found.brier_base_rate == pytest.approx(0.75 * 0.25)
    assert [(one.predicted, one.observed, one.count) for one in found.bins] == [
        (pytest.approx(0.05), 0.5, 2),
        (pytest.approx(0.975), 1.0, 2),
    ]


def test_what_chance_alone_makes_is_said_and_falls_with_more_passages() -> None:
    generator = np.random.default_rng(2)
    found = {}
    for count in (200, 20_000):
        truth = generator.random(count)
        found[count] = reliability(truth, generator.random(count) < truth)
        assert found[count].error == pytest.approx(found[count].error_by_chance, rel=0.8)
    assert found[200].error_by_chance == pytest.approx(10 * found[20_000].error_by_chance, rel=0.15)


def test_probabilities_that_are_off_are_said_to_be() -> None:
    generator = np.random.default_rng(1)
    truth = generator.random(20_000)
    holds = generator.random(20_000) < truth
    assert reliability(truth, holds).error < 0.02
    assert reliability(truth**3, holds).error > 0.15
    assert len(reliability(truth, holds).bins) == BINS


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [(0.5, 10, 0.2366, 0.7634), (0.0, 10, 0.0, 0.2775), (1.0, 1, 0.2065, 1.0), (0.1, 100, 0.0552, 0.1744)],
)
def test_wilsons_interval(share: float, count: int, low: float, high: float) -> None:
    assert wilson_interval(share, count) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
