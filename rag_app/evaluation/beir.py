"""Labelled questions from a BEIR folder: queries.jsonl, and judgements in qrels/*.tsv (Thakur and others 2021).

Judged are documents of corpus.jsonl by their `_id`, in whole grades: 0 is not right at all.
This module knows nothing of knowledge bases or models.
"""

from __future__ import annotations

from pathlib import Path

from rag_app.errors import UsageError
from rag_app.evaluation.questions import LabelledQuestion, named, note_on
from rag_app.evaluation.reading import checked, json_rows, text_of

_COLUMNS = 3
_SPLITS = ("test", "dev")
_EXPECTED = "Expected query-id, corpus-id and score in each line, with tabs between them, as BEIR has it."


def read_beir(folder: Path) -> tuple[list[LabelledQuestion], tuple[str, ...], bytes]:
    """Return the judged questions of a folder, notes, and the bytes that they were read from.

    Judgements are those of qrels/test.tsv; where there is none, of dev.tsv; else of the only file there.

    Raises:
        UsageError: it is no such folder, or a line is not as it must be.
    """
    path = _judgement_file(folder)
    text, judgement_bytes = text_of(path)
    judgements = _judgements(text, path)
    query_text, query_bytes = text_of(folder / "queries.jsonl")
    texts = _queries(query_text, folder / "queries.jsonl")
    questions = [
        LabelledQuestion(texts[key], judgements=judged, key=key)
        for key, judged in judgements.items()
        if key in texts and any(grade > 0 for grade in judged.values())
    ]
    without = [key for key in judgements if key not in texts]
    none_right = [key for key, judged in judgements.items() if key in texts and max(judged.values()) <= 0]
    notes = (
        f"Asked are the {len(questions):,} questions judged in qrels/{path.name}, of {len(texts):,} in queries.jsonl.",
        *note_on(without, "judged, but left out: not in queries.jsonl"),
        *note_on(none_right, "left out: no document is judged right"),
    )
    return questions, notes, query_bytes + judgement_bytes


def _judgement_file(folder: Path) -> Path:
    files = {path.stem: path for path in sorted((folder / "qrels").glob("*.tsv"))}
    if not files:
        raise UsageError(
            f"{folder} is no BEIR folder: it has no qrels/*.tsv.",
            "Expected corpus.jsonl, queries.jsonl and qrels/test.tsv in it.",
        )
    for split in _SPLITS:
        if split in files:
            return files[split]
    if len(files) > 1:
        raise UsageError(
            f"{folder / 'qrels'} has {named(list(files))}, but neither test.tsv nor dev.tsv.",
            "Leave the one to be used there, or call it test.tsv.",
        )
    return next(iter(files.values()))


def _queries(text: str, path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for line, row in json_rows(text, path):
        try:
            texts.setdefault(checked(str(row["_id"])), checked(row["text"]))
        except (LookupError, ValueError) as error:
            raise UsageError(
                f"{path}, line {line}, is no BEIR question ({error}).", "Expected JSON with _id and text."
            ) from error
    return texts


def _judgements(text: str, path: Path) -> dict[str, dict[str, float]]:
    """Return the grades by question and document; of several for one document the highest."""
    judgements: dict[str, dict[str, float]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if not line.strip() or (number == 1 and cells[-1] == "score"):
            continue
        grade = _grade(cells, f"{path}, line {number}")
        judged = judgements.setdefault(cells[0], {})
        judged[cells[1]] = max(grade, judged.get(cells[1], grade))
    return judgements


def _grade(cells: list[str], where: str) -> float:
    if len(cells) != _COLUMNS or not all(cells):
        raise UsageError(f"{where}, has {len(cells)} columns with {sum(map(bool, cells))} values.", _EXPECTED)
    try:
        grade = float(cells[2])
    except ValueError as error:
        raise UsageError(f"{where}, has the score '{cells[2]:.40}', which is no number.", _EXPECTED) from error
    if not grade.is_integer():
        raise UsageError(
            f"{where}, has the score {cells[2]:.40}, which is no whole number.", "Grades are whole numbers."
        )
    return grade
