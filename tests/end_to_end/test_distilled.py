"""A static model of one's own, by the real commands: made of the bundled one and a base, built beside it, asked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from tests.end_to_end.commands import Outcome, run

pytestmark = pytest.mark.slow

# Each with a question that shares no word with it but function words.
PASSAGES = {
    "leave.txt": ("Employees receive thirty vacation days annually.", "How much holiday do workers get?"),
    "passwords.txt": ("Choose another password in the reset portal.", "I forgot my login credentials"),
    "printers.txt": ("The printer on the second floor has run out of paper.", "out of ink cartridge"),
    "travel.txt": ("Trains to the airport leave every quarter of an hour.", "bus or rail?"),
}


@dataclass(frozen=True)
class Own:
    """What each command left: the build with the bundled model, the making of another from it, and its build."""

    indexes: Path
    data: Path
    first: Outcome
    made: Outcome
    second: Outcome

    def run(self, *arguments: str) -> Outcome:
        """Run a command where the model is known."""
        return run(*arguments, environment={"XDG_DATA_HOME": str(self.data)})

    def ask(self, model: str) -> Any:
        """Ask about passwords with a model."""
        question = PASSAGES["passwords.txt"][1]
        flags = ("--kb", "four", "--retriever", "dense", "--no-answer", "--offline", "--json")
        return self.run("rag_app", "ask", question, "--indexes", str(self.indexes), "--embed-model", model, *flags).json


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    folder = tmp_path_factory.mktemp("own")
    (folder / "docs").mkdir()
    for name, (text, _) in PASSAGES.items():
        (folder / "docs" / name).write_text(text, encoding="utf-8")
    environment = {"XDG_DATA_HOME": str(folder / "data")}
    where = ("--indexes", str(folder / "indexes"), "--offline", "--json")
    base = ("ingest", str(folder / "docs"), "--kb", "four", "--embed-model", "bundled")
    first = run(*base, *where, environment=environment)
    made = run("rag_app", "models", "distil", "bundled", "--kb", "four", *where, environment=environment)
    assert made.code == 0, made.messages
    printed = shlex.split(made.json["command"])
    assert printed[:2] == ["python", "-m"]
    second = run(*printed[2:], *where, environment=environment)
    return Own(folder / "indexes", folder / "data", first, made, second)


def test_the_command_that_was_printed_builds_it_beside_the_first(own: Own) -> None:
    assert own.second.code == 0, own.second.messages
    assert (own.made.json["passages"], own.made.json["dimension"]) == (4, 256)
    report = own.second.json
    assert [(one["model"], one["embedded"], one["reused"], one["truncated"]) for one in report["models"]] == [
        ("sentence-transformers/all-MiniLM-L6-v2", 0, 4, 0),
        ("own/all-MiniLM-L6-v2-four", 4, 0, 0),
    ]
    assert {one["status"] for one in report["documents"]} == {"unchanged"}


def test_either_is_asked_and_finds_the_passage(own: Own) -> None:
    cosines = []
    for model in ("bundled", own.made.json["model"]):
        answer = own.ask(model)
        assert answer["passages"][0]["document"].endswith("passwords.txt")
        cosines.append([passage["scores"]["cosine"] for passage in answer["passages"]])
    assert cosines[0] != pytest.approx(cosines[1], abs=1e-2)


def test_a_base_proves_what_it_was_built_with(own: Own) -> None:
    outcome = own.run("rag_app", "kb", "verify", "four", "--indexes", str(own.indexes), "--json")
    assert outcome.code == 0, outcome.output + outcome.messages


def test_it_keeps_most_of_what_the_other_knows(own: Own) -> None:
    folder = own.made.json["folder"]
    embedder = CatalogueEmbedding(resolve_embedder(folder, offline=True), device="cpu")
    passages = embedder.embed_passages([text for text, _ in PASSAGES.values()])
    best = [int((passages @ embedder.embed_question(question)).argmax()) for _, question in PASSAGES.values()]
    assert best == [0, 1, 2, 3]
