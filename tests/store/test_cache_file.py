"""The file of the cache: a full disk, a folder that cannot be written or another program is no damage; how it is checked."""

from __future__ import annotations

import resource
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rag_app.errors import KnowledgeBaseBusy, RagAppError, StorageError
from rag_app.store import cache_rows
from rag_app.store.cache_file import PATH, CacheCheck, CacheFile, check
from rag_app.store.embedding_cache import EmbeddingCache, keep_only
from tests.children import as_nobody, in_a_child
from tests.store.caches import (
    DAMAGE,
    FINGERPRINT,
    LIBRARIES,
    TEXTS,
    change,
    fill,
    get,
    no_message,
    put,
    raises,
    vector_of,
    windows,
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "kb"
    folder.mkdir()
    return folder


@pytest.fixture
def filled(base: Path) -> Path:
    """Give a base whose cache has `TEXTS`."""
    return fill(base)


def test_a_cache_that_another_program_holds_is_not_thrown_away(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(base, "a")
    holder = sqlite3.connect(base / PATH, isolation_level=None)
    holder.execute("PRAGMA journal_mode = DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect(path, timeout=0))
    with pytest.raises(KnowledgeBaseBusy, match=r"embeddings\.sqlite.*locked"):
        EmbeddingCache(base, FINGERPRINT, no_message)
    holder.close()
    assert get(base, "a") == {"a": 1}


def test_a_cache_that_is_held_while_it_is_thinned_out_stays_as_it_is(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(base, "a", "b")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect(path, timeout=0))
    holder = connect(base / PATH, isolation_level=None)
    with closing(CacheFile(base, no_message)) as file:
        close = file.close

        def close_and_let_the_holder_in() -> None:
            close()
            holder.execute("PRAGMA journal_mode = DELETE")
            holder.execute("BEGIN EXCLUSIVE")

        monkeypatch.setattr(file, "close", close_and_let_the_holder_in)
        with pytest.raises(KnowledgeBaseBusy):
            file.keep_only(set())
        monkeypatch.setattr(file, "close", close)
    holder.close()
    assert get(base, "a", "b") == {"a": 1, "b": 1}
    assert [path.name for path in (base / "cache").iterdir()] == ["embeddings.sqlite"]


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("SQLITE_CORRUPT", None),
        ("SQLITE_NOTADB", None),
        ("SQLITE_ERROR", None),
        ("SQLITE_IOERR_READ", None),
        ("SQLITE_IOERR_SHORT_READ", None),
        ("SQLITE_READONLY", None),  # although folder and file can be written
        ("SQLITE_FULL", StorageError),
        ("SQLITE_IOERR_WRITE", StorageError),
        ("SQLITE_IOERR_FSYNC", StorageError),
        ("SQLITE_CANTOPEN", StorageError),
        ("SQLITE_BUSY", KnowledgeBaseBusy),
        ("SQLITE_BUSY_SNAPSHOT", KnowledgeBaseBusy),
        ("SQLITE_PROTOCOL", KnowledgeBaseBusy),
    ],
)
def test_only_what_is_damage_by_its_code_is_taken_for_damage(
    name: str, outcome: type[RagAppError] | None, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(base, "a")
    find_all = cache_rows.all_libraries
    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode = getattr(sqlite3, name)

    def fail_once(connection: sqlite3.Connection) -> dict[int, bytes]:
        monkeypatch.setattr(cache_rows, "all_libraries", find_all)
        raise error

    monkeypatch.setattr(cache_rows, "all_libraries", fail_once)
    messages: list[str] = []
    if outcome is None:
        assert get(base, "a", announce=messages.append) == {"a": 1}
        assert len(messages) == 1
    else:
        with pytest.raises(outcome, match=rf"{name}|full"):
            get(base, "a")
    assert get(base, "a") == {"a": 1}


def test_a_mistake_of_the_program_is_not_taken_for_damage(base: Path) -> None:
    put(base, "a")
    with closing(CacheFile(base, no_message)) as file, pytest.raises(sqlite3.ProgrammingError):
        file.run(lambda connection: connection.execute("SELECT ?"))


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """Let no database grow beyond so many pages: SQLite then says what it says on a full disk."""
    connect = sqlite3.connect

    def connect_to_a_full_disk(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_to_a_full_disk)


def test_a_full_disk_is_an_error_of_its_own_and_what_was_kept_stays(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(base, *TEXTS)
    fill_the_disk(monkeypatch, pages=1)  # SQLite takes what there is for the least
    with pytest.raises(StorageError, match=r"^The disk with .* is full"):
        put(base, *[f"new {text}" for text in TEXTS])
    monkeypatch.undo()
    assert len(get(base, *TEXTS)) == len(TEXTS)


def test_a_disk_that_is_full_while_the_file_is_begun_anew_is_left_as_it_was(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(base, *TEXTS)
    fill_the_disk(monkeypatch, pages=6)
    with pytest.raises(StorageError, match=r"^The disk with .* is full"):
        keep_only(base, TEXTS, [FINGERPRINT], no_message)
    monkeypatch.undo()
    assert [path.name for path in (base / "cache").iterdir()] == ["embeddings.sqlite"]
    assert len(get(base, *TEXTS)) == len(TEXTS)


@pytest.mark.parametrize("limit", [60_000, 110_000, 180_000])
def test_a_file_that_may_not_grow_is_an_error_of_its_own_and_what_was_kept_stays(limit: int, base: Path) -> None:
    put(base, *TEXTS)

    def grow() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        for number in range(5):
            put(base, *[f"new {number} {text}" for text in TEXTS])

    assert in_a_child(raises(StorageError, "cannot be written", grow)) == 0
    assert len(get(base, *TEXTS)) == len(TEXTS)


def test_a_process_that_may_open_no_more_files_throws_nothing_away(base: Path) -> None:
    put(base, "a")

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        get(base, "a")

    assert in_a_child(raises(StorageError, "unable to open database file", work)) == 0
    assert get(base, "a") == {"a": 1}


@pytest.fixture
def open_to_others() -> Iterator[Path]:
    """Give a folder that also a user without rights can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_cannot_be_written_is_an_error_of_its_own(open_to_others: Path) -> None:
    open_to_others.chmod(0o555)
    work = raises(StorageError, "cache cannot be written: Permission denied", lambda: get(open_to_others, "a"))
    assert in_a_child(as_nobody(work)) == 0


@pytest.mark.parametrize(("folder", "file"), [(0o555, 0o444), (0o555, 0o666), (0o555, 0o000), (0o000, 0o444)])
def test_a_cache_that_cannot_be_written_is_an_error_of_its_own_and_stays(
    folder: int, file: int, open_to_others: Path
) -> None:
    put(open_to_others, "a")
    (open_to_others / PATH).chmod(file)
    (open_to_others / "cache").chmod(folder)
    work = raises(StorageError, "cannot be written", lambda: put(open_to_others, "b"))
    assert in_a_child(as_nobody(work)) == 0
    (open_to_others / "cache").chmod(0o700)
    (open_to_others / PATH).chmod(0o600)
    assert get(open_to_others, "a") == {"a": 1}


@pytest.mark.parametrize("path", ["cache", PATH], ids=["folder", "file"])
def test_something_else_under_its_name_is_an_error_of_its_own(path: str, base: Path) -> None:
    if path == "cache":
        (base / path).write_text("no folder")
    else:
        (base / path).mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be written"):
        get(base, "a")


# Check


def test_a_base_without_a_cache_passes_the_check_and_gets_none(base: Path) -> None:
    assert check(base) == CacheCheck(0, 0, "")
    assert list(base.iterdir()) == []


def test_a_sound_cache_passes_the_check_also_while_a_build_writes_it(base: Path) -> None:
    with EmbeddingCache(base, FINGERPRINT, no_message) as cache:
        first, _ = cache.plan(["a", "b"], 1)
        cache.put(first, ["a"], np.stack([vector_of("a")]), [1], LIBRARIES)
        assert check(base) == CacheCheck(2, 0, "")
    before = (base / PATH).read_bytes()
    assert check(base) == CacheCheck(2, 0, "")
    assert (base / PATH).read_bytes() == before
    assert [path.name for path in (base / "cache").iterdir()] == ["embeddings.sqlite"]


def test_the_check_counts_rows_that_are_not_what_was_written(base: Path) -> None:
    put(base, "a", "b", "c")
    windows(base, "d")
    change(base, "UPDATE vectors SET tokens = 9 WHERE number < 3")
    change(base, "UPDATE windows SET keys = x''")
    assert check(base) == CacheCheck(4, 3, "")


@pytest.mark.parametrize("name", [name for name in DAMAGE if name != "root of vectors"])
def test_the_check_names_what_is_wrong_with_the_file_and_leaves_it(name: str, filled: Path) -> None:
    DAMAGE[name][0](filled / PATH)
    before = (filled / PATH).read_bytes()
    assert check(filled).problem
    assert (filled / PATH).read_bytes() == before


def test_a_cache_in_a_folder_that_cannot_be_written_can_be_checked(open_to_others: Path) -> None:
    put(open_to_others, "a")
    (open_to_others / "cache").chmod(0o555)
    (open_to_others / PATH).chmod(0o444)

    def work() -> None:
        assert check(open_to_others) == CacheCheck(1, 0, "")

    assert in_a_child(as_nobody(work)) == 0


def test_a_kill_before_the_new_file_is_in_place_loses_no_vector(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    put(base, "a", "b")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            keep_only(base, ["a"], [FINGERPRINT], no_message)
    assert get(base, "a", "b") == {"a": 1, "b": 1}
