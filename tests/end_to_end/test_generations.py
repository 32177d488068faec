"""Asking while generations come and go: the command with a damaged base, and sessions that ask while a base is rebuilt."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ingest.build import BuildRequest, build
from rag_app.config import RetrievalSettings, load_settings
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store import layout
from rag_app.store.live import LiveKnowledgeBase
from tests.checkpoints import make_bert_embedder
from tests.conftest import MakeBase, SmallBase
from tests.end_to_end.commands import Outcome, run
from tests.fakes import HashEmbedding
from tests.open_files import needs_proc, open_generations

# The command


@dataclass(frozen=True)
class Notes:
    """Two generations of a knowledge base: the first by one embedding model, the second by another alone."""

    indexes: Path
    first_model: str
    second_model: str

    def ask(self, *flags: str) -> Outcome:
        """Ask for passages."""
        flags = ("--kb", "notes", "--indexes", str(self.indexes), "--offline", "--no-answer", *flags)
        return run("rag_app", "ask", "When does the canteen open?", *flags)

    def file(self, generation: str, name: str) -> Path:
        """The path of a file of a generation."""
        (path,) = (self.indexes / "notes" / generation).rglob(name)
        return path


@pytest.fixture
def notes(tmp_path: Path, tiny_embedder: Path) -> Notes:
    folder = tmp_path / "notes"
    folder.mkdir()
    other_embedder = make_bert_embedder(tmp_path / "other", seed=7)
    settings = load_settings(indexes=tmp_path / "indexes", offline=True)
    (folder / "a.txt").write_text("The canteen opens at noon.")
    build(BuildRequest("notes", (folder,), (str(tiny_embedder),)), settings, lambda event: None)
    (folder / "a.txt").write_text("The canteen opens at one.")
    swap = BuildRequest("notes", embed_models=(str(other_embedder),), drop_models=(str(tiny_embedder),))
    build(swap, settings, lambda event: None)
    return Notes(tmp_path / "indexes", str(tiny_embedder), str(other_embedder))


def flip(file: Path) -> None:
    """Change one bit in the middle of a file, whose size stays."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_ask_says_nothing_of_generations_while_all_is_well(notes: Notes) -> None:
    outcome = notes.ask("--json")
    assert (outcome.code, outcome.messages) == (0, "")
    assert "notice" not in outcome.json
    assert outcome.json["passages"][0]["text"] == "The canteen opens at one."
    assert outcome.json["models"]["embedder"] == notes.second_model


def test_ask_never_answers_from_a_damaged_file_but_from_the_generation_before_and_with_its_model(notes: Notes) -> None:
    damaged = notes.file("gen-00000002", "vectors.faiss")
    flip(damaged)
    outcome = notes.ask("--json")
    assert outcome.code == 0, outcome.messages
    assert outcome.json["passages"][0]["text"] == "The canteen opens at noon."
    assert outcome.json["models"]["embedder"] == notes.first_model
    assert str(damaged) in outcome.json["notice"]
    assert "Answers come from gen-00000001" in outcome.json["notice"]
    assert outcome.messages == f"notice: {outcome.json['notice']}\n"


def test_ask_fails_with_the_command_that_repairs_where_no_generation_is_whole(notes: Notes) -> None:
    flip(notes.file("gen-00000001", layout.CHUNKS))
    flip(notes.file("gen-00000002", layout.CHUNKS))
    outcome = notes.ask()
    assert (outcome.code, outcome.output) == (1, "")
    assert "gen-00000002/chunks.sqlite is damaged" in outcome.messages
    assert "--kb notes --rebuild" in outcome.messages
    assert outcome.messages.count("\n") == 1


# B47: sessions that ask while the base is rebuilt

REBUILDS = 20
SESSIONS = 5


@dataclass
class Session:
    """What a session saw: for each answer the numbers of the generations that its passages are of."""

    seed: int
    answers: list[set[int]] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)


@pytest.fixture
def publish(make_base: MakeBase) -> Callable[[int], SmallBase]:
    """Give a function that publishes a generation; every text carries its number, and their count differs."""

    def published(number: int) -> SmallBase:
        count = 3 + number % 4
        texts = {f"docs/{n}.md": f"# Shuttle {n}\n\nThe shuttle of round {number} leaves at {n}." for n in range(count)}
        return make_base(texts)

    return published


def ask_once(live: LiveKnowledgeBase, base: SmallBase, pause: Callable[[], object]) -> set[int]:
    """Ask of the generation that is whole now, all of an answer from it; return the numbers of the generations it is from."""
    knowledge_base = live.current().knowledge_base
    pause()  # as the page loads its models now: some builds may come between
    vectors = knowledge_base.vectors(base.fingerprint)
    retriever = KnowledgeBaseRetriever(
        knowledge_base, vectors, HashEmbedding(model_name="fake"), RetrievalSettings(top_k=6)
    )
    nodes = retriever.retrieve("When does the shuttle of this round leave?")
    texts = [node.text for node in nodes]
    for node in nodes:  # as a citation is resolved, some time later
        document = knowledge_base.chunks.document(node.metadata["document"])
        assert document is not None
        texts.append(document.text)
    of = {int(text.split("of round ")[1].split()[0]) for text in texts}
    return of | {layout.generation_number(knowledge_base.generation)}


def ask_until(stop: threading.Event, live: LiveKnowledgeBase, base: SmallBase, session: Session) -> None:
    """Ask as a page does, again and again."""
    pauses = random.Random(session.seed)
    try:
        while not stop.is_set():
            session.answers.append(ask_once(live, base, lambda: stop.wait(pauses.choice((0, 0.1, 0.5)))))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test fails with it
        session.errors.append(error)


def wait_for_answer_of(number: int, sessions: list[Session]) -> None:
    """Wait until somebody was answered from a generation: slow sessions must not make a test that asks of nothing."""
    deadline = time.monotonic() + 300
    while not any(number in answer for session in sessions for answer in session.answers):
        assert not any(session.errors for session in sessions), sessions
        assert time.monotonic() < deadline, f"nobody was answered from generation {number}"
        time.sleep(0.01)


@needs_proc
def test_every_answer_is_of_one_generation_while_the_base_is_rebuilt_twenty_times(
    publish: Callable[[int], SmallBase],
) -> None:
    base = publish(1)
    live = LiveKnowledgeBase(base.indexes, base.name)
    stop = threading.Event()
    sessions = [Session(seed) for seed in range(SESSIONS)]
    threads = [threading.Thread(target=ask_until, args=(stop, live, base, session)) for session in sessions]
    for thread in threads:
        thread.start()
    opened = []
    for number in range(2, REBUILDS + 2):
        publish(number)
        opened.append(len(open_generations(base.indexes / base.name)))
        if number % 2:  # the even ones may be gone before anybody asks
            wait_for_answer_of(number, sessions)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert [error for session in sessions for error in session.errors] == []
    answers = [answer for session in sessions for answer in session.answers]
    assert all(len(answer) == 1 for answer in answers)
    assert live.current().knowledge_base.generation == layout.generation_name(REBUILDS + 1)
    assert live.current().notice == ""
    for thread in threading.enumerate():
        if thread.name.startswith("sums of"):
            thread.join(60)
    # One for each answer under way, and what is served, opened and read to its end just now.
    assert max(opened) <= SESSIONS + 4
    assert open_generations(base.indexes / base.name) == [live.current().knowledge_base.generation]
