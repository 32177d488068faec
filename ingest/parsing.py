"""Files to documents with their chunks: read in child processes, several at once, in a fixed order.

What has not changed is taken from the previous generation. A file that cannot be read becomes a line of the report and
never ends the build, nor does one that hangs, crashes its reader or wants all memory.
This module knows nothing of models, vectors or how a generation is written.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from ingest.loaders.extract import LoadOptions
from ingest.loaders.pdf.ocr import TESSERACT, how_to_read, installed_languages, tesseract_version
from ingest.loaders.registry import PARSER_VERSION, loader_for
from ingest.sources import FileContent, InputFile, read_input
from ingest.worker import Job, Reading, documents_of
from rag_app.config import ChunkingSettings, SandboxSettings, Settings
from rag_app.datatypes import PURGED, Chunk, Document, DocumentReport, FileStatus
from rag_app.errors import DocumentError, KnowledgeBaseDamaged, SandboxError
from rag_app.sandbox import SandboxLimits, SandboxPool
from rag_app.store.keywords import K1, B
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import rebuild_command
from rag_app.text import SEARCH_TEXT_VERSION

_FUNCTION = "ingest.worker:read_file"
# The libraries whose versions decide what text comes out of a file.
_PARSERS = (
    "lxml", "markdown-it-py", "openpyxl", "pypdfium2", "python-docx", "python-pptx", "pyyaml", "regex", "trafilatura",
)  # fmt: skip
# Batches that are read ahead of the one whose turn it is, for each child: enough to keep it busy, not enough to fill memory.
_AHEAD = 4
# Small text files go to a child together, since the trip there costs more than reading one.
_BATCH_FILES = 32
_BATCH_BYTES = 64_000
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


@dataclass(frozen=True)
class ParsingPlan:
    """Whatever decides how files become chunks. Where `as_manifest` is equal, so are the chunks."""

    chunking: ChunkingSettings
    options: LoadOptions
    sandbox: SandboxSettings
    ocr_page_seconds: int
    ocr_languages: str

    def as_manifest(self) -> dict[str, Any]:
        """Return it for the manifest: without what is spent on reading, which changes no text."""
        return {
            "parser_version": PARSER_VERSION,
            "parsers": {name: version(name) for name in _PARSERS},
            "normalisation": "NFC",
            "unicode": unicodedata.unidata_version,
            "ocr": f"tesseract {tesseract_version()}, {self.ocr_languages}" if self.ocr_languages else "",
            "search": {"text": SEARCH_TEXT_VERSION, "k1": K1, "b": B}
            | {name: version(name) for name in ("bm25s", "pystemmer")},
            "chunk_tokens": self.chunking.chunk_tokens,
            "overlap": self.chunking.overlap,
        }


def plan_parsing(settings: Settings, chunking: ChunkingSettings) -> ParsingPlan:
    """Settle how files are read: the limits, and which languages of scanned pages can be."""
    limits, reading = settings.limits, settings.reading
    options = LoadOptions(
        max_pages=limits.pdf_pages,
        max_expanded_bytes=limits.expanded_megabytes * 1_000_000,
        max_entries=limits.archive_files,
        ocr_remedy=how_to_read(reading.ocr_languages, is_wanted=reading.ocr),
    )
    ocr_languages = installed_languages(reading.ocr_languages) if reading.ocr else ""
    return ParsingPlan(chunking, options, settings.sandbox, reading.ocr_page_seconds, ocr_languages)


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
        reader = _Reader(pool, plan, {path: group[0].file_sha256 for path, group in known.items()})
        try:
            for entry, result in _in_order(executor, reader.read, entries, ahead=workers * _AHEAD):
                on_file(entry.path)
                if isinstance(entry, DocumentReport):
                    yield entry
                elif isinstance(result, _Unchanged):
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


def _known_files(reports: Iterable[DocumentReport], entries: Iterable[_Entry]) -> dict[str, list[DocumentReport]]:
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


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Unchanged:
    """The file is the one that the previous generation read."""


@dataclass(frozen=True)
class _Read:
    """What was read of a file, or nothing of what is not read, and the sum of its bytes."""

    readings: Sequence[Reading] = ()
    sha256: str = ""


@dataclass(frozen=True)
class _File:
    """A file whose bytes were read, and the sum of them."""

    path: str
    content: FileContent
    sha256: str

    def documents_of(self, answer: Any) -> list[Reading]:
        """Return what a child made of it.

        Raises:
            DocumentError: the answer is not what it should be.
        """
        return documents_of(answer, self.path, self.sha256, self.content.date)


_Entry = InputFile | DocumentReport
_Result = _Unchanged | DocumentError | _Read


def _in_order(
    executor: ThreadPoolExecutor,
    read: Callable[[Sequence[_Entry]], list[_Result]],
    entries: Iterable[_Entry],
    ahead: int,
) -> Iterator[tuple[_Entry, _Result]]:
    """Yield each entry with what was read of it, while up to `ahead` batches of others are being read."""
    waiting: deque[tuple[Sequence[_Entry], Future[list[_Result]]]] = deque()
    for batch in _batches(entries):
        waiting.append((batch, executor.submit(read, batch)))
        if len(waiting) > ahead:
            done, future = waiting.popleft()
            yield from zip(done, future.result(), strict=True)
    for done, future in waiting:
        yield from zip(done, future.result(), strict=True)


def _batches(entries: Iterable[_Entry]) -> Iterator[Sequence[_Entry]]:
    """Yield the entries in order, small text files and what is not read together, anything else alone."""
    batch: list[_Entry] = []
    size = 0
    for entry in entries:
        is_small = isinstance(entry, DocumentReport) or (entry.size < _BATCH_BYTES and _is_text(entry.path))
        more = entry.size if isinstance(entry, InputFile) else 0
        if batch and (not is_small or size + more > _BATCH_BYTES or len(batch) == _BATCH_FILES):
            yield batch
            batch, size = [], 0
        if is_small:
            batch.append(entry)
            size += more
        else:
            yield [entry]
    if batch:
        yield batch


def _is_text(path: str) -> bool:
    loader = loader_for(path)
    return loader is not None and not loader.signature


@dataclass(frozen=True)
class _Reader:
    """Reads files: their bytes here, their text in a child."""

    pool: SandboxPool
    plan: ParsingPlan
    known: dict[str, str]

    def read(self, batch: Sequence[_Entry]) -> list[_Result]:
        """Return what became of each file of a batch; its errors are part of that. Of what is not read: nothing."""
        results: list[_Result] = [_Read() for _ in batch]
        files: dict[int, _File] = {}  # by place in the batch
        for number, entry in enumerate(batch):
            if isinstance(entry, InputFile):
                try:
                    content = read_input(entry)
                except DocumentError as error:
                    results[number] = error
                    continue
                sha256 = hashlib.sha256(content.data).hexdigest()
                if self.known.get(entry.path) == sha256:
                    results[number] = _Unchanged()
                else:
                    files[number] = _File(entry.path, content, sha256)
        calls = [(self._job(file.path), file.content.data) for file in files.values()]
        answers = self.pool.call_each(calls) if calls else []
        for (number, file), answer in zip(files.items(), answers, strict=True):
            results[number] = self._result(file, answer)
        return results

    def _job(self, path: str, ocr_languages: str = "") -> list[Any]:
        chunking = self.plan.chunking
        options = replace(self.plan.options, ocr_languages=ocr_languages)
        return Job(path, options, chunking.chunk_tokens, chunking.overlap).as_json()

    def _result(self, file: _File, answer: Any) -> _Result:
        if isinstance(answer, DocumentError):
            return answer
        try:
            readings = file.documents_of(answer)
        except DocumentError as error:
            return error
        scanned = sum(len(reading.scanned_pages) for reading in readings)
        if scanned and self.plan.ocr_languages:
            readings = self._recognised(file, readings, scanned)
        return _Read(readings, file.sha256)

    def _recognised(self, file: _File, readings: list[Reading], scanned: int) -> list[Reading]:
        """Return the readings with the text of scanned pages.

        Only after the first reading is it known how many pages are pictures, and so how much time the file deserves.
        """
        seconds = self.plan.sandbox.seconds + self.plan.ocr_page_seconds * scanned
        try:
            job = self._job(file.path, self.plan.ocr_languages)
            return file.documents_of(self.pool.call(job, file.content.data, seconds=seconds))
        except DocumentError as error:  # what was read without OCR is still good
            note = f"OCR was given up: {error.found}"
            return [
                replace(reading, notes=(*reading.notes, note), remedy=error.remedy, is_complete=False)
                for reading in readings
            ]


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
