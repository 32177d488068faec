"""Files to documents with their chunks, and what became of each file.

What has not changed is taken from the previous generation. A file that cannot be read becomes a line of the report and
never ends the build, nor does one that hangs, crashes its reader or wants all memory.
This module knows nothing of models, vectors or how a generation is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from ingest.loaders.pdf.ocr import TESSERACT
from ingest.parsing_plan import ParsingPlan
from ingest.reading import Entry, Reader, Unchanged, in_order
from ingest.sources import InputFile
from ingest.worker import Reading
from rag_app.datatypes import PURGED, Chunk, Document, DocumentReport, FileStatus
from rag_app.errors import DocumentError, KnowledgeBaseDamaged, SandboxError
from rag_app.sandbox import SandboxLimits, SandboxPool
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import rebuild_command

_FUNCTION = "ingest.worker:read_file"
# Batches that are read ahead of the one whose turn it is, for each child: enough to keep it busy, not enough to fill memory.
_AHEAD = 4
# What can be done about a file, where its reader knows nothing better.
WITHOUT_TEXT = "Nothing, if no text is meant to be in it; else save it again with its text."
_ANEW = "Open it and save or export it anew; if it is damaged there too, get another copy."
_AGAIN = "Run the command again; if it comes to the same, open the file and save or export it anew."


@dataclass(frozen=True)
class ParsedDocument:
    """A document with its chunks, and its line of the report."""

    document: Document
    chunks: tuple[Chunk, ...]
    report: DocumentReport


@dataclass(frozen=True)
class TakenOver:
    """A document of the generation before that is as it was there; `load_document` reads it where it is needed."""

    report: DocumentReport


Outcome = ParsedDocument | TakenOver | DocumentReport


def parse(
    entries: Sequence[InputFile | DocumentReport],
    plan: ParsingPlan,
    previous: KnowledgeBase | None,
    on_file: Callable[[str], None],
) -> Iterator[Outcome]:
    """Yield what became of each file, in order: a document, several for a file of records, or the reason for none.

    Args:
        entries: from `ingest.sources.discover`.
        plan: how they are read and cut.
        previous: a generation made with the same plan, whose unchanged documents are taken over; or None.
        on_file: told the path of each file when its outcome is about to be given.
    """
    workers = plan.sandbox.workers or _processors()
    limits = SandboxLimits(
        seconds=plan.sandbox.seconds,
        cpu_seconds=plan.sandbox.cpu_seconds,
        memory_megabytes=plan.sandbox.memory_megabytes,
        output_megabytes=plan.sandbox.output_megabytes,
        programs=(TESSERACT,),
    )
    known = _known_files(previous.report.documents, entries) if previous else {}
    with (
        SandboxPool(_FUNCTION, limits, workers=workers) as pool,
        ThreadPoolExecutor(workers, thread_name_prefix="read") as executor,
    ):
        reader = Reader(pool, plan, {path: group[0].file_sha256 for path, group in known.items()})
        try:
            for entry, result in in_order(executor, reader.read, entries, ahead=workers * _AHEAD):
                on_file(entry.path)
                if isinstance(entry, DocumentReport):
                    yield entry
                elif isinstance(result, Unchanged):
                    yield from map(_taken_over, known[entry.path])
                elif isinstance(result, DocumentError):
                    yield DocumentReport(entry.path, FileStatus.FAILED, result.found, remedy=_remedy_of(result))
                else:
                    yield from _outcomes(entry, result.sha256, result.readings)
        finally:  # an interrupted build does not wait for what is still being read
            executor.shutdown(wait=False, cancel_futures=True)
            pool.close()


def load_document(previous: KnowledgeBase, path: str) -> tuple[Document, tuple[Chunk, ...]]:
    """Return a document that was taken over, with its chunks."""
    document = previous.chunks.document(path)
    if document is None:
        raise KnowledgeBaseDamaged(
            f"{previous.folder} has no document {path}, which its report names.",
            rebuild_command(previous.folder.parent),
        )
    return document, tuple(previous.chunks.chunks_of(path))


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _known_files(reports: Iterable[DocumentReport], entries: Iterable[Entry]) -> dict[str, list[DocumentReport]]:
    """Return the reports of each file that was read to its end, by its path: one, or one for each record.

    Not those of a file with records that stay out now and did not then, or the other way round.
    """
    groups: dict[str, list[DocumentReport]] = {}
    for report in reports:
        if report.file_sha256:
            groups.setdefault(report.file_path, []).append(report)
    excluded = {entry.path: entry.excluded for entry in entries if isinstance(entry, InputFile)}
    return {path: group for path, group in groups.items() if _stays_as_it_is(group, excluded.get(path, frozenset()))}


def _stays_as_it_is(group: Sequence[DocumentReport], excluded: Collection[str]) -> bool:
    purged = {report.path for report in group if report.reason == PURGED}
    wanted = {f"{report.file}#{record}" for report in group[:1] for record in excluded}
    return all(report.complete for report in group) and purged == wanted.intersection(report.path for report in group)


def _taken_over(report: DocumentReport) -> TakenOver | DocumentReport:
    """Return what a report of the generation before comes to where its file has not changed."""
    if report.status.is_searchable:
        return TakenOver(replace(report, status=FileStatus.UNCHANGED))
    return report


def _outcomes(entry: InputFile, sha256: str, readings: Sequence[Reading]) -> Iterator[ParsedDocument | DocumentReport]:
    path = entry.path
    if not readings:
        reason = "There are no records in it."
        yield DocumentReport(path, FileStatus.EMPTY, reason, remedy=WITHOUT_TEXT, file_sha256=sha256)
    seen: set[str] = set()
    for reading in readings:
        where = f"{path}#{reading.record}" if reading.record else path
        report = replace(_report(where, reading), file=path if reading.record else "", file_sha256=sha256)
        if where in seen:
            reason = "An earlier record of the file has the same name."
            remedy = "Give each record a name of its own."
            yield replace(report, status=FileStatus.FAILED, reason=reason, remedy=remedy, chunks=0)
        elif reading.record in entry.excluded:
            yield DocumentReport.purged(where, file=report.file, file_sha256=sha256, complete=reading.is_complete)
        elif reading.document is None:
            yield report
        else:
            yield ParsedDocument(reading.document, reading.chunks, report)
        seen.add(where)


def _remedy_of(error: DocumentError) -> str:
    """Return what can be done about a file that could not be read."""
    return error.remedy or (_AGAIN if isinstance(error, SandboxError) else _ANEW)


def _report(path: str, reading: Reading) -> DocumentReport:
    document, reason = reading.document, " ".join(reading.notes)
    if document is None:
        return DocumentReport(
            path,
            FileStatus.EMPTY,
            reason or "There is no text in it.",
            remedy=reading.remedy or WITHOUT_TEXT,
            pages=reading.pages,
            complete=reading.is_complete,
        )
    return DocumentReport(
        path,
        FileStatus.INDEXED,
        reason,
        remedy=reading.remedy,
        chunks=len(reading.chunks),
        pages=reading.pages,
        language=document.language,
        script=document.script,
        encoding=document.encoding or None,
        complete=reading.is_complete,
    )
