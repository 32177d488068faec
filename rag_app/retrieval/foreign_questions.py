"""The bundled foreign questions: on eighty subjects, so that a knowledge base most probably cannot answer one of them.

`foreign_questions.toml` beside this file holds them, and says how they were written. This module knows nothing of knowledge
bases, of models, or of what is made of the scores.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources


class QuestionKind(StrEnum):
    """How a foreign question is put.

    QUESTION: a whole question. KEYWORDS: words for a search box. CLAIM: a statement, true or false. LOG: a question typed in
    haste, without capitals and question mark.
    """

    QUESTION = "question"
    KEYWORDS = "keywords"
    CLAIM = "claim"
    LOG = "log"


@dataclass(frozen=True)
class ForeignQuestion:
    """A question for which a knowledge base most probably holds nothing.

    Args:
        text: The question, as a user would type it.
        language: ISO 639-1: `en` or `zh`.
        kind: How it is put.
        subject: What it is about, in English; the same names in both languages.
    """

    text: str
    language: str
    kind: QuestionKind
    subject: str


@cache
def foreign_questions() -> tuple[ForeignQuestion, ...]:
    """Return all of them, subject by subject: whoever wants fewer draws a sample, since the first ones are all of history."""
    text = resources.files("rag_app.retrieval").joinpath("foreign_questions.toml").read_text(encoding="utf-8")
    return tuple(
        ForeignQuestion(question, language, QuestionKind(kind), subject)
        for subject, languages in tomllib.loads(text).items()
        for language, kinds in languages.items()
        for kind, questions in kinds.items()
        for question in questions
    )
