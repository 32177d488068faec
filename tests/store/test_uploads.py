"""Uploads: kept below their base under names that lead nowhere else, refused by quota, and removed when nobody needs them."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.build import BuildRequest, build
from rag_app.config import LimitSettings, Settings, load_settings
from rag_app.errors import StorageError
from rag_app.store import layout, uploads
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.purging import purge
from rag_app.store.uploads import (
    Refusal,
    RefusalKind,
    Upload,
    keep_upload,
    refusal_of,
    remove_unused_uploads,
    replaced_sources,
    safe_parts,
    settle_upload,
)

TEXT = "An account is locked for 30 minutes."
RECORDS = b'{"_id": "5", "text": "The heron nests behind the weir."}\n{"_id": "6", "text": "The wren sings."}\n'
LIMITS = LimitSettings(upload_files=3, upload_megabytes=10, file_megabytes=4)


def keep(base: Path, **files: str) -> Upload:
    return keep_upload(base, [(f"{name}.md", io.BytesIO(text.encode())) for name, text in files.items()])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(indexes=tmp_path / "indexes", offline=True)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "indexes" / "notes"


def build_from(settings: Settings, sources: tuple[Path, ...], embedder: Path, *, dropped: Sequence[Path] = ()) -> None:
    models = () if (settings.indexes / "notes" / layout.CURRENT).exists() else (str(embedder),)
    build(BuildRequest("notes", sources, models, drop_sources=tuple(dropped)), settings, lambda _: None)


def documents(settings: Settings) -> list[str]:
    return sorted(KnowledgeBase.open(settings.indexes, "notes").chunks.document_sums())


# Names


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("report.pdf", ("report.pdf",)),
        ("handbook/en/vpn.md", ("handbook", "en", "vpn.md")),
        ("../../etc/passwd", ("etc", "passwd")),
        ("/etc/passwd", ("etc", "passwd")),
        ("a/./b//c.md", ("a", "b", "c.md")),
        ("..", ("file",)),
        ("", ("file",)),
        ("C:\\Users\\a.md", ("C:_Users_a.md",)),
        ("line\nbreak\x00\x1b[31m.md", ("line_break__[31m.md",)),
        ("fdp.\u202eexe.md", ("fdp._exe.md",)),
        ("half \ud800.md", ("half _.md",)),
        ("cafe\u0301.md", ("caf\u00e9.md",)),
    ],
)
def test_a_name_becomes_parts_that_lead_nowhere_else(name: str, parts: tuple[str, ...]) -> None:
    assert safe_parts(name) == parts


@given(st.text())
def test_whatever_a_browser_sends_stays_below_the_folder(name: str) -> None:
    place = Path("/base").joinpath(*safe_parts(name))
    assert Path("/base") in Path(os.path.normpath(place)).parents
    assert all(len(part.encode()) <= 200 for part in safe_parts(name))


def test_a_name_that_is_too_long_keeps_its_ending() -> None:
    (part,) = safe_parts("长" * 300 + ".pdf")
    assert part.endswith(".pdf")
    assert len(part.encode()) <= 200


# Quota


@pytest.mark.parametrize(
    ("files", "before", "expected"),
    [
        ([], 0, Refusal(RefusalKind.EMPTY)),
        ([("a", 1)] * 4, 0, Refusal(RefusalKind.TOO_MANY, 4, 3)),
        ([("a", 1), ("b", 4_100_000)], 0, Refusal(RefusalKind.TOO_LARGE, 4.1, 4, "b")),
        ([("a", 4_000_000)] * 3, 0, Refusal(RefusalKind.OVER_QUOTA, 12.0, 10)),
        ([("a", 4_000_000)], 7_000_000, Refusal(RefusalKind.OVER_QUOTA, 11.0, 10)),
        ([("a", 4_000_000)], 6_000_000, None),
    ],
)
def test_too_many_and_too_large_files_are_refused(
    files: list[tuple[str, int]], before: int, expected: Refusal | None
) -> None:
    assert refusal_of(files, LIMITS, before) == expected


# Keeping


def test_files_are_kept_as_they_are_and_a_folder_keeps_its_shape(base: Path) -> None:
    files = [("a.md", b"one"), ("book/b.md", b"two"), ("book/deep/c.md", b"three"), ("a.md", b"another")]
    upload = keep_upload(base, [(name, io.BytesIO(content)) for name, content in files])
    kept = {
        path.relative_to(upload.folder).as_posix(): path.read_bytes()
        for path in upload.folder.rglob("*")
        if path.is_file()
    }
    assert kept == {"a.md": b"one", "a (2).md": b"another", "book/b.md": b"two", "book/deep/c.md": b"three"}
    assert [path.name for path in upload.sources] == ["a (2).md", "a.md", "book"]
    assert upload.size == 18
    assert base.stat().st_mode & 0o077 == 0


def test_a_file_where_another_path_has_a_folder_is_kept_beside_it(base: Path) -> None:
    upload = keep_upload(base, [("a", io.BytesIO(b"file")), ("a/b.md", io.BytesIO(b"inside"))])
    assert sorted(path.name for path in upload.folder.iterdir()) == ["a", "a (2)"]


def test_nothing_is_kept_where_the_disk_is_full(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads.shutil, "copyfileobj", fail)
    with pytest.raises(StorageError, match="is full"):
        keep(base, a=TEXT)
    assert not base.exists()


# What a build makes of them


def test_a_build_finds_its_uploads_again_also_where_the_base_was_renamed(
    base: Path, settings: Settings, tiny_embedder: Path
) -> None:
    upload = keep(base, a=TEXT)
    build_from(settings, upload.sources, tiny_embedder)
    settle_upload(base, upload.folder)
    assert documents(settings) == ["a.md"]
    renamed = base.rename(base.with_name("renamed"))
    build(BuildRequest("renamed", rebuild=True), settings, lambda _: None)
    moved = KnowledgeBase.open(settings.indexes, "renamed")
    assert sorted(moved.chunks.document_sums()) == ["a.md"]
    assert moved.manifest.sources[0].path.startswith(str(renamed))


def test_an_upload_that_no_build_took_is_removed(base: Path, settings: Settings, tiny_embedder: Path) -> None:
    upload = keep(base, a=TEXT)
    build_from(settings, upload.sources, tiny_embedder)
    settle_upload(base, upload.folder)
    cancelled = keep(base, b=TEXT)
    assert cancelled.folder.exists()
    settle_upload(base, cancelled.folder)
    assert [path.name for path in (base / layout.SOURCES).iterdir()] == [upload.folder.name]


def test_of_a_first_build_that_came_to_nothing_nothing_is_left(base: Path) -> None:
    upload = keep(base, a=TEXT)
    settle_upload(base, upload.folder)
    assert not base.exists()


def test_an_upload_whose_build_is_still_to_come_is_left_alone_for_a_day(base: Path) -> None:
    upload = keep(base, a=TEXT)
    remove_unused_uploads(base)
    assert upload.folder.exists()
    mark = upload.folder.with_name(f"{upload.folder.name}.pending")
    os.utime(mark, times=(time.time() - 25 * 3600,) * 2)
    remove_unused_uploads(base)
    assert not upload.folder.exists()
    assert not mark.exists()


def test_nothing_is_removed_while_a_manifest_cannot_be_read(
    base: Path, settings: Settings, tiny_embedder: Path
) -> None:
    upload = keep(base, a=TEXT)
    build_from(settings, upload.sources, tiny_embedder)
    (base / "gen-00000001" / layout.MANIFEST).write_text("{}", encoding="utf-8")
    settle_upload(base, upload.folder)
    assert upload.sources[0].exists()


def test_a_newer_file_of_the_same_name_takes_the_place_of_the_older_upload(
    base: Path, settings: Settings, tiny_embedder: Path, tmp_path: Path
) -> None:
    own = tmp_path / "b.md"
    own.write_text("This file was not uploaded.", encoding="utf-8")
    first = keep(base, a=TEXT)
    build_from(settings, (*first.sources, own), tiny_embedder)
    settle_upload(base, first.folder)
    second = keep(base, a="It is locked for an hour now.", b="Uploaded.")
    replaced = replaced_sources(base, KnowledgeBase.open(settings.indexes, "notes").manifest, second)
    assert replaced == list(first.sources)
    build_from(settings, second.sources, tiny_embedder, dropped=replaced)
    settle_upload(base, second.folder)
    assert documents(settings) == ["a.md", "b (2).md", "b.md"]
    document = KnowledgeBase.open(settings.indexes, "notes").chunks.document("a.md")
    assert document is not None
    assert "an hour" in document.text
    assert first.folder.exists()  # the generation before has it still
    third = keep(base, c=TEXT)
    assert replaced_sources(base, KnowledgeBase.open(settings.indexes, "notes").manifest, third) == []
    build_from(settings, third.sources, tiny_embedder)
    settle_upload(base, third.folder)
    assert not first.folder.exists()
    assert own.exists()


def test_a_newer_file_leaves_every_other_source_as_it_is(
    base: Path, settings: Settings, tiny_embedder: Path, tmp_path: Path
) -> None:
    drive, elsewhere = tmp_path / "drive", tmp_path / "not mounted"
    drive.mkdir()
    (drive / "d.md").write_text("A drive.", encoding="utf-8")
    first = keep_upload(base, [("corpus.jsonl", io.BytesIO(RECORDS)), ("a.md", io.BytesIO(TEXT.encode()))])
    build_from(settings, (drive, *first.sources), tiny_embedder)
    settle_upload(base, first.folder)
    purge(settings.indexes, "notes", ["corpus.jsonl#5"], lambda _: None)
    drive.rename(elsewhere)
    second = keep(base, a="It is locked for an hour now.")
    replaced = replaced_sources(base, KnowledgeBase.open(settings.indexes, "notes").manifest, second)
    build_from(settings, second.sources, tiny_embedder, dropped=replaced)
    settle_upload(base, second.folder)
    assert documents(settings) == ["a.md", "corpus.jsonl#6"]
    elsewhere.rename(drive)
    build_from(settings, (), tiny_embedder)
    assert documents(settings) == ["a.md", "corpus.jsonl#6", "drive/d.md"]


def test_a_purged_record_of_an_upload_stays_out_where_the_base_was_renamed(
    base: Path, settings: Settings, tiny_embedder: Path
) -> None:
    upload = keep_upload(base, [("corpus.jsonl", io.BytesIO(RECORDS))])
    build_from(settings, upload.sources, tiny_embedder)
    settle_upload(base, upload.folder)
    purge(settings.indexes, "notes", ["corpus.jsonl#5"], lambda _: None)
    base.rename(base.with_name("renamed"))
    build(BuildRequest("renamed", rebuild=True), settings, lambda _: None)
    moved = KnowledgeBase.open(settings.indexes, "renamed")
    assert list(moved.chunks.document_sums()) == ["corpus.jsonl#6"]
    build(BuildRequest("renamed", (Path(moved.manifest.sources[0].path),)), settings, lambda _: None)
    assert "corpus.jsonl#5" in KnowledgeBase.open(settings.indexes, "renamed").chunks.document_sums(), "named again"


def test_a_source_is_dropped_however_its_path_is_written(
    base: Path, settings: Settings, tiny_embedder: Path, tmp_path: Path
) -> None:
    upload = keep(base, a=TEXT, b=TEXT)
    build_from(settings, upload.sources, tiny_embedder)
    indirect = load_settings(indexes=tmp_path / "indexes" / ".." / "indexes", offline=True)
    build(BuildRequest("notes", drop_sources=upload.sources[:1]), indirect, lambda _: None)
    assert documents(settings) == ["b.md"]
