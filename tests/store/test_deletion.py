"""Deleting a knowledge base: all of it or nothing, whatever state it is in, and never anything else."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest

from rag_app.errors import (
    KnowledgeBaseBusy,
    KnowledgeBaseNameError,
    KnowledgeBaseNotFound,
    StorageError,
    UsageError,
)
from rag_app.store import deletion, layout, writer
from rag_app.store.deletion import delete, describe
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.records.conversations import Turn, keep_turn, kept_turns, new_id
from rag_app.store.records.question_sets import DRAFTED_FROM, keep_rows, question_sets
from tests.children import as_nobody, in_a_child
from tests.conftest import MakeBase, SmallBase


def folder_of(base: SmallBase) -> Path:
    return base.indexes / base.name


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_left_of_a_deleted_base_and_others_stay(small_base: SmallBase, make_base: MakeBase) -> None:
    other = make_base(name="other")
    deleted = delete(small_base.indexes, "small")
    assert names(small_base.indexes) == ["other"]
    assert other.open().chunk_count == 3
    assert (deleted.kb, deleted.documents) == ("small", 3)


def test_what_the_app_keeps_of_a_deleted_base_is_gone_with_it(small_base: SmallBase) -> None:
    conversation = new_id()
    for name in ("small", "other"):
        keep_turn(small_base.indexes, conversation, Turn(f"Asked of {name}?", name))
    drafted = [
        {"question": "q", "answer": "a", "source": "docs/a.md", DRAFTED_FROM: name} for name in ("small", "other")
    ]
    keep_rows(small_base.indexes, "mine", drafted)
    delete(small_base.indexes, "small")
    assert [turn.question for turn in kept_turns(small_base.indexes, conversation)] == ["Asked of other?"]
    (kept,) = question_sets(small_base.indexes)
    assert '"small"' not in kept.read_text(encoding="utf-8")
    assert '"other"' in kept.read_text(encoding="utf-8")


def test_what_would_be_deleted_is_described_before(small_base: SmallBase, make_base: MakeBase) -> None:
    base = make_base()  # a second generation, which shares no file
    files = [path for path in folder_of(base).rglob("*") if path.is_file()]
    os.link(files[0], folder_of(base) / "linked")
    described = describe(base.indexes, "small")
    assert (described.documents, described.files) == (3, len(files) + 1)
    assert described.bytes == sum(path.stat().st_size for path in files)
    assert described.folder == str(folder_of(base))
    assert describe(base.indexes, "small") == delete(base.indexes, "small") == described


@pytest.mark.parametrize("state", ["damaged", "another format", "without CURRENT", "never published"])
def test_a_base_is_deleted_whatever_state_it_is_in(small_base: SmallBase, state: str) -> None:
    base = folder_of(small_base)
    manifest = base / "gen-00000001" / layout.MANIFEST
    documents: int | None = 3
    if state == "damaged":
        (base / "gen-00000001" / layout.CHUNKS).write_text("")
        shutil.rmtree(base / "gen-00000001" / layout.VECTORS)
    elif state == "another format":
        manifest.write_text('{"format_version": 2}')
        documents = None
    elif state == "without CURRENT":
        (base / layout.CURRENT).unlink()
    else:
        (base / layout.CURRENT).unlink()
        shutil.rmtree(base / "gen-00000001")
        (base / "cache").mkdir()
        documents = None
    assert delete(small_base.indexes, "small").documents == documents
    assert names(small_base.indexes) == []


def test_a_base_that_is_not_there_is_refused(small_base: SmallBase) -> None:
    with pytest.raises(KnowledgeBaseNotFound, match=r"there are: small\. Check the name\.$"):
        delete(small_base.indexes, "smal")
    with pytest.raises(KnowledgeBaseNameError):
        delete(small_base.indexes, "../small")
    assert names(small_base.indexes) == ["small"]


def test_what_is_no_knowledge_base_is_refused(small_base: SmallBase) -> None:
    (small_base.indexes / "papers").mkdir()
    (small_base.indexes / "papers" / "thesis.md").write_text("Ten years of work.")
    (small_base.indexes / "letter").write_text("Dear")
    for name in ("papers", "letter"):
        with pytest.raises(UsageError, match=f"{name} is no knowledge base"):
            delete(small_base.indexes, name)
    assert names(small_base.indexes / "papers") == ["thesis.md"]
    assert names(small_base.indexes) == ["letter", "papers", "small"]


def test_a_link_to_a_base_elsewhere_is_not_followed(small_base: SmallBase, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "linked").symlink_to(folder_of(small_base))
    with pytest.raises(UsageError, match="is a link"):
        delete(elsewhere, "linked")
    assert small_base.open().chunk_count == 3


def test_links_inside_a_base_are_removed_and_not_what_they_point_to(small_base: SmallBase, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.md").write_text("Ten years of work.")
    (folder_of(small_base) / "link").symlink_to(tmp_path / "papers")
    (folder_of(small_base) / "gen-00000009").symlink_to(tmp_path / "papers")
    delete(small_base.indexes, "small")
    assert names(tmp_path / "papers") == ["thesis.md"]
    assert names(small_base.indexes) == []


def test_a_base_that_is_being_written_is_left_alone(small_base: SmallBase) -> None:
    with writer.writer_lock(folder_of(small_base)):
        with pytest.raises(KnowledgeBaseBusy) as raised:
            delete(small_base.indexes, "small")
        assert raised.value.exit_code == 4
    assert small_base.open().chunk_count == 3


def test_a_reader_that_has_it_open_goes_on(small_base: SmallBase) -> None:
    knowledge_base = small_base.open()
    knowledge_base.keywords.scores("vpn")
    delete(small_base.indexes, "small")
    assert knowledge_base.keywords.scores("vpn").max() > 0
    assert len(list(knowledge_base.chunks.all_chunks())) == 3


# Killed, or failing


def kill_at(name: str, module: Any) -> None:
    setattr(module, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))


def delete_and_be_killed(base: SmallBase, name: str, module: Any) -> None:
    def work() -> None:
        kill_at(name, module)
        delete(base.indexes, base.name)

    assert in_a_child(work) == -signal.SIGKILL


def test_a_deletion_that_was_killed_before_the_rename_changed_nothing(small_base: SmallBase) -> None:
    delete_and_be_killed(small_base, "rename", os)
    assert small_base.open().chunk_count == 3


def test_after_the_rename_there_is_no_base_and_the_next_deletion_removes_the_rest(
    small_base: SmallBase, make_base: MakeBase
) -> None:
    make_base(name="other")
    delete_and_be_killed(small_base, "rmtree", shutil)
    with pytest.raises(KnowledgeBaseNotFound):
        KnowledgeBase.open(small_base.indexes, "small")
    assert layout.knowledge_base_names(small_base.indexes) == ["other"]
    assert len(names(small_base.indexes)) == 2
    delete(small_base.indexes, "other")
    assert names(small_base.indexes) == []


def test_the_next_build_of_any_base_removes_the_rest_too(small_base: SmallBase, make_base: MakeBase) -> None:
    delete_and_be_killed(small_base, "rmtree", shutil)
    make_base(name="other")
    assert names(small_base.indexes) == ["other"]


def test_a_base_built_again_after_a_killed_deletion_is_a_new_one(small_base: SmallBase, make_base: MakeBase) -> None:
    delete_and_be_killed(small_base, "rmtree", shutil)
    assert make_base().open().generation == "gen-00000001"


def test_a_name_that_a_killed_deletion_has_taken_is_not_taken_again(
    small_base: SmallBase, make_base: MakeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "remove_deleted", lambda _: None)
    monkeypatch.setattr(writer, "remove_deleted", lambda _: None)
    delete_and_be_killed(small_base, "rmtree", shutil)
    make_base()
    delete(small_base.indexes, "small")
    assert len(names(small_base.indexes)) == 1


def test_what_cannot_be_renamed_or_removed_is_said(small_base: SmallBase, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, *_: object, **options: Any) -> None:
        if not options.get("ignore_errors"):
            raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refused)
        with pytest.raises(StorageError, match=r"small cannot be written: Permission denied"):
            delete(small_base.indexes, "small")
    assert small_base.open().chunk_count == 3
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refused)
        with pytest.raises(StorageError, match=r"'small' is deleted, but .* cannot be removed") as raised:
            delete(small_base.indexes, "small")
    assert raised.value.remedy.startswith("Remove the folder yourself: ")
    assert Path(raised.value.remedy.removeprefix("Remove the folder yourself: ")).is_dir()


def test_an_index_root_that_cannot_be_written_is_named(small_base: SmallBase) -> None:
    with tempfile.TemporaryDirectory() as name:  # not below tmp_path, which others may not enter
        Path(name).chmod(0o755)
        indexes = Path(shutil.copytree(small_base.indexes, Path(name) / "indexes"))
        (indexes / "small").chmod(0o755)

        def work() -> None:
            with pytest.raises(StorageError, match="cannot be written: Permission denied"):
                delete(indexes, "small")

        assert in_a_child(as_nobody(work)) == 0
        assert KnowledgeBase.open(indexes, "small").chunk_count == 3
