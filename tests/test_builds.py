"""A build as a child: its events, its failure in words, and its end with whoever listens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rag_app.build_events import Event, EventKind
from rag_app.builds import run_build
from rag_app.errors import BuildError
from rag_app.store.knowledge_base import KnowledgeBase


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
        run_build("notes", [folder], tmp_path / "indexes", models=["no/such/model"], offline=True)
    assert "python" not in caught.value.found
    assert "-m ingest" in caught.value.remedy


def test_whoever_stops_listening_stops_the_child(folder: Path, tmp_path: Path, tiny_embedder: Path) -> None:
    class Enough(Exception):
        pass

    def stop(event: Event) -> None:
        raise Enough

    with pytest.raises(Enough):
        run_build("notes", [folder], tmp_path / "indexes", models=[str(tiny_embedder)], offline=True, on_event=stop)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if children.exists():
        commands = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children.read_text().split()]
        assert not any(b"ingest" in command for command in commands)
