"""Word documents: headings, paragraphs, lists and tables in their order, notes and comments where they are referred to.

python-docx opens the package. Its own text of a paragraph leaves out content controls, tracked insertions, text boxes,
formulas and more, so the elements are read here.
This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ingest.loaders.extract import Extract, LoadOptions, TextBuilder, not_read
from ingest.loaders.office.open_xml import (
    CoreProperties,
    Element,
    core_properties,
    open_package,
    parse_part,
    reading,
    related_parts,
    with_first_choices,
    without_dangling_relationships,
)
from ingest.loaders.office.open_xml_drawings import add_chart, add_diagram, description
from ingest.loaders.office.open_xml_text import Inline, attribute, local_name, read_inline
from ingest.loaders.office.word_numbering import Numbering, number_of, value_of
from ingest.loaders.office.word_styles import Format, Styles

_KIND = "Word document"
_WITH_MACROS = "application/vnd.ms-word.document.macroEnabled.main+xml"
_PARAGRAPHS = frozenset({"p", "oMathPara", "oMath"})
_DELETED = frozenset({"del", "moveFrom"})
_NOTE_KINDS = {"footnoteReference": "footnotes", "endnoteReference": "endnotes", "commentReference": "comments"}
_NOT_READ = {"pic": "picture", "imagedata": "picture", "object": "embedded object"}
# What a header or footer says that only numbers the pages.
_PAGE_NUMBER = re.compile(r"\b(?:pages?|seite|of|von|sur|de)\b|[第页頁共ページ]|[\W\d_]+", re.IGNORECASE)
_REPEATED_LENGTH = 100  # characters of a cell over several rows that are given in each of them


def load_docx(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the text of a Word document.

    Raises:
        DocumentError: not a Word document, damaged, or more than it may hold.
    """
    from docx.opc.exceptions import OpcError
    from docx.opc.part import PartFactory
    from docx.package import Package
    from docx.parts.document import DocumentPart

    with open_package(data, options, _KIND) as archive, reading(_KIND, OpcError):
        stated = core_properties(archive)
        # python-docx refuses a document with macros, though nothing else is different in it.
        PartFactory.part_type_for[_WITH_MACROS] = DocumentPart
        part = Package.open(io.BytesIO(without_dangling_relationships(archive, data))).main_document_part
        if not isinstance(part, DocumentPart):
            raise OpcError(f"its content type is {part.content_type}")
        extract = _Reader(part, part.document.styles.element).read(stated)
    yield extract


class _Reader:
    """Reads one document, from its beginning to its end."""

    def __init__(self, part: Any, styles: Element) -> None:
        self._part = part
        self._numbering = Numbering(next(iter(self._roots("numbering")), None))
        self._styles = Styles(styles, self._numbering)
        self._notes = {
            (kind, attribute(note, "id")): note
            for kind in _NOTE_KINDS.values()
            for root in self._roots(kind)
            for note in root.iterchildren("*")
        }
        self._builder = TextBuilder()
        self._counts = Counter[str]()  # of what is not read

    def read(self, stated: CoreProperties) -> Extract:
        """Return the document."""
        body = with_first_choices(self._part.element).find("{*}body")
        if body is None:
            raise ValueError("it has no body")
        for element, inline in self._blocks(body):
            if inline is None:
                self._table(element)
            else:
                self._paragraph(element, inline)
                self._attached(inline)
        for kind, number in list(self._notes):
            if kind == "comments":  # of text that was deleted since
                self._note(kind, number)
        for kind in ("header", "footer"):
            self._margin(kind)
        notes, remedy = not_read(self._counts)
        title = stated.title or self._builder.first_title
        return self._builder.build(Extract("", title=title, notes=tuple(notes), remedy=remedy, date=stated.date))

    def _roots(self, kind: str) -> list[Element]:
        return [parse_part(part.blob) for part in related_parts(self._part, kind)]

    def _blocks(self, container: Element, *, into_tables: bool = False) -> Iterator[tuple[Element, Inline | None]]:
        """Yield paragraphs with their text, and tables without, in their order; text boxes follow their paragraph.

        A table of one cell is a frame: what is in it is given as if the frame were not there.
        """
        remaining = [container.iterchildren("*")]
        while remaining:
            child = next(remaining[-1], None)
            if child is None:
                remaining.pop()
                continue
            name = local_name(child)
            if name in _PARAGRAPHS:
                inline = read_inline(child)
                yield child, inline
                remaining += [
                    box.iterchildren("*") for box in reversed(inline.attached) if local_name(box) == "txbxContent"
                ]
            elif name == "tbl" and not into_tables and not _is_frame(child):
                yield child, None
            elif name == "altChunk":
                self._counts["embedded document"] += 1
            elif name not in _DELETED and not _is_deleted_row(child):
                remaining.append(child.iterchildren("*"))

    def _paragraph(self, paragraph: Element, inline: Inline) -> None:
        stated = self._styles.format_of(paragraph)
        text = self._numbered(inline.text, stated)
        if stated.level:
            self._builder.heading(stated.level, text)
        elif stated.list_id:
            self._builder.list_item(text, depth=stated.depth)
        else:
            self._builder.paragraph(text)

    def _numbered(self, text: str, stated: Format) -> str:
        """Return the text with its number in front; an empty paragraph is counted, too, but stays empty."""
        number = self._numbering.next_number(stated.list_id, stated.depth)
        return f"{number} {text}" if number and text else text

    def _attached(self, inline: Inline) -> None:
        """Add what hangs on a paragraph: notes, comments, charts, diagrams, descriptions of pictures."""
        for element in inline.attached:
            name = local_name(element)
            if name in _NOTE_KINDS:
                self._note(_NOTE_KINDS[name], attribute(element, "id"))
            elif name == "chart":
                self._drawing(attribute(element, "id"), add_chart)
            elif name == "relIds":
                self._drawing(attribute(element, "dm"), add_diagram)
            elif name in _NOT_READ:
                self._counts[_NOT_READ[name]] += 1
            elif words := description(attribute(element, "descr") or attribute(element, "alt")):
                self._builder.paragraph(f"Picture: {words}")

    def _drawing(self, relationship_id: str, add: Callable[[TextBuilder, Element], None]) -> None:
        relationship = self._part.rels.get(relationship_id)
        if relationship is not None and not relationship.is_external:
            add(self._builder, parse_part(relationship.target_part.blob))

    def _note(self, kind: str, number: str) -> None:
        """Add a footnote, endnote or comment, the first time it is referred to."""
        note = self._notes.pop((kind, number), None)
        if note is None:
            return
        name = kind.removesuffix("s").capitalize()
        author = attribute(note, "author")
        text, _ = self._flat_text(note)
        if text:
            self._builder.paragraph(f"{name} by {author}: {text}" if author else f"{name}: {text}")

    def _margin(self, kind: str) -> None:
        """Add what the headers or footers of the pages say, each text once."""
        texts = (" ".join(self._flat_text(root)[0].split()) for root in self._roots(kind))
        for text in dict.fromkeys(texts):
            if _PAGE_NUMBER.sub("", text):
                self._builder.paragraph(f"{kind.capitalize()}: {text}")

    def _flat_text(self, container: Element) -> tuple[str, list[Inline]]:
        """Return the paragraphs in a container, those of tables in it as well, a line each."""
        lines: list[str] = []
        inlines: list[Inline] = []
        for paragraph, inline in self._blocks(container, into_tables=True):
            if inline is not None:
                lines.append(self._numbered(inline.text, self._styles.format_of(paragraph)))
                inlines.append(inline)
        return "\n".join(line for line in lines if line), inlines

    def _table(self, table: Element) -> None:
        rows: list[list[str]] = []
        inlines: list[Inline] = []
        above: dict[int, str] = {}  # by column, the text of a cell that goes on below
        for row in _nearest(table, "tr"):
            if _is_deleted_row(row):
                continue
            rows.append([])
            column = number_of(value_of(row, "trPr", "gridBefore"), 0)
            for cell in _nearest(row, "tc"):
                text, found = self._flat_text(cell)
                inlines += found
                merge = cell.find("{*}tcPr/{*}vMerge")
                if merge is None or attribute(merge, "val") == "restart":
                    above[column] = text if merge is not None and len(text) <= _REPEATED_LENGTH else ""
                rows[-1].append(text or above.get(column, ""))
                column += number_of(value_of(cell, "tcPr", "gridSpan"), 1)
        self._builder.table(rows)
        for inline in inlines:
            self._attached(inline)


def _nearest(container: Element, name: str) -> Iterator[Element]:
    """Yield the elements of a name in a container, whatever is wrapped around them, but not those within one another."""
    remaining = [container.iterchildren("*")]
    while remaining:
        child = next(remaining[-1], None)
        if child is None:
            remaining.pop()
        elif local_name(child) == name:
            yield child
        else:
            remaining.append(child.iterchildren("*"))


def _is_frame(table: Element) -> bool:
    cells = (cell for row in _nearest(table, "tr") for cell in _nearest(row, "tc"))
    return next(cells, None) is not None and next(cells, None) is None


def _is_deleted_row(element: Element) -> bool:
    return element.find("{*}trPr/{*}del") is not None
