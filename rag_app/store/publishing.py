"""Documents, chunks and vectors to a live generation: written into a build folder, read back, committed.

What is as it was in the generation before is linked into the new one, not written again.
This module knows nothing of files that are read or models that are run.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_app.datatypes import Chunk, Document, Fingerprint, IndexDescription, IngestReport
from rag_app.errors import StorageError
from rag_app.store import layout, writer
from rag_app.store.chunks import ChunkStore, distinct_chunks, write_chunks
from rag_app.store.files import FileSum, file_sum, storage_error, write_text
from rag_app.store.keywords import KeywordIndex, write_keywords
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Exclusion, Manifest, Source
from rag_app.store.vectors import VectorIndex, write_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Measure = Callable[[VectorIndex, KeywordIndex], Mapping[str, Any]]

# The libraries whose own formats the files of a generation are in.
_FORMAT_LIBRARIES = ("bm25s", "faiss-cpu", "numpy")


@dataclass(frozen=True)
class ModelVectors:
    """What one model made of the passages.

    `vectors` are of unit length, shape (rows, dimension); `rows` says which passage each belongs to, shape (rows,);
    `libraries` are those that made them; `terms` is the model's licence as it was known then, empty where it was not.
    `measure` says what the scores of these indexes are worth, and is kept in null.json; None: nothing is said.
    """

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    libraries: tuple[str, ...]
    terms: str = ""
    measure: Measure | None = None


@dataclass(frozen=True)
class Draft:
    """A generation that is to be.

    `documents` come with their chunks, in the order that numbers them; None: those of `previous`. The first model of `vectors`
    is the default; None in place of its vectors: those of `previous`. `previous` was found whole by whoever gives it.
    Where `keeps_previous` is false, no older generation is left once this one is live.
    """

    report: IngestReport
    sources: tuple[Source, ...]
    parsing: Mapping[str, Any]
    documents: Sequence[tuple[Document, Sequence[Chunk]]] | None
    vectors: Mapping[Fingerprint, ModelVectors | None]
    previous: KnowledgeBase | None = None
    excluded: tuple[Exclusion, ...] = ()
    memory_gb: float | None = None
    keeps_previous: bool = True


def publish(base: Path, draft: Draft) -> Manifest:
    """Write a generation and make it live; call it under the writer's lock.

    Raises:
        StorageError: the disk is full or cannot be written, or what was read back is not what was written.
    """
    try:
        return _publish(base, draft)
    except OSError as error:
        raise storage_error(error, base) from error
    except sqlite3.OperationalError as error:  # SQLite's way of saying that a disk is full
        raise StorageError(
            f"{base} cannot be written: {error}. What was live before still is.",
            "Make room, then run the same command again: what was embedded is kept.",
        ) from error


def _publish(base: Path, draft: Draft) -> Manifest:
    folder = writer.new_build_folder(base)
    linked: dict[str, FileSum] = {}
    if draft.documents is None:
        assert draft.previous is not None
        linked |= _link(draft.previous, folder, layout.CHUNKS, layout.KEYWORDS)
        counts, languages = draft.previous.manifest.counts, draft.previous.manifest.languages
    else:
        keywords = draft.previous.folder / layout.KEYWORDS if draft.previous else None
        counts, languages = _write_documents(folder, draft.documents, keywords), _languages(draft.documents)
    descriptions, terms = {}, {}
    for fingerprint, made in draft.vectors.items():
        target = layout.vectors_folder(folder, fingerprint)
        if made is None:
            assert draft.previous is not None
            linked |= _link(draft.previous, folder, target.relative_to(folder).as_posix())
            descriptions[fingerprint.digest] = draft.previous.manifest.vectors[fingerprint.digest]
            terms[fingerprint.digest] = draft.previous.manifest.terms[fingerprint.digest]
        else:
            descriptions[fingerprint.digest] = _write_model(target, made, fingerprint, draft.memory_gb)
            terms[fingerprint.digest] = made.terms
    record = json.dumps(draft.report.as_record(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_text(folder / layout.REPORT, record)
    kept = draft.previous.manifest if draft.previous else writer.newest_whole(base)
    manifest = Manifest(
        format_version=layout.FORMAT_VERSION,
        generation=draft.report.generation,
        oldest_kept=kept.generation if kept and draft.keeps_previous else draft.report.generation,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        app_version=version("rag-app"),
        libraries={name: version(name) for name in _FORMAT_LIBRARIES} | {"sqlite": sqlite3.sqlite_version},
        sources=draft.sources,
        excluded=draft.excluded,
        parsing=dict(draft.parsing),
        memory_gb=draft.memory_gb,
        counts=counts,
        languages=languages,
        models=tuple(draft.vectors),
        vectors=descriptions,
        terms=terms,
        files=_sums(folder, linked),
    )
    writer.commit(base, folder, manifest)
    if draft.previous is None:  # what was live was damaged: that is no version to fall back to
        writer.remove_between(base, manifest)
    return manifest


def _write_documents(
    folder: Path, documents: Sequence[tuple[Document, Sequence[Chunk]]], previous_keywords: Path | None
) -> dict[str, int]:
    """Write documents, passages and the keyword index; return what `Manifest.counts` holds."""
    count = write_chunks(folder / layout.CHUNKS, documents)
    passages = distinct_chunks(chunk for _, chunks in documents for chunk in chunks)
    write_keywords(folder / layout.KEYWORDS, (passage.embedded_text for passage in passages), previous_keywords)
    store = ChunkStore(folder / layout.CHUNKS)
    found = store.count(), KeywordIndex(folder / layout.KEYWORDS).count
    store.close()
    if found != (count, count):
        raise StorageError(
            f"{folder} holds {found[0]} passages and keywords of {found[1]}; expected {count}.",
            "Check the disk, make room, then run again.",
        )
    return {"documents": len(documents), "chunks": count}


def _languages(documents: Iterable[tuple[Document, Sequence[Chunk]]]) -> dict[str, int]:
    return dict(Counter(f"{document.language}-{document.script}".strip("-") for document, _ in documents))


def _write_model(
    folder: Path, made: ModelVectors, fingerprint: Fingerprint, memory_gb: float | None
) -> IndexDescription:
    description = write_vectors(folder, made.vectors, made.rows, fingerprint, memory_gb=memory_gb)
    if made.measure is not None:
        keywords = KeywordIndex(folder.parent.parent / layout.KEYWORDS)
        worth = made.measure(VectorIndex(folder, fingerprint, description), keywords)
        write_text(folder / layout.NULL_SCORES, json.dumps(worth, sort_keys=True) + "\n")
    return replace(description, libraries=made.libraries)


def _link(previous: KnowledgeBase, folder: Path, *names: str) -> dict[str, FileSum]:
    """Link files, or all files of folders, of the generation before into the new one; return their sums."""
    linked = {
        name: entry
        for name, entry in previous.manifest.files.items()
        if any(name == wanted or name.startswith(f"{wanted}/") for wanted in names)
    }
    for name in linked:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(previous.folder / name, target)
        except OSError:  # a file system without hard links, or one whose limit for a file is reached
            shutil.copyfile(previous.folder / name, target)
    return linked


def _sums(folder: Path, linked: Mapping[str, FileSum]) -> dict[str, FileSum]:
    """Return the sums of all files of a folder; those of linked ones are known."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: linked.get(name) or file_sum(folder / name) for name in names}
