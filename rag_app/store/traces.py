"""The proof that a removed text is gone: every file of a knowledge base is read and searched for it.

What is looked for are its lines (cut where they are long), title and headings, its longer words, and its vectors; each as it
is, and as JSON would write it. What stays in the base may say the same: such pieces are told from the others first.
This module knows nothing of how a text was removed.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rag_app.datatypes import BlockKind, Document
from rag_app.errors import KnowledgeBaseError
from rag_app.store.byte_search import SHORTEST, ByteSearch
from rag_app.text import searchable

Item = TypeVar("Item")

VECTOR_BYTES = 256  # of a vector, its first: with so many numbers no two are the same by chance

_PIECE = 32  # characters: what is left of a text may be broken anywhere, and small pieces lie between the breaks
_LINE_BYTES = 16
_WORD_BYTES = 9  # the keyword index holds pairs of CJK characters, of up to eight
_LETTERS = 4  # different ones: rules and the borders of tables are no text
_MOST = 50_000
_WORD = re.compile(r"[^\W_]+(?:[-._/+:][^\W_]+)*")


@dataclass(frozen=True)
class Traces:
    """What a search for removed documents came to.

    `pieces` are those of their text that nothing which stays has as well; `searched` of them were looked for, all or an
    evenly spread selection. `vectors` were looked for, too. `files` with `bytes` were read. `found` pieces and vectors stand
    in the files `found_in`, named as below the folder of the knowledge base.
    """

    pieces: int = 0
    searched: int = 0
    vectors: int = 0
    files: int = 0
    bytes: int = 0
    found: int = 0
    found_in: tuple[str, ...] = ()


def search_traces(
    base: Path,
    removed: Iterable[Document],
    vectors: Sequence[bytes],
    staying: Iterable[Document],
    sayings: Sequence[str],
) -> Traces:
    """Search every file of a knowledge base for removed documents.

    Args:
        base: the folder of the knowledge base; nothing may write in it meanwhile.
        removed: the documents, in all versions that were there.
        vectors: the first `VECTOR_BYTES` bytes of each of their vectors that no passage which stays has.
        staying: the documents that the base still holds.
        sayings: what the base says of itself: its manifest and report.

    Raises:
        KnowledgeBaseError: a file cannot be read.
    """
    pieces = _unshared(_pieces(removed), staying, [*sayings, *_schemas(base), *BlockKind])
    chosen, some_vectors = _spread(pieces), _spread(vectors)
    # What is looked for, by a number of its own: a piece has several forms.
    wanted = [(number, form) for number, piece in enumerate(chosen) for form in _forms(piece)]
    wanted += [(len(chosen) + number, vector) for number, vector in enumerate(some_vectors)]
    search = ByteSearch([form for _, form in wanted])
    found: dict[str, set[int]] = {}
    size = 0
    try:
        for path in _files(base):
            found[path.relative_to(base).as_posix()] = {wanted[form][0] for form in search.find_in_file(path)}
            size += path.stat().st_size
    except OSError as error:
        raise KnowledgeBaseError(
            f"{error.filename} cannot be read ({error.strerror}): whether it holds text of the document is not known.",
            "Make it readable, then look for the document's words in it.",
        ) from error
    return Traces(
        pieces=len(pieces),
        searched=len(chosen),
        vectors=len(some_vectors),
        files=len(found),
        bytes=size,
        found=len(set().union(*found.values())),
        found_in=tuple(name for name, numbers in found.items() if numbers),
    )


def _files(base: Path) -> Iterator[Path]:
    """Yield every file below a folder; unlike `Path.rglob`, pass over no folder that cannot be read."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(base, onerror=refuse):
        for path in (Path(folder, name) for name in sorted(names)):
            if path.is_file() and not path.is_symlink():
                yield path


def _spread(items: Sequence[Item]) -> list[Item]:
    """Return the items, or where there are too many as many of them as may be, evenly spread."""
    count = min(len(items), _MOST)
    return [items[place * len(items) // count] for place in range(count)]


def _pieces(documents: Iterable[Document]) -> list[str]:
    """Return what a text is searched for by, each once: lines, title, headings and words that are long enough."""
    pieces: dict[str, None] = {}
    for document in documents:
        lines = (*document.text.splitlines(), document.title, *(block.label for block in document.blocks))
        words = (match.group() for match in _WORD.finditer(document.text))
        for texts, fewest in ((lines, _LINE_BYTES), (words, _WORD_BYTES)):
            pieces.update(
                (piece, None)
                for text in texts
                for piece in _cut(text.strip())
                if len(piece.encode()) >= fewest and len(set(piece)) >= _LETTERS
            )
    return list(pieces)


def _cut(text: str) -> Iterator[str]:
    """Yield a text in parts of about one length, as few as may be."""
    parts = -(-len(text) // _PIECE)
    for part in range(parts):
        yield text[part * len(text) // parts : (part + 1) * len(text) // parts].strip()


def _unshared(pieces: Sequence[str], staying: Iterable[Document], sayings: Iterable[str]) -> list[str]:
    """Return the pieces that stand in nothing that stays."""
    search = ByteSearch([_plain(piece) for piece in pieces])
    shared: set[int] = set()
    for text in (*sayings, *map(_everything_of, staying)):
        shared |= search.find(text.encode(), shared)
        shared |= search.find(unicodedata.normalize("NFKC", searchable(text)).casefold().encode(), shared)
    return [piece for number, piece in enumerate(pieces) if number not in shared]


def _plain(piece: str) -> bytes:
    """Return a piece as it would stand in another text; of a word, as the keyword index has it, in small letters."""
    raw = piece.encode()
    if " " in piece:
        return raw
    plain = unicodedata.normalize("NFKC", searchable(piece)).casefold().encode()
    return plain if len(plain) >= SHORTEST else raw


def _forms(piece: str) -> set[bytes]:
    """Return the bytes as which a piece may stand in a file."""
    return {
        piece.encode(),
        _plain(piece),
        json.dumps(piece)[1:-1].encode(),
        json.dumps(piece, ensure_ascii=False)[1:-1].encode(),
    }


def _everything_of(document: Document) -> str:
    facts = (document.path, document.sha256, document.media_type, document.language, document.script, document.encoding)
    labels = (block.label for block in document.blocks)
    return "\n".join((*facts, document.title, document.name, *labels, document.text))


def _schemas(base: Path) -> Iterator[str]:
    """Yield the words in which the base's own databases are laid out."""
    for path in base.rglob("*.sqlite"):
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as connection:
            for (statement,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"):
                yield statement
