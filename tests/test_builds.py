"""A build as a child: its events, its failure in words, and its end with whoever listens."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.build_events import BuildLog, Event, EventKind
from rag_app.builds import run_build
from rag_app.errors import BuildCancelled, BuildError, KnowledgeBaseBusy
from rag_app.store import writer
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.ui.jobs import JobCancelled
from tests.checkpoints import make_bert_embedder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = tmp_path / "docs"
    documents.mkdir()
    (documents / "a.md").write_text("An account is locked for 30 minutes.", encoding="utf-8")
    return documents


def test_a_base_is_built_and_its_events_are_told(folder: Path, tmp_path: Path, tiny_embedder: Path) -> None:
    events: list[Event] = []
    run_build(
        "notes", [folder], tmp_path / "indexes", models=[str(tiny_embedder)], offline=True, on_event=events.append
    )
    assert [event.kind for event in events if event.kind is EventKind.DONE]
    assert KnowledgeBase.open(tmp_path / "indexes", "notes").chunk_count == 1


def test_what_a_build_failed_of_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"ended with code \d: .*no/such/model") as caught:
        run_build("notes", [folder], tmp_path / "indexes", models=["no/such/model"], offline=True, device="cpu")
    assert "python" not in caught.value.found
    assert caught.value.remedy.endswith(" --offline --device cpu")
    assert caught.value.remedy.startswith("By hand: python -m ingest /")
    assert "--events" not in caught.value.remedy


def test_the_command_to_repeat_a_build_by_hand_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my documents"
    with pytest.raises(BuildError) as caught:
        run_build("notes", [folder], tmp_path / "indexes", offline=True)
    assert f"ingest '{folder}' --kb notes" in caught.value.remedy


class Enough(Exception):
    """Raised by who listens."""


@pytest.mark.parametrize("raised", [Enough, JobCancelled])
def test_whoever_stops_listening_stops_the_child(
    folder: Path, tmp_path: Path, tiny_embedder: Path, raised: type[BaseException]
) -> None:
    def stop(event: Event) -> None:
        raise raised

    before = children_of_this_process()
    with pytest.raises(raised):
        run_build("notes", [folder], tmp_path / "indexes", models=[str(tiny_embedder)], offline=True, on_event=stop)
    assert children_of_this_process() <= before


def children_of_this_process() -> set[str]:
    """Return the children that the main thread has started; none where the system does not list them."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(children.read_text().split()) if children.exists() else set()


def test_a_build_says_what_became_of_each_file(folder: Path, tmp_path: Path, tiny_embedder: Path) -> None:
    (folder / "b.md").write_text("", encoding="utf-8")
    (folder / "c.exe").write_bytes(b"MZ")
    events: list[Event] = []
    run_build(
        "notes", [folder], tmp_path / "indexes", models=[str(tiny_embedder)], offline=True, on_event=events.append
    )
    told = [(event.subject, event.status, event.done) for event in events if event.kind is EventKind.FILE]
    assert told == [("docs/a.md", "indexed", 1), ("docs/b.md", "empty", 2), ("docs/c.exe", "skipped", 3)]
    reasons = {event.subject: event.reason for event in events}
    assert reasons["docs/c.exe"] == "Its format is not read."
    assert not reasons["docs/a.md"]


def test_an_event_is_read_as_it_was_written() -> None:
    event = Event(EventKind.FILE, "docs/手册.pdf", 1, 2, "failed", "It is encrypted.")
    assert Event.from_json(event.to_json()) == event
    assert Event.from_json(replace(event, status="", reason="").to_json()).status == ""


def test_a_build_is_cancelled_while_it_says_nothing(folder: Path, tmp_path: Path, tiny_embedder: Path) -> None:
    before = children_of_this_process()
    cancelling = threading.Event()
    threading.Timer(0.3, cancelling.set).start()  # the child is still starting: its first event comes later
    with pytest.raises(BuildCancelled, match="'notes' was cancelled"):
        run_build(
            "notes",
            [folder],
            tmp_path / "indexes",
            models=[str(tiny_embedder)],
            offline=True,
            cancelling=cancelling,
        )
    assert children_of_this_process() <= before
    assert not (tmp_path / "indexes" / "notes" / "CURRENT").exists()


def test_a_base_that_is_being_built_elsewhere_is_said_to_be_busy(
    folder: Path, tmp_path: Path, tiny_embedder: Path
) -> None:
    base = tmp_path / "indexes" / "notes"
    with (
        writer.writer_lock(base),
        pytest.raises(KnowledgeBaseBusy, match="Another build of the knowledge base 'notes'"),
    ):
        run_build("notes", [folder], tmp_path / "indexes", models=[str(tiny_embedder)], offline=True)


def test_sources_and_models_are_dropped_where_that_is_asked_for(
    folder: Path, tmp_path: Path, tiny_embedder: Path
) -> None:
    indexes = tmp_path / "indexes"
    second = make_bert_embedder(tmp_path / "second", seed=1)
    run_build("notes", [folder], indexes, models=[str(tiny_embedder), str(second)], offline=True)
    other = tmp_path / "b.md"
    other.write_text("A backup is made every night.", encoding="utf-8")
    run_build("notes", [other], indexes, drop_models=[str(tiny_embedder)], drop_sources=[folder], offline=True)
    base = KnowledgeBase.open(indexes, "notes")
    assert [model.model for model in base.models] == [str(second)]
    assert [source.name for source in base.manifest.sources] == ["b.md"]


def test_the_log_of_a_build_keeps_what_a_page_shows() -> None:
    log = BuildLog()
    for number in range(10):
        log.note(Event(EventKind.FILE, f"{number}.md", number + 1, 10, "failed" if number == 3 else "indexed", "why"))
    log.note(Event(EventKind.MESSAGE, "Loading a model ..."))
    log.note(Event(EventKind.MESSAGE, "warning: 3 chunks were cut."))
    log.note(Event(EventKind.DONE, "gen-00000001"))
    assert [event.subject for event in log.last_files] == [f"{number}.md" for number in range(4, 10)]
    assert log.counts == {"indexed": 9, "failed": 1}
    assert list(log.warnings) == ["warning: 3 chunks were cut."]
    assert log.generation == "gen-00000001"
