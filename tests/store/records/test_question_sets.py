"""Question sets as files: safe names, nothing replaced, readable by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag_app.errors import UsageError
from rag_app.evaluation.datasets import read_questions
from rag_app.store.records.question_sets import (
    DRAFTED_FROM,
    forget,
    forget_set,
    keep_file,
    keep_rows,
    question_sets,
    question_sets_folder,
)

ROWS = [{"question": "账号锁定多久？", "answer": "三十分钟", "source": "密码.md"}]


def test_a_set_is_a_file_that_the_command_reads(tmp_path: Path) -> None:
    assert question_sets(tmp_path) == []
    file = keep_rows(tmp_path, "my set", ROWS)
    assert file.name == "my set.jsonl"
    assert question_sets(tmp_path) == [file]
    assert read_questions(file).questions[0].question == ROWS[0]["question"]
    forget_set(tmp_path, file.name)
    forget_set(tmp_path, file.name)
    assert question_sets(tmp_path) == []


def test_another_set_of_the_same_name_gets_a_number_and_the_same_set_none(tmp_path: Path) -> None:
    names = [keep_file(tmp_path, "q.csv", content).name for content in (b"a", b"b", b"c", b"b")]
    assert names == ["q.csv", "q (2).csv", "q (3).csv", "q (2).csv"]
    assert [file.read_bytes() for file in question_sets(tmp_path)] == [b"b", b"c", b"a"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\temp\\q.JSONL", "q.jsonl"),
        ("<img src=x>.json", "img src-x.json"),
        ("..hidden.csv", "hidden.csv"),
        ("问题 集.csv", "问题 集.csv"),
        ("a\x00b\nc.csv", "a-b-c.csv"),
        ("x" * 300 + ".csv", "x" * 60 + ".csv"),
    ],
)
def test_a_name_becomes_one_that_every_system_can_have(tmp_path: Path, name: str, kept: str) -> None:
    file = keep_file(tmp_path, name, b"1")
    assert file == question_sets_folder(tmp_path) / kept
    assert file.is_file()


@pytest.mark.parametrize("name", ["", "...csv", "///", "question.exe", "noending", "!!!.csv"])
def test_a_name_of_nothing_or_of_another_form_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        keep_file(tmp_path, name, b"1")
    assert question_sets(tmp_path) == []


def test_questions_drafted_from_a_purged_document_go_and_others_stay(tmp_path: Path) -> None:
    drafted = [{**ROWS[0], DRAFTED_FROM: base, "source": source} for base in ("kb", "b") for source in ("x.md", "y.md")]
    keep_rows(tmp_path, "drafted", drafted)
    keep_file(tmp_path, "own.jsonl", json.dumps({**ROWS[0], "source": "x.md"}).encode() + b"\nno json\n")
    keep_file(tmp_path, "own.csv", b"question,answer,source\nq,a,x.md\n")
    before = [file.read_bytes() for file in question_sets(tmp_path)[1:]]
    forget(tmp_path, "kb", "x.md")
    assert [json.loads(line) for line in question_sets(tmp_path)[0].read_text().splitlines()] == drafted[1:]
    assert [file.read_bytes() for file in question_sets(tmp_path)[1:]] == before
