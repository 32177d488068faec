"""Whether a question can be asked at all; looked at before anything is loaded for it.

This module knows nothing of how it is answered.
"""

from __future__ import annotations

import re

from rag_app.config import LimitSettings
from rag_app.errors import QuestionError
from rag_app.text import normalise

_WORD = re.compile(r"\w")


def checked_question(question: str, limits: LimitSettings) -> str:
    """Return the question, trimmed and normalised, if it can be asked.

    Raises:
        QuestionError: without a word in it, or longer than the limit; it is never cut silently.
    """
    if len(question) > limits.question_characters:
        raise QuestionError(
            f"The question has {len(question):,} characters; at most {limits.question_characters:,} can be asked.",
            "Shorten it, or put the text into a document and ask about that.",
        )
    clean = normalise(question.replace("\0", " ")).strip()  # a NUL ends a string in C
    if not _WORD.search(clean):
        raise QuestionError("There is no question.", 'Type one: rag-app ask "How do I reset my password?"')
    return clean
