"""The build, from sources to a live generation: READ THIS FIRST. load -> chunk -> embed -> publish.

Models are found before a file is read, files are read before a model is loaded, and nothing that is answered from is
touched before everything new is on the disk. This module knows nothing of terminals.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ingest.cautions import warn_of_languages, warn_of_truncation
from ingest.embedding import Embedded, PassageEmbedder, embed_chunks
from ingest.events import Event, EventHandler, EventKind
from ingest.parsing import ParsedDocument, parse, parsing_settings
from ingest.sources import discover, resolve_sources, supported_endings
from rag_app.config import ChunkingSettings, Settings
from rag_app.datatypes import Chunk, DocumentReport, FileStatus, IngestReport
from rag_app.errors import (
    FormatVersionError,
    KnowledgeBaseBusy,
    KnowledgeBaseDamaged,
    KnowledgeBaseNotFound,
    SourceError,
    UsageError,
)
from rag_app.models.embedder_spec import EmbedderSpec, embedder_name, resolve_embedder
from rag_app.store import layout
from rag_app.store.chunks import ChunkStore, write_chunks
from rag_app.store.keywords import write_keywords
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Manifest, Source
from rag_app.store.vectors import write_vectors


@dataclass(frozen=True)
class BuildRequest:
    """What a build was asked to do; empty and None mean: as the knowledge base has it, or the default for a new one."""

    kb: str
    sources: tuple[Path, ...] = ()
    embed_models: tuple[str, ...] = ()
    drop_models: tuple[str, ...] = ()
    chunk_tokens: int | None = None
    overlap: int | None = None
    replace_sources: bool = False
    rebuild: bool = False
    dry_run: bool = False


def build(request: BuildRequest, settings: Settings, on_event: EventHandler) -> IngestReport:
    """Build or rebuild a knowledge base and return what became of every file.

    With `dry_run` nothing is written: files are read and cut, and `generation` is empty.

    Raises:
        UsageError: nothing to index, or what was asked for contradicts itself.
        KnowledgeBaseError: another build is running, or the knowledge base is damaged.
        ModelError: an embedding model is not to be had or fails.
    """
    started = time.perf_counter()
    base = settings.indexes / layout.checked_name(request.kb)
    previous = _open_previous(settings.indexes, request)
    sources = resolve_sources(
        request.sources, previous.manifest.sources if previous else (), replace=request.replace_sources
    )
    specs = _resolve_models(request, settings, previous, on_event)
    chunking = _chunking(request, settings, previous)
    same_parse = previous is not None and previous.manifest.parsing == parsing_settings(chunking)
    reusable = previous if same_parse and not request.rebuild else None
    before = _document_paths(previous, request)
    if request.dry_run:
        parsed, reports = _parse_all(sources, chunking, reusable, before, settings, on_event)
        count = sum(len(document.chunks) for document in parsed)
        return IngestReport(request.kb, "", _since(started), count, reports, ())
    base_is_new = not base.exists()
    try:
        with layout.writer_lock(base):
            parsed, reports = _parse_all(sources, chunking, reusable, before, settings, on_event)
            warn_of_languages(specs, reports, on_event)
            chunks = [chunk for document in parsed for chunk in document.chunks]
            embedded = [_embed(spec, chunks, base, settings, on_event) for spec in specs]
            report = IngestReport(
                kb=request.kb,
                generation=layout.next_generation(base),
                seconds=_since(started),
                chunks=len(chunks),
                documents=reports,
                models=tuple(part.report for part in embedded),
            )
            on_event(Event(EventKind.PUBLISHING, report.generation))
            _publish(base, report, parsed, list(zip(specs, embedded, strict=True)), sources, chunking)
    except KnowledgeBaseBusy:  # what is in the folder is the other build's
        raise
    except BaseException:
        if base_is_new and not (base / layout.CURRENT).exists() and not (base / "cache").exists():
            shutil.rmtree(base, ignore_errors=True)  # a build that failed before any work leaves no empty folder
        raise
    warn_of_truncation(report.models, on_event)
    on_event(Event(EventKind.DONE, report.generation))
    return replace(report, seconds=_since(started))


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)


def _open_previous(indexes: Path, request: BuildRequest) -> KnowledgeBase | None:
    try:
        return KnowledgeBase.open(indexes, request.kb)
    except KnowledgeBaseNotFound:
        return None
    except (KnowledgeBaseDamaged, FormatVersionError):
        if request.rebuild and request.sources:  # that is how a damaged one is repaired
            return None
        raise


def _document_paths(previous: KnowledgeBase | None, request: BuildRequest) -> tuple[str, ...]:
    """Return the paths of the documents that are there so far."""
    if previous is None:
        return ()
    try:
        return tuple(previous.chunks.document_sums())
    except (KnowledgeBaseDamaged, FormatVersionError):
        if request.rebuild:
            return ()
        raise


def _resolve_models(
    request: BuildRequest, settings: Settings, previous: KnowledgeBase | None, on_event: EventHandler
) -> list[EmbedderSpec]:
    """Find the embedding models: the base's own, then those given; the default for a new base."""
    own = [fingerprint.model for fingerprint in previous.models] if previous else []
    given = list(request.embed_models) or ([] if own else [settings.embed_model])
    dropped = {embedder_name(model) for model in request.drop_models}
    unknown = dropped - set(own)
    if unknown:
        raise UsageError(
            f"'{request.kb}' has no vectors of {', '.join(sorted(unknown))}; it has: {', '.join(own) or 'none'}.",
            "Drop one of those.",
        )

    def announce(message: str) -> None:
        on_event(Event(EventKind.MESSAGE, message))

    wanted = [model for model in own if model not in dropped] + given
    specs: dict[str, EmbedderSpec] = {}
    for model in wanted:
        spec = resolve_embedder(model, offline=settings.offline, announce=announce)
        specs.setdefault(spec.fingerprint.digest, spec)
    if not specs:
        raise UsageError(
            "A knowledge base needs at least one embedding model.", "Add another with --embed-model first."
        )
    return list(specs.values())


def _chunking(request: BuildRequest, settings: Settings, previous: KnowledgeBase | None) -> ChunkingSettings:
    before = previous.manifest.parsing if previous else {}
    return ChunkingSettings(
        chunk_tokens=_first(request.chunk_tokens, before.get("chunk_tokens"), settings.chunking.chunk_tokens),
        overlap=_first(request.overlap, before.get("overlap"), settings.chunking.overlap),
    )


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _parse_all(
    sources: Sequence[Source],
    chunking: ChunkingSettings,
    reusable: KnowledgeBase | None,
    before: Sequence[str],
    settings: Settings,
    on_event: EventHandler,
) -> tuple[list[ParsedDocument], tuple[DocumentReport, ...]]:
    entries = list(discover(sources, max_bytes=settings.limits.file_megabytes * 1_000_000))
    done = 0

    def on_file(path: str) -> None:
        nonlocal done
        done += 1
        on_event(Event(EventKind.FILE, path, done, len(entries)))

    parsed: list[ParsedDocument] = []
    reports: list[DocumentReport] = []
    for outcome in parse(entries, chunking, reusable, on_file):
        if isinstance(outcome, ParsedDocument):
            parsed.append(outcome)
            reports.append(outcome.report)
        else:
            reports.append(outcome)
    present = {report.path for report in reports}
    gone = [path for path in before if path not in present]
    reports += [DocumentReport(path, FileStatus.SKIPPED, "gone from its source: removed") for path in gone]
    if not parsed:
        counts = Counter(f"{report.status}: {report.reason}" for report in reports)
        found = "; ".join(f"{count} {reason}" for reason, count in counts.most_common(3)) or "no files"
        raise SourceError(
            f"Nothing to index in {', '.join(source.path for source in sources)} ({found}). Nothing was changed.",
            f"Name a folder with documents: {supported_endings()}",
        )
    on_event(Event(EventKind.CHUNKED, "", total=sum(len(document.chunks) for document in parsed)))
    return parsed, tuple(reports)


def _embed(
    spec: EmbedderSpec, chunks: Sequence[Chunk], base: Path, settings: Settings, on_event: EventHandler
) -> Embedded:
    def load() -> PassageEmbedder:
        on_event(Event(EventKind.MESSAGE, f"Loading {spec.model_id} ..."))
        from rag_app.models.embedder import CatalogueEmbedding  # torch: seconds, and not for `--help`

        return CatalogueEmbedding(spec, device=settings.device)

    return embed_chunks([chunk.embedded_text for chunk in chunks], spec.fingerprint, load, base, on_event)


def _publish(
    base: Path,
    report: IngestReport,
    parsed: Sequence[ParsedDocument],
    models: Sequence[tuple[EmbedderSpec, Embedded]],
    sources: Sequence[Source],
    chunking: ChunkingSettings,
) -> None:
    """Write the generation into a build folder, open it again, and make it live."""
    folder = layout.new_build_folder(base)
    count = write_chunks(folder / layout.CHUNKS, ((item.document, item.chunks) for item in parsed))
    write_keywords(folder / layout.KEYWORDS, (chunk.embedded_text for item in parsed for chunk in item.chunks))
    for spec, part in models:
        target = layout.vectors_folder(folder, spec.fingerprint)
        write_vectors(target, part.vectors, np.arange(count, dtype=np.int64), spec.fingerprint)
    layout.write_text(
        folder / layout.REPORT, json.dumps(asdict(report), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    )
    _check_readable(folder, count)
    manifest = Manifest(
        format_version=layout.FORMAT_VERSION,
        generation=report.generation,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        app_version=version("rag-app"),
        sources=tuple(sources),
        parsing=parsing_settings(chunking),
        counts={"documents": len(parsed), "chunks": count},
        models=tuple(spec.fingerprint for spec, _ in models),
        files=layout.file_sums(folder),
    )
    layout.publish(base, folder, manifest)


def _check_readable(folder: Path, count: int) -> None:
    store = ChunkStore(folder / layout.CHUNKS)
    found = store.count()
    store.close()
    if found != count:
        raise OSError(f"{folder / layout.CHUNKS} holds {found} chunks, expected {count}: is the disk full?")
