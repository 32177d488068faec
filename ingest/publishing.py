"""Documents, chunks and vectors to a live generation: written into a build folder, read back, made current.

This module knows nothing of files that are read or models that are run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.parsing import ParsedDocument
from rag_app.datatypes import Fingerprint, IngestReport
from rag_app.store import layout
from rag_app.store.chunks import ChunkStore, distinct_chunks, write_chunks
from rag_app.store.keywords import write_keywords
from rag_app.store.layout import Manifest, Source
from rag_app.store.vectors import write_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray


def publish_generation(
    base: Path,
    report: IngestReport,
    parsed: Sequence[ParsedDocument],
    vectors: Mapping[Fingerprint, NDArray[np.float32]],
    sources: Sequence[Source],
    parsing: Mapping[str, Any],
) -> None:
    """Write a generation and make it live; call it under the writer's lock.

    Args:
        base: the folder of the knowledge base.
        report: of the build; it names the generation.
        parsed: the documents with their chunks, in the order that numbers them.
        vectors: of every passage, shape (passages, dimension), by model; the first model is the default.
        sources: where the documents came from.
        parsing: how they were read and cut.

    Raises:
        OSError: what was read back is not what was written.
    """
    folder = layout.new_build_folder(base)
    count = write_chunks(folder / layout.CHUNKS, [(item.document, item.chunks) for item in parsed])
    passages = distinct_chunks(chunk for item in parsed for chunk in item.chunks)
    write_keywords(folder / layout.KEYWORDS, (passage.embedded_text for passage in passages))
    for fingerprint, rows in vectors.items():
        target = layout.vectors_folder(folder, fingerprint)
        write_vectors(target, rows, np.arange(count, dtype=np.int64), fingerprint)
    layout.write_text(
        folder / layout.REPORT, json.dumps(report.as_json(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    )
    _check_readable(folder, count)
    manifest = Manifest(
        format_version=layout.FORMAT_VERSION,
        generation=report.generation,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        app_version=version("rag-app"),
        sources=tuple(sources),
        parsing=dict(parsing),
        counts={"documents": len(parsed), "chunks": count},
        languages=dict(Counter(f"{item.document.language}-{item.document.script}".strip("-") for item in parsed)),
        models=tuple(vectors),
        files=layout.file_sums(folder),
    )
    layout.publish(base, folder, manifest)


def _check_readable(folder: Path, count: int) -> None:
    store = ChunkStore(folder / layout.CHUNKS)
    found = store.count()
    store.close()
    if found != count:
        raise OSError(f"{folder / layout.CHUNKS} holds {found} chunks, expected {count}: is the disk full?")
