"""Document to chunks: passages with exact character spans, cut where the document's structure and its sentences pause.

Structure comes first: a chunk ends before a heading where it can, else at the end of a block, else of a sentence, a table row
or a line of code. A table or a piece of code that fits a chunk is not cut; where a table must be, its header row goes with
every group of its rows. Consecutive chunks of running text share their last sentences. Sizes are in the unit of
`rag_app.text`, which needs no model, and count the heading path and the table header that are embedded with the text.
This module knows nothing of files, models or indexes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ingest.cuts import parts_of
from ingest.outline import HEADER_SHARE, Outline
from rag_app.datatypes import Block, BlockKind, Chunk, Document
from rag_app.text import sentence_spans, size_in_units

# A chunk begins at a heading once this share of the one before it is filled.
_EARLY_END_SHARE = 0.4
# What is cut at its lines, is kept whole where a chunk can hold it, and is not repeated as overlap.
_BY_LINE = frozenset({BlockKind.TABLE, BlockKind.CODE})


class _Piece(NamedTuple):
    """What is never cut again: a sentence, a heading, a row, a line, or part of one that was too long."""

    start: int
    end: int
    units: int
    may_be_shared: bool


class _Group(NamedTuple):
    """A block as pieces, after the headings it stands under where they come right before it."""

    pieces: tuple[_Piece, ...]
    block: Block | None
    begins_section: bool

    @property
    def units(self) -> int:
        return sum(piece.units for piece in self.pieces)


@dataclass
class _Open:
    """The chunk being filled: its pieces, their size, how many it shares with the one before, and a table's header."""

    pieces: list[_Piece] = field(default_factory=list)
    units: int = 0
    shared: int = 0
    table_header: str = ""

    def add(self, piece: _Piece) -> None:
        self.pieces.append(piece)
        self.units += piece.units

    @property
    def has_own_text(self) -> bool:
        return len(self.pieces) > self.shared


def chunk_document(document: Document, *, chunk_tokens: int, overlap: int) -> list[Chunk]:
    """Cut a document into chunks. Together they hold every character that is not white space.

    Args:
        document: with its blocks and page starts.
        chunk_tokens: the largest size of a chunk with all that is embedded before it; 0: one chunk for the whole document.
        overlap: the largest size of what two consecutive chunks share; whole sentences, at most half a chunk.

    Returns:
        The chunks in order; none for a document without text.
    """
    outline = Outline(document, chunk_tokens)
    if chunk_tokens:
        spans = _Filling(outline, chunk_tokens, min(overlap, chunk_tokens // 2)).fill(_groups(document, chunk_tokens))
    else:
        whole = document.text.strip()
        start = document.text.find(whole)
        spans = [(start, start + len(whole), "")] if whole else []
    return [
        Chunk(
            document_path=document.path,
            ordinal=ordinal,
            start=start,
            end=end,
            text=document.text[start:end],
            page=document.page_at(start),
            last_page=document.page_at(end - 1),
            heading_path=outline.path_of(start, end),
            table_header=table_header,
            name=outline.name,
        )
        for ordinal, (start, end, table_header) in enumerate(spans)
    ]


class _Filling:
    """Fills one chunk after another; `spans` holds start, end and table header of those that are full."""

    def __init__(self, outline: Outline, chunk_tokens: int, overlap: int) -> None:
        self._outline = outline
        self._chunk_tokens = chunk_tokens
        self._overlap = overlap
        self._spans: list[tuple[int, int, str]] = []
        self._current = _Open()

    def fill(self, groups: Iterator[_Group]) -> list[tuple[int, int, str]]:
        for group in groups:
            self._make_room(group)
            header = self._outline.table_header(group.block) if group.block else ""
            for number, piece in enumerate(group.pieces):
                if self._current.has_own_text and self._current.units + piece.units > self._room(piece):
                    self._close(self._overlap)
                if not self._current.has_own_text:
                    if number and header and piece.start > group.block.start:  # type: ignore[union-attr]
                        self._current = _Open(table_header=header)
                    if self._current.units + piece.units > self._room(piece):
                        # What is shared must not push out what is new.
                        self._current = _Open(table_header=self._current.table_header)
                self._current.add(piece)
        self._close(0)
        return self._spans

    def _room(self, piece: _Piece) -> int:
        """Return how large the text of the current chunk may be, given what is embedded before it."""
        start = (self._current.pieces or [piece])[0].start
        return self._chunk_tokens - self._outline.units_at(start) - size_in_units(self._current.table_header)

    def _make_room(self, group: _Group) -> None:
        """End the current chunk where the group is better begun in the next."""
        room = self._room(group.pieces[0])
        overlap = 0 if group.begins_section else self._overlap
        if group.begins_section and self._current.units >= _EARLY_END_SHARE * room:
            self._close(0)
        elif self._current.units + group.units > room:
            is_kept_whole = group.block is not None and group.block.kind in _BY_LINE
            fresh = self._chunk_tokens - self._outline.units_at(group.pieces[0].start)
            if is_kept_whole and group.units <= fresh:
                self._close(min(overlap, fresh - group.units))
            elif self._current.units >= room / 2:
                self._close(overlap)

    def _close(self, overlap: int) -> None:
        """Record the current chunk and begin the next one with its last sentences."""
        done, following = self._current, _Open()
        self._current = following
        if not done.has_own_text:
            return
        self._spans.append((done.pieces[0].start, done.pieces[-1].end, done.table_header))
        for piece in reversed(done.pieces[1:]):
            if not piece.may_be_shared or following.units + piece.units > overlap:
                break
            following.pieces.insert(0, piece)
            following.units += piece.units
        following.shared = len(following.pieces)


def _groups(document: Document, limit: int) -> Iterator[_Group]:
    """Yield the blocks of a document as pieces; headings come with the block that follows them."""
    pending: list[_Piece] = []
    for block in document.blocks:
        pieces = list(_pieces(document.text, block, limit))
        if block.kind is BlockKind.HEADING:
            pending += pieces
        elif pieces:
            yield _Group((*pending, *pieces), block, bool(pending))
            pending = []
    if pending:
        yield _Group(tuple(pending), None, begins_section=True)


def _pieces(text: str, block: Block, limit: int) -> Iterator[_Piece]:
    """Yield what a block is cut into: rows or lines, or else its sentences; what is too large for a chunk in parts."""
    headers = 2 if block.kind is BlockKind.TABLE else 1  # the heading path, and the table's own
    most = max(int(limit * (1 - headers * HEADER_SHARE)), 1)
    by_line = block.kind in _BY_LINE
    may_be_shared = block.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM)
    if block.kind is BlockKind.HEADING:
        spans: Sequence[tuple[int, int]] = [(block.start, block.end)]
    else:
        spans = list(_lines(text, block) if by_line else sentence_spans(text, block.start, block.end))
    for start, end in spans:
        units = size_in_units(text[start:end])
        if units <= most:
            yield _Piece(start, end, units, may_be_shared)
        else:
            for first, last in parts_of(text, start, end, most):
                yield _Piece(first, last, size_in_units(text[first:last]), may_be_shared)


def _lines(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """Yield the lines of a block that hold more than white space, with their indentation."""
    position = block.start
    while position < block.end:
        end = text.find("\n", position, block.end)
        end = block.end if end < 0 else end
        if line := text[position:end].rstrip():
            yield position, position + len(line)
        position = end + 1
