"""What every loader returns, and the builder that loaders put a document together with.

This module knows nothing of any one format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rag_app.datatypes import Block, BlockKind, Box
from rag_app.text import normalise

_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_MAX_LEVEL = 6


@dataclass(frozen=True)
class LoadOptions:
    """What a loader may spend, and whether it reads pictures of text.

    Args:
        max_pages: more pages are refused.
        max_expanded_bytes: what the files in an archive may come to, unpacked.
        max_entries: files in an archive.
        ocr_languages: tesseract's names joined by `+`, `eng+chi_sim`; empty: scanned pages are reported, not read.
        ocr_remedy: what to do to have them read.
    """

    max_pages: int = 2000
    max_expanded_bytes: int = 200_000_000
    max_entries: int = 2000
    ocr_languages: str = ""
    ocr_remedy: str = ""


@dataclass(frozen=True)
class Extract:
    """The text of a document as a reader would see it, normalised, with what is known of its structure.

    `record` is the id of a record in a file that holds many, else empty. `blocks`, `page_starts` and `encoding` as in
    `Document`. `boxes` tell where words stand on the page. `notes` are sentences for the report: what could not be read,
    what was left out; `remedy` says what to do about them. `scanned_pages` are the numbers (from 1) of pages that are
    pictures of text and were not read. `date` is the day the document states of itself (`rag_app.dates`), else empty.
    """

    text: str
    title: str = ""
    record: str = ""
    page_starts: tuple[int, ...] = ()
    blocks: tuple[Block, ...] = ()
    boxes: tuple[Box, ...] = ()
    notes: tuple[str, ...] = ()
    remedy: str = ""
    scanned_pages: tuple[int, ...] = ()
    encoding: str = ""
    date: str = ""


class TextBuilder:
    """Puts a document together, block by block: the text, and where each block stands in it.

    Blocks are separated by a blank line, list items by a line break. White space around a block is dropped, and a block
    without anything else is left out. What a document says never becomes structure: a paragraph that begins with `#` stays
    a paragraph.
    """

    def __init__(self) -> None:
        """Nothing is there yet."""
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._page_starts: list[int] = []
        self._pending_pages = 0

    @property
    def first_title(self) -> str:
        """The words of the first heading of level 1, or an empty string."""
        return first_title(self._blocks)

    def start_page(self) -> None:
        """Begin a new page: what is added next stands on it."""
        self._pending_pages += 1

    def heading(self, level: int, text: str) -> None:
        """Add a heading as a line with as many `#` as its level, six at most."""
        words = " ".join(text.split())
        level = min(max(level, 1), _MAX_LEVEL)
        if words:
            self._add(BlockKind.HEADING, f"{'#' * level} {words}", level=level, label=normalise(words))

    def paragraph(self, text: str) -> None:
        """Add a paragraph; line breaks in it are kept, blank lines part it into several."""
        for start, end in paragraph_spans(text):
            self._add(BlockKind.PARAGRAPH, text[start:end])

    def list_item(self, text: str, *, depth: int = 0, marker: str = "-") -> None:
        """Add an item of a list, indented by its depth (from 0), after its marker."""
        item = _BLANK_LINES.sub("\n", text.strip())
        if item:
            self._add(BlockKind.LIST_ITEM, f"{'  ' * depth}{marker} {item}")

    def table(self, rows: Sequence[Sequence[str]], *, has_header: bool = True) -> None:
        """Add a table, a row a line, cells separated by ` | `; the first row with words is the header."""
        lines = [
            " | ".join(" ".join(cell.split()) for cell in row) for row in rows if any(cell.strip() for cell in row)
        ]
        if lines:
            self._add(BlockKind.TABLE, "\n".join(lines), label=normalise(lines[0]) if has_header and lines[1:] else "")

    def code(self, text: str) -> None:
        """Add lines that are kept as they are: program code, preformatted text."""
        self._add(BlockKind.CODE, text.strip("\n"))

    def build(self, extract: Extract | None = None) -> Extract:
        """Return `extract` (title, notes and the like) with the text, blocks and pages put together so far."""
        self._begin_pending_pages(self._length)
        return replace(
            extract or Extract(""),
            text="".join(self._parts),
            blocks=tuple(self._blocks),
            page_starts=tuple(self._page_starts),
        )

    def _add(self, kind: BlockKind, text: str, *, level: int = 0, label: str = "") -> None:
        text = normalise(text).rstrip()
        if not text.strip():
            return
        is_list = kind is BlockKind.LIST_ITEM and self._blocks and self._blocks[-1].kind is BlockKind.LIST_ITEM
        separator = ("\n" if is_list else "\n\n") if self._parts else ""
        start = self._length + len(separator)
        self._begin_pending_pages(start)
        self._parts += [separator, text]
        self._length = start + len(text)
        self._blocks.append(Block(kind, start, self._length, level, label))

    def _begin_pending_pages(self, start: int) -> None:
        self._page_starts += [start] * self._pending_pages
        self._pending_pages = 0


def paragraph_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield the spans between blank lines that hold more than white space, whole lines each."""
    end = len(text) if end is None else end
    position = start
    for match in _BLANK_LINES.finditer(text, start, end):
        if text[position : match.start()].strip():
            yield position, match.start()
        # The indentation of the next paragraph's first line belongs to it.
        position = match.start() + match.group().rindex("\n") + 1
    if text[position:end].strip():
        yield position, end


def paragraphs(text: str, kind: BlockKind = BlockKind.PARAGRAPH) -> tuple[Block, ...]:
    """Return a block for everything between blank lines."""
    return tuple(Block(kind, start, end) for start, end in paragraph_spans(text))


def first_title(blocks: Sequence[Block]) -> str:
    """Return the words of the first heading of level 1, or an empty string."""
    return next((block.label for block in blocks if block.kind is BlockKind.HEADING and block.level == 1), "")


# What is said of one thing that is no text and was not read, and of several, by its noun. Whole sentences: they are translated.
_NOT_READ: Mapping[str, tuple[str, Callable[[int], str]]] = {
    "embedded document": (
        "1 embedded document was not read.",
        lambda count: f"{count} embedded documents were not read.",
    ),
    "embedded object": (
        "1 embedded object was not read.",
        lambda count: f"{count} embedded objects were not read.",
    ),
    "output": ("1 output was not read.", lambda count: f"{count} outputs were not read."),
    "picture": ("1 picture was not read.", lambda count: f"{count} pictures were not read."),
    "recording": ("1 recording was not read.", lambda count: f"{count} recordings were not read."),
}


def not_read(counts: Mapping[str, int]) -> tuple[list[str], str]:
    """Return the notes about what is no text and was not read, counted by its noun, and what can be done about it."""
    found = {noun: count for noun, count in sorted(counts.items()) if count}
    notes = [_NOT_READ[noun][0] if count == 1 else _NOT_READ[noun][1](count) for noun, count in found.items()]
    is_embedded = any(noun.startswith("embedded") for noun in found)
    return notes, "Save what is embedded as files of their own." if is_embedded else ""


def attachments_note(names: Sequence[str], most: int) -> str:
    """Return the note about attached files, which were not read: up to `most` are named, those without a name counted."""
    named = [" ".join(name.split()) for name in names if name.strip()][:most]
    count, shown, rest = len(names), ", ".join(named), len(names) - len(named)
    if not named:
        return "1 attachment was not read." if count == 1 else f"{count} attachments were not read."
    if count == 1:
        return f"1 attachment was not read: {shown}."
    if rest:
        return f"{count} attachments were not read: {shown} and {rest} more."
    return f"{count} attachments were not read: {shown}."
