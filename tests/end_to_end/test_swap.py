"""The true swap: two embedding models over the same parse and the same passages, in one build; either is asked at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.ui import resources
from tests.checkpoints import make_bert_embedder
from tests.conftest import REPOSITORY, TEXTS
from tests.end_to_end.commands import Outcome, run

QUESTION = "How long is an account locked?"


@dataclass(frozen=True)
class Two:
    """A base with two models, and what its build printed."""

    indexes: Path
    models: tuple[str, str]
    build: Outcome

    def ask(self, model: str, *flags: str) -> Outcome:
        """Ask with one of the models."""
        where = ("--kb", "two", "--indexes", str(self.indexes), "--offline", "--no-answer", "--json")
        return run("rag_app", "ask", QUESTION, *where, "--embed-model", model, *flags)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Two:
    folder = tmp_path_factory.mktemp("two")
    for name, text in TEXTS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    models = str(tiny_embedder), str(make_bert_embedder(folder / "second", seed=1, pooling="mean"))
    flags = ["--embed-model", models[0], "--embed-model", models[1]]
    where = ["--kb", "two", "--indexes", str(folder / "indexes"), "--offline", "--json"]
    return Two(folder / "indexes", models, run("ingest", str(folder / "docs"), *where, *flags))


def cosines(answer: Any) -> dict[str, float]:
    """Return the cosine of each passage by its text."""
    return {passage["text"]: passage["scores"]["cosine"] for passage in answer["passages"]}


def test_one_build_makes_both_over_the_same_passages(two: Two) -> None:
    assert two.build.code == 0, two.build.messages
    report = two.build.json
    assert [(model["model"], model["embedded"]) for model in report["models"]] == [
        (model, report["chunks"]) for model in two.models
    ]
    base = KnowledgeBase.open(two.indexes, "two")
    first, second = (base.vectors(fingerprint) for fingerprint in base.models)
    assert first.rows.tolist() == second.rows.tolist()
    assert base.generation == "gen-00000001"


def test_ask_answers_with_either_at_once_and_each_has_its_own_cosines(two: Two) -> None:
    answers = [two.ask(model).json for model in two.models]
    assert [answer["models"]["embedder"] for answer in answers] == list(two.models)
    first, second = (cosines(answer) for answer in answers)
    assert first.keys() == second.keys()
    assert all(abs(first[text] - second[text]) > 1e-4 for text in first)


def test_a_model_that_the_base_lacks_is_refused_with_those_it_has(two: Two) -> None:
    outcome = two.ask("BAAI/bge-m3")
    assert outcome.code == 1
    assert all(model in outcome.messages for model in ("BAAI/bge-m3", *two.models))
    assert "--embed-model BAAI/bge-m3" in outcome.messages


def test_the_app_switches_at_once_and_holds_one_model(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    resources.held_embedders.clear()
    monkeypatch.setenv("RAG_APP_INDEXES", str(two.indexes))
    at = AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=300).run()
    at.selectbox(key="generator").set_value("Passages only").run()
    seen = []
    for model in two.models:
        at.selectbox(key="model two").set_value(model).run()
        at.chat_input[0].set_value(QUESTION).run()
        assert not at.exception
        sources = [element.proto.body for element in at.get("html") if "cosine " in element.proto.body][-1]
        seen.append(re.findall(r'rag-score">cosine (-?\d\.\d+)', sources))
        assert len(resources.held_embedders(1)._held) == 1
    expected = [[f"{value:.3f}" for value in cosines(two.ask(model).json).values()] for model in two.models]
    assert [sorted(values) for values in seen] == [sorted(values) for values in expected]
