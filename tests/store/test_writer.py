"""The one writer: its lock, the commit, and what it puts right of what a killed writer left."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_app.errors import KnowledgeBaseBusy, StorageError, UsageError
from rag_app.store import layout, writer
from rag_app.store.layout import Exclusion, Source
from tests.fakes import fake_fingerprint
from tests.store.conftest import Publish, generations

# Publishing


def test_a_published_generation_is_live_and_says_what_it_is(base: Path, publish: Publish) -> None:
    folder = publish()
    assert folder == base / "gen-00000001"
    manifest = layout.read_manifest(*layout.read_current(base))
    assert manifest.sources == (Source("手册", "/docs/手册"),)
    assert manifest.excluded == (Exclusion("手册/密.md", "/docs/手册/密.md"),)
    assert manifest.models == (fake_fingerprint(),)
    assert set(manifest.files) == {"data", "deep/more"}
    assert manifest.files["data"].bytes == 3
    assert not list(base.glob(".build-*"))


def test_generations_count_up_and_the_one_before_is_kept(base: Path, publish: Publish) -> None:
    names = [publish().name for _ in range(4)]
    assert names == ["gen-00000001", "gen-00000002", "gen-00000003", "gen-00000004"]
    assert generations(base) == names[-2:]


@pytest.mark.parametrize("step", ["rename", "replace"])
def test_a_failure_before_current_is_replaced_leaves_the_old_generation_live(
    step: str, base: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = publish()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            publish()
    assert layout.read_current(base)[0] == live
    layout.read_manifest(*layout.read_current(base))
    assert not list(base.glob(".build-*"))


def test_a_generation_that_never_went_live_is_removed_by_the_next_writer(
    base: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("killed here")))
        with pytest.raises(OSError, match="killed here"):
            publish()
    assert generations(base) == ["gen-00000001", "gen-00000002"]
    with writer.writer_lock(base):
        assert generations(base) == ["gen-00000001"]
    assert publish().name == "gen-00000002"


def test_a_first_generation_whose_commit_was_killed_is_made_the_live_one(
    base: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("killed here")))
        with pytest.raises(OSError, match="killed here"):
            publish()
    assert not (base / "CURRENT").exists()
    with writer.writer_lock(base):
        assert layout.read_current(base)[0].name == "gen-00000001"


def test_what_a_killed_build_left_is_removed_by_the_next(base: Path, publish: Publish) -> None:
    publish()
    (base / ".build-999" / "deep").mkdir(parents=True)
    (base / ".build-CURRENT").write_text("gen-0")
    with writer.writer_lock(base):
        assert not list(base.glob(".build-*"))


def test_an_unknown_entry_is_left_alone(base: Path, publish: Publish) -> None:
    publish()
    (base / "notes").mkdir()
    publish()
    assert (base / "notes").is_dir()


# CURRENT put right


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"nonsense", id="nonsense"),
        pytest.param(b"../../x\n" + b"0" * 64 + b"\n", id="a path"),
        pytest.param(b"gen-00000009\n" + b"0" * 64 + b"\n", id="a generation that is not there"),
        pytest.param(b"gen-00000002\n" + b"0" * 64 + b"\n", id="another sum"),
        pytest.param(b"gen-00000001\n" + b"0" * 64 + b"\n", id="the generation before, another sum"),
    ],
)
def test_a_damaged_current_is_put_right_by_the_next_writer(content: bytes | None, base: Path, publish: Publish) -> None:
    publish()
    live = publish()
    text = (base / "CURRENT").read_bytes()
    (base / "CURRENT").unlink()
    if content is not None:
        (base / "CURRENT").write_bytes(content)
    with writer.writer_lock(base):
        assert (base / "CURRENT").read_bytes() == text
        assert layout.read_current(base)[0] == live
        assert generations(base) == ["gen-00000001", "gen-00000002"]


def test_where_the_newest_generation_is_not_whole_a_lost_current_names_the_one_before(
    base: Path, publish: Publish
) -> None:
    before = publish()
    (publish() / "deep" / "more").write_text("owt")
    (base / "CURRENT").unlink()
    with writer.writer_lock(base):
        assert layout.read_current(base)[0] == before


@pytest.mark.parametrize("name", ["data", "manifest.json"])
def test_a_damaged_generation_is_left_for_who_opens_it_to_say(name: str, base: Path, publish: Publish) -> None:
    publish()
    live = publish()
    (live / name).write_text("damaged")
    with writer.writer_lock(base):
        assert layout.read_current(base)[0] == live
        assert generations(base) == ["gen-00000001", "gen-00000002"]
    assert writer.newest_whole(base).generation == "gen-00000001"  # type: ignore[union-attr]


def test_the_newest_whole_generation_is_told_by_every_byte(base: Path, publish: Publish) -> None:
    assert not base.exists()
    publish()
    live = publish()
    assert writer.newest_whole(base).generation == "gen-00000002"  # type: ignore[union-attr]
    content = (live / "data").read_bytes()
    (live / "data").write_bytes(content[::-1])
    assert writer.newest_whole(base).generation == "gen-00000001"  # type: ignore[union-attr]
    shutil.rmtree(base / "gen-00000001")
    assert writer.newest_whole(base) is None


def test_the_folder_of_a_knowledge_base_is_its_owners_alone(base: Path, publish: Publish) -> None:
    publish()
    assert base.stat().st_mode & 0o077 == 0


# The writer's lock


def test_a_second_writer_is_refused_at_once(base: Path) -> None:
    refused: list[BaseException] = []

    def second() -> None:
        try:
            with writer.writer_lock(base):
                pass
        except KnowledgeBaseBusy as error:
            refused.append(error)

    with writer.writer_lock(base):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=5)
    assert [error.exit_code for error in refused] == [4]  # type: ignore[attr-defined]
    assert "Another build of the knowledge base 'kb' is running" in str(refused[0])


def test_the_lock_is_free_after_a_failure(base: Path) -> None:
    with pytest.raises(ValueError, match="x"), writer.writer_lock(base):
        raise ValueError("x")
    with writer.writer_lock(base):
        pass


def _fail_after(write: Callable[[], None]) -> None:
    write()
    raise ValueError("failed")


def test_a_new_base_into_which_nothing_was_written_is_gone_again(base: Path) -> None:
    with pytest.raises(ValueError, match="failed"), writer.writer_lock(base):
        _fail_after((base / ".build-1").mkdir)
    assert not base.exists()


def test_a_folder_that_holds_something_else_is_refused_and_left_as_it_is(base: Path) -> None:
    base.mkdir(parents=True)
    (base / "thesis.md").write_text("Mine.")
    with pytest.raises(UsageError, match="holds something else than a knowledge base"), writer.writer_lock(base):
        pytest.fail("the lock was taken")
    assert [path.name for path in base.iterdir()] == ["thesis.md"]


def test_a_disk_that_is_full_while_current_is_put_right_is_said_and_the_lock_is_free(
    base: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    (base / "CURRENT").unlink()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(StorageError, match="is full"), writer.writer_lock(base):
            pytest.fail("the lock was taken")
    with writer.writer_lock(base):
        assert layout.read_current(base)[0].name == "gen-00000001"


def test_what_somebody_puts_into_a_new_base_outlives_its_failure(base: Path) -> None:
    with pytest.raises(ValueError, match="failed"), writer.writer_lock(base):
        _fail_after((base / "notes").mkdir)
    assert (base / "notes").is_dir()


def test_folders_that_were_there_before_stay(base: Path) -> None:
    base.parent.mkdir()
    with pytest.raises(ValueError, match="failed"), writer.writer_lock(base):
        _fail_after(lambda: None)
    assert list(base.parent.iterdir()) == []
    base.parent.rmdir()
    with pytest.raises(ValueError, match="failed"), writer.writer_lock(base):
        _fail_after(lambda: None)
    assert not base.parent.exists()


def test_a_new_base_that_has_embedded_something_stays(base: Path) -> None:
    with pytest.raises(ValueError, match="failed"), writer.writer_lock(base):
        _fail_after((base / "cache").mkdir)
    assert (base / "cache").is_dir()


@pytest.mark.parametrize("where", ["indexes", "indexes/kb"])
def test_a_file_in_place_of_a_folder_is_said_before_any_work(where: str, base: Path) -> None:
    file = base.parent.parent / where
    file.parent.mkdir(exist_ok=True)
    file.write_text("x")
    with pytest.raises(StorageError, match="cannot be written"), writer.writer_lock(base):
        pytest.fail("the lock was taken")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
@pytest.mark.parametrize("what", ["the base", "the index root"])
def test_a_folder_that_may_not_be_written_is_said_before_any_work(what: str, publish: Publish, base: Path) -> None:
    """B44, by a process that gave its rights away."""
    publish()
    with tempfile.TemporaryDirectory() as temporary:  # the folders of pytest are closed to others
        indexes = Path(shutil.copytree(base.parent, Path(temporary) / "indexes"))
        for folder in (Path(temporary), indexes, indexes / base.name):
            folder.chmod(0o755)
        wanted = indexes / (base.name if what == "the base" else "new")
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.setuid(65534)
            try:
                with writer.writer_lock(wanted):
                    os.write(writing, b"the lock was taken")
            except StorageError as error:
                os.write(writing, str(error).encode())
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, encoding="utf-8") as said:
            assert re.search(f"{wanted}.* cannot be written: Permission denied.*--indexes", said.read())


def test_a_base_deleted_while_its_lock_was_being_taken_is_said(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acquire = writer.FileLock.acquire

    def acquire_after_it_was_deleted(lock: writer.FileLock) -> None:
        acquire(lock)
        shutil.rmtree(base)

    monkeypatch.setattr(writer.FileLock, "acquire", acquire_after_it_was_deleted)
    with pytest.raises(KnowledgeBaseBusy, match="being deleted"), writer.writer_lock(base):
        pytest.fail("the lock was taken")
