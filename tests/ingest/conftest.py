"""Fixtures for builds: `python -m ingest` in this process, with a tiny real model."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingest import cli
from rag_app.store.knowledge_base import KnowledgeBase


@dataclass(frozen=True)
class Outcome:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The object of --json: all of standard output."""
        return json.loads(self.out)

    def statuses(self) -> dict[str, str]:
        return {document["path"]: document["status"] for document in self.report["documents"]}


Ingest = Callable[..., Outcome]


@pytest.fixture
def indexes(tmp_path: Path) -> Path:
    return tmp_path / "indexes"


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], indexes: Path) -> Ingest:
    def run(*arguments: object) -> Outcome:
        words = ["ingest", "--offline", "--device", "cpu", "--indexes", str(indexes), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return Outcome(int(exit_.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "vpn.md").write_text("# VPN\n\nThe VPN needs Harbour Connect.")
    (folder / "密码.md").write_text("# 忘记密码\n\n请打开重置页面设置新密码。")
    return folder


@pytest.fixture
def built(ingest: Ingest, docs: Path, tiny_embedder: Path) -> Outcome:
    """The report of a knowledge base `kb` of two documents."""
    outcome = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--json")
    assert outcome.code == 0, outcome.err
    return outcome


def contents(indexes: Path, name: str = "kb") -> tuple[list[tuple[Any, ...]], list[Any]]:
    """Return all rows of chunks.sqlite and the vectors of each model of the live generation."""
    knowledge_base = KnowledgeBase.open(indexes, name)
    connection = sqlite3.connect(knowledge_base.folder / "chunks.sqlite")
    rows = [row for table in ("documents", "chunks") for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    return rows, [knowledge_base.vectors(model).vectors(slice(None)).tolist() for model in knowledge_base.models]
