"""A BEIR folder as questions with judged documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag_app.errors import UsageError
from rag_app.evaluation.datasets import read_questions
from rag_app.evaluation.questions import LabelledQuestion

HEADER = "query-id\tcorpus-id\tscore\n"


def beir_folder(folder: Path, queries: dict[str, str], **judgements: str) -> Path:
    (folder / "set" / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": key, "text": text}) for key, text in queries.items()]
    (folder / "set" / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for split, text in judgements.items():
        (folder / "set" / "qrels" / f"{split}.tsv").write_text(text, encoding="utf-8")
    return folder / "set"


def test_graded_judgements(tmp_path: Path) -> None:
    test = f"{HEADER}q1\td1\t2\nq1\td2\t0\r\nq2\td1\t1\nq1\td1\t1\n\n"
    folder = beir_folder(tmp_path, {"q1": "a?", "q2": "b?", "q3": "c?"}, test=test, train="no\tmatter\n")
    found = read_questions(folder)
    assert found.name == "set"
    assert found.questions == (
        LabelledQuestion("a?", judgements={"d1": 2, "d2": 0}, key="q1"),
        LabelledQuestion("b?", judgements={"d1": 1}, key="q2"),
    )
    assert found.questions[0].right_documents == ("d1",)
    assert found.notes == ("Asked are the 2 questions judged in qrels/test.tsv, of 3 in queries.jsonl.",)


def test_the_sum_is_of_questions_and_judgements(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path, {"q1": "a?"}, test=f"{HEADER}q1\td1\t1\n")
    before = read_questions(folder).sha256
    (folder / "qrels" / "test.tsv").write_text(f"{HEADER}q1\td2\t1\n", encoding="utf-8")
    assert read_questions(folder).sha256 != before


def test_what_cannot_be_asked_is_counted(tmp_path: Path) -> None:
    test = f"{HEADER}q1\td1\t1\nq2\td1\t0\ngone\td1\t1\n"
    found = read_questions(beir_folder(tmp_path, {"q1": "a?", "q2": "b?"}, test=test))
    assert [question.key for question in found.questions] == ["q1"]
    assert found.notes[1:] == (
        "1 question was judged, but left out: not in queries.jsonl (gone).",
        "1 question was left out: no document is judged right (q2).",
    )


@pytest.mark.parametrize(
    ("splits", "taken"), [(("train", "dev", "test"), "test"), (("train", "dev"), "dev"), (("train",), "train")]
)
def test_which_judgements_are_taken(tmp_path: Path, splits: tuple[str, ...], taken: str) -> None:
    queries = {split: f"{split}?" for split in splits}
    folder = beir_folder(tmp_path, queries, **{split: f"{HEADER}{split}\td1\t1\n" for split in splits})
    assert [question.key for question in read_questions(folder).questions] == [taken]


def test_several_others_are_not_chosen_from(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path, {}, train=HEADER, validation=HEADER)
    with pytest.raises(UsageError, match=r"has train, validation, but neither test.tsv nor dev.tsv"):
        read_questions(folder)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("q1 0 d1 1\n", "line 1, has 1 columns with 1 values"),  # as TREC has it
        (f"{HEADER}q1\td1\n", "line 2, has 2 columns with 2 values"),
        (f"{HEADER}q1\t\t1\n", "line 2, has 3 columns with 2 values"),
        (f"{HEADER}q1\td1\tyes\n", "line 2, has the score 'yes', which is no number"),
        (f"{HEADER}q1\td1\t0.5\n", "line 2, has the score 0.5, which is no whole number"),
        (f"{HEADER}q1\td1\tinf\n", "line 2, has the score inf, which is no whole number"),
        (HEADER, "has no question"),
    ],
)
def test_judgements_that_cannot_be_used(tmp_path: Path, test: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_questions(beir_folder(tmp_path, {"q1": "a?"}, test=test))
    assert caught.value.remedy


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no BEIR folder: it has no qrels"):
        read_questions(tmp_path)


def test_questions_that_are_none(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path, {}, test=f"{HEADER}q1\td1\t1\n")
    with pytest.raises(UsageError, match="has no question"):
        read_questions(folder)
    (folder / "queries.jsonl").write_text('{"_id": "q1"}', encoding="utf-8")
    with pytest.raises(UsageError, match="line 1, is no BEIR question"):
        read_questions(folder)
    (folder / "queries.jsonl").unlink()
    with pytest.raises(UsageError, match=r"queries.jsonl cannot be read"):
        read_questions(folder)
