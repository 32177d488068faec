"""Labelled questions from a file: every form, and what is said of a file in none of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rag_app.errors import UsageError
from rag_app.evaluation.datasets import read_questions
from rag_app.evaluation.questions import EvidenceSpan, LabelledQuestion
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
        {"question": "Where is it?", "answer": "", "source": ""},
        {"question": "Who?"},
    ]
    path = written(tmp_path, "mine.jsonl", "\n\n".join(json.dumps(row) for row in rows))
    found = read_questions(path)
    assert (found.name, found.sha256) == ("mine", hashlib.sha256(path.read_bytes()).hexdigest())
    assert found.questions == (
        LabelledQuestion("How long?", ("30 minutes",), ("passwords.md",), key="question 1"),
        LabelledQuestion("How many?", ("5",), ("passwords.md",), key="question 2"),
        LabelledQuestion("Which?", ("one", "the first"), ("vpn.md",), key="question 3"),
        LabelledQuestion("Where is it?", key="question 4"),
        LabelledQuestion("Who?", key="question 5"),
    )
    assert found.notes == ()
    assert [question.is_answerable for question in found.questions] == [True, True, True, False, False]


def test_one_question_in_a_line_is_no_squad_file(tmp_path: Path) -> None:
    path = written(tmp_path, "one.json", '{"question": "How long?", "answer": "5", "source": "a.md"}')
    assert len(read_questions(path).questions) == 1


def test_csv_with_a_byte_order_mark_and_line_breaks_in_a_cell(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", '\ufeffquestion,answer,source\n"How\nlong?","30, at most",a.md\nWho?,,\n')
    assert read_questions(path).questions == (
        LabelledQuestion("How\nlong?", ("30, at most",), ("a.md",), key="question 1"),
        LabelledQuestion("Who?", key="question 2"),
    )


def test_tab_separated(tmp_path: Path) -> None:
    path = written(tmp_path, "q.tsv", "id\tquestion\tanswer\tsource\n7\tHow?\tso, or so\ta.md\n")
    assert read_questions(path).questions == (LabelledQuestion("How?", ("so, or so",), ("a.md",), key="7"),)


def test_a_row_may_say_where_its_answer_stands(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", "question,answer,source,start,end\nHow long?,5,a.md,10,11\nWho?,Ann,a.md,,\n")
    assert [question.spans for question in read_questions(path).questions] == [(EvidenceSpan("a.md", 10, 11),), ()]


def squad_file(folder: Path, *asked: dict[str, object], context: str = "France and France.") -> Path:
    content = {"data": [{"title": "Normans", "paragraphs": [{"context": context, "qas": list(asked)}]}]}
    return written(folder, "squad.json", json.dumps(content))


def test_squad_1_and_2(tmp_path: Path) -> None:
    answers = [{"text": "France", "answer_start": 0}, {"text": "France", "answer_start": 11}]
    path = squad_file(
        tmp_path,
        {"id": "x1", "question": "Where?", "answers": answers},
        {"question": "When?", "is_impossible": True, "answers": [], "plausible_answers": answers},
    )
    common = {"sources": ("Normans/0",), "context": "France and France.", "article": "Normans"}
    assert read_questions(path).questions == (
        LabelledQuestion("Where?", ("France",), context_spans=((0, 6), (11, 17)), key="x1", **common),
        LabelledQuestion("When?", (), key="question 2", **common),
    )


def test_squad_questions_with_something_amiss_are_used_and_counted(tmp_path: Path) -> None:
    path = squad_file(
        tmp_path,
        {"id": "elsewhere", "question": "Where?", "answers": [{"text": "France", "answer_start": 3}]},
        {"id": "wordless", "question": "When?", "answers": []},
        {"id": "empty", "question": " ", "answers": [{"text": "France", "answer_start": 0}]},
    )
    found = read_questions(path)
    assert [(one.key, one.context_spans) for one in found.questions] == [("elsewhere", ()), ("wordless", ((0, 18),))]
    assert all(question.is_answerable for question in found.questions)
    assert [note.partition(":")[0] for note in found.notes] == [
        "1 question was left out",
        "1 question was given without an answer, not as impossible",
        "1 question was given with an answer that is not where `answer_start` says",
    ]


def test_of_questions_with_one_id_the_first_is_used(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "question": "a?", "answer": "b", "source": "c.md"},
        {"id": "1", "question": "d?", "answer": "e", "source": "c.md"},
        {"question": "f?", "answer": ""},
        {"id": "question 3", "question": "g?", "answer": ""},
    ]
    found = read_questions(written(tmp_path, "q.jsonl", "\n".join(map(json.dumps, rows))))
    assert [(one.key, one.question) for one in found.questions] == [
        ("1", "a?"),
        ("question 3'", "f?"),
        ("question 3", "g?"),
    ]
    assert found.notes == ("1 question was left out: a question with the same id comes before (1).",)


def test_what_its_author_dropped_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"question": "a?", "answer": "", "keep": True}, {"id": "x", "question": "b?", "answer": "", "keep": False}]
    found = read_questions(written(tmp_path, "q.jsonl", "\n".join(map(json.dumps, rows))))
    assert [one.question for one in found.questions] == ["a?"]
    assert found.notes == ('1 question was left out: it says "keep": false (x).',)


def test_the_samples_questions_with_their_spans() -> None:
    questions = read_questions(REPOSITORY / "samples" / "helpdesk" / "questions.jsonl").questions
    assert len(questions) == 78
    assert sum(question.is_answerable for question in questions) == 66
    first = questions[0]
    assert first.sources == ("en/passwords.md", "zh/passwords.md")
    assert first.spans[0] == EvidenceSpan(
        "en/passwords.md", 1080, 1152, "After 5 failed sign-ins in a row, your account is locked for 30 minutes."
    )
    assert first.key == "lex-01"


def test_evidence_without_offsets_names_the_document(tmp_path: Path) -> None:
    path = written(
        tmp_path, "q.jsonl", '{"question": "a?", "answer": "b", "evidence": [{"source": "c.md", "text": "b"}]}'
    )
    assert read_questions(path).questions == (LabelledQuestion("a?", ("b",), ("c.md",), key="question 1"),)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "", "has no question"),
        ("a.jsonl", '{"answer": "b"}', "line 1 has no question"),
        ("a.jsonl", '{"question": "a?"}\n{"question": "b?", "answer": "c"}', "line 2 has an answer, but no source"),
        ("a.jsonl", '{"question": "a?", "source": "b.md"}', "line 1 has a source, but neither an answer nor the place"),
        ("a.jsonl", '{"question": "a?", "evidence": [{"source": "b.md"}]}', "line 1 has a source, but neither"),
        ("a.csv", "question,answer,source\na?,,b.md\n", "line 2 has a source, but neither"),
        ("a.jsonl", '{"question": "a?"}\nnothing', "line 2, is not JSON"),
        ("a.jsonl", '{"question": "a\\ud800?"}', "line 1, is not JSON"),
        ("a.jsonl", "[1]", "line 1, is no JSON object"),
        ("a.jsonl", b"\xff\xfe", r"not in UTF-8 \(byte offset 0\)"),
        ("a.jsonl", '{"question": "a?", "evidence": [1]}', "line 1 has evidence that cannot be used"),
        (
            "a.jsonl",
            '{"question": "a?", "evidence": [{"source": "b", "start": "x", "end": 2}]}',
            "evidence that cannot",
        ),
        (
            "a.jsonl",
            '{"question": "a?", "evidence": [{"source": "b", "start": 3, "end": 3}]}',
            r"cannot be used \(a span from 3 to 3\)",
        ),
        ("a.jsonl", '{"question": "a?", "answer": "", "keep": false}', "has no question"),
        ("a.csv", "question,source\na?,b.md\n", "no column 'answer' in its first line: found question, source"),
        ("a.csv", "question,answer\na?,b\n", "no column 'source'"),
        ("a.csv", "question,answer,source\na?,30, at most,b.md\n", "line 2, has more cells than the first line"),
        ("a.csv", 'question,answer,source\n"a?,b,c\n', "is not CSV: unexpected end"),
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


@pytest.mark.parametrize(("ending", "answerable", "count"), [("jsonl", 3, 4), ("csv", 1, 2), ("json", 1, 2)])
def test_the_examples_of_the_documentation(tmp_path: Path, ending: str, answerable: int, count: int) -> None:
    page = (REPOSITORY / "docs" / "question-sets.md").read_text(encoding="utf-8")
    example = page.partition(f"```{ending}\n")[2].partition("```")[0]
    found = read_questions(written(tmp_path, f"example.{ending}", example))
    assert len(found.questions) == count
    assert sum(question.is_answerable for question in found.questions) == answerable
    assert found.notes == ()
