"""`rag-app questions draft`: the file it writes, what it never overwrites, and what is wrong said in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from rag_app import cli_questions
from rag_app.cli_questions import questions_app
from rag_app.config import Settings
from rag_app.errors import ModelNotAvailable
from rag_app.store.knowledge_base import KnowledgeBase
from tests.commands import Result, Run
from tests.conftest import MakeBase
from tests.evaluation.drafting.draftable import BASE
from tests.fakes import ScriptedLLM, SmallScriptedLLM

Draft = Callable[..., Result]


@pytest.fixture
def draft(run: Run, make_base: MakeBase, monkeypatch: pytest.MonkeyPatch) -> Draft:
    """Give a function that runs `rag-app questions draft` on a base of three documents."""
    base = make_base(BASE)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.add_typer(questions_app, name="questions")
    monkeypatch.setattr("tests.commands.app", app)

    def call(*arguments: str | Path, kb: str = base.name) -> Result:
        return run("questions", "draft", "--kb", kb, "--indexes", base.indexes, *arguments)

    return call


def _rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_lines_have_the_documented_keys(draft: Draft) -> None:
    result = draft("--count", "12")
    assert result.code == 0
    rows = _rows(result.out)
    keys = {"id", "question", "answer", "source", "evidence", "stratum", "language", "drafted_by", "keep"}
    assert rows
    assert all(set(row) == keys for row in rows)
    assert any(row["question"] == "How long is a bicycle lent?" for row in rows)
    assert {key for row in rows for place in row["evidence"] for key in place} == {"source", "start", "end", "text"}
    assert "questions of" in result.err


def test_the_object_counts_what_the_file_holds(draft: Draft, tmp_path: Path) -> None:
    out = tmp_path / "mine.jsonl"
    found = draft("--count", "5", "--out", out, "--seed", "2", "--json").json
    rows = _rows(out.read_text(encoding="utf-8"))
    assert found["questions"] == rows
    assert (found["kb"], found["seed"], found["asked_for"], found["drafted"]) == ("small", 2, 5, len(rows))
    assert (found["generation"], found["file"]) == ("gen-00000001", str(out))
    assert sum(found["strata"].values()) == len(rows)


def test_the_same_command_writes_the_same_bytes(draft: Draft, tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    result = draft("--out", first)
    draft("--out", second)
    assert first.read_bytes() == second.read_bytes() != b""
    assert result.out == ""
    assert f"rag-app compare --questions {first} --kb small" in result.err
    assert sorted(path.name for path in tmp_path.glob("*.jsonl*")) == ["a.jsonl", "b.jsonl"]


def test_a_file_that_is_there_is_never_overwritten(draft: Draft, tmp_path: Path) -> None:
    out = tmp_path / "mine.jsonl"
    out.write_text("edited for an hour\n", encoding="utf-8")
    result = draft("--out", out)
    assert result.code == 2
    assert "is there already" in result.err
    assert "--force" in result.err
    assert out.read_text(encoding="utf-8") == "edited for an hour\n"
    assert draft("--out", out, "--force").code == 0
    assert _rows(out.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "said"), [("", "is a folder"), ("missing/mine.jsonl", "cannot be written: No such file or directory")]
)
def test_a_place_that_cannot_be_written_is_named(draft: Draft, tmp_path: Path, name: str, said: str) -> None:
    result = draft("--out", tmp_path / name)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err


def test_an_unknown_base_is_said_before_a_model_is_loaded(draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_questions, "generator_of", lambda _: pytest.fail("loaded"))
    result = draft("--generator", "some/model", kb="nowhere")
    assert result.code == 2
    assert "There is no knowledge base 'nowhere'" in result.err


def test_no_question_at_all_is_wrong_usage(draft: Draft) -> None:
    assert draft("--count", "0").code == 2
    assert len(_rows(draft("--count", "1").out)) == 1


def test_more_than_there_are_is_said(draft: Draft) -> None:
    result = draft("--count", "100000")
    assert result.code == 0
    assert f"notice: {len(_rows(result.out))} of 100,000 were drafted" in result.err


def test_a_base_that_nothing_can_be_asked_of_is_said(draft: Draft, make_base: MakeBase) -> None:
    make_base({"a.md": "Nothing much."}, name="bare")
    result = draft(kb="bare")
    assert result.code == 2
    assert "No question could be drafted from 'bare'" in result.err
    assert result.out == ""


def test_an_empty_base_is_said(draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnowledgeBase, "chunk_count", 0)
    result = draft()
    assert result.code == 1
    assert "has no passage to ask about" in result.err


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """A generator that says one question; the list has the names it was loaded by."""
    names: list[str | None] = []

    def load(settings: Settings) -> ScriptedLLM:
        names.append(settings.generator)
        return ScriptedLLM("What is needed to reach the inner pages from outside?")

    monkeypatch.setattr(cli_questions, "generator_of", load)
    return names


def test_a_generator_is_asked_only_where_there_is_one(
    draft: Draft, loaded: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(row["drafted_by"] == "rule" for row in _rows(draft().out))
    assert loaded == []
    monkeypatch.setenv("RAG_APP_GENERATOR", "some/model")
    draft("--generator", "none")
    assert loaded == []
    rows = _rows(draft().out)
    assert loaded == ["some/model"]
    assert any(row["drafted_by"] == "fake/scripted" for row in rows)


def test_a_configured_generator_that_is_missing_leaves_the_rules(draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Settings) -> ScriptedLLM:
        raise ModelNotAvailable("some/model is not here.", "Get it.")

    monkeypatch.setattr(cli_questions, "generator_of", missing)
    assert draft("--generator", "some/model").code == 1, "it was asked for"
    monkeypatch.setenv("RAG_APP_GENERATOR", "some/model")
    result = draft()
    assert result.code == 0
    assert "notice: some/model is not here. Get it. The rules draft alone." in result.err


def test_a_generator_that_is_too_small_is_said(draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_questions, "generator_of", lambda _: SmallScriptedLLM("What?"))
    result = draft("--generator", "tiny/model")
    assert result.code == 0
    assert "notice: tiny/model is too small" in result.err
