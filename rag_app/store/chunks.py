"""Documents and chunks of a generation, in one SQLite file: written once, then only read.

A chunk's `number` (from 0, in document order) is its row in the keyword index and what `rows.npy` of a vector index points to.
This module knows nothing of vectors, keywords or where documents come from.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from rag_app.datatypes import Chunk, Document, Heading
from rag_app.errors import KnowledgeBaseDamaged
from rag_app.store.layout import rebuild_command

Row = tuple[Any, ...]  # SQLite's own: the columns a query names

_SCHEMA = """
CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    language TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    page_starts TEXT NOT NULL,
    headings TEXT NOT NULL
) STRICT;
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (number),
    ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    text TEXT NOT NULL,
    page INTEGER,
    heading_path TEXT NOT NULL
) STRICT;
CREATE INDEX chunks_of_document ON chunks (document, ordinal);
"""
_CHUNK_COLUMNS = (
    "SELECT chunks.number, documents.path, ordinal, start, end, chunks.text, page, heading_path "
    "FROM chunks JOIN documents ON documents.number = chunks.document"
)


def write_chunks(path: Path, documents: Iterable[tuple[Document, Sequence[Chunk]]]) -> int:
    """Write the documents with their chunks and return the number of chunks.

    Args:
        path: the file to create.
        documents: in the order that numbers them, each with its chunks in order.
    """
    connection = sqlite3.connect(path)
    count = 0
    try:
        connection.execute("PRAGMA journal_mode = OFF")  # the file is published whole or not at all
        connection.executescript(_SCHEMA)
        with connection:
            for number, (document, chunks) in enumerate(documents):
                connection.execute(
                    "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        number,
                        document.path,
                        document.sha256,
                        document.media_type,
                        document.language,
                        document.title,
                        document.text,
                        json.dumps(document.page_starts),
                        json.dumps([astuple(heading) for heading in document.headings], ensure_ascii=False),
                    ),
                )
                connection.executemany(
                    "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        (
                            count + i,
                            number,
                            chunk.ordinal,
                            chunk.start,
                            chunk.end,
                            chunk.text,
                            chunk.page,
                            json.dumps(chunk.heading_path, ensure_ascii=False),
                        )
                        for i, chunk in enumerate(chunks)
                    ],
                )
                count += len(chunks)
    finally:
        connection.close()
    return count


class ChunkStore:
    """Reads the documents and chunks of one generation. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open the file read-only; it is not changed, not even by a journal.

        Raises:
            KnowledgeBaseDamaged: it cannot be opened.
        """
        self._path = path
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
        except sqlite3.OperationalError as error:
            raise KnowledgeBaseDamaged(
                f"{path} cannot be opened: {error}.", rebuild_command(path.parent.parent)
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def count(self) -> int:
        """Return the number of chunks."""
        return int(self._rows("SELECT count(*) FROM chunks")[0][0])

    def chunks(self, numbers: Sequence[int]) -> list[Chunk]:
        """Return the chunks with these numbers, in the order given.

        Raises:
            KnowledgeBaseDamaged: a number that is not there.
        """
        marks = ", ".join("?" * len(numbers))
        rows = self._rows(f"{_CHUNK_COLUMNS} WHERE chunks.number IN ({marks})", numbers)
        found = {row[0]: _chunk(row) for row in rows}
        missing = [number for number in numbers if number not in found]
        if missing:
            raise KnowledgeBaseDamaged(
                f"{self._path} has no chunk {missing[0]}, which an index beside it points to.",
                rebuild_command(self._path.parent.parent),
            )
        return [found[number] for number in numbers]

    def all_chunks(self) -> Iterator[Chunk]:
        """Yield every chunk in the order of its number."""
        for row in self._rows(f"{_CHUNK_COLUMNS} ORDER BY chunks.number"):
            yield _chunk(row)

    def document_sums(self) -> dict[str, str]:
        """Return the sha256 of every document by its path."""
        return dict(self._rows("SELECT path, sha256 FROM documents"))

    def documents(self) -> list[tuple[str, str, str, int]]:
        """Return path, title, language and number of chunks of every document, in order."""
        return self._rows(
            "SELECT path, title, language, (SELECT count(*) FROM chunks WHERE document = documents.number) "
            "FROM documents ORDER BY number"
        )

    def document(self, path: str) -> Document | None:
        """Return a document by its path, with its whole text, or None."""
        rows = self._rows(
            "SELECT path, sha256, media_type, language, title, text, page_starts, headings FROM documents WHERE path = ?",
            [path],
        )
        if not rows:
            return None
        path, sha256, media_type, language, title, text, page_starts, headings = rows[0]
        return Document(
            path=path,
            sha256=sha256,
            media_type=media_type,
            language=language,
            title=title,
            text=text,
            page_starts=tuple(json.loads(page_starts)),
            headings=tuple(Heading(*values) for values in json.loads(headings)),
        )

    def chunks_of(self, path: str) -> list[Chunk]:
        """Return the chunks of a document, in order."""
        rows = self._rows(f"{_CHUNK_COLUMNS} WHERE documents.path = ? ORDER BY ordinal", [path])
        return [_chunk(row) for row in rows]

    def _rows(self, query: str, values: Sequence[str | int] = ()) -> list[Row]:
        try:
            with self._lock:
                return self._connection.execute(query, tuple(values)).fetchall()
        except sqlite3.DatabaseError as error:
            raise KnowledgeBaseDamaged(
                f"{self._path} is damaged: {error}.", rebuild_command(self._path.parent.parent)
            ) from error


def _chunk(row: Row) -> Chunk:
    _, path, ordinal, start, end, text, page, heading_path = row
    return Chunk(path, ordinal, start, end, text, page, tuple(json.loads(heading_path)))
