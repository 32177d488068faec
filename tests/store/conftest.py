"""Fixtures for the store: publishing generations of two small files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rag_app.datatypes import IndexDescription, IndexKind, VectorCode
from rag_app.store import files, layout, writer
from rag_app.store.layout import Exclusion, Manifest, Source
from tests.fakes import fake_fingerprint
from tests.store.damage import file_sums

Publish = Callable[[], Path]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "indexes" / "kb"


def manifest_of(base: Path, folder: Path) -> Manifest:
    number = layout.generation_number(writer.next_generation(base))
    return Manifest(
        format_version=layout.FORMAT_VERSION,
        generation=layout.generation_name(number),
        oldest_kept=layout.generation_name(max(number - 1, 1)),
        created_at="2026-01-01T00:00:00+00:00",
        app_version="0",
        libraries={"faiss-cpu": "1"},
        sources=(Source("手册", "/docs/手册"),),
        excluded=(Exclusion("手册/密.md", "/docs/手册/密.md"),),
        parsing={"chunk_tokens": 200},
        memory_gb=0.5,
        counts={"documents": 1, "chunks": 2},
        languages={"zh-Hans": 1},
        models=(fake_fingerprint(),),
        terms={},
        vectors={
            fake_fingerprint().digest: IndexDescription(
                IndexKind.IVF, VectorCode.BYTE, {"lists": 4, "probes": 2}, 0.99, 10, ("torch 2",)
            )
        },
        files=file_sums(folder),
    )


@pytest.fixture
def publish(base: Path) -> Publish:
    """Give a function that publishes a generation with two files and returns its folder."""

    def run() -> Path:
        with writer.writer_lock(base):
            folder = writer.new_build_folder(base)
            files.write_text(folder / "data", "one")
            (folder / "deep").mkdir()
            files.write_text(folder / "deep" / "more", "two")
            writer.commit(base, folder, manifest_of(base, folder))
        return layout.read_current(base)[0]

    return run


def generations(base: Path) -> list[str]:
    return [path.name for path in layout.generations(base)]
