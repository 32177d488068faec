"""Document to chunks: passages with exact character spans, cut where the text itself pauses.

A chunk ends before a heading where it can, else at the end of a paragraph, else of a sentence; never inside a word that
fits. Consecutive chunks of a section share their last sentences. Sizes are in the unit of `rag_app.text`, which needs no
model, and count the heading path that is embedded with the text.
This module knows nothing of files, models or indexes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rag_app.datatypes import Chunk, Document, Heading
from rag_app.text import sentence_spans, size_in_units

_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")
# Where a sentence that is too long may be cut: after white space or a clause mark, and between CJK characters.
_SOFT_BREAK = re.compile(r"\s+|(?<=[，、：,:])|(?<=[\u3040-\u9fff])(?=[\u3040-\u9fff])")
_LETTERS_PER_UNIT = 4
# The heading path gets at most this share of a chunk; a chunk begins at a heading once this share of it is filled.
_HEADER_SHARE = 0.25
_EARLY_END_SHARE = 0.4


@dataclass(frozen=True)
class _Piece:
    """A sentence, a heading, or part of a sentence that was too long: what is never cut again."""

    start: int
    end: int
    units: int


@dataclass
class _Open:
    """The chunk being filled: its pieces, their size, and how many of them it shares with the chunk before it."""

    pieces: list[_Piece] = field(default_factory=list)
    units: int = 0
    shared: int = 0

    def add(self, piece: _Piece) -> None:
        self.pieces.append(piece)
        self.units += piece.units

    @property
    def has_own_text(self) -> bool:
        return len(self.pieces) > self.shared


def chunk_document(document: Document, *, chunk_tokens: int, overlap: int) -> list[Chunk]:
    """Cut a document into chunks. Together they hold every character that is not white space.

    Args:
        document: with its headings and page starts.
        chunk_tokens: the largest size of a chunk, heading path included; 0: one chunk for the whole document. Only a
            single heading path or unbreakable word can make a chunk larger.
        overlap: the largest size of what two consecutive chunks share; whole sentences, less than half a chunk.

    Returns:
        The chunks in order; none for a document without text.
    """
    text = document.text
    if not chunk_tokens:
        whole = text.strip()
        start = text.find(whole) if whole else 0
        return [_chunk(document, 0, start, start + len(whole), 0)] if whole else []
    overlap = min(overlap, chunk_tokens // 2)
    spans: list[tuple[int, int]] = []
    current = _Open()
    for paragraph, begins_section in _paragraphs(document, chunk_tokens):
        room = chunk_tokens - _header_units(document, (current.pieces or paragraph)[0].start, chunk_tokens)
        needed = sum(piece.units for piece in paragraph)
        if begins_section and current.units >= _EARLY_END_SHARE * room:
            current = _close(current, spans, overlap=0)
        elif current.units + needed > room and current.units >= room / 2:
            current = _close(current, spans, 0 if begins_section else overlap)
        for piece in paragraph:
            room = chunk_tokens - _header_units(document, (current.pieces or [piece])[0].start, chunk_tokens)
            if current.units + piece.units > room and current.has_own_text:
                current = _close(current, spans, overlap)
                if current.units + piece.units > room:  # what is shared must not push out what is new
                    current = _Open()
            current.add(piece)
    _close(current, spans, overlap=0)
    return [_chunk(document, i, start, end, chunk_tokens) for i, (start, end) in enumerate(spans)]


def _close(current: _Open, spans: list[tuple[int, int]], overlap: int) -> _Open:
    """Record the chunk and return the next one, which begins with the last sentences of this one."""
    if not current.has_own_text:
        return _Open()
    spans.append((current.pieces[0].start, current.pieces[-1].end))
    following = _Open()
    for piece in reversed(current.pieces[1:]):
        if following.units + piece.units > overlap:
            break
        following.pieces.insert(0, piece)
        following.units += piece.units
    following.shared = len(following.pieces)
    return following


def _paragraphs(document: Document, limit: int) -> Iterator[tuple[list[_Piece], bool]]:
    """Yield the pieces of each paragraph, and whether it begins a section: then its headings come first."""
    text = document.text
    pending: list[_Piece] = []
    position = 0
    ends: list[Heading | None] = [*document.headings, None]
    for heading in ends:
        end = heading.start if heading else len(text)
        for start, stop in _blocks(text, position, end):
            pieces = list(_pieces(text, start, stop, limit))
            yield [*pending, *pieces], bool(pending)
            pending = []
        if heading:
            pending.append(_Piece(heading.start, heading.end, size_in_units(text[heading.start : heading.end])))
            position = heading.end
    if pending:
        yield pending, True


def _blocks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the spans between blank lines."""
    position = start
    for match in _BLANK_LINES.finditer(text, start, end):
        if text[position : match.start()].strip():
            yield position, match.start()
        position = match.end()
    if text[position:end].strip():
        yield position, end


def _pieces(text: str, start: int, end: int, limit: int) -> Iterator[_Piece]:
    """Yield the sentences of a paragraph, those too long for a chunk in parts."""
    for first, last in sentence_spans(text[start:end]):
        units = size_in_units(text[start + first : start + last])
        if units <= limit * (1 - _HEADER_SHARE):
            yield _Piece(start + first, start + last, units)
        else:
            yield from _parts(text, start + first, start + last, int(limit * (1 - _HEADER_SHARE)))


def _parts(text: str, start: int, end: int, limit: int) -> Iterator[_Piece]:
    """Yield parts of at most `limit` units, cut at soft breaks, and inside a word only where it alone is larger."""
    breaks = [match.end() for match in _SOFT_BREAK.finditer(text, start, end)]
    atoms = []
    position = start
    for stop in (*breaks, end):
        while size_in_units(text[position:stop]) > limit:  # a word without end: base64, a very long path
            atoms.append((position, position + limit * _LETTERS_PER_UNIT))
            position += limit * _LETTERS_PER_UNIT
        if stop > position:
            atoms.append((position, stop))
        position = max(position, stop)
    first, units = start, 0
    for atom_start, atom_end in atoms:
        size = size_in_units(text[atom_start:atom_end])
        if units + size > limit and atom_start > first:
            yield from _trimmed(text, first, atom_start)
            first, units = atom_start, 0
        units += size
    yield from _trimmed(text, first, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[_Piece]:
    part = text[start:end]
    inner = part.strip()
    if inner:
        offset = start + part.index(inner)
        yield _Piece(offset, offset + len(inner), size_in_units(inner))


def _heading_path(document: Document, position: int, chunk_tokens: int) -> tuple[str, ...]:
    """Return the title and the headings above a position, without those too long for their share of a chunk."""
    above: list[Heading] = []
    for heading in document.headings:
        if heading.start > position:
            break
        above = [other for other in above if other.level < heading.level]
        if heading.start < position:  # the heading that a chunk begins with is in its text
            above.append(heading)
    path = [heading.text for heading in above if heading.text]
    if document.title and document.title not in path:
        path.insert(0, document.title)
    allowance = int(chunk_tokens * _HEADER_SHARE) if chunk_tokens else size_in_units(" > ".join(path))
    while path and size_in_units(" > ".join(path)) > allowance:
        path.pop(len(path) // 2)  # the title and the nearest heading say the most
    return tuple(path)


def _header_units(document: Document, position: int, chunk_tokens: int) -> int:
    return size_in_units(" > ".join(_heading_path(document, position, chunk_tokens)))


def _chunk(document: Document, ordinal: int, start: int, end: int, chunk_tokens: int) -> Chunk:
    return Chunk(
        document_path=document.path,
        ordinal=ordinal,
        start=start,
        end=end,
        text=document.text[start:end],
        page=document.page_at(start),
        heading_path=_heading_path(document, start, chunk_tokens),
    )
