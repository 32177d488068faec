"""Files to documents with their chunks: read in child processes, several at once, in a fixed order.

What has not changed is taken from the previous generation. A file that cannot be read becomes a line of the report and
never ends the build, nor does one that hangs, crashes its reader or wants all memory.
This module knows nothing of models, vectors or how a generation is written.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from ingest.loaders.extract import LoadOptions
from ingest.loaders.pdf.ocr import TESSERACT, installed_languages, tesseract_version
from ingest.loaders.registry import PARSER_VERSION
from ingest.sources import InputFile, read_input
from ingest.worker import Job, Reading, documents_of
from rag_app.config import ChunkingSettings, SandboxSettings, Settings
from rag_app.datatypes import Chunk, Document, DocumentReport, FileStatus
from rag_app.errors import DocumentError, SandboxError
from rag_app.sandbox import SandboxLimits, SandboxPool
from rag_app.store.knowledge_base import KnowledgeBase

_FUNCTION = "ingest.worker:read_file"
# The libraries whose versions decide what text comes out of a file.
_PARSERS = (
    "lxml", "markdown-it-py", "openpyxl", "pypdfium2", "python-docx", "python-pptx", "trafilatura",
)  # fmt: skip
# Files that are read ahead of the one whose turn it is, for each child: enough to keep it busy, not enough to fill memory.
_AHEAD = 8


@dataclass(frozen=True)
class ParsedDocument:
    """A document with its chunks, and its line of the report."""

    document: Document
    chunks: tuple[Chunk, ...]
    report: DocumentReport


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
            "ocr": f"tesseract {tesseract_version()}, {self.ocr_languages}" if self.ocr_languages else "",
            "chunk_tokens": self.chunking.chunk_tokens,
            "overlap": self.chunking.overlap,
        }


def plan_parsing(settings: Settings, chunking: ChunkingSettings) -> ParsingPlan:
    """Settle how files are read: the limits, and which languages of scanned pages can be."""
    limits = settings.limits
    options = LoadOptions(
        max_pages=limits.pdf_pages,
        max_expanded_bytes=limits.expanded_megabytes * 1_000_000,
        max_entries=limits.archive_files,
    )
    reading = settings.reading
    ocr_languages = installed_languages(reading.ocr_languages) if reading.ocr else ""
    return ParsingPlan(chunking, options, settings.sandbox, reading.ocr_page_seconds, ocr_languages)


def parse(
    entries: Sequence[InputFile | DocumentReport],
    plan: ParsingPlan,
    previous: KnowledgeBase | None,
    on_file: Callable[[str], None],
) -> Iterator[ParsedDocument | DocumentReport]:
    """Yield what became of each file, in order: a document, several for a file of records, or the reason for none.

    Args:
        entries: from `ingest.sources.discover`.
        plan: how they are read and cut.
        previous: a generation made with the same plan, whose unchanged documents are taken over; or None.
        on_file: told the path of each file when its outcome is about to be given.
    """
    workers = plan.sandbox.workers or os.cpu_count() or 1
    limits = SandboxLimits(
        seconds=plan.sandbox.seconds,
        cpu_seconds=plan.sandbox.cpu_seconds,
        memory_megabytes=plan.sandbox.memory_megabytes,
        output_megabytes=plan.sandbox.output_megabytes,
        programs=(TESSERACT,),
    )
    known = previous.chunks.document_sums() if previous else {}
    with (
        SandboxPool(_FUNCTION, limits, workers=workers) as pool,
        ThreadPoolExecutor(workers, thread_name_prefix="read") as executor,
    ):
        reader = _Reader(pool, plan, known)
        try:
            for entry, result in _in_order(executor, reader.read, entries, ahead=workers * _AHEAD):
                on_file(entry.path)
                if isinstance(entry, DocumentReport):
                    yield entry
                elif isinstance(result, _Unchanged):
                    assert previous is not None
                    yield _taken_over(previous, entry.path, result.sha256)
                elif isinstance(result, DocumentReport):
                    yield result
                elif result is not None:
                    yield from _outcomes(entry.path, result)
        finally:  # an interrupted build does not wait for what is still being read
            executor.shutdown(wait=False, cancel_futures=True)
            pool.close()


@dataclass(frozen=True)
class _Unchanged:
    """The file is the one that the previous generation read."""

    sha256: str


_Result = _Unchanged | DocumentReport | list[Reading] | None


def _in_order(
    executor: ThreadPoolExecutor,
    read: Callable[[InputFile], _Result],
    entries: Sequence[InputFile | DocumentReport],
    ahead: int,
) -> Iterator[tuple[InputFile | DocumentReport, _Result]]:
    """Yield each entry with what was read of it, while up to `ahead` others are being read."""
    waiting: deque[tuple[InputFile | DocumentReport, Future[_Result] | None]] = deque()
    for entry in entries:
        waiting.append((entry, executor.submit(read, entry) if isinstance(entry, InputFile) else None))
        if len(waiting) > ahead:
            done, future = waiting.popleft()
            yield done, future.result() if future else None
    for done, future in waiting:
        yield done, future.result() if future else None


@dataclass(frozen=True)
class _Reader:
    """Reads one file: its bytes here, its text in a child."""

    pool: SandboxPool
    plan: ParsingPlan
    known: dict[str, str]

    def read(self, entry: InputFile) -> _Result:
        """Return what became of a file; its errors are part of that."""
        try:
            data = read_input(entry)
            sha256 = hashlib.sha256(data).hexdigest()
            if self.known.get(entry.path) == sha256:
                return _Unchanged(sha256)
            return self._readings(entry, data, sha256)
        except DocumentError as error:
            return DocumentReport(entry.path, FileStatus.FAILED, error.found, remedy=error.remedy)

    def _readings(self, entry: InputFile, data: bytes, sha256: str) -> list[Reading]:
        plan = self.plan
        job = Job(entry.path, plan.options, plan.chunking.chunk_tokens, plan.chunking.overlap)
        readings = documents_of(self.pool.call(job.as_json(), data), entry.path, sha256)
        scanned = sum(len(reading.scanned_pages) for reading in readings)
        if not (scanned and plan.ocr_languages):
            return readings
        # Only now is it known how many pages are pictures, and so how much time the file deserves.
        job = replace(job, options=replace(plan.options, ocr_languages=plan.ocr_languages))
        seconds = plan.sandbox.seconds + plan.ocr_page_seconds * scanned
        try:
            return documents_of(self.pool.call(job.as_json(), data, seconds=seconds), entry.path, sha256)
        except SandboxError as error:  # what was read without OCR is still good
            note = f"OCR was given up. {error}"
            return [replace(reading, notes=(*reading.notes, note)) for reading in readings]


def _taken_over(previous: KnowledgeBase, path: str, sha256: str) -> ParsedDocument:
    document = previous.chunks.document(path)
    assert document is not None  # its sum was read from the same table
    assert document.sha256 == sha256
    chunks = tuple(previous.chunks.chunks_of(path))
    reason, remedy = previous.remarks.get(path, ("", ""))
    return ParsedDocument(document, chunks, _report(document, chunks, FileStatus.UNCHANGED, reason, remedy))


def _outcomes(path: str, readings: Sequence[Reading]) -> Iterator[ParsedDocument | DocumentReport]:
    seen: set[str] = set()
    for reading in readings:
        where = f"{path}#{reading.record}" if reading.record else path
        if where in seen:
            yield DocumentReport(where, FileStatus.FAILED, "An earlier record of the file has the same name.")
            continue
        seen.add(where)
        reason = " ".join(reading.notes)
        if reading.document is None:
            yield DocumentReport(
                where, FileStatus.EMPTY, reason or "There is no text in it.", remedy=reading.remedy, pages=reading.pages
            )
        else:
            report = _report(reading.document, reading.chunks, FileStatus.INDEXED, reason, reading.remedy)
            yield ParsedDocument(reading.document, reading.chunks, report)
    if not readings:
        yield DocumentReport(path, FileStatus.EMPTY, "There are no records in it.")


def _report(
    document: Document, chunks: Sequence[Chunk], status: FileStatus, reason: str, remedy: str
) -> DocumentReport:
    return DocumentReport(
        path=document.path,
        status=status,
        reason=reason,
        remedy=remedy,
        chunks=len(chunks),
        pages=len(document.page_starts) or None,
        language=document.language,
        script=document.script,
        encoding=document.encoding or None,
    )
