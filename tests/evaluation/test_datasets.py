"""Labelled questions from a file: every form, and what is said of a file in none of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rag_app.errors import UsageError
from rag_app.evaluation.datasets import EvidenceSpan, LabelledQuestion, read_questions
from tests.conftest import REPOSITORY


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_json_lines(tmp_path: Path) -> None:
    rows = [
        {"question": "How long?", "answer": "30 minutes", "source": "passwords.md"},
        {"question": "How many?", "answer": 5, "source": "passwords.md"},
        {"question": "Which?", "answer": ["one", "the first"], "source": "vpn.md"},
        {"question": "Where is it?", "answer": "", "source": "passwords.md"},
        {"question": "Who?"},
    ]
    path = written(tmp_path, "mine.jsonl", "\n\n".join(json.dumps(row) for row in rows))
    found = read_questions(path)
    assert (found.name, found.sha256) == ("mine", hashlib.sha256(path.read_bytes()).hexdigest())
    assert found.questions == (
        LabelledQuestion("How long?", ("30 minutes",), ("passwords.md",)),
        LabelledQuestion("How many?", ("5",), ("passwords.md",)),
        LabelledQuestion("Which?", ("one", "the first"), ("vpn.md",)),
        LabelledQuestion("Where is it?"),
        LabelledQuestion("Who?"),
    )
    assert [question.is_answerable for question in found.questions] == [True, True, True, False, False]


def test_one_question_in_a_line_is_no_squad_file(tmp_path: Path) -> None:
    path = written(tmp_path, "one.json", '{"question": "How long?", "answer": "5", "source": "a.md"}')
    assert len(read_questions(path).questions) == 1


def test_csv_with_a_byte_order_mark_and_line_breaks_in_a_cell(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", '\ufeffquestion,answer,source\n"How\nlong?","30, at most",a.md\nWho?,,\n')
    assert read_questions(path).questions == (
        LabelledQuestion("How\nlong?", ("30, at most",), ("a.md",)),
        LabelledQuestion("Who?"),
    )


def test_tab_separated(tmp_path: Path) -> None:
    path = written(tmp_path, "q.tsv", "question\tanswer\tsource\nHow?\tso, or so\ta.md\n")
    assert read_questions(path).questions == (LabelledQuestion("How?", ("so, or so",), ("a.md",)),)


def test_squad_1_and_2(tmp_path: Path) -> None:
    answers = [{"text": "France", "answer_start": 0}, {"text": "France", "answer_start": 9}]
    asked = [
        {"question": "Where?", "answers": answers},
        {"question": "When?", "is_impossible": True, "answers": [], "plausible_answers": answers},
    ]
    content = {"data": [{"title": "Normans", "paragraphs": [{"context": "France and France.", "qas": asked}]}]}
    assert read_questions(written(tmp_path, "squad.json", json.dumps(content))).questions == (
        LabelledQuestion("Where?", ("France",), context="France and France.", article="Normans"),
        LabelledQuestion("When?", (), context="France and France.", article="Normans"),
    )


def test_the_samples_questions_with_their_spans() -> None:
    questions = read_questions(REPOSITORY / "samples" / "helpdesk" / "questions.jsonl").questions
    assert len(questions) == 78
    assert sum(question.is_answerable for question in questions) == 66
    first = questions[0]
    assert first.sources == ("en/passwords.md", "zh/passwords.md")
    assert first.spans[0] == EvidenceSpan("en/passwords.md", 1080, 1152)


def test_evidence_without_offsets_names_the_document(tmp_path: Path) -> None:
    path = written(
        tmp_path, "q.jsonl", '{"question": "a?", "answer": "b", "evidence": [{"source": "c.md", "text": "b"}]}'
    )
    assert read_questions(path).questions == (LabelledQuestion("a?", ("b",), ("c.md",)),)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "", "has no question"),
        ("a.jsonl", '{"answer": "b"}', "line 1 has no question"),
        ("a.jsonl", '{"question": "a?"}\n{"question": "b?", "answer": "c"}', "line 2 has an answer, but no source"),
        ("a.jsonl", '{"question": "a?"}\nnothing', "line 2, is not JSON"),
        ("a.jsonl", "[1]", "line 1, is no JSON object"),
        ("a.jsonl", b"\xff\xfe", r"not in UTF-8 \(byte 0\)"),
        ("a.jsonl", '{"question": "a?", "evidence": [1]}', "line 1 has evidence that cannot be used"),
        (
            "a.jsonl",
            '{"question": "a?", "evidence": [{"source": "b", "start": "x", "end": 2}]}',
            "evidence that cannot",
        ),
        ("a.csv", "frage,antwort\na,b\n", "no column 'question' in its first line: found frage, antwort"),
        ("a.csv", "", "no column 'question' in its first line: found nothing"),
        ("a.json", '{"data": [{"paragraphs": [{"qas": []}, 3]}]}', "is not a SQuAD file"),
        ("a.json", '{"data": [{"title": "a", "paragraphs": [{"qas": [{"question": "b?"}]}]}]}', "is not a SQuAD file"),
        ("a.json", "[" * 100_000, "is not JSON"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_questions(written(tmp_path, name, content))
    assert caught.value.remedy


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_questions(tmp_path / "none.jsonl")
