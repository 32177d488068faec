"""Knowledge bases at a glance: what they hold, and what is wrong with those that cannot be read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_app.cli_kb_output import knowledge_base_summary
from rag_app.config import load_settings
from rag_app.datatypes import DocumentReport, FileStatus, IngestReport
from rag_app.doctor.knowledge_bases import check_knowledge_bases
from rag_app.errors import KnowledgeBaseNameError, KnowledgeBaseNotFound, StorageError
from rag_app.store import layout, writer
from rag_app.store.deletion import delete, describe
from rag_app.store.document_rows import document_rows
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.live import LiveKnowledgeBase
from rag_app.store.summaries import BaseState, bytes_below, summaries, summary_of
from rag_app.store.verification import verify
from tests.children import as_nobody, in_a_child
from tests.conftest import MakeBase


def test_a_base_is_told_at_a_glance(make_base: MakeBase) -> None:
    base = make_base()
    found = summary_of(base.indexes, base.name)
    manifest = base.open().manifest
    assert (found.state, found.problem) == (BaseState.READY, None)
    assert (found.documents, found.passages) == (manifest.counts["documents"], manifest.counts["chunks"])
    assert found.models == tuple(model.model for model in manifest.models)
    assert found.created_at == manifest.created_at
    assert found.size >= sum(entry.bytes for entry in manifest.files.values())


def test_a_base_that_is_being_written_says_so_until_it_is_not(make_base: MakeBase) -> None:
    base = make_base()
    with writer.writer_lock(base.indexes / base.name):
        assert writer.is_being_written(base.indexes / base.name)
        assert summary_of(base.indexes, base.name).state is BaseState.BUSY
    assert not writer.is_being_written(base.indexes / base.name)
    assert summary_of(base.indexes, base.name).state is BaseState.READY
    assert not writer.is_being_written(base.indexes / "none")


def test_one_that_is_damaged_or_of_another_version_is_listed_with_what_is_wrong(make_base: MakeBase) -> None:
    damaged, other = make_base(name="damaged"), make_base(name="other")
    (damaged.indexes / "damaged" / layout.CURRENT).unlink()
    manifest = other.open().folder / layout.MANIFEST
    manifest.write_text(manifest.read_text().replace('"format_version": 5', '"format_version": 6'))
    found = {summary.name: summary for summary in summaries(damaged.indexes)}
    assert (found["damaged"].state, found["other"].state) == (BaseState.DAMAGED, BaseState.OTHER_VERSION)
    assert "CURRENT is missing" in str(found["damaged"].problem)
    assert found["other"].documents is None


@pytest.fixture
def with_another_user(make_base: MakeBase) -> Iterator[Path]:
    """An index root with a base of ours, one of which a folder is closed, and one of somebody else."""
    make_base(name="partly")
    make_base(name="theirs")
    indexes = make_base(name="ours").indexes
    with tempfile.TemporaryDirectory() as temporary:  # the folders of pytest are closed to others
        copy = Path(shutil.copytree(indexes, Path(temporary) / "indexes"))
        for path in (Path(temporary), copy, *copy.rglob("*")):
            path.chmod(0o755)
        closed = [copy / "theirs", *(copy / "partly").glob("gen-*/vectors")]
        for path in closed:
            path.chmod(0)
        yield copy
        for path in closed:
            path.chmod(0o700)


def test_a_base_of_another_user_is_listed_with_what_can_be_done_and_hides_no_other(with_another_user: Path) -> None:
    indexes = with_another_user
    settings = load_settings(indexes=indexes)

    def work() -> None:
        found = {summary.name: summary for summary in summaries(indexes)}
        assert [summary.state for summary in found.values()] == ["ready", "unreadable", "unreadable"]
        assert "theirs: " not in str(found["theirs"].problem)
        assert f"chmod -R u+rX {indexes / 'theirs'};" in found["theirs"].problem.remedy
        assert [("error" in knowledge_base_summary(indexes, name)) for name in found] == [False, True, True]
        for failing in (
            lambda: KnowledgeBase.open(indexes, "theirs"),
            lambda: LiveKnowledgeBase(indexes, "theirs").current(),
            lambda: verify(indexes / "theirs", lambda _: None),
            lambda: describe(indexes, "theirs"),
            lambda: delete(indexes, "theirs"),
        ):
            with pytest.raises(StorageError, match="Permission denied"):
                failing()
        told = [(finding.saying.key, finding.command) for finding in check_knowledge_bases(settings)]
        assert [key for key, _ in told] == ["base", "base_unreadable", "base_unreadable"]
        assert told[2][1] == f"chmod -R u+rX {indexes / 'theirs'}"

    assert in_a_child(as_nobody(work)) == 0


def test_one_that_is_not_there_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseNotFound):
        summary_of(tmp_path, "gone")
    with pytest.raises(KnowledgeBaseNameError):
        summary_of(tmp_path, "../gone")
    assert summaries(tmp_path / "nothing") == []


def test_a_file_under_two_names_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert bytes_below(tmp_path) == 5


def test_what_should_be_looked_at_comes_first(make_base: MakeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    knowledge_base = make_base().open()
    own = knowledge_base.report.documents
    others = (
        DocumentReport("docs/.hidden", FileStatus.SKIPPED, "It is hidden.", intended=True),
        DocumentReport("docs/b.pdf", FileStatus.FAILED, "It is damaged."),
        DocumentReport("docs/a.pdf", FileStatus.FAILED, "It is damaged.", remedy="Mend it."),
        DocumentReport("docs/c.exe", FileStatus.SKIPPED, "Its format is not read."),
        DocumentReport("docs/d.md", FileStatus.EMPTY, "It has no text."),
    )
    report = IngestReport("kb", "gen-00000001", 0.0, 1, (*own, *others), ())
    monkeypatch.setitem(vars(knowledge_base), "report", report)
    rows = document_rows(knowledge_base)
    problems = ["docs/a.pdf", "docs/b.pdf", "docs/c.exe", "docs/d.md"]
    assert [row.path for row in rows] == [*problems, *sorted(one.path for one in own), "docs/.hidden"]
    assert rows[0].remedy == "Mend it."
    assert {row.media_type for row in rows if row.is_searchable} == {"text/markdown"}
    assert not rows[0].media_type
