"""From labelled questions to a calibration: each is asked, its passages are labelled, and a model is fitted and cross-fitted.

This module knows nothing of commands or of how anything is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from llama_index.core.schema import QueryBundle

from rag_app.answering.question import checked_question
from rag_app.config import LimitSettings, RetrievalSettings
from rag_app.datatypes import Fingerprint
from rag_app.errors import UsageError
from rag_app.evaluation.labels import document_groups, holds_answer
from rag_app.evaluation.questions import QuestionSet
from rag_app.retrieval.calibrated import FEWEST_PASSAGES, conditions_of, features_of, score_names
from rag_app.retrieval.nodes import passages_of
from rag_app.retrieval.probability import (
    FEATURES,
    FOLDS,
    cross_fit,
    fit,
    reliability,
)
from rag_app.store.calibrations import Calibration

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore
    from numpy.typing import NDArray

    from rag_app.answering.query_engine import CitedQueryEngine

# With fewer, ten bins hold some dozens of passages, and no error that is measured on them means anything.
MIN_QUESTIONS = 30
MIN_OF_EACH = 10
_TOLD_EVERY = 500  # questions


@dataclass(frozen=True)
class LabelledPairs:
    """Retrieved passages with their labels. `features` has shape (pairs, features), `holds` and `groups` one entry a pair.

    The features are `FEATURES`; `scores` names the scores that the passages have. `groups` are the documents of the
    questions. `asked` counts questions, `answerable` those of them with an answer.
    """

    scores: tuple[str, ...]
    features: NDArray[np.float64]
    holds: NDArray[np.bool_]
    groups: tuple[int, ...]
    asked: int
    answerable: int


def label_passages(
    engine: CitedQueryEngine, question_set: QuestionSet, limits: LimitSettings, announce: Callable[[str], None]
) -> LabelledPairs:
    """Ask the questions, and label the passages found for each.

    Args:
        engine: finds them as `ask` does; no generator is asked.
        question_set: the questions, checked.
        limits: those of a question.
        announce: told how far it is.

    Raises:
        QuestionError: a question is too long.
        UsageError: too few passages with or without an answer.
    """
    questions = question_set.questions
    groups = document_groups(questions)
    texts = [checked_question(question.question, limits) for question in questions]
    asked = []
    for number, (question, text, group) in enumerate(zip(questions, texts, groups, strict=True)):
        if number and number % _TOLD_EVERY == 0:
            announce(f"{number:,} of {len(questions):,} questions asked ...")
        nodes = engine.retrieve(QueryBundle(text))
        holds = tuple(holds_answer(passage, question) for passage in passages_of(nodes))
        asked.append(_Asked(nodes, holds, group))
    judged, scores = _judged(asked)
    pairs = LabelledPairs(
        scores=scores,
        features=_features(judged),
        holds=np.array([label for one in judged for label in one.holds], dtype=np.bool_),
        groups=tuple(one.group for one in judged for _ in one.nodes),
        asked=len(questions),
        answerable=sum(question.is_answerable for question in questions),
    )
    _check_pairs(pairs.holds, pairs.groups)
    return pairs


@dataclass(frozen=True)
class _Asked:
    """A question's passages, whether each holds the answer, and its document."""

    nodes: list[NodeWithScore]
    holds: tuple[bool, ...]
    group: int


def _judged(asked: Sequence[_Asked]) -> tuple[list[_Asked], tuple[str, ...]]:
    """Return the questions whose passages would be given a probability, and the names of the scores that those have."""
    named = [(score_names(one.nodes), one) for one in asked if len(one.nodes) >= FEWEST_PASSAGES]
    counts = Counter(names for names, _ in named if names is not None)
    if not counts:
        return [], ()
    scores = counts.most_common(1)[0][0]
    return [one for names, one in named if names == scores], scores


def _features(judged: Sequence[_Asked]) -> NDArray[np.float64]:
    return np.concatenate([np.empty((0, len(FEATURES))), *(features_of(one.nodes, FEATURES) for one in judged)])


def check_questions(question_set: QuestionSet) -> None:
    """Make sure that a calibration can come of the questions.

    Raises:
        UsageError: there are too few, or too few documents that they are answered by.
    """
    count = len(question_set.questions)
    if count < MIN_QUESTIONS:
        raise UsageError(
            f"{question_set.name} has {count} questions; a calibration needs {MIN_QUESTIONS}.", "Add questions."
        )
    groups = document_groups(question_set.questions)
    documents = {
        group for group, question in zip(groups, question_set.questions, strict=True) if question.is_answerable
    }
    if len(documents) < FOLDS:
        raise UsageError(
            f"The answers of {question_set.name} are in {len(documents)} separate documents; a calibration needs {FOLDS}: "
            "what is learnt from some is tried on the others.",
            "Add questions on other documents.",
        )


def _check_pairs(holds: NDArray[np.bool_], groups: Sequence[int]) -> None:
    holding, others = int(holds.sum()), int((~holds).sum())
    if min(holding, others) < MIN_OF_EACH:
        raise UsageError(
            f"Of the passages found {holding} hold an answer and {others} do not; a calibration needs {MIN_OF_EACH} of each.",
            "See that each source is a document of this base (rag-app kb show NAME) and the answer is worded as there; "
            "add questions; or have more passages found (retrieval.top_k).",
        )
    if len({group for group, label in zip(groups, holds, strict=True) if label}) < 2:
        raise UsageError(
            "All passages found that hold an answer belong to one document.", "Add questions on other documents."
        )


def calibrate(
    pairs: LabelledPairs,
    question_set: QuestionSet,
    generation: str,
    fingerprint: Fingerprint,
    settings: RetrievalSettings,
    reranker: str | None = None,
) -> Calibration:
    """Fit on all pairs, and measure on each fold what the others predict.

    Args:
        pairs: from `label_passages`.
        question_set: what was asked.
        generation: of which generation.
        fingerprint: of the embedding model.
        settings: of the search.
        reranker: its id; None for none.
    """
    predicted = cross_fit(FEATURES, pairs.features, pairs.holds, pairs.groups)
    conditions: Mapping[str, Any] = conditions_of(settings, reranker)
    return Calibration(
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        generation=generation,
        fingerprint=fingerprint.digest,
        embedder=fingerprint.model,
        retriever=settings.retriever,
        conditions=conditions,
        passages=settings.top_k,
        scores=pairs.scores,
        question_set=question_set.name,
        questions_sha256=question_set.sha256,
        questions=pairs.asked,
        answerable=pairs.answerable,
        pairs=len(pairs.holds),
        holding=int(pairs.holds.sum()),
        model=fit(FEATURES, pairs.features, pairs.holds),
        reliability=reliability(predicted, pairs.holds),
    )
