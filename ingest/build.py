"""The build, from sources to a live generation: READ THIS FIRST. plan -> read and cut -> embed -> publish.

Models are found before a file is read, files are read before a model is loaded, and nothing that is answered from is
touched before everything new is on the disk. What has not changed is neither read again, nor embedded again, nor written
again; where nothing has, the generation stays. This module knows nothing of terminals.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from ingest.calibrating import embed_calibration_questions
from ingest.cautions import warn_of_cuts, warn_of_languages
from ingest.embedding import embed_chunks
from ingest.parsing import ParsedDocument, TakenOver, load_document, parse
from ingest.planning import BuildRequest, Plan, PlannedModel, make_plan, nothing_to_index
from ingest.space import space_for
from rag_app.build_events import Event, EventHandler, EventKind
from rag_app.config import Settings
from rag_app.datatypes import Chunk, Document, DocumentReport, FileStatus, Fingerprint, IngestReport, ModelReport
from rag_app.errors import EmbedderMismatch, ModelError
from rag_app.models.embedder_spec import catalogue_row, resolve_embedder
from rag_app.store import layout, writer
from rag_app.store.chunks import distinct_chunks
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.publishing import Draft, Measure, ModelVectors, publish
from rag_app.text import searchable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rag_app.models.embedder import Embedder


def build(request: BuildRequest, settings: Settings, on_event: EventHandler) -> IngestReport:
    """Build or rebuild a knowledge base and return what became of every file.

    Where nothing has changed, nothing is written, and `generation` is the one that is live. With `dry_run` nothing is written
    either: files are read and cut, and `generation` is empty.

    Raises:
        UsageError: nothing to index, or what was asked for contradicts itself.
        KnowledgeBaseError: another build is running, the knowledge base is damaged, or the disk is full.
        ModelError: an embedding model is not to be had or fails.
    """
    started = time.perf_counter()
    if request.dry_run:
        contents = _read(make_plan(request, settings, on_event), on_event)
        report = IngestReport(request.kb, "", 0.0, len(contents.passages), contents.reports, ())
    else:
        with writer.writer_lock(settings.indexes / layout.checked_name(request.kb)):
            plan = make_plan(request, settings, on_event)
            report = _bring_up_to_date(request.kb, plan, _read(plan, on_event), settings, on_event)
        on_event(Event(EventKind.DONE, report.generation))
    return replace(report, seconds=round(time.perf_counter() - started, 3))


@dataclass(frozen=True)
class _Contents:
    """What the sources hold: documents, read now or taken over from `reusable`, and what became of every file."""

    found: Sequence[ParsedDocument | TakenOver]
    reports: tuple[DocumentReport, ...]
    reusable: KnowledgeBase | None

    @cached_property
    def is_as_before(self) -> bool:
        """Whether the documents are those of the generation before, in the same order."""
        if self.reusable is None or any(isinstance(item, ParsedDocument) for item in self.found):
            return False
        before = [report.path for report in self.reusable.report.documents if report.status.is_searchable]
        return before == [item.report.path for item in self.found]

    @cached_property
    def documents(self) -> list[tuple[Document, Sequence[Chunk]]]:
        """The documents with their chunks, in order."""
        return [self._document(item) for item in self.found]

    def _document(self, item: ParsedDocument | TakenOver) -> tuple[Document, Sequence[Chunk]]:
        if isinstance(item, ParsedDocument):
            return item.document, item.chunks
        assert self.reusable is not None
        return load_document(self.reusable, item.report.path)

    @cached_property
    def passages(self) -> list[Chunk]:
        """The passages, in the order of their numbers."""
        if self.is_as_before:
            assert self.reusable is not None
            return list(self.reusable.chunks.all_chunks())
        return distinct_chunks(chunk for _, chunks in self.documents for chunk in chunks)


def _read(plan: Plan, on_event: EventHandler) -> _Contents:
    """Read and cut what has changed."""
    done = 0
    current: list[str] = []  # the file whose outcome comes next

    def tell(report: DocumentReport) -> None:
        nonlocal done
        for path in current:
            done += 1
            on_event(Event(EventKind.FILE, path, done, len(plan.entries), report.status.value, report.reason))
        current.clear()

    found: list[ParsedDocument | TakenOver] = []
    reports: list[DocumentReport] = []
    taken: set[str] = set()
    for outcome in parse(plan.entries, plan.parsing, plan.reusable, current.append):
        tell(outcome if isinstance(outcome, DocumentReport) else outcome.report)
        if isinstance(outcome, DocumentReport):
            reports.append(outcome)
        elif outcome.report.path in taken:  # a file `a#1` beside record 1 of a file `a`
            reports.append(_of_a_path_that_is_taken(outcome.report))
        else:
            taken.add(outcome.report.path)
            outcome = _given_up_alike(outcome, plan.reusable)  # noqa: PLW2901
            found.append(outcome)
            reports.append(outcome.report)
    present = {report.path for report in reports}
    closed = tuple(f"{report.path}/" for report in reports if report.status is FileStatus.FAILED)
    before = plan.previous.report.documents if plan.previous else ()
    known = [report.path for report in before if report.status.is_searchable]
    reports += [_gone(path, closed) for path in known if path not in present]
    if not found:
        raise nothing_to_index(plan.sources, reports)
    return _Contents(found, tuple(reports), plan.reusable)


def _given_up_alike(outcome: ParsedDocument | TakenOver, before: KnowledgeBase | None) -> ParsedDocument | TakenOver:
    """Return a document as taken over where it was given up on the way again and came out the same."""
    if before is None or isinstance(outcome, TakenOver) or outcome.report.complete:
        return outcome
    path = outcome.report.path
    same = before.chunks.document(path) == outcome.document and before.chunks.chunks_of(path) == list(outcome.chunks)
    return TakenOver(outcome.report) if same else outcome


def _of_a_path_that_is_taken(report: DocumentReport) -> DocumentReport:
    reason, remedy = "Another document has the same path.", "Rename one of the two."
    return replace(report, status=FileStatus.FAILED, reason=reason, remedy=remedy, chunks=0, complete=False)


def _gone(path: str, closed: tuple[str, ...]) -> DocumentReport:
    """Return the line of a document that was there before and is not found; `closed` are folders that cannot be read."""
    if path.startswith(closed):
        return DocumentReport(
            path, FileStatus.FAILED, "Its folder cannot be read: removed.", "Make it readable, then run again."
        )
    return DocumentReport(path, FileStatus.SKIPPED, "It is gone from its source: removed.", intended=True)


def _bring_up_to_date(
    kb: str, plan: Plan, contents: _Contents, settings: Settings, on_event: EventHandler
) -> IngestReport:
    """Embed what is new and publish a generation; where nothing has changed, return the report of the one that is live."""
    kept = _kept_models(plan, contents)
    if (unchanged := _unchanged_report(plan, contents, kept)) is not None:
        on_event(Event(EventKind.MESSAGE, f"Nothing has changed: {unchanged.generation} stays."))
        return unchanged
    on_event(Event(EventKind.CHUNKED, "", total=len(contents.passages)))
    fingerprints = [model.fingerprint for model in plan.models]
    new = [fingerprint for fingerprint in fingerprints if fingerprint not in kept]
    warn_of_languages(new, contents.reports, on_event)  # of the others it was said when they were built
    with space_for(plan.base, contents.passages, new):
        vectors: dict[Fingerprint, ModelVectors | None] = {}
        models: list[ModelReport] = []
        for model in plan.models:
            if model.fingerprint in kept:
                vectors[model.fingerprint] = None
                models.append(kept[model.fingerprint])
            else:
                vectors[model.fingerprint], said = _embed(model, contents.passages, plan, settings, on_event)
                models.append(said)
        report = IngestReport(
            kb=kb,
            generation=writer.next_generation(plan.base),
            seconds=0.0,
            chunks=len(contents.passages),
            documents=contents.reports,
            models=tuple(models),
        )
        on_event(Event(EventKind.PUBLISHING, report.generation))
        publish(plan.base, _draft(plan, contents, vectors, report))
    embedded = [said for said in models if said.fingerprint in {fingerprint.digest for fingerprint in new}]
    warn_of_cuts(embedded, new, contents.reports, contents.passages, on_event)
    return report


def _draft(
    plan: Plan, contents: _Contents, vectors: Mapping[Fingerprint, ModelVectors | None], report: IngestReport
) -> Draft:
    return Draft(
        report=report,
        sources=plan.sources,
        excluded=plan.excluded,
        parsing=plan.parsing.as_manifest(),
        memory_gb=plan.memory_gb,
        documents=None if contents.is_as_before else contents.documents,
        vectors=vectors,
        previous=plan.previous,
    )


def _kept_models(plan: Plan, contents: _Contents) -> Mapping[Fingerprint, ModelReport]:
    """Return the models whose vectors stay as they are, with what the report says of them."""
    before = plan.reusable
    if before is None or not contents.is_as_before or before.manifest.memory_gb != plan.memory_gb:
        return {}
    reports = {report.fingerprint: report for report in before.report.models}
    return {
        fingerprint: reports[fingerprint.digest]
        for fingerprint in before.models
        if before.vectors(fingerprint).count >= before.chunk_count  # a purge may have left passages without
    }


def _unchanged_report(plan: Plan, contents: _Contents, kept: Mapping[Fingerprint, ModelReport]) -> IngestReport | None:
    """Return the report of a build that has nothing to write; None where it has."""
    before = plan.reusable
    if before is None or not contents.is_as_before:
        return None
    paths = {report.path for report in contents.reports}
    said = [report for report in before.report.documents if report.path in paths and not report.status.is_searchable]
    same = (
        all(fingerprint in kept for fingerprint in before.models)
        and before.models == tuple(model.fingerprint for model in plan.models)
        and before.manifest.sources == plan.sources
        and before.manifest.excluded == plan.excluded
        and said == [report for report in contents.reports if not report.status.is_searchable]
    )
    models = tuple(kept[fingerprint] for fingerprint in before.models) if same else ()
    return replace(before.report, documents=contents.reports, models=models) if same else None


def _embed(
    model: PlannedModel, passages: Sequence[Chunk], plan: Plan, settings: Settings, on_event: EventHandler
) -> tuple[ModelVectors, ModelReport]:
    @cache
    def load() -> Embedder:
        spec = model.spec or resolve_embedder(
            model.fingerprint.model,
            offline=settings.offline,
            announce=lambda message: on_event(Event(EventKind.MESSAGE, message)),
            models=settings.models,
        )
        if spec.fingerprint != model.fingerprint:
            differing = ", ".join(spec.fingerprint.differences(model.fingerprint))
            raise EmbedderMismatch(
                f"The model {spec.model_id} is not the one that '{plan.base.name}' has vectors of: it differs in {differing}.",
                "Run the command again: now that it is on the machine, every passage is embedded with it.",
            )
        on_event(Event(EventKind.MESSAGE, f"Loading {spec.model_id} ..."))
        from rag_app.models.embedder import load_embedder  # torch: seconds, and not for `--help`

        return load_embedder(spec, device=settings.device, models=settings.models)

    texts = [searchable(passage.embedded_text) for passage in passages]
    documents = [passage.document_path for passage in passages]
    embedded = embed_chunks(texts, documents, model.fingerprint, load, plan.base, on_event)
    measure = _measure(model.fingerprint, passages, load, plan, on_event)
    rows = np.arange(len(passages), dtype=np.int64)
    row = catalogue_row(model.fingerprint.model)
    terms = row.terms if row else ""
    return ModelVectors(embedded.vectors, rows, embedded.libraries, terms, measure), embedded.report


def _measure(
    fingerprint: Fingerprint,
    passages: Sequence[Chunk],
    load: Callable[[], Embedder],
    plan: Plan,
    on_event: EventHandler,
) -> Measure | None:
    """Return what tells what the scores of a model are worth.

    A build that embeds no passage does not fail for a model that is gone: what was measured before is kept, if anything was.
    """
    try:
        return embed_calibration_questions(passages, fingerprint, load, plan.base, on_event).measure
    except ModelError as error:
        before = plan.previous
        known = before.null_scores(fingerprint) if before and fingerprint in before.models else None
        kept = "Those measured before are kept." if known else "Its passages have no percentile until it is."
        said = f"What the scores of {fingerprint.model} are worth could not be measured: {error.found}"
        on_event(Event(EventKind.MESSAGE, f"{said} {kept}"))
        return None if known is None else lambda *_: known
