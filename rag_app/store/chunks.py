"""Documents and chunks of a generation, in one SQLite file: written once, then only read.

A passage's `number` (from 0, in the order of first places) is its row in the keyword index and what `rows.npy` of a vector
index points to. A passage that documents hold more than once is one row of `chunks` and several of `places`: it is embedded
once, found once, and all its places are known.
This module knows nothing of vectors, keywords or where documents come from.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rag_app.datatypes import Block, BlockKind, Box, Chunk, Document, Place
from rag_app.errors import KnowledgeBaseDamaged
from rag_app.store.boxes import unpack_boxes
from rag_app.store.layout import rebuild_command

if TYPE_CHECKING:
    from numpy.typing import NDArray

PlaceColumn = Literal["chunk", "page", "last_page", "start", "end"]
ChunkColumn = Literal["heading_path", "table_header"]
Row = tuple[Any, ...]  # SQLite's own: the columns a query names

_SCHEMA = """
CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    language TEXT NOT NULL,
    script TEXT NOT NULL,
    encoding TEXT NOT NULL,
    title TEXT NOT NULL,
    name TEXT NOT NULL,
    date TEXT NOT NULL,
    text TEXT NOT NULL,
    page_starts TEXT NOT NULL,
    blocks TEXT NOT NULL,
    boxes BLOB NOT NULL
) STRICT;
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY,
    document INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    text TEXT NOT NULL,
    heading_path TEXT NOT NULL,
    table_header TEXT NOT NULL,
    FOREIGN KEY (document, ordinal) REFERENCES places (document, ordinal)
) STRICT;
CREATE TABLE places (
    document INTEGER NOT NULL REFERENCES documents (number),
    ordinal INTEGER NOT NULL,
    chunk INTEGER NOT NULL REFERENCES chunks (number),
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    page INTEGER,
    last_page INTEGER,
    name TEXT NOT NULL,
    PRIMARY KEY (document, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX places_of_chunk ON places (chunk, document, ordinal);
"""
_DOCUMENT_COLUMNS = (
    "path, sha256, media_type, language, script, encoding, title, name, date, text, page_starts, blocks, boxes"
)
_CHUNK_COLUMNS = (
    "SELECT chunks.number, documents.path, places.ordinal, places.start, places.end, chunks.text, places.page, "
    "places.last_page, chunks.heading_path, chunks.table_header, places.name FROM"
)
# Of a record, the file it lies in. What a record is called may hold any `/`, and a file's name any `#`: the two kinds of file
# that hold records (`ingest.loaders.records`) tell where the one ends and the other begins.
_FILE = (
    "CASE media_type WHEN 'application/json' THEN substr(path, 1, instr(lower(path) || '.json#', '.json#') + 4) "
    "WHEN 'application/jsonl' THEN substr(path, 1, instr(lower(path) || '.jsonl#', '.jsonl#') + 5) ELSE path END"
)
_FACTS = f"SELECT path, media_type, language, script, coalesce(nullif(title, ''), name), date, {_FILE} FROM documents"  # noqa: S608
_PLACES = "SELECT chunk, path, page, last_page, start, end FROM places JOIN documents ON documents.number = document"
_AT_FIRST_PLACE = (
    f"{_CHUNK_COLUMNS} chunks JOIN places ON (places.document, places.ordinal) = (chunks.document, chunks.ordinal) "
    "JOIN documents ON documents.number = chunks.document"
)


@dataclass(frozen=True)
class DocumentFacts:
    """What is known of a document but for its text.

    `title` is its own, or the name that stands for it; `file` the path of the file it was read from, which has other records
    where it is one.
    """

    path: str
    media_type: str
    language: str
    script: str
    title: str
    date: str
    file: str


@dataclass(frozen=True)
class DocumentValues:
    """The values that documents have, each once and sorted.

    `folders` are those that hold a document, without those above them, empty for none; `languages` are pairs of language and
    script; `dates` the first and the last, empty where none is known; `undated` counts documents without one.
    """

    folders: tuple[str, ...]
    media_types: tuple[str, ...]
    languages: tuple[tuple[str, str], ...]
    dates: tuple[str, str]
    undated: int


def distinct_chunks(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Return the passages that chunks come to, in the order that numbers them, each as it stands at its first place."""
    first: dict[tuple[object, ...], Chunk] = {}
    for chunk in chunks:
        first.setdefault(chunk.content, chunk)
    return list(first.values())


def write_chunks(path: Path, documents: Sequence[tuple[Document, Sequence[Chunk]]]) -> int:
    """Write the documents with their chunks and return the number of passages.

    Args:
        path: the file to create.
        documents: in the order that numbers them, each with its chunks in order.
    """
    passages = distinct_chunks(chunk for _, chunks in documents for chunk in chunks)
    passage_numbers = {passage.content: number for number, passage in enumerate(passages)}
    document_numbers = {document.path: number for number, (document, _) in enumerate(documents)}
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = OFF")  # the file is published whole or not at all
        connection.executescript(_SCHEMA)
        with connection:
            connection.executemany(
                f"INSERT INTO documents (number, {_DOCUMENT_COLUMNS}) VALUES (?{', ?' * 13})",  # noqa: S608 - constants
                ((number, *_document_row(document)) for number, (document, _) in enumerate(documents)),
            )
            connection.executemany(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (
                        number,
                        document_numbers[passage.document_path],
                        passage.ordinal,
                        passage.text,
                        json.dumps(passage.heading_path, ensure_ascii=False),
                        passage.table_header,
                    )
                    for number, passage in enumerate(passages)
                ),
            )
            connection.executemany(
                "INSERT INTO places VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        document_numbers[document.path],
                        chunk.ordinal,
                        passage_numbers[chunk.content],
                        chunk.start,
                        chunk.end,
                        chunk.page,
                        chunk.last_page,
                        chunk.name,
                    )
                    for document, chunks in documents
                    for chunk in chunks
                ),
            )
    finally:
        connection.close()
    return len(passages)


def _document_row(document: Document) -> Row:
    return (
        document.path,
        document.sha256,
        document.media_type,
        document.language,
        document.script,
        document.encoding,
        document.title,
        document.name,
        document.date,
        document.text,
        json.dumps(document.page_starts),
        json.dumps([block.as_row() for block in document.blocks], ensure_ascii=False),
        document.boxes,
    )


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
        # A connection refers to itself: without this the file would stay open until some later garbage collection.
        weakref.finalize(self, self._connection.close)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def count(self) -> int:
        """Return the number of passages."""
        return int(self._rows("SELECT count(*) FROM chunks")[0][0])

    def chunks(self, numbers: Sequence[int]) -> list[Chunk]:
        """Return the passages with these numbers, in the order given, each as it stands at its first place.

        Raises:
            KnowledgeBaseDamaged: a number that is not there.
        """
        rows = self._rows(f"{_AT_FIRST_PLACE} WHERE chunks.number IN ({_marks(numbers)})", numbers)
        found = {row[0]: _chunk(row) for row in rows}
        missing = [number for number in numbers if number not in found]
        if missing:
            raise KnowledgeBaseDamaged(
                f"{self._path} has no chunk {missing[0]}, which an index beside it points to.",
                rebuild_command(self._path.parent.parent),
            )
        return [found[number] for number in numbers]

    def places(self, numbers: Sequence[int]) -> dict[int, tuple[Place, ...]]:
        """Return every place where each of these passages stands, the first first."""
        places: dict[int, list[Place]] = {}
        rows = self._rows(f"{_PLACES} WHERE chunk IN ({_marks(numbers)}) ORDER BY document, ordinal", numbers)
        for number, *values in rows:
            places.setdefault(number, []).append(Place(*values))
        return {number: tuple(group) for number, group in places.items()}

    def all_chunks(self) -> Iterator[Chunk]:
        """Yield every passage in the order of its number, as it stands at its first place."""
        for row in self._rows(f"{_AT_FIRST_PLACE} ORDER BY chunks.number"):
            yield _chunk(row)

    def document_sums(self) -> dict[str, str]:
        """Return the sha256 of every document by its path."""
        return dict(self._rows("SELECT path, sha256 FROM documents"))

    def documents(self) -> list[tuple[str, str, str, int]]:
        """Return path, title (or the name that stands for it), language and number of passages of every document, in order."""
        return self._rows(
            "SELECT path, coalesce(nullif(title, ''), name), language, "
            "(SELECT count(*) FROM places WHERE document = documents.number) FROM documents ORDER BY number"
        )

    def all_facts(self) -> list[DocumentFacts]:
        """Return what is known of every document, in the order that numbers them."""
        return [DocumentFacts(*row) for row in self._stream(f"{_FACTS} ORDER BY number")]

    def document_values(self) -> DocumentValues:
        """Return which folders, types, languages and dates there are, without a row for each document."""
        # What is trimmed from the end of a path is whatever is no `/`: the name of the file.
        folders = self._rows(
            "SELECT DISTINCT rtrim(rtrim(file, replace(file, '/', '')), '/') "  # noqa: S608 - constants
            f"FROM (SELECT {_FILE} AS file FROM documents) ORDER BY 1"
        )
        rows = self._rows(  # one pass over the file: it holds the texts as well
            "SELECT media_type, language, script, coalesce(min(nullif(date, '')), ''), max(date), sum(date = '') "
            "FROM documents GROUP BY 1, 2, 3"
        )
        return DocumentValues(
            folders=tuple(row[0] for row in folders),
            media_types=tuple(sorted({row[0] for row in rows})),
            languages=tuple(sorted({(row[1], row[2]) for row in rows})),
            dates=(min((row[3] for row in rows if row[3]), default=""), max((row[4] for row in rows), default="")),
            undated=sum(row[5] for row in rows),
        )

    def facts(self, paths: Sequence[str]) -> dict[str, DocumentFacts]:
        """Return what is known of the documents with these paths, by path."""
        rows = self._rows(f"{_FACTS} WHERE path IN ({_marks(paths)})", paths)
        return {row[0]: DocumentFacts(*row) for row in rows}

    def place_counts(self) -> NDArray[np.int64]:
        """Return how many places every document has, in the order that numbers them."""
        counts = np.zeros(self._rows("SELECT count(*) FROM documents")[0][0], np.int64)
        for document, count in self._stream("SELECT document, count(*) FROM places GROUP BY document"):
            counts[document] = count
        return counts

    def place_column(self, column: PlaceColumn) -> NDArray[np.int32]:
        """Return one column of all places, -1 for what is not known: by document, in it by ordinal."""
        rows = self._stream(f"SELECT coalesce({column}, -1) FROM places ORDER BY document, ordinal")  # noqa: S608 - literals
        return np.fromiter((row[0] for row in rows), np.int32)

    def chunk_column(self, column: ChunkColumn) -> tuple[list[str | tuple[str, ...]], NDArray[np.int32]]:
        """Return one column of all passages: the values there are, and by a passage's number which of them is its own."""
        codes: dict[str, int] = {}
        rows = self._stream(f"SELECT {column} FROM chunks ORDER BY number")  # noqa: S608 - literals
        numbers = np.fromiter((codes.setdefault(row[0], len(codes)) for row in rows), np.int32)
        if column == "heading_path":
            return [tuple(json.loads(value)) for value in codes], numbers
        return list(codes), numbers

    def document(self, path: str) -> Document | None:
        """Return a document by its path, with its whole text, or None."""
        rows = self._rows(f"SELECT {_DOCUMENT_COLUMNS} FROM documents WHERE path = ?", [path])  # noqa: S608 - constants
        if not rows:
            return None
        path, sha256, media_type, language, script, encoding, title, name, date, text, pages, blocks, boxes = rows[0]
        return Document(
            path=path,
            sha256=sha256,
            media_type=media_type,
            language=language,
            title=title,
            text=text,
            page_starts=tuple(json.loads(pages)),
            blocks=tuple(Block(BlockKind(kind), *values) for kind, *values in json.loads(blocks)),
            name=name,
            script=script,
            encoding=encoding,
            boxes=boxes,
            date=date,
        )

    def boxes(self, path: str, start: int, end: int) -> list[Box]:
        """Return where the characters `[start, end)` of a document stand on its pages; none where it has no page pictures."""
        rows = self._rows("SELECT boxes FROM documents WHERE path = ?", [path])
        return list(unpack_boxes(rows[0][0], start, end)) if rows else []

    def chunks_of(self, path: str) -> list[Chunk]:
        """Return the chunks of a document, in order."""
        rows = self._rows(
            f"{_CHUNK_COLUMNS} places JOIN chunks ON chunks.number = places.chunk "
            "JOIN documents ON documents.number = places.document WHERE documents.path = ? ORDER BY places.ordinal",
            [path],
        )
        return [_chunk(row) for row in rows]

    def chunks_around(self, path: str, start: int, end: int) -> list[Chunk]:
        """Return the chunk at `[start, end)` of a document and those beside it, in order; none where there is no such one."""
        here = self._rows(
            "SELECT document, ordinal FROM places JOIN documents ON documents.number = document "
            "WHERE path = ? AND start = ? AND end = ?",
            [path, start, end],
        )
        if not here:
            return []
        document, ordinal = here[0]
        rows = self._rows(
            f"{_CHUNK_COLUMNS} places JOIN chunks ON chunks.number = places.chunk "
            "JOIN documents ON documents.number = places.document "
            "WHERE places.document = ? AND places.ordinal BETWEEN ? AND ? ORDER BY places.ordinal",
            [document, ordinal - 1, ordinal + 1],
        )
        return [_chunk(row) for row in rows]

    def chunk_before(self, path: str, start: int) -> Chunk | None:
        """Return the last chunk of a document that begins before `start`; None where there is none."""
        return self._chunk_beside("places.start < ? ORDER BY places.ordinal DESC", path, start)

    def chunk_after(self, path: str, end: int) -> Chunk | None:
        """Return the first chunk of a document that ends after `end`; None where there is none."""
        return self._chunk_beside("places.end > ? ORDER BY places.ordinal", path, end)

    def _chunk_beside(self, which: str, path: str, offset: int) -> Chunk | None:
        rows = self._rows(
            f"{_CHUNK_COLUMNS} places JOIN chunks ON chunks.number = places.chunk "
            f"JOIN documents ON documents.number = places.document WHERE documents.path = ? AND {which} LIMIT 1",
            [path, offset],
        )
        return _chunk(rows[0]) if rows else None

    def slices(self, path: str, spans: Sequence[tuple[int, int]]) -> list[str]:
        """Return the characters `[start, end)` of a document for each of these spans, of which there may be a hundred.

        Raises:
            KnowledgeBaseDamaged: the document is not there, or ends before a span does.
        """
        columns = ", ".join(["substr(text, ?, ?)"] * len(spans))
        values = [number for start, end in spans for number in (start + 1, end - start)]
        lengths = [end - start for start, end in spans]
        rows = self._rows(f"SELECT {columns} FROM documents WHERE path = ?", [*values, path])  # noqa: S608 - constants
        if rows and [len(text) for text in rows[0]] != lengths:  # a NUL in the text ends it for SQLite
            whole = self._rows("SELECT text FROM documents WHERE path = ?", [path])[0][0]
            rows = [tuple(whole[start:end] for start, end in spans)]
        if not rows or [len(text) for text in rows[0]] != lengths:
            raise KnowledgeBaseDamaged(
                f"{self._path} does not hold the text of {path} to which its passages point.",
                rebuild_command(self._path.parent.parent),
            )
        return list(rows[0])

    def _rows(self, query: str, values: Sequence[str | int] = ()) -> list[Row]:
        return list(self._stream(query, values))

    def _stream(self, query: str, values: Sequence[str | int] = ()) -> Iterator[Row]:
        """Yield the rows without holding all of them; nobody else reads until the last."""
        try:
            with self._lock:
                yield from self._connection.execute(query, tuple(values))
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # a message may quote damaged bytes
            raise KnowledgeBaseDamaged(
                f"{self._path} is damaged: {error}.", rebuild_command(self._path.parent.parent)
            ) from error


def _marks(values: Sequence[int] | Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _chunk(row: Row) -> Chunk:
    _, path, ordinal, start, end, text, page, last_page, heading_path, table_header, name = row
    headings = tuple(json.loads(heading_path))
    return Chunk(path, ordinal, start, end, text, page, last_page, headings, table_header, name)
