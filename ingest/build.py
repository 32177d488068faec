"""The build, from sources to a live generation: READ THIS FIRST. load -> chunk -> embed -> publish.

Models are found before a file is read, files are read before a model is loaded, and nothing that is answered from is
touched before everything new is on the disk. This module knows nothing of terminals.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.cautions import warn_of_languages, warn_of_truncation
from ingest.embedding import Embedded, PassageEmbedder, embed_chunks
from ingest.events import Event, EventHandler, EventKind
from ingest.loaders.registry import FORMATS
from ingest.parsing import ParsedDocument, ParsingPlan, parse, plan_parsing
from ingest.publishing import publish_generation
from ingest.sources import InputFile, discover, resolve_sources
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
from rag_app.store.chunks import distinct_chunks
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Manifest, Source
from rag_app.text import searchable


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


@dataclass(frozen=True)
class _Plan:
    """What a build is to do, settled before anything is written.

    `current` is what CURRENT held then; `reusable` is the generation whose unchanged documents are taken over, and
    `known_paths` are the documents of the base as it is.
    """

    base: Path
    current: bytes | None
    sources: tuple[Source, ...]
    entries: tuple[InputFile | DocumentReport, ...]
    specs: tuple[EmbedderSpec, ...]
    parsing: ParsingPlan
    reusable: KnowledgeBase | None
    known_paths: Sequence[str]


def build(request: BuildRequest, settings: Settings, on_event: EventHandler) -> IngestReport:
    """Build or rebuild a knowledge base and return what became of every file.

    With `dry_run` nothing is written: files are read and cut, and `generation` is empty.

    Raises:
        UsageError: nothing to index, or what was asked for contradicts itself.
        KnowledgeBaseError: another build is running, or the knowledge base is damaged.
        ModelError: an embedding model is not to be had or fails.
    """
    started = time.perf_counter()
    plan = _make_plan(request, settings, on_event)
    if request.dry_run:
        parsed, reports = _parse_all(plan, on_event)
        return IngestReport(request.kb, "", _since(started), len(_passages(parsed)), reports, ())
    with _writing(plan):
        parsed, reports = _parse_all(plan, on_event)
        warn_of_languages(plan.specs, reports, on_event)
        passages = _passages(parsed)
        embedded = [_embed(spec, passages, plan.base, settings, on_event) for spec in plan.specs]
        report = IngestReport(
            kb=request.kb,
            generation=layout.next_generation(plan.base),
            seconds=_since(started),
            chunks=len(passages),
            documents=reports,
            models=tuple(part.report for part in embedded),
        )
        on_event(Event(EventKind.PUBLISHING, report.generation))
        vectors = {spec.fingerprint: part.vectors for spec, part in zip(plan.specs, embedded, strict=True)}
        publish_generation(plan.base, report, parsed, vectors, plan.sources, plan.parsing.as_manifest())
    warn_of_truncation(report.models, on_event)
    on_event(Event(EventKind.DONE, report.generation))
    return replace(report, seconds=_since(started))


def _make_plan(request: BuildRequest, settings: Settings, on_event: EventHandler) -> _Plan:
    base = settings.indexes / layout.checked_name(request.kb)
    current = _current(base)
    previous = _open_previous(settings.indexes, request)
    # What a damaged base was made of is known as long as its manifest is whole: that is how --rebuild repairs it.
    manifest = previous.manifest if previous else layout.whole_manifest(base) if request.rebuild else None
    sources = resolve_sources(request.sources, manifest.sources if manifest else (), replace=request.replace_sources)
    for source in sources:
        if not Path(source.path).exists():
            message = f"warning: the source {source.path} is gone from the disk: its documents are removed."
            on_event(Event(EventKind.MESSAGE, message))
    max_bytes = settings.limits.file_megabytes * 1_000_000
    entries = tuple(discover(sources, max_bytes=max_bytes, passed_over=settings.indexes))
    if not any(isinstance(entry, InputFile) for entry in entries):  # before a model is fetched for nothing
        raise _nothing_to_index(sources, [entry for entry in entries if isinstance(entry, DocumentReport)])
    parsing = plan_parsing(settings, _chunking(request, settings, manifest))
    same_parse = previous is not None and previous.manifest.parsing == parsing.as_manifest()
    return _Plan(
        base=base,
        current=current,
        sources=sources,
        entries=entries,
        specs=() if request.dry_run else _resolve_models(request, settings, manifest, on_event),
        parsing=parsing,
        reusable=previous if same_parse and not request.rebuild else None,
        known_paths=_document_paths(previous, request),
    )


def _current(base: Path) -> bytes | None:
    try:
        return (base / layout.CURRENT).read_bytes()
    except OSError:
        return None


@contextmanager
def _writing(plan: _Plan) -> Iterator[None]:
    """Hold the writer's lock. A build that fails before any work leaves no empty folder behind.

    Raises:
        KnowledgeBaseBusy: another build is running, or has published since the plan was made: its sources must not be lost.
    """
    is_new = not plan.base.exists()
    with layout.writer_lock(plan.base):
        if _current(plan.base) != plan.current:
            raise KnowledgeBaseBusy(
                f"Another build of the knowledge base '{plan.base.name}' has just finished.",
                "Run the command again.",
            )
        try:
            yield
        except BaseException:
            if is_new and _current(plan.base) is None and not (plan.base / "cache").exists():
                shutil.rmtree(plan.base, ignore_errors=True)
            raise


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)


def _open_previous(indexes: Path, request: BuildRequest) -> KnowledgeBase | None:
    try:
        return KnowledgeBase.open(indexes, request.kb)
    except KnowledgeBaseNotFound:
        return None
    except (KnowledgeBaseDamaged, FormatVersionError):
        if request.rebuild:
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
    request: BuildRequest, settings: Settings, manifest: Manifest | None, on_event: EventHandler
) -> tuple[EmbedderSpec, ...]:
    """Find the embedding models: the base's own, then those given; the default for a new base."""
    own = [fingerprint.model for fingerprint in manifest.models] if manifest else []
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
    return tuple(specs.values())


def _chunking(request: BuildRequest, settings: Settings, manifest: Manifest | None) -> ChunkingSettings:
    before = manifest.parsing if manifest else {}
    return ChunkingSettings(
        chunk_tokens=_first(request.chunk_tokens, before.get("chunk_tokens"), settings.chunking.chunk_tokens),
        overlap=_first(request.overlap, before.get("overlap"), settings.chunking.overlap),
    )


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _parse_all(plan: _Plan, on_event: EventHandler) -> tuple[list[ParsedDocument], tuple[DocumentReport, ...]]:
    done = 0

    def on_file(path: str) -> None:
        nonlocal done
        done += 1
        on_event(Event(EventKind.FILE, path, done, len(plan.entries)))

    parsed: list[ParsedDocument] = []
    reports: list[DocumentReport] = []
    for outcome in parse(plan.entries, plan.parsing, plan.reusable, on_file):
        if isinstance(outcome, ParsedDocument):
            parsed.append(outcome)
            reports.append(outcome.report)
        else:
            reports.append(outcome)
    present = {report.path for report in reports}
    closed = tuple(f"{report.path}/" for report in reports if report.status is FileStatus.FAILED)
    reports += [_gone(path, closed) for path in plan.known_paths if path not in present]
    if not parsed:
        raise _nothing_to_index(plan.sources, reports)
    on_event(Event(EventKind.CHUNKED, "", total=len(_passages(parsed))))
    return parsed, tuple(reports)


def _gone(path: str, closed: tuple[str, ...]) -> DocumentReport:
    """Return the line of a document that was there before and is not found; `closed` are folders that cannot be read."""
    if path.startswith(closed):
        return DocumentReport(
            path, FileStatus.FAILED, "Its folder cannot be read: removed.", "Make it readable, then run again."
        )
    return DocumentReport(path, FileStatus.SKIPPED, "It is gone from its source: removed.", intended=True)


def _passages(parsed: Sequence[ParsedDocument]) -> list[Chunk]:
    return distinct_chunks(chunk for document in parsed for chunk in document.chunks)


def _nothing_to_index(sources: Sequence[Source], reports: Sequence[DocumentReport]) -> SourceError:
    counts = Counter(f"{report.status}: {report.reason}" for report in reports)
    found = " ".join(f"{count} {reason}" for reason, count in counts.most_common(3)) or "It has no files."
    remedies = dict.fromkeys(report.remedy for report in reports if report.remedy)
    return SourceError(
        f"Nothing to index in {', '.join(source.path for source in sources)}. {found} Nothing was changed.",
        next(iter(remedies), f"Name a folder with documents: {FORMATS}."),
    )


def _embed(
    spec: EmbedderSpec, passages: Sequence[Chunk], base: Path, settings: Settings, on_event: EventHandler
) -> Embedded:
    def load() -> PassageEmbedder:
        on_event(Event(EventKind.MESSAGE, f"Loading {spec.model_id} ..."))
        from rag_app.models.embedder import CatalogueEmbedding  # torch: seconds, and not for `--help`

        return CatalogueEmbedding(spec, device=settings.device)

    texts = [searchable(passage.embedded_text) for passage in passages]
    return embed_chunks(texts, spec.fingerprint, load, base, on_event)
