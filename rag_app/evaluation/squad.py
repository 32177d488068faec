"""Labelled questions from SQuAD JSON, 1.1 and 2.0, and the sets in its form (XQuAD, CMRC 2018).

The answer's place in its paragraph (`answer_start`) is kept, so that a part of the paragraph is right only where it has it.
This module knows nothing of knowledge bases or models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag_app.errors import UsageError
from rag_app.evaluation.questions import LabelledQuestion, note_on
from rag_app.evaluation.reading import FORMS, checked


def squad_articles(text: str) -> list[Any] | None:
    """Return the articles of a SQuAD file; None for another file."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    articles = content.get("data") if isinstance(content, dict) else None
    return articles if isinstance(articles, list) else None


def squad_questions(articles: list[Any], path: Path) -> tuple[list[LabelledQuestion], tuple[str, ...]]:
    """Return the questions of a SQuAD file, and notes on those whose answer is not as it should be.

    Raises:
        UsageError: it is not a SQuAD file.
    """
    try:
        found = [question for number, article in enumerate(articles) for question in _of_article(number, article)]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a SQuAD file: expected data[].paragraphs[] with context and qas[], found otherwise ({error}).",
            FORMS,
        ) from error
    questions = [one for one in found if one.question]
    nothing = [one.key or f"in {one.article}" for one in found if not one.question]
    without = [one.key or one.question for one in questions if one.is_answerable and not one.answers]
    elsewhere = [one.key or one.question for one in questions if one.answers and not one.context_spans]
    return questions, (
        *note_on(nothing, "left out: nothing is asked"),
        *note_on(without, "given without an answer, not as impossible: any passage with the whole paragraph is right"),
        *note_on(
            elsewhere, "given with an answer that is not where `answer_start` says: it is looked for by its words"
        ),
    )


def _of_article(number: int, article: Any) -> Iterator[LabelledQuestion]:
    for place, paragraph in enumerate(article["paragraphs"]):
        context = checked(paragraph["context"])
        title = article.get("title") or ""
        for one in paragraph["qas"]:
            answers, spans = ((), ()) if one.get("is_impossible") else _answers(one["answers"], context)
            yield LabelledQuestion(
                question=one["question"].strip(),
                answers=answers,
                sources=(f"{title or number}/{place}",),  # the record that the build makes of the paragraph
                context=context,
                article=checked(title or str(number)),
                context_spans=spans,
                key=str(one.get("id") or ""),
            )


def _answers(entries: Any, context: str) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """Return the wordings of an answer, and where they stand; the whole paragraph where there is no wording."""
    answers = [(entry["text"], entry.get("answer_start")) for entry in entries if entry["text"].strip()]
    if not answers:
        return (), ((0, len(context)),)
    spans = (
        (start, start + len(text))
        for text, start in answers
        if isinstance(start, int) and start >= 0 and context.startswith(text, start)
    )
    return tuple(dict.fromkeys(text for text, _ in answers)), tuple(dict.fromkeys(spans))
