"""Labelled questions from a file or folder, in whichever form: JSON lines, CSV, SQuAD JSON (1.1 and 2.0), or a BEIR folder.

    {"question": "How long is an account locked?", "answer": "30 minutes", "source": "passwords.md"}

docs/question-sets.md shows all forms. This module knows nothing of knowledge bases or models.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from rag_app.errors import UsageError
from rag_app.evaluation.beir import read_beir
from rag_app.evaluation.question_files import rows_of, table_questions
from rag_app.evaluation.questions import QuestionSet, with_keys
from rag_app.evaluation.reading import FORMS, text_of
from rag_app.evaluation.squad import squad_articles, squad_questions


def read_questions(path: Path) -> QuestionSet:
    """Read labelled questions.

    Questions with an id that was there before, and those with `"keep": false`, are left out and counted in the notes.

    Raises:
        UsageError: the file cannot be read, is in none of the forms, or a question is not as it must be, by its line.
    """
    if path.is_dir():
        name = path.resolve().name
        found, notes, content = read_beir(path)
    else:
        name = path.stem
        text, content = text_of(path)
        articles = squad_articles(text)
        found, notes = (
            table_questions(rows_of(text, path), path) if articles is None else squad_questions(articles, path)
        )
    if not found:
        raise UsageError(f"{path} has no question.", " ".join((*notes, FORMS)))
    questions, repeated = with_keys(found)
    return QuestionSet(name, hashlib.sha256(content).hexdigest(), questions, (*notes, *repeated))
