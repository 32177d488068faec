"""Labelled questions from JSON lines, CSV or tab-separated values: a question with its answer and source in each row.

`source` is the path of a document as `rag-app kb show` prints it, or the end of one. A question with neither answer nor source
is one that the documents do not answer. `start` and `end` say where the answer stands in the extracted text of the source; in
JSON lines `evidence` may name several such places: a list of {"source", "start", "end", "text"}.
This module knows nothing of knowledge bases or models.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rag_app.errors import UsageError
from rag_app.evaluation.questions import EvidenceSpan, LabelledQuestion, note_on
from rag_app.evaluation.reading import FORMS, checked, json_rows


def rows_of(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of a file, each with the number of its line.

    Raises:
        UsageError: a row that is none, or a column that is not there.
    """
    return _csv_rows(text, path) if path.suffix.lower() in {".csv", ".tsv"} else json_rows(text, path)


def table_questions(
    rows: Iterable[tuple[int, Mapping[str, Any]]], path: Path
) -> tuple[list[LabelledQuestion], tuple[str, ...]]:
    """Return the questions of a file, and notes on those left out.

    Raises:
        UsageError: a question is not as it must be, by its line.
    """
    questions = []
    dropped = []
    for line, row in rows:
        question = _question(row, f"{path}, line {line}")
        if row.get("keep") is False:
            dropped.append(question.key or f"line {line}")
        else:
            questions.append(question)
    return questions, note_on(dropped, 'left out: it says "keep": false')


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    try:
        columns = reader.fieldnames or ()
        for wanted in ("question", "answer", "source"):
            if wanted not in columns:
                found = ", ".join(columns) or "nothing"
                raise UsageError(f"{path} has no column '{wanted}' in its first line: found {found:.200}.", FORMS)
        for row in reader:
            if None in row:
                raise UsageError(
                    f"{path}, line {reader.line_num}, has more cells than the first line has columns.",
                    'Put a text that has the separator in it between quotation marks: "30 minutes, at most".',
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}, is not CSV: {error}.", FORMS) from error


def _question(row: Mapping[str, Any], where: str) -> LabelledQuestion:
    question = str(row.get("question") or "").strip()
    if not question:
        raise UsageError(f"{where} has no question.", FORMS)
    source = str(row.get("source") or "").strip()
    answers = _answers(row.get("answer"))
    sources, spans = _evidence(_evidence_entries(row, source), where)
    sources = tuple(dict.fromkeys((*((source,) if source else ()), *sources)))
    if answers and not sources:
        raise UsageError(
            f"{where} has an answer, but no source.",
            "Name the document that holds it, or the end of its path; leave the answer empty where no document does.",
        )
    if sources and not (answers or spans):
        raise UsageError(
            f"{where} has a source, but neither an answer nor the place of one.",
            "Give its answer, or where that stands (start and end); leave the source empty where no document answers it.",
        )
    key = str(row.get("id") if row.get("id") is not None else "").strip()
    return LabelledQuestion(question, answers, sources, spans, key=key)


def _evidence_entries(row: Mapping[str, Any], source: str) -> Any:
    """Return the entries of `evidence`; where there are none, the place that `start` and `end` of the row itself name."""
    has_place = row.get("start") not in (None, "") and row.get("end") not in (None, "")
    return row.get("evidence") or ([{"source": source, "start": row["start"], "end": row["end"]}] if has_place else ())


def _answers(value: object) -> tuple[str, ...]:
    """Return the wordings of an answer: a text, several in a list, or nothing."""
    wordings = value if isinstance(value, list) else [value]
    return tuple(text for one in wordings if one is not None and (text := str(one).strip()))


def _evidence(entries: Any, where: str) -> tuple[tuple[str, ...], tuple[EvidenceSpan, ...]]:
    """Return the documents that the evidence names, and its spans: of entries that have both offsets."""
    try:
        sources = tuple(checked(entry["source"]) for entry in entries)
        spans = tuple(
            _span(entry["source"], int(entry["start"]), int(entry["end"]), str(entry.get("text") or ""))
            for entry in entries
            if entry.get("start") is not None and entry.get("end") is not None
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{where} has evidence that cannot be used ({error}).",
            'Expected a list of {"source", "start", "end"}, offsets into the extracted text.',
        ) from error
    return sources, spans


def _span(source: str, start: int, end: int, text: str) -> EvidenceSpan:
    if not 0 <= start < end:
        raise ValueError(f"a span from {start} to {end}")
    return EvidenceSpan(source, start, end, text)
