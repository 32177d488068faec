"""What a build is to do, settled before a file is read: sources, models, how files are read, what may be taken over.

This module knows nothing of how anything of it is done, and changes nothing on disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.loaders.registry import FORMATS
from ingest.parsing import WITHOUT_TEXT
from ingest.parsing_plan import ParsingPlan, plan_parsing
from ingest.sources import InputFile, absolute_path, discover, is_gone, resolve_sources
from rag_app.build_events import Event, EventHandler, EventKind
from rag_app.config import ChunkingSettings, Settings
from rag_app.datatypes import DocumentReport, FileStatus, Fingerprint
from rag_app.errors import (
    FormatVersionError,
    KnowledgeBaseDamaged,
    KnowledgeBaseNotFound,
    SourceError,
    UsageError,
)
from rag_app.models.embedder_spec import EmbedderSpec, embedder_name, is_at_hand, resolve_embedder
from rag_app.store import layout
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Exclusion, Manifest, Source
from rag_app.store.uploads import moved_upload


@dataclass(frozen=True)
class BuildRequest:
    """What a build was asked to do; empty and None mean: as the knowledge base has it, or the default for a new one."""

    kb: str
    sources: tuple[Path, ...] = ()
    embed_models: tuple[str, ...] = ()
    drop_models: tuple[str, ...] = ()
    drop_sources: tuple[Path, ...] = ()
    chunk_tokens: int | None = None
    overlap: int | None = None
    memory_gb: float | None = None
    replace_sources: bool = False
    rebuild: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class PlannedModel:
    """An embedding model of the generation to be. `spec` is None for one of the base's own that is not on this machine."""

    fingerprint: Fingerprint
    spec: EmbedderSpec | None


@dataclass(frozen=True)
class Plan:
    """What a build is to do.

    `previous` is the generation that is live now, every file of it whole. `reusable` is the same where its files were read and
    cut as this build would: its unchanged documents are taken over.
    """

    base: Path
    sources: tuple[Source, ...]
    excluded: tuple[Exclusion, ...]
    entries: tuple[InputFile | DocumentReport, ...]
    models: tuple[PlannedModel, ...]
    parsing: ParsingPlan
    memory_gb: float | None
    previous: KnowledgeBase | None
    reusable: KnowledgeBase | None


def make_plan(request: BuildRequest, settings: Settings, on_event: EventHandler) -> Plan:
    """Settle what a build is to do. Models that were asked for are fetched here, before a file is read.

    Raises:
        UsageError: nothing to index, or what was asked for contradicts itself.
        KnowledgeBaseError: the knowledge base is damaged, or of another format.
        ModelError: an embedding model is not to be had.
    """
    base = settings.indexes / layout.checked_name(request.kb)
    previous = _open_previous(settings.indexes, request)
    # What a damaged base was made of is known as long as a manifest is whole: that is how --rebuild repairs it.
    manifest = previous.manifest if previous else _manifest_to_rebuild(base, on_event) if request.rebuild else None
    sources = resolve_sources(request.sources, _kept_sources(request, base, manifest), replace=request.replace_sources)
    if not sources:
        raise _without_sources(base, manifest)
    _check_outside(sources, settings.indexes)
    for source in sources:
        if is_gone(source):
            message = f"warning: the source {source.path} is gone from the disk: its documents are removed."
            on_event(Event(EventKind.MESSAGE, message))
    excluded = _excluded(request, base, manifest)
    max_bytes = settings.limits.file_megabytes * 1_000_000
    found = discover(sources, max_bytes=max_bytes, passed_over=settings.indexes, excluded=excluded)
    entries = tuple(found)
    if not any(isinstance(entry, InputFile) for entry in entries):  # before a model is fetched for nothing
        raise nothing_to_index(sources, [entry for entry in entries if isinstance(entry, DocumentReport)])
    parsing = plan_parsing(settings, _chunking(request, settings, manifest))
    same_parse = previous is not None and previous.manifest.parsing == parsing.as_manifest()
    return Plan(
        base=base,
        sources=sources,
        excluded=excluded,
        entries=entries,
        models=() if request.dry_run else _plan_models(request, settings, manifest, on_event),
        parsing=parsing,
        memory_gb=_memory_gb(request, settings, manifest),
        previous=previous,
        reusable=previous if same_parse and not request.rebuild else None,
    )


def _without_sources(base: Path, manifest: Manifest | None) -> SourceError:
    """Return the error of a build without a source; which bases there are tells who has mistyped a name."""
    if manifest is None and layout.generations(base):
        return SourceError(
            f"What '{base.name}' was made of is not known.",
            f"Name its files or folders: python -m ingest FOLDER --kb {base.name} --rebuild",
        )
    remedy = f"Name a file or a folder: python -m ingest FOLDER --kb {base.name}"
    if manifest is not None:
        return SourceError(f"No source of '{base.name}' would be left.", remedy)
    return SourceError(" ".join((layout.said_of_missing(base), "A new knowledge base needs documents.")), remedy)


def _kept_sources(request: BuildRequest, base: Path, manifest: Manifest | None) -> tuple[Source, ...]:
    """Return the sources that a base has, but for those that are to be dropped, which need not be on the disk any more.

    Raises:
        SourceError: it has no such source.
    """
    before = [replace(source, path=_where_it_is(base, source.path)) for source in manifest.sources] if manifest else []
    dropped = {absolute_path(path) for path in request.drop_sources}
    unknown = dropped - {source.path for source in before}
    if unknown:
        raise SourceError(
            f"'{base.name}' has no source {min(unknown)}.", f"See those it has: rag-app kb show {base.name}"
        )
    return tuple(source for source in before if source.path not in dropped)


def _where_it_is(base: Path, path: str) -> str:
    """Return where a source or a file of one lies: an upload moves with its base."""
    return absolute_path(moved_upload(base, Path(path)) or Path(path))


def _manifest_to_rebuild(base: Path, on_event: EventHandler) -> Manifest | None:
    """Return what is known of a damaged base, and say it where that may be older than what is damaged."""
    manifest = layout.whole_manifest(base, may_be_older=True)
    if manifest is None and layout.generations(base):
        message = (
            f"warning: no manifest of '{base.name}' can be read, being damaged or of another format: its sources, models, "
            "settings and the list of what was purged are not known. What is named now is built; what was purged and is "
            "still there comes back, and has to be purged again."
        )
        on_event(Event(EventKind.MESSAGE, message))
    newest = max((path.name for path in layout.generations(base)), default="")
    if manifest is not None and manifest.generation != newest:
        sources = ", ".join(source.path for source in manifest.sources)
        models = ", ".join(model.model for model in manifest.models)
        message = (
            f"warning: what {newest} was made of cannot be read. Rebuilding what {manifest.generation} was made of: {sources}; "
            f"with {models}. Name anything that was added since."
        )
        on_event(Event(EventKind.MESSAGE, message))
    return manifest


def _open_previous(indexes: Path, request: BuildRequest) -> KnowledgeBase | None:
    """Open the live generation and read all of it: what is damaged must not be carried into a new one."""
    try:
        previous = KnowledgeBase.open(indexes, request.kb)
        layout.check_sums(previous.folder, previous.manifest)
    except KnowledgeBaseNotFound:
        return None
    except (KnowledgeBaseDamaged, FormatVersionError):
        if request.rebuild:
            return None
        raise
    return previous


def _excluded(request: BuildRequest, base: Path, manifest: Manifest | None) -> tuple[Exclusion, ...]:
    """Return the documents that stay out: those that were purged, but for those whose file is named as a source now."""
    named = {absolute_path(path) for path in request.sources}
    purged = manifest.excluded if manifest else ()
    placed = (replace(exclusion, file=_where_it_is(base, exclusion.file)) for exclusion in purged)
    return tuple(exclusion for exclusion in placed if exclusion.file not in named)


def _check_outside(sources: Sequence[Source], indexes: Path) -> None:
    """Refuse a source inside the index root: a base must not be made of its own files.

    Raises:
        SourceError: with the source.
    """
    root = indexes.resolve()
    for source in sources:
        path = Path(source.path).resolve()
        is_upload = root in path.parents and layout.SOURCES in path.relative_to(root).parts
        if path == root or (root in path.parents and not is_upload):
            raise SourceError(
                f"The source {source.path} is the index root {root}, or lies in it.",
                "Choose another index root: --indexes FOLDER",
            )


def _plan_models(
    request: BuildRequest, settings: Settings, manifest: Manifest | None, on_event: EventHandler
) -> tuple[PlannedModel, ...]:
    """Find the embedding models: the base's own, then those given; the default for a new base."""
    own = manifest.models if manifest else ()
    given = list(request.embed_models) or ([] if own else [settings.embed_model])
    dropped = {embedder_name(model) for model in request.drop_models}
    unknown = dropped - {fingerprint.model for fingerprint in own}
    if unknown:
        raise _unknown_models(request.kb, unknown, [fingerprint.model for fingerprint in own])

    def announce(message: str) -> None:
        on_event(Event(EventKind.MESSAGE, message))

    models: dict[str, PlannedModel] = {}
    for fingerprint in own:
        if fingerprint.model not in dropped:
            model = _own_model(fingerprint, settings, on_event)
            models.setdefault(model.fingerprint.model, model)
    for name in given:
        spec = resolve_embedder(name, offline=settings.offline, announce=announce, models=settings.models)
        models.setdefault(spec.model_id, PlannedModel(spec.fingerprint, spec))
    if not models:
        raise UsageError(
            "A knowledge base needs at least one embedding model.", "Add another with --embed-model first."
        )
    return tuple(models.values())


def _unknown_models(kb: str, unknown: Collection[str], own: Sequence[str]) -> UsageError:
    """Return the error of a base that is to lose models which it does not have; `own` are those it has."""
    names = ", ".join(sorted(unknown))
    if not own:
        return UsageError(f"'{kb}' has no vectors of {names}, nor of any other model.", "Leave --drop-model out.")
    return UsageError(f"'{kb}' has no vectors of {names}; it has: {', '.join(own)}.", "Drop one of those.")


def _own_model(fingerprint: Fingerprint, settings: Settings, on_event: EventHandler) -> PlannedModel:
    """Return a model that the base has vectors of. It is fetched only where it turns out to be needed."""
    if not is_at_hand(fingerprint.model, settings.models):
        return PlannedModel(fingerprint, None)
    spec = resolve_embedder(fingerprint.model, offline=True, models=settings.models)
    if spec.fingerprint != fingerprint:
        differing = ", ".join(spec.fingerprint.differences(fingerprint))
        message = f"warning: {fingerprint.model} is not what it was ({differing}): every passage is embedded again."
        on_event(Event(EventKind.MESSAGE, message))
    return PlannedModel(spec.fingerprint, spec)


def _chunking(request: BuildRequest, settings: Settings, manifest: Manifest | None) -> ChunkingSettings:
    before = manifest.parsing if manifest else settings.chunking.model_dump()
    return ChunkingSettings(
        chunk_tokens=before["chunk_tokens"] if request.chunk_tokens is None else request.chunk_tokens,
        overlap=before["overlap"] if request.overlap is None else request.overlap,
    )


def _memory_gb(request: BuildRequest, settings: Settings, manifest: Manifest | None) -> float | None:
    before = manifest.memory_gb if manifest else settings.index.memory_gb
    return before if request.memory_gb is None else request.memory_gb


def nothing_to_index(sources: Sequence[Source], reports: Sequence[DocumentReport]) -> SourceError:
    """Return the error of a build that has no document, with what was found instead."""
    counts = Counter((report.status, report.reason) for report in reports).most_common(3)
    found = [_became(status, reason, count) for (status, reason), count in counts] or ["It has no files."]
    nothing = f"Nothing to index in {', '.join(source.path for source in sources)}."
    remedies = dict.fromkeys(report.remedy for report in reports if report.remedy not in ("", WITHOUT_TEXT))
    return SourceError(
        " ".join((nothing, *found, "Nothing was changed.")),
        next(iter(remedies), f"Name a folder with documents: {FORMATS}."),
    )


def _became(status: FileStatus, reason: str, count: int) -> str:
    """Return what became of some files, and why."""
    if status is FileStatus.SKIPPED:
        return f"1 file was skipped: {reason}" if count == 1 else f"{count} files were skipped: {reason}"
    if status is FileStatus.EMPTY:
        return f"1 file has no text: {reason}" if count == 1 else f"{count} files have no text: {reason}"
    return f"1 file could not be read: {reason}" if count == 1 else f"{count} files could not be read: {reason}"
