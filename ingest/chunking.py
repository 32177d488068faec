"""Document to chunks: passages with exact character spans, cut where the text itself pauses.

A chunk ends before a heading where it can, else at the end of a paragraph, else of a sentence; never inside a word that
fits. Consecutive chunks of a section share their last sentences. Sizes are in the unit of `rag_app.text`, which needs no
model, and count the heading path that is embedded with the text.
This module knows nothing of files, models or indexes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
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
        chunk_tokens: the largest size of a chunk, heading path included; 0: one chunk for the whole document.
        overlap: the largest size of what two consecutive chunks share; whole sentences, less than half a chunk.

    Returns:
        The chunks in order; none for a document without text.
    """
    outline = _Outline(document, chunk_tokens)
    if not chunk_tokens:
        whole = document.text.strip()
        start = document.text.find(whole) if whole else 0
        return [_chunk(document, outline, 0, start, start + len(whole))] if whole else []
    overlap = min(overlap, chunk_tokens // 2)
    spans: list[tuple[int, int]] = []
    current = _Open()

    def room_beside(piece: _Piece) -> int:
        return chunk_tokens - outline.units_at((current.pieces or [piece])[0].start)

    for paragraph, begins_section in _paragraphs(document, chunk_tokens):
        room = room_beside(paragraph[0])
        needed = sum(piece.units for piece in paragraph)
        if begins_section and current.units >= _EARLY_END_SHARE * room:
            current = _close(current, spans, overlap=0)
        elif current.units + needed > room and current.units >= room / 2:
            current = _close(current, spans, 0 if begins_section else overlap)
        for piece in paragraph:
            if current.has_own_text and current.units + piece.units > room_beside(piece):
                current = _close(current, spans, overlap)
            if not current.has_own_text and current.units + piece.units > room_beside(piece):
                current = _Open()  # what is shared must not push out what is new
            current.add(piece)
    _close(current, spans, overlap=0)
    return [_chunk(document, outline, i, start, end) for i, (start, end) in enumerate(spans)]


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
            pending.extend(_fitting(text, heading.start, heading.end, limit))
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
        yield from _fitting(text, start + first, start + last, limit)


def _fitting(text: str, start: int, end: int, limit: int) -> Iterator[_Piece]:
    """Yield a sentence or heading whole where it leaves room for the heading path, else in parts."""
    most = max(int(limit * (1 - _HEADER_SHARE)), 1)
    units = size_in_units(text[start:end])
    if units <= most:
        yield _Piece(start, end, units)
    else:
        yield from _parts(text, start, end, most)


def _parts(text: str, start: int, end: int, limit: int) -> Iterator[_Piece]:
    """Yield parts of at most `limit` units, cut at soft breaks, and inside a word only where it alone is larger."""
    step = max(limit // _LETTERS_PER_UNIT * _LETTERS_PER_UNIT, 1)  # characters: never more units than that
    enough = limit * _LETTERS_PER_UNIT + 1  # characters of a word that show it to be too large
    atoms = []
    position = start
    for stop in (*(match.end() for match in _SOFT_BREAK.finditer(text, start, end)), end):
        while size_in_units(text[position : min(stop, position + enough)]) > limit:  # base64, a rule, a very long path
            atoms.append((position, position + step))
            position += step
        if stop > position:
            atoms.append((position, stop))
        position = stop
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
        offset = start + len(part) - len(part.lstrip())
        yield _Piece(offset, offset + len(inner), size_in_units(inner))


class _Outline:
    """The heading path at each position of a document, without headings too long for their share of a chunk."""

    def __init__(self, document: Document, chunk_tokens: int) -> None:
        self._title = document.title
        self._headings = document.headings
        self._starts = [heading.start for heading in document.headings]
        self._allowance = int(chunk_tokens * _HEADER_SHARE) if chunk_tokens else None
        self._above: list[tuple[Heading, ...]] = []  # of each heading: those it stands under
        above: tuple[Heading, ...] = ()
        for heading in document.headings:
            above = tuple(other for other in above if other.level < heading.level)
            self._above.append(above)
            above = (*above, heading)

    def path_at(self, position: int) -> tuple[str, ...]:
        """Return the title and the headings above a position; the heading that begins there is in the text itself."""
        number = bisect_right(self._starts, position) - 1
        above: tuple[Heading, ...] = ()
        if number >= 0:
            nearest = self._headings[number]
            above = self._above[number] + ((nearest,) if nearest.start < position else ())
        path = [heading.text for heading in above if heading.text]
        if self._title and self._title not in path:
            path.insert(0, self._title)
        while path and self._allowance is not None and _path_units(path) > self._allowance:
            path.pop(len(path) // 2)  # the title and the nearest heading say the most
        return tuple(path)

    def units_at(self, position: int) -> int:
        """Return the size of the heading path at a position."""
        return _path_units(self.path_at(position))


def _path_units(path: Sequence[str]) -> int:
    return size_in_units(" > ".join(path))


def _chunk(document: Document, outline: _Outline, ordinal: int, start: int, end: int) -> Chunk:
    return Chunk(
        document_path=document.path,
        ordinal=ordinal,
        start=start,
        end=end,
        text=document.text[start:end],
        page=document.page_at(start),
        heading_path=outline.path_at(start),
    )
