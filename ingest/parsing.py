"""Files to documents with their chunks; what has not changed is taken from the previous generation.

A file that cannot be read becomes a line of the report and never ends the build.
This module knows nothing of models, vectors or how a generation is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ingest.chunking import chunk_document
from ingest.loaders.registry import PARSER_VERSION
from ingest.sources import InputFile
from rag_app.config import ChunkingSettings
from rag_app.datatypes import Chunk, Document, DocumentReport, FileStatus
from rag_app.errors import DocumentError
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.text import language_of


@dataclass(frozen=True)
class ParsedDocument:
    """A document with its chunks, and its line of the report."""

    document: Document
    chunks: tuple[Chunk, ...]
    report: DocumentReport


def parsing_settings(chunking: ChunkingSettings) -> dict[str, Any]:
    """Return whatever decides how files become chunks, for the manifest: where it is equal, so are the chunks."""
    return {
        "parser_version": PARSER_VERSION,
        "normalisation": "NFC",
        "chunk_tokens": chunking.chunk_tokens,
        "overlap": chunking.overlap,
    }


def parse(
    entries: Sequence[InputFile | DocumentReport],
    chunking: ChunkingSettings,
    previous: KnowledgeBase | None,
    on_file: Callable[[str], None],
) -> Iterator[ParsedDocument | DocumentReport]:
    """Yield what became of each file, in order: a document, several for a file of records, or the reason for none.

    Args:
        entries: from `ingest.sources.discover`.
        chunking: how documents are cut.
        previous: a generation made with the same parsing settings, whose unchanged documents are taken over; or None.
        on_file: told the path of each file before it is read.
    """
    known = previous.chunks.document_sums() if previous else {}
    for entry in entries:
        on_file(entry.path)
        if isinstance(entry, DocumentReport):
            yield entry
            continue
        try:
            data = entry.file.read_bytes()
        except OSError as error:
            yield DocumentReport(entry.path, FileStatus.FAILED, f"It cannot be read: {error.strerror}.")
            continue
        digest = hashlib.sha256(data).hexdigest()
        if previous is not None and known.get(entry.path) == digest:
            yield _taken_over(previous, entry.path)
            continue
        try:
            yield from _read(entry, data, digest, chunking)
        except DocumentError as error:
            yield DocumentReport(entry.path, FileStatus.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 - a damaged file makes a library raise what it likes; the others go on
            reason = f"It cannot be read: {type(error).__name__}: {str(error)[:200]}."
            yield DocumentReport(entry.path, FileStatus.FAILED, reason)


def _taken_over(previous: KnowledgeBase, path: str) -> ParsedDocument:
    document = previous.chunks.document(path)
    assert document is not None  # its sum was read from the same table
    chunks = tuple(previous.chunks.chunks_of(path))
    return ParsedDocument(document, chunks, _report(document, chunks, FileStatus.UNCHANGED))


def _read(
    entry: InputFile, data: bytes, digest: str, chunking: ChunkingSettings
) -> Iterator[ParsedDocument | DocumentReport]:
    paths: set[str] = set()
    for extract in entry.loader.load(data):
        path = f"{entry.path}#{extract.record}" if extract.record else entry.path
        if path in paths:
            yield DocumentReport(path, FileStatus.FAILED, "an earlier record of the file has the same name")
            continue
        paths.add(path)
        if not extract.text.strip():
            yield DocumentReport(path, FileStatus.EMPTY, "no text in it", pages=len(extract.page_starts) or None)
            continue
        document = Document(
            path=path,
            sha256=hashlib.sha256(extract.text.encode()).hexdigest() if extract.record else digest,
            media_type=entry.loader.media_type,
            language=language_of(extract.text),
            title=extract.title or ("" if extract.record else PurePosixPath(entry.path).stem),
            text=extract.text,
            page_starts=extract.page_starts,
            headings=extract.headings,
        )
        chunks = tuple(chunk_document(document, chunk_tokens=chunking.chunk_tokens, overlap=chunking.overlap))
        yield ParsedDocument(document, chunks, _report(document, chunks, FileStatus.INDEXED))
    if not paths:
        yield DocumentReport(entry.path, FileStatus.EMPTY, "no records in it")


def _report(document: Document, chunks: Sequence[Chunk], status: FileStatus) -> DocumentReport:
    return DocumentReport(
        path=document.path,
        status=status,
        chunks=len(chunks),
        pages=len(document.page_starts) or None,
        language=document.language,
    )
