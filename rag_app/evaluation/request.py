"""What is asked of a comparison: which questions of which systems, and what counts as a difference.

This module knows nothing of how systems are compared, so that a page can ask without waiting for what compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rag_app.evaluation.questions import QuestionSet
from rag_app.evaluation.systems import SystemSpec

SEED = 20261129
# Two questions of a hundred: who asks a few a day would notice in a month at the earliest. Half of it would need four times the
# questions.
DEFAULT_MARGIN = 0.02


@dataclass(frozen=True)
class Request:
    """What is to be compared.

    All questions, the first `limit`, or `sample` of them, drawn by the seed; with `answerable_only` of those with an answer.

    `knowledge_base` is asked unless the questions bring their own passages.
    """

    questions: Path
    systems: tuple[SystemSpec, ...]
    knowledge_base: str | None = None
    limit: int | None = None
    sample: int | None = None
    answerable_only: bool = False
    seed: int = SEED
    margin: float = DEFAULT_MARGIN


def brings_passages(question_set: QuestionSet) -> bool:
    """Whether a data set brings its own passages: a BEIR folder, or SQuAD JSON."""
    return any(question.context or question.judgements for question in question_set.questions)
