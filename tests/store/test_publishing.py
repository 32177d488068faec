"""From documents and vectors to a live generation: what is written, what is linked, and what a failure leaves."""

from __future__ import annotations

import errno
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingest.chunking import chunk_document
from rag_app.datatypes import Chunk, Document
from rag_app.errors import StorageError
from rag_app.store import keyword_tokens, layout, publishing, writer
from rag_app.store.chunks import distinct_chunks
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Exclusion, Source
from rag_app.store.publishing import Draft, ModelVectors, publish
from rag_app.text import search_tokens
from tests.conftest import MakeBase, SmallBase, document_of, report_of
from tests.fakes import fake_fingerprint, hash_vector

PURGED = Exclusion("docs/c.md", "/docs/c.md")
FIRST, SECOND = fake_fingerprint(), fake_fingerprint("fake/other")


def documents_of(texts: dict[str, str]) -> list[tuple[Document, tuple[Chunk, ...]]]:
    documents = [document_of(path, text) for path, text in texts.items()]
    return [(document, tuple(chunk_document(document, chunk_tokens=200, overlap=30))) for document in documents]


def draft_of(base: Path, texts: dict[str, str]) -> Draft:
    documents = documents_of(texts)
    passages = distinct_chunks(chunk for _, chunks in documents for chunk in chunks)
    vectors = np.stack([hash_vector(passage.embedded_text) for passage in passages])
    return Draft(
        report=report_of(base.name, writer.next_generation(base), documents, [FIRST]),
        sources=(Source("docs", "/docs"),),
        parsing={"chunk_tokens": 200, "overlap": 30},
        documents=documents,
        vectors={FIRST: ModelVectors(vectors, np.arange(len(passages)), ("torch 2", "torch 3"), "MIT")},
    )


@pytest.fixture
def base(small_base: SmallBase) -> Path:
    return small_base.indexes / small_base.name


def files_of(generation: Path) -> dict[str, int]:
    """Return the inode of every file by its name in the generation."""
    return {
        path.relative_to(generation).as_posix(): path.stat().st_ino for path in generation.rglob("*") if path.is_file()
    }


def test_a_generation_says_what_it_is(small_base: SmallBase, base: Path) -> None:
    with writer.writer_lock(base):
        publish(base, replace(draft_of(base, {"a.md": "One.", "b.md": "二。"}), excluded=(PURGED,), memory_gb=2.0))
    manifest = small_base.open().manifest
    assert (manifest.generation, manifest.oldest_kept) == ("gen-00000002", "gen-00000001")
    assert manifest.counts == {"documents": 2, "chunks": 2}
    assert manifest.languages == {"en": 1, "zh": 1}
    assert (manifest.excluded, manifest.memory_gb) == ((PURGED,), 2.0)
    assert {"faiss-cpu", "bm25s", "sqlite"} <= set(manifest.libraries)
    assert manifest.vectors[FIRST.digest].libraries == ("torch 2", "torch 3")
    assert manifest.terms == {FIRST.digest: "MIT"}
    assert set(manifest.files) == set(files_of(base / "gen-00000002")) - {"manifest.json"}
    layout.check_sums(base / "gen-00000002", manifest)


def test_what_is_as_before_is_linked_and_not_written_again(small_base: SmallBase, base: Path) -> None:
    with writer.writer_lock(base):
        publish(base, draft_of(base, {"a.md": "One.", "b.md": "二。"}))
    before = small_base.open()
    vectors = before.vectors(FIRST)
    made = ModelVectors(vectors.vectors(slice(None)), np.asarray(vectors.rows), ("torch 2",))
    with writer.writer_lock(base):
        report = replace(before.report, generation=writer.next_generation(base))
        draft = Draft(report, before.manifest.sources, {}, None, {FIRST: None, SECOND: made}, previous=before)
        publish(base, draft)
    old, new = files_of(before.folder), files_of(small_base.open().folder)
    linked = {name for name in new if new[name] == old.get(name)}
    assert linked == set(old) - {"manifest.json", "report.json"}
    after = small_base.open()
    assert after.models == (FIRST, SECOND)
    assert after.manifest.counts == before.manifest.counts
    layout.check_sums(after.folder, after.manifest)
    assert after.manifest.vectors[FIRST.digest] == before.manifest.vectors[FIRST.digest]
    assert after.manifest.terms == {FIRST.digest: "MIT", SECOND.digest: ""}


def test_without_hard_links_files_are_copied(
    small_base: SmallBase, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    before = small_base.open()
    monkeypatch.setattr(os, "link", no_links)
    with writer.writer_lock(base):
        report = replace(before.report, generation=writer.next_generation(base))
        publish(base, Draft(report, before.manifest.sources, {}, None, {FIRST: None}, previous=before))
    after = small_base.open()
    layout.check_sums(after.folder, after.manifest)
    assert after.generation == "gen-00000002"


def test_the_generation_before_goes_where_it_is_not_to_be_kept(base: Path) -> None:
    with writer.writer_lock(base):
        publish(base, replace(draft_of(base, {"a.md": "One."}), keeps_previous=False))
    assert [path.name for path in layout.generations(base)] == ["gen-00000002"]


def test_of_a_damaged_base_the_newest_whole_generation_is_kept(base: Path, make_base: MakeBase) -> None:
    make_base({"a.md": "Two."})
    file = base / "gen-00000002" / layout.CHUNKS
    file.write_bytes(b"\0" * file.stat().st_size)
    with writer.writer_lock(base):
        publish(base, draft_of(base, {"a.md": "Three."}))
    assert [path.name for path in layout.generations(base)] == ["gen-00000001", "gen-00000003"]
    assert KnowledgeBase.open(base.parent, base.name).generation == "gen-00000003"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), id="disk full"),
        pytest.param(sqlite3.OperationalError("database or disk is full"), id="disk full, says SQLite"),
        pytest.param(OSError(errno.EROFS, "Read-only file system"), id="read-only"),
    ],
)
@pytest.mark.parametrize("stage", ["write_chunks", "write_keywords", "write_vectors", "write_text"])
def test_a_disk_that_cannot_be_written_is_said_and_the_old_generation_stays(
    error: Exception, stage: str, small_base: SmallBase, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(publishing, stage, fail)
    with pytest.raises(StorageError, match="What was live before still is"), writer.writer_lock(base):
        publish(base, draft_of(base, {"a.md": "One."}))
    assert small_base.open().generation == "gen-00000001"
    assert not list(base.glob(".build-*"))


@pytest.mark.parametrize("store", ["ChunkStore", "KeywordIndex"])
def test_an_index_that_holds_less_than_was_written_is_not_published(
    store: str, small_base: SmallBase, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = (lambda self: 1) if store == "ChunkStore" else property(lambda self: 1)
    monkeypatch.setattr(getattr(publishing, store), "count", count)
    with pytest.raises(StorageError, match="expected 2"), writer.writer_lock(base):
        publish(base, draft_of(base, {"a.md": "One.", "b.md": "Two."}))
    assert small_base.open().generation == "gen-00000001"


def test_passages_that_are_as_before_are_not_tokenised_again(
    small_base: SmallBase, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writer.writer_lock(base):
        publish(base, draft_of(base, {"a.md": "One.", "b.md": "二。"}))
    tokenised: list[str] = []
    monkeypatch.setattr(keyword_tokens, "search_tokens", lambda text: tokenised.append(text) or search_tokens(text))
    with writer.writer_lock(base):
        draft = draft_of(base, {"a.md": "One and two.", "b.md": "二。"})
        publish(base, replace(draft, previous=small_base.open()))
    assert len(tokenised) == 1
    assert "One and two." in tokenised[0]
    with writer.writer_lock(base):
        publish(base, draft_of(base, {"a.md": "One and two.", "b.md": "二。"}))
    after, anew = (base / generation / "keywords" for generation in ("gen-00000003", "gen-00000004"))
    assert {path.name: path.read_bytes() for path in after.iterdir()} == {
        path.name: path.read_bytes() for path in anew.iterdir()
    }
