"""Verification: files are checked before their contents, no check hides another, and nothing that is damaged is opened."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from rag_app.errors import KnowledgeBaseBusy, KnowledgeBaseNotFound
from rag_app.store import cache_file, content_checks, layout
from rag_app.store.cache_file import CacheFile
from rag_app.store.cache_rows import add_vectors
from rag_app.store.checks import CheckState
from rag_app.store.vector_files import INDEX_FILE
from rag_app.store.verification import Verification, verify
from tests.conftest import MakeBase
from tests.fakes import DIMENSION, hash_vector
from tests.store.damage import (
    assert_damaged,
    at_hand,
    check_named,
    flip_first_bit,
    live_folder,
    resign,
    states,
    vectors_of,
    write_index,
)


@pytest.fixture
def folder(make_base: MakeBase) -> Path:
    """The folder of a knowledge base with a version before."""
    make_base({"docs/first.md": "# First\n\nThe first version."})
    base = make_base()
    return base.indexes / base.name


def test_a_whole_base_passes_every_check_of_both_generations(folder: Path) -> None:
    verification = verify(folder, at_hand)
    assert (verification.name, verification.generation) == ("small", "gen-00000002")
    assert (verification.ok, verification.damaged, verification.error) == (True, (), None)
    assert set(states(verification).values()) == {CheckState.OK}
    model = "fake/hash-embedding"
    assert list(states(verification)) == [
        "CURRENT",
        *("manifest", "files", "unlisted files"),
        *("gen-00000001 manifest", "gen-00000001 files", "gen-00000001 unlisted files"),
        "answers",
        *("documents", "spans", "keywords", "report"),
        *(f"rows of {model}", f"vectors of {model}", f"fingerprint of {model}", f"model {model}", f"sample of {model}"),
        "embedding cache",
    ]


def test_verification_changes_nothing(folder: Path) -> None:
    def state() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}

    before = state()
    verify(folder, at_hand)
    assert state() == before


def test_without_a_model_everything_else_is_checked_and_that_is_said(folder: Path) -> None:
    verification = verify(folder)
    not_checked = [check for check in verification.checks if check.state is CheckState.NOT_CHECKED]
    assert [check.name for check in not_checked] == ["model fake/hash-embedding", "sample of fake/hash-embedding"]
    assert verification.ok


def test_where_nothing_was_published_there_is_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseNotFound):
        verify(tmp_path / "none")


# One check that fails hides no other


def test_damage_in_the_texts_does_not_hide_damage_in_the_vectors(folder: Path) -> None:
    index = vectors_of(folder) / INDEX_FILE
    vectors = np.stack([hash_vector("one"), np.full(DIMENSION, np.nan, np.float32), hash_vector("two")])
    write_index(index, vectors)
    resign(folder)
    flip_first_bit(live_folder(folder) / layout.CHUNKS)
    verification = verify(folder, at_hand)
    assert verification.damaged == ("gen-00000002/chunks.sqlite", index.relative_to(folder).as_posix())
    found = states(verification)
    assert found["documents"] is found["spans"] is found["report"] is CheckState.NOT_CHECKED
    assert found["keywords"] is found["model fake/hash-embedding"] is CheckState.OK
    assert "Vector 1 has the length nan" in check_named(verification, "vectors").detail
    assert check_named(verification, "sample").state is CheckState.NOT_CHECKED


def test_every_damaged_file_is_named(folder: Path) -> None:
    everything = [path for path in live_folder(folder).rglob("*") if path.is_file() and path.name != layout.MANIFEST]
    for path in everything:
        flip_first_bit(path)
    verification = verify(folder)
    assert set(verification.damaged) == {path.relative_to(folder).as_posix() for path in everything}
    assert verification.error is not None
    assert f"and {len(everything) - 5} more" in verification.error.found
    assert "--kb small --rebuild" in verification.error.remedy


def test_nothing_of_a_damaged_file_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr(faiss, "read_index", lambda path, *_: opened.append(path))
    monkeypatch.setattr(np, "load", lambda path, **_: opened.append(path))
    monkeypatch.setattr(content_checks, "KeywordIndex", opened.append)
    monkeypatch.setattr(content_checks.sqlite3, "connect", lambda *path, **_: opened.append(path))
    for path in live_folder(folder).rglob("*"):
        if path.is_file() and path.name != layout.MANIFEST:
            flip_first_bit(path)
    verify(folder, at_hand)
    assert opened == []


# The version before


def test_damage_in_the_version_before_is_named_and_the_live_one_answers(folder: Path) -> None:
    flip_first_bit(folder / "gen-00000001" / "report.json")
    verification = verify(folder, at_hand)
    assert_damaged(verification, "gen-00000001 files", "gen-00000001/report.json")
    assert check_named(verification, "answers").detail == "from gen-00000002"


def test_a_base_that_only_its_version_before_can_answer_for_is_said_to_be_that(folder: Path) -> None:
    flip_first_bit(live_folder(folder) / layout.CHUNKS)
    answers = check_named(verify(folder), "answers")
    assert answers.state is CheckState.DAMAGED
    assert answers.detail == "gen-00000002 is damaged: only the version before, gen-00000001, can be asked."
    flip_first_bit(folder / "gen-00000001" / layout.CHUNKS)
    assert check_named(verify(folder), "answers").detail == "No version is whole: the knowledge base cannot be asked."


def test_a_generation_that_is_not_kept_or_was_never_committed_is_not_looked_at(folder: Path) -> None:
    for number in (1, 3):
        (folder / layout.generation_name(number)).mkdir(exist_ok=True)
        (folder / layout.generation_name(number) / layout.MANIFEST).write_text("{}")
    resign(folder, oldest_kept="gen-00000002")
    verification = verify(folder, at_hand)
    assert verification.ok
    assert not [check for check in verification.checks if check.name.startswith("gen-")]


def test_a_manifest_of_another_generation_is_named(folder: Path) -> None:
    before = folder / "gen-00000001"
    live = live_folder(folder)
    shutil.rmtree(live)
    shutil.copytree(before, live)
    content = (live / layout.MANIFEST).read_bytes()
    (folder / layout.CURRENT).write_text(f"{live.name}\n{hashlib.sha256(content).hexdigest()}\n")
    verification = verify(folder)
    assert verification.damaged == ("gen-00000002/manifest.json",)
    assert check_named(verification, "manifest").detail.endswith("manifest.json is that of gen-00000001.")
    assert check_named(verification, "contents").state is CheckState.NOT_CHECKED


# Files that nobody wrote


@pytest.mark.parametrize("name", ["stray.txt", "keywords/nonoccurrence_array.index.npy", "vectors/other/vectors.faiss"])
def test_a_file_that_the_manifest_does_not_list_is_named(name: str, folder: Path) -> None:
    stray = live_folder(folder) / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("?")
    verification = verify(folder, at_hand)
    assert name in assert_damaged(verification, "unlisted files", f"gen-00000002/{name}")
    assert verification.error is not None
    assert verification.error.remedy == "Remove what was put there."


def test_a_link_that_leads_nowhere_is_named_too(folder: Path) -> None:
    (live_folder(folder) / "link").symlink_to("nowhere")
    assert_damaged(verify(folder, at_hand), "unlisted files", "gen-00000002/link")


PIPES = ["CURRENT", "gen-00000002/manifest.json", "gen-00000002/chunks.sqlite", cache_file.PATH]


@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_in_the_place_of_a_file_is_named_and_not_waited_for(name: str, folder: Path) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    os.mkfifo(folder / name)
    found: list[Verification] = []
    thread = threading.Thread(target=lambda: found.append(verify(folder)), daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert [verification.damaged for verification in found] == [(name,)]


# The embedding cache


def test_damage_in_the_cache_is_named_and_said_to_be_computed_again(folder: Path) -> None:
    with closing(CacheFile(folder, lambda message: None)) as cache:
        rows = [(bytes([number]) * 32, bytes(256), 5) for number in range(3)]
        cache.run(lambda connection: add_vectors(connection, iter(rows), b"torch 2"))
    assert check_named(verify(folder), "embedding cache").detail == "3 entries"
    with closing(sqlite3.connect(folder / cache_file.PATH)) as connection, connection:
        connection.execute("UPDATE vectors SET tokens = 6 WHERE number = 2")
    detail = assert_damaged(verify(folder), "embedding cache", cache_file.PATH)
    assert detail.startswith("1 of 3 entries are damaged.")
    assert "the next build that needs one of them embeds its text again" in detail


def test_a_cache_that_is_no_database_is_named(folder: Path) -> None:
    (folder / cache_file.PATH).parent.mkdir(exist_ok=True)
    (folder / cache_file.PATH).write_text("no database")
    assert_damaged(verify(folder), "embedding cache", cache_file.PATH)


# A build meanwhile


def test_a_generation_that_is_replaced_while_it_is_read_is_no_damage(
    folder: Path, make_base: MakeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = layout.file_problem
    meanwhile = ["two builds"]

    def slow(*arguments: Any) -> str:
        if meanwhile.pop() if meanwhile else None:
            make_base()
            make_base()  # removes the generation that is being read
        return problem(*arguments)

    monkeypatch.setattr(layout, "file_problem", slow)
    verification = verify(folder)
    assert (verification.ok, verification.generation) == (True, "gen-00000004")


def test_a_base_that_is_replaced_again_and_again_is_said_to_be_busy(
    folder: Path, make_base: MakeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = layout.file_problem
    depth = [0]

    def slow(generation: Path, manifest: layout.Manifest, name: str) -> str:
        if name == layout.CHUNKS and not depth[0]:
            depth[0] = 1
            make_base()
            make_base()
            depth[0] = 0
        return problem(generation, manifest, name)

    monkeypatch.setattr(layout, "file_problem", slow)
    with pytest.raises(KnowledgeBaseBusy, match="replaced 5 times"):
        verify(folder)
