"""Labelled questions from a file: JSON lines, CSV, or SQuAD JSON (1.1 and 2.0).

    {"question": "How long is an account locked?", "answer": "30 minutes", "source": "passwords.md"}

`source` is the path of a document as `rag-app kb show` prints it, or the end of one. A question without an answer is one
that the documents do not answer. `evidence` may name places exactly: a list of {"source", "start", "end"}, offsets into the
extracted text of a document.
This module knows nothing of knowledge bases or models.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_app.errors import UsageError

_FORMS = "Expected JSON lines or CSV with question, answer and source, or SQuAD JSON."


@dataclass(frozen=True)
class EvidenceSpan:
    """Where an answer stands: the characters `[start, end)` of a document's extracted text; `source` is its path or its end."""

    source: str
    start: int
    end: int


@dataclass(frozen=True)
class LabelledQuestion:
    """A question with what is known of its answer.

    `answers` are wordings of it, none for a question that the documents do not answer. `sources` are the documents that hold
    it, by their path or its end; `spans` its exact places, where they are known; `context` the whole paragraph that holds it,
    where that is known instead of a document. `article` names what questions belong together although they have no document.
    """

    question: str
    answers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    spans: tuple[EvidenceSpan, ...] = ()
    context: str = ""
    article: str = ""

    @property
    def is_answerable(self) -> bool:
        """Whether the documents answer it."""
        return bool(self.answers or self.spans)


@dataclass(frozen=True)
class QuestionSet:
    """The questions of a file, its name without the ending, and the sha256 of its bytes."""

    name: str
    sha256: str
    questions: tuple[LabelledQuestion, ...]


def read_questions(path: Path) -> QuestionSet:
    """Read a file of labelled questions.

    Raises:
        UsageError: it cannot be read, is in none of the forms, or a question is not as it must be, by its line.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", _FORMS) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not in UTF-8 (byte {error.start}).", "Save it in UTF-8.") from error
    squad = _squad_articles(text)
    if squad is not None:
        questions = tuple(_squad_questions(squad, path))
    else:
        rows = _csv_rows(text, path) if path.suffix.lower() in {".csv", ".tsv"} else _json_rows(text, path)
        questions = tuple(_question(row, f"{path}, line {line}") for line, row in rows)
    if not questions:
        raise UsageError(f"{path} has no question.", _FORMS)
    return QuestionSet(path.stem, hashlib.sha256(content).hexdigest(), questions)


def _squad_articles(text: str) -> list[Any] | None:
    """Return the articles of a SQuAD file; None for another file."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    articles = content.get("data") if isinstance(content, dict) else None
    return articles if isinstance(articles, list) else None


def _squad_questions(articles: list[Any], path: Path) -> Iterator[LabelledQuestion]:
    try:
        for number, article in enumerate(articles):
            for paragraph in article["paragraphs"]:
                for one in paragraph["qas"]:
                    answers = () if one.get("is_impossible") else (answer["text"] for answer in one["answers"])
                    yield LabelledQuestion(
                        question=_checked(one["question"]),
                        answers=tuple(dict.fromkeys(map(_checked, answers))),
                        context=_checked(paragraph["context"]),
                        article=_checked(article.get("title") or str(number)),
                    )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a SQuAD file: expected data[].paragraphs[] with context and qas[], found otherwise ({error}).",
            _FORMS,
        ) from error


def _checked(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r:.40} instead of a text")
    return value


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    try:
        if "question" not in (reader.fieldnames or ()):
            found = ", ".join(reader.fieldnames or ()) or "nothing"
            raise UsageError(f"{path} has no column 'question' in its first line: found {found:.200}.", _FORMS)
        yield from ((reader.line_num, row) for row in reader)
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}, is not CSV: {error}.", _FORMS) from error


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{path}, line {number}, is not JSON: {error}.", _FORMS) from error
            if not isinstance(row, dict):
                raise UsageError(f"{path}, line {number}, is no JSON object.", _FORMS)
            yield number, row


def _question(row: Mapping[str, Any], where: str) -> LabelledQuestion:
    question = str(row.get("question") or "").strip()
    if not question:
        raise UsageError(f"{where} has no question.", _FORMS)
    source = str(row.get("source") or "").strip()
    answers = _answers(row.get("answer"))
    sources, spans = _evidence(row.get("evidence") or (), where)
    sources = tuple(dict.fromkeys((*((source,) if source else ()), *sources)))
    if answers and not sources:
        raise UsageError(
            f"{where} has an answer, but no source.",
            "Name the document that holds it, or the end of its path; leave the answer empty where no document does.",
        )
    return LabelledQuestion(question, answers, sources if answers or spans else (), spans)


def _answers(value: object) -> tuple[str, ...]:
    """Return the wordings of an answer: a text, several in a list, or nothing."""
    wordings = value if isinstance(value, list) else [value]
    return tuple(text for one in wordings if one is not None and (text := str(one).strip()))


def _evidence(entries: Any, where: str) -> tuple[tuple[str, ...], tuple[EvidenceSpan, ...]]:
    """Return the documents that the evidence names, and its spans: of entries that have both offsets."""
    try:
        sources = tuple(_checked(entry["source"]) for entry in entries)
        spans = tuple(
            EvidenceSpan(entry["source"], int(entry["start"]), int(entry["end"]))
            for entry in entries
            if entry.get("start") is not None and entry.get("end") is not None
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{where} has evidence that cannot be used ({error}).",
            'Expected a list of {"source", "start", "end"}, offsets into the extracted text.',
        ) from error
    return sources, spans
