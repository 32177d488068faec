"""What happens to one file in a child process: bytes to documents, documents to chunks, as values that JSON can hold.

`documents_of` is the other end: it turns the answer of a child back into documents and chunks, and believes none of it.
This module knows nothing of files, processes or indexes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from ingest.chunking import chunk_document
from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.registry import Loader, loader_for
from rag_app.datatypes import Block, BlockKind, Chunk, Document
from rag_app.dates import is_day
from rag_app.errors import DocumentError
from rag_app.language import language_of
from rag_app.store.boxes import check_boxes, pack_boxes
from rag_app.text import hidden_characters, longest_word

# A word of so many characters is no word: base64, a damaged file. It is cut, and said to be.
_LONG_WORD = 2000
# What bytes begin with where an Office file is encrypted, or older than the format it says it is (MS-CFB, 2.2).
_COMPOUND_FILE = bytes.fromhex("d0cf11e0a1b11ae1")


@dataclass(frozen=True)
class Job:
    """What a child is told of a file: its document path, how to read it, and how to cut it."""

    path: str
    options: LoadOptions
    chunk_tokens: int
    overlap: int

    def as_json(self) -> list[Any]:
        """Return the job as a child takes it."""
        return [self.path, astuple(self.options), self.chunk_tokens, self.overlap]


@dataclass(frozen=True)
class Reading:
    """One record of a file as a child read it. `document` is None where it has no text; `record` is its name in the file.

    `is_complete` is false where reading it was given up on the way.
    """

    record: str
    document: Document | None
    chunks: tuple[Chunk, ...]
    pages: int | None
    notes: tuple[str, ...]
    remedy: str
    scanned_pages: tuple[int, ...]
    is_complete: bool = True


def read_file(argument: list[Any], data: bytes) -> list[dict[str, Any]]:
    """Read and cut one file; what a child process runs.

    Args:
        argument: a `Job` as JSON.
        data: the bytes of the file.

    Raises:
        DocumentError: it cannot be read, and why.
    """
    path, options, chunk_tokens, overlap = argument
    job = Job(path, LoadOptions(*options), chunk_tokens, overlap)
    loader = loader_for(path)
    assert loader is not None  # files without a loader are not sent here
    if not data:
        return [_answer(Extract(""), job, loader)]
    _check_signature(loader, data, path)
    return [_answer(extract, job, loader) for extract in loader.load(data, job.options)]


def _check_signature(loader: Loader, data: bytes, path: str) -> None:
    if loader.signature in data[:1024] or not data.strip():
        return
    ending = PurePosixPath(path).suffix
    if data.startswith(_COMPOUND_FILE):
        raise DocumentError(
            "It is encrypted with a password, or an old Office file under a new name.",
            f"Open it and save it as {ending} without a password.",
        )
    raise DocumentError(
        f"Its content does not match its type: it ends in {ending}, but it is no such file.",
        "Give it the ending of what it is.",
    )


def _answer(extract: Extract, job: Job, loader: Loader) -> dict[str, Any]:
    language = language_of(extract.text)
    values: dict[str, Any] = {
        "record": extract.record,
        "media_type": loader.media_type,
        "language": language.code,
        "script": language.script,
        "encoding": extract.encoding,
        "title": extract.title,
        "date": extract.date,
        "text": extract.text,
        "page_starts": extract.page_starts,
        "blocks": [block.as_row() for block in extract.blocks],
        "boxes": base64.b64encode(pack_boxes(extract.boxes)).decode(),
        "notes": [*extract.notes, *_remarks(extract.text)],
        "remedy": extract.remedy,
        "scanned_pages": extract.scanned_pages,
    }
    document = _document(values, job.path, "", extract.blocks, b"")
    chunks = chunk_document(document, chunk_tokens=job.chunk_tokens, overlap=job.overlap)
    values["chunks"] = [
        (chunk.start, chunk.end, chunk.page, chunk.last_page, chunk.heading_path, chunk.table_header, chunk.name)
        for chunk in chunks
    ]
    return values


def _remarks(text: str) -> Iterator[str]:
    """Yield what is odd about a text and worth a line in the report."""
    if hidden := hidden_characters(text):
        yield f"It has {hidden} invisible characters; search passes over them."
    if (length := longest_word(text)) >= _LONG_WORD:
        yield f"It has a word of {length} characters, which was cut."


def documents_of(answer: Any, path: str, file_sha256: str, file_date: str = "") -> list[Reading]:
    """Return what a child made of a file.

    Args:
        answer: from `read_file`.
        path: the document path of the file.
        file_sha256: of its bytes.
        file_date: the day on which they were written; of documents that state none of their own.

    Raises:
        DocumentError: the answer is not what it should be, as that of a child which was taken over may be.
    """
    try:
        return [_reading(values, path, file_sha256, file_date) for values in answer]
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DocumentError("The process that read it answered nonsense.") from error


def _reading(values: dict[str, Any], path: str, file_sha256: str, file_date: str) -> Reading:
    for name in ("record", "media_type", "language", "script", "encoding", "title", "text", "boxes", "remedy"):
        _checked(values[name])
    if _checked(values["date"]) and not is_day(values["date"]):
        raise ValueError("a date that is none")
    text: str = values["text"]
    pages = tuple(_offset(start, len(text)) for start in values["page_starts"])
    blocks = tuple(
        Block(BlockKind(kind), _offset(start, len(text)), _offset(end, len(text)), _offset(level, 6), _checked(label))
        for kind, start, end, level, label in values["blocks"]
    )
    boxes = check_boxes(base64.b64decode(values["boxes"], validate=True), len(text))
    sha256 = hashlib.sha256(text.encode()).hexdigest() if values["record"] else file_sha256
    document = _document(values, path, sha256, blocks, boxes)
    chunks = tuple(_chunk(document, ordinal, row) for ordinal, row in enumerate(values["chunks"]))
    return Reading(
        record=values["record"],
        document=replace(document, date=document.date or file_date) if chunks else None,
        chunks=chunks,
        pages=len(pages) or None,
        notes=tuple(_checked(note) for note in values["notes"]),
        remedy=values["remedy"],
        scanned_pages=tuple(_offset(page, len(pages)) for page in values["scanned_pages"]),
    )


def _chunk(document: Document, ordinal: int, row: Sequence[Any]) -> Chunk:
    start, end, page, last_page, heading_path, table_header, name = row
    last = len(document.page_starts)
    if not 0 <= _offset(start, len(document.text)) < _offset(end, len(document.text)):
        raise ValueError("a chunk without text")
    return Chunk(
        document_path=document.path,
        ordinal=ordinal,
        start=start,
        end=end,
        text=document.text[start:end],
        page=None if page is None else _offset(page, last),
        last_page=None if last_page is None else _offset(last_page, last),
        heading_path=tuple(_checked(heading) for heading in heading_path),
        table_header=_checked(table_header),
        name=_checked(name),
    )


def _checked(value: Any) -> str:
    """Return a text that can be stored (half a surrogate pair cannot: its encoding is a ValueError)."""
    if not isinstance(value, str):
        raise TypeError("a text is none")
    if not value.isascii():
        value.encode()
    return value


def _offset(value: Any, most: int) -> int:
    """Return a whole number from 0 to `most`."""
    if type(value) is not int or not 0 <= value <= most:  # True and False are numbers to Python
        raise ValueError("an offset outside of its document")
    return value


def _document(values: dict[str, Any], path: str, sha256: str, blocks: tuple[Block, ...], boxes: bytes) -> Document:
    is_record = bool(values["record"])
    return Document(
        path=f"{path}#{values['record']}" if is_record else path,
        sha256=sha256,
        media_type=values["media_type"],
        language=values["language"],
        title=values["title"],
        text=values["text"],
        page_starts=tuple(values["page_starts"]),
        blocks=blocks,
        name="" if is_record or values["title"] else PurePosixPath(path).stem,
        script=values["script"],
        encoding=values["encoding"],
        boxes=boxes,
        date=values["date"],
    )
