"""`rag-app compare`: real builds, a tiny model, every message of bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rag_app.errors import BuildError
from rag_app.evaluation import compare as comparing
from rag_app.store.layout import checked_name
from tests.commands import Run
from tests.real_bases import build_small

QUESTIONS = [
    {"question": "How long is an account locked?", "answer": "30 minutes", "source": "passwords.md"},
    {"question": "What does the VPN need?", "answer": "Harbour Connect 6.2", "source": "vpn.md"},
    {"question": "账号会被锁定多久？", "answer": "三十分钟", "source": "密码.md"},
    {"question": "Who painted the ceiling?", "answer": "", "source": ""},
]
SQUAD = {
    "data": [
        {
            "title": "Locks",
            "paragraphs": [
                {
                    "context": "An account is locked for 30 minutes.",
                    "qas": [
                        {
                            "id": "1",
                            "question": "How long is it locked?",
                            "answers": [{"text": "30 minutes", "answer_start": 25}],
                        }
                    ],
                },
                {
                    "context": "The VPN needs Harbour Connect.",
                    "qas": [
                        {
                            "id": "2",
                            "question": "What does the VPN need?",
                            "answers": [{"text": "Harbour Connect", "answer_start": 14}],
                        }
                    ],
                },
            ],
        }
    ]
}


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Path:
    """An index root with one knowledge base, built by the real build."""
    return build_small(tmp_path_factory.mktemp("compare"), tiny_embedder)


def write_questions(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "questions.jsonl", QUESTIONS)


def test_two_searches_and_keywords_are_compared_down_to_the_answer(
    run: Run, indexes: Path, questions: Path, tiny_embedder: Path, tmp_path: Path
) -> None:
    options: list[str | Path] = ["--indexes", indexes, "--offline", "--generator", "quote", "--json"]
    report = tmp_path / "report.html"
    command = ["compare", "--questions", questions, "--kb", "small", "--embed-model", tiny_embedder, *options]
    result = run(*command, "--report", report)
    assert result.code == 0, result.err
    found = result.json
    assert (found["dataset"], found["questions"], found["seed"]) == ("questions", 4, 20261129)
    assert [system["name"] for system in found["systems"]] == [
        "keyword",
        f"{tiny_embedder}, dense",
        f"{tiny_embedder}, hybrid",
    ]
    keyword = found["systems"][0]["metrics"]
    assert keyword["hit@1"] == {"mean": 1.0, "low": keyword["hit@1"]["low"], "high": 1.0, "questions": 3}
    assert keyword["answer contained"]["mean"] == 1.0
    assert {"a", "b", "metric", "difference", "low", "high", "p", "p_adjusted", "verdict"} <= set(found["pairs"][0])
    assert found["documents"] == 3, "a question without an answer is of no document"
    assert any("on 3 documents" in note and "rough" in note for note in found["notes"]), "three documents are few"
    assert "How long is an account locked?" in report.read_text(encoding="utf-8")
    again = run(*command).json
    for one in (found, again):
        for system in one["systems"]:
            system["cost"].pop("passages a second")
    assert again == found, "what is known is not asked again, and comes to the same"


def test_a_sample_is_drawn_by_the_seed_and_keeps_the_order_of_the_file(
    run: Run, indexes: Path, tiny_embedder: Path, tmp_path: Path
) -> None:
    known = {"answer": "30 minutes", "source": "passwords.md"}
    rows = [{"question": f"How long is account {number} locked?", **known} for number in range(40)]
    path = write_questions(tmp_path / "many.jsonl", rows)
    options: list[str | Path] = ["--kb", "small", "--embed-model", tiny_embedder, "--indexes", indexes, "--offline"]

    def drawn(seed: int) -> list[str]:
        report = tmp_path / f"{seed}.html"
        result = run("compare", "--questions", path, *options, "--sample", "6", "--seed", str(seed), "--report", report)
        assert result.code == 0, result.err
        text = report.read_text(encoding="utf-8")
        return [row["question"] for row in rows if row["question"] in text]

    first, other = drawn(1), drawn(2)
    assert (len(first), len(other)) == (6, 6)
    assert first != other
    assert first != [row["question"] for row in rows[:6]]


def test_a_data_set_brings_its_own_passages(run: Run, tmp_path: Path, tiny_embedder: Path) -> None:
    path = tmp_path / "_中文 集 (1).json"
    path.write_text(json.dumps(SQUAD), encoding="utf-8")
    command = ["compare", "--questions", path, "--embed-model", tiny_embedder, "--indexes", tmp_path / "indexes"]
    result = run(*command, "--offline", "--limit", "1")
    assert result.code == 0, result.err
    assert "1 question" in result.out
    assert "hit@1" in result.out
    assert not [name for name in (tmp_path / "indexes").iterdir() if not name.name.startswith(".")]


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("squad-v2.0-dev.json", "squad-v2-0-dev-"),
        ("dev (1).json", "dev-1-"),
        ("my dev.json", "my-dev-"),
        ("_dev.json", "dev-"),
        ("中文 集.json", "中文-集-"),
        ("(·).json", "documents-"),
        (f"{'long ' * 20}.json", "long-long-"),
    ],
)
def test_a_data_set_may_have_any_name_and_its_base_is_built_on_the_device_asked_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, begins: str
) -> None:
    built: list[tuple[str, str]] = []

    def build(base: str, *_: object, device: str, **__: object) -> None:
        built.append((base, device))
        raise BuildError("It was not built.", "")

    monkeypatch.setattr(comparing, "run_build", build)
    path = tmp_path / name
    path.write_text(json.dumps(SQUAD), encoding="utf-8")
    command = ["compare", "--questions", path, "--embed-model", "m", "--indexes", tmp_path / "indexes"]
    assert "It was not built." in run(*command, "--device", "cpu").err
    ((base, device),) = built
    assert checked_name(base).startswith(begins)
    assert device == "cpu"


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (QUESTIONS, ("--embed-model", "no/such"), "has no vectors of no/such"),
        (QUESTIONS, (), "There is one system."),
        ([{"question": "q", "answer": "a", "source": "gone.md"}], ("--embed-model", "M"), "No question of"),
        ([], ("--embed-model", "M"), "has no question"),
        ([{"answer": "a"}], ("--embed-model", "M"), "has no question"),
        (QUESTIONS, ("--embed-model", "M", "--systems", "x.toml"), "Leave --embed-model out"),
        (QUESTIONS, ("--systems", "x.toml"), "x.toml cannot be read"),
    ],
    ids=["model", "one system", "document", "zero", "no question", "both", "no file"],
)
def test_bad_input_is_said(
    run: Run,
    indexes: Path,
    tmp_path: Path,
    tiny_embedder: Path,
    rows: list[dict[str, Any]],
    options: tuple[str, ...],
    said: str,
) -> None:
    path = write_questions(tmp_path / "bad.jsonl", rows)
    given = [str(tiny_embedder) if option == "M" else option for option in options]
    result = run("compare", "--questions", path, "--kb", "small", "--indexes", indexes, "--offline", *given)
    assert result.code in {1, 2}
    assert said in result.err
    assert "Traceback" not in result.err
    assert result.out == ""


def test_a_model_without_vectors_is_refused_before_a_question_is_asked(
    run: Run, indexes: Path, questions: Path, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(comparing, "make_system", lambda spec, bench: asked.append(spec.name))
    models = ("--embed-model", tiny_embedder, "--embed-model", "no/such")
    result = run("compare", "--questions", questions, "--kb", "small", "--indexes", indexes, "--offline", *models)
    assert (result.code, result.out, asked) == (1, "", [])
    assert "error: The knowledge base 'small' has no vectors of no/such; it has: " in result.err
    assert result.err.endswith("Add them: python -m ingest --kb small --embed-model no/such\n")


def test_a_model_that_has_changed_since_the_build_is_refused_before_a_question_is_asked(
    run: Run, questions: Path, tiny_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(comparing, "make_system", lambda spec, bench: asked.append(spec.name))
    model = shutil.copytree(tiny_embedder, tmp_path / "model")
    indexes = build_small(tmp_path, model)
    with (model / "config.json").open("a", encoding="utf-8") as file:
        file.write("\n")
    options = ("--kb", "small", "--indexes", indexes, "--offline", "--embed-model", model)
    result = run("compare", "--questions", questions, *options)
    assert (result.code, result.out, asked) == (1, "", [])
    assert "which has other files, prompts or settings" in result.err
    assert result.err.endswith(f"Add them: python -m ingest --kb small --embed-model {model}\n")


def test_questions_without_passages_want_a_base(run: Run, indexes: Path, questions: Path, tiny_embedder: Path) -> None:
    result = run("compare", "--questions", questions, "--embed-model", tiny_embedder, "--indexes", indexes)
    assert result.code == 2
    assert "--kb NAME" in result.err


def test_what_can_be_used_is_used_and_the_rest_counted(
    run: Run, indexes: Path, tmp_path: Path, tiny_embedder: Path
) -> None:
    rows = [*QUESTIONS, {"question": "Where?", "answer": "here", "source": "gone.md"}]
    path = write_questions(tmp_path / "some.jsonl", rows)
    options = ("--embed-model", tiny_embedder, "--indexes", indexes, "--offline", "--json")
    found = run("compare", "--questions", path, "--kb", "small", *options).json
    assert found["questions"] == 4
    assert any("1 question was left out" in note for note in found["notes"])
