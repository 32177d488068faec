"""OpenDocument text: headings, paragraphs, lists and tables in their order, notes and comments where they are attached.

Charts and formulas are read from the objects in which they are kept; pictures are counted.
This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ingest.loaders.archive import open_archive
from ingest.loaders.extract import Extract, LoadOptions, TextBuilder, not_read
from rag_app.dates import stated_day
from rag_app.errors import DocumentError
from rag_app.text import normalise

_DRAWING = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_PARAGRAPHS = ("p", "h")
_MARGINS = {
    "header": "Header",
    "footer": "Footer",
}  # those of first and left pages are called `header-first`, `footer-left`
# Deleted text, forms (read where their fields stand), how characters are pronounced, macros.
_LEFT_OUT = frozenset({"tracked-changes", "forms", "ruby-text", "script", "event-listeners"})
_ATTACHED = frozenset({"note", "annotation"})
_OBJECTS = frozenset({"object", "object-ole", "plugin", "applet"})
_MAX_DIGITS = 10  # of a number
_MAX_REPEATED = 100  # cells or spaces that stand for as many as the document says
_LONGEST_PAGE_WORDS = 8  # letters beside a page number: "Seite von"

Element = Any  # lxml's elements have no types here


def load_odt(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the text of an OpenDocument text.

    Raises:
        DocumentError: not such a document, damaged, encrypted, or more than it may hold.
    """
    from lxml import etree

    with open_archive(data, options, may_name_types=True) as archive:
        names = set(archive.namelist())
        if "META-INF/manifest.xml" in names and b"encryption-data" in archive.read("META-INF/manifest.xml"):
            raise DocumentError("It is encrypted: a password is needed.", "Save a copy without one.")
        try:
            text = _parsed(archive, "content.xml").find("{*}body/{*}text") if "content.xml" in names else None
            if text is None:
                raise DocumentError("It is not an OpenDocument text: expected content.xml with a text in it.")
            extract = _Reader(archive).read(text)
        except etree.XMLSyntaxError as error:
            raise DocumentError(f"It is not a readable OpenDocument text ({error}).") from error
    yield extract


class _Reader:
    """Reads one document, from its beginning to its end."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        # Each is read once: an object cannot hold itself.
        self._objects = {name for name in archive.namelist() if name.endswith("/content.xml")}
        self._builder = TextBuilder()
        self._counts = Counter[str]()  # of what is not read
        self._title_styles = {"Title"}
        self._controls: dict[str, Element] = {}

    def read(self, text: Element) -> Extract:
        """Return the document."""
        content = text.getroottree().getroot()
        for style in content.iterfind("{*}automatic-styles/{*}style"):
            if _attribute(style, "parent-style-name") == "Title":
                self._title_styles.add(_attribute(style, "name"))
        for forms in text.iterfind("{*}forms"):
            self._controls = {_attribute(control, "id"): control for control in forms.iter("*")}
        self._read_all(iter([text]))
        self._read_margins()
        title = date = ""
        if "meta.xml" in self._archive.namelist():
            meta = _parsed(self._archive, "meta.xml")
            title = " ".join(normalise(meta.findtext(f".//{_DUBLIN_CORE}title") or "").split())
            date = stated_day(meta.findtext(f".//{_DUBLIN_CORE}date") or "")
        notes, remedy = not_read(self._counts)
        title = title or self._builder.first_title
        return self._builder.build(Extract("", title=title, notes=tuple(notes), remedy=remedy, date=date))

    def _read_all(self, elements: Iterator[Element]) -> None:
        """Add the blocks in elements; what is attached to a paragraph or a table follows it."""
        remaining = [(elements, 0)]
        while remaining:
            elements, depth = remaining[-1]
            element = next(elements, None)
            if element is None:
                remaining.pop()
                continue
            name = _local_name(element)
            if name in _LEFT_OUT:
                continue
            if name in _PARAGRAPHS:
                text, attached = self._inline(element)
                self._paragraph(element, text, depth)
                remaining.append((iter(attached), 0))
            elif name in _ATTACHED:
                remaining.append((iter(self._note(element, name)), 0))
            elif name == "table" and _only_cell(element) is None:
                remaining.append((iter(self._table(element)), 0))
            else:  # a table of one cell is a frame around what is in it
                remaining.append((element.iterchildren("*"), depth + (name == "list")))
                if element.tag.startswith(_DRAWING):
                    remaining.append((iter(self._drawn(element)), 0))

    def _paragraph(self, element: Element, text: str, depth: int) -> None:
        if _local_name(element) == "h":
            self._builder.heading(_number(_attribute(element, "outline-level")), text)
        elif _attribute(element, "style-name") in self._title_styles:
            self._builder.heading(1, text)
        elif depth:
            self._builder.list_item(text, depth=depth - 1)
        else:
            self._builder.paragraph(text)

    def _note(self, note: Element, name: str) -> list[Element]:
        """Add a footnote, endnote or comment; return what is attached to it."""
        author = note.findtext("{*}creator") if name == "annotation" else None
        label = "Comment" if name == "annotation" else (_attribute(note, "note-class") or "footnote").capitalize()
        text, attached = self._flat(note)
        if text:
            self._builder.paragraph(f"{label} by {author}: {text}" if author else f"{label}: {text}")
        return attached

    def _drawn(self, element: Element) -> list[Element]:
        """Add the words of a field, a formula or a picture's description; count pictures; return the roots of charts."""
        children = {_local_name(child): child for child in element.iterchildren("*")}
        chart = self._object(children["object"]) if "object" in children else None
        formula = self._formula(element)
        if _local_name(element) == "control" or formula:
            self._builder.paragraph(formula or self._field(element))
        elif chart is not None:
            self._objects.remove(_object_name(children["object"]))  # once: an object may hold itself
        elif children.keys() & _OBJECTS:
            self._counts["embedded object"] += 1
        elif "image" in children:
            self._counts["picture"] += 1
        description = " ".join((element.findtext("{*}desc") or "").split())
        if description:
            self._builder.paragraph(f"Picture: {description}")
        return [] if formula or chart is None else [chart]

    def _field(self, control: Element) -> str:
        """Return what a field of a form shows: its label, with a mark where it can be ticked, or what is filled in."""
        field = self._controls.get(_attribute(control, "control"))
        if field is None:
            return ""
        label = _attribute(field, "label")
        if _local_name(field) in ("checkbox", "radio"):
            is_ticked = (
                _attribute(field, "current-state") == "checked" or _attribute(field, "current-selected") == "true"
            )
            return f"[{'x' if is_ticked else ' '}] {label}"
        options = (option for option in field.iterchildren("{*}option") if _attribute(option, "current-selected"))
        chosen = ", ".join(_attribute(option, "label") for option in options)
        return label or _attribute(field, "current-value") or _attribute(field, "value") or chosen

    def _table(self, table: Element) -> list[Element]:
        """Add a table; return what is attached to its cells."""
        rows: list[list[str]] = []
        attached: list[Element] = []
        for row in _nearest(table, ("table-row",)):
            cells: list[str] = []
            for cell in _nearest(row, ("table-cell", "covered-table-cell")):
                text, found = self._flat(cell)
                attached += found
                cells += [text] * min(_number(_attribute(cell, "number-columns-repeated")), _MAX_REPEATED)
            while cells and not cells[-1]:
                cells.pop()
            rows.append(cells)
        self._builder.table(rows)
        return attached

    def _read_margins(self) -> None:
        """Add what the headers and footers of the pages say, each text once, if it is more than the number of the page."""
        if "styles.xml" not in self._archive.namelist():
            return
        margins: dict[str, None] = {}
        attached: list[Element] = []
        for element in _parsed(self._archive, "styles.xml").iterfind("{*}master-styles//*"):
            label = _MARGINS.get(_local_name(element).partition("-")[0])
            text, found = self._flat(element) if label else ("", [])
            attached += found
            has_few_words = sum(map(str.isalpha, text)) <= _LONGEST_PAGE_WORDS
            if text and not (has_few_words and next(element.iter("{*}page-number"), None) is not None):
                margins[f"{label}: {' '.join(text.split())}"] = None
        for text in margins:
            self._builder.paragraph(text)
        self._read_all(iter(attached))

    def _flat(self, container: Element) -> tuple[str, list[Element]]:
        """Return the paragraphs in a container, a line each, and what is attached to them."""
        lines: list[str] = []
        attached: list[Element] = []
        for element in _nearest(container, (*_PARAGRAPHS, "frame", "annotation", "tracked-changes")):
            if _local_name(element) in _PARAGRAPHS:
                line, found = self._inline(element)
                lines.append(line)
                attached += found
            else:
                attached.append(element)
        return "\n".join(line for line in lines if line), attached

    def _inline(self, paragraph: Element) -> tuple[str, list[Element]]:
        """Return the text of a paragraph, and what is attached to it: notes, comments, drawings."""
        from lxml import etree

        parts: list[str] = []
        attached: list[Element] = []
        walker = etree.iterwalk(paragraph, events=("start", "end"))
        for event, element in walker:
            name = _local_name(element)
            if event == "end":
                parts.append(_WHITE_SPACE.sub(" ", element.tail or "") if element is not paragraph else "")
            elif name == "control" or name in _LEFT_OUT:
                parts.append(f"{self._field(element)} " if name == "control" else "")
                walker.skip_subtree()
            elif name in _ATTACHED or element.tag.startswith(_DRAWING):
                parts.append(self._formula(element))
                attached += [] if parts[-1] else [element]
                walker.skip_subtree()
            else:
                parts.append(_characters(element, name))
        return "".join(parts).strip(), attached

    def _formula(self, frame: Element) -> str:
        """Return the formula in a frame, as it was typed; an empty string where there is something else."""
        for child in frame.iterchildren("*"):
            root = self._object(child)
            if root is not None and _local_name(root) == "math":
                typed = root.find(".//{*}annotation")
                return " ".join("".join((root if typed is None else typed).itertext()).split())
        return ""

    def _object(self, element: Element) -> Element | None:
        """Return the root of the document that an element refers to; None where it is none."""
        name = _object_name(element)
        return _parsed(self._archive, name) if name in self._objects else None


def _object_name(element: Element) -> str:
    return posixpath.join(posixpath.normpath(_attribute(element, "href")), "content.xml")


def _parsed(archive: zipfile.ZipFile, name: str) -> Element:
    """Return the root element of an entry, parsed without entities and without network."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    return etree.fromstring(archive.read(name), parser)


def _local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _attribute(element: Element, name: str) -> str:
    """Return the attribute with this local name, or an empty string."""
    return next((str(value) for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def _number(text: str) -> int:
    """Return a number from 1 up; 1 where nothing else is said."""
    return max(int(text[:_MAX_DIGITS]), 1) if text.isdecimal() else 1


def _characters(element: Element, name: str) -> str:
    """Return the text at the beginning of an element; spaces, tabs and line breaks are elements of their own."""
    if name == "s":
        return " " * min(_number(_attribute(element, "c")), _MAX_REPEATED)
    return {"tab": "\t", "line-break": "\n"}.get(name) or _WHITE_SPACE.sub(" ", element.text or "")


def _nearest(container: Element, names: Sequence[str]) -> Iterator[Element]:
    """Yield the elements of these names in a container, but not those within one another."""
    remaining = [container.iterchildren("*")]
    while remaining:
        element = next(remaining[-1], None)
        if element is None:
            remaining.pop()
        elif _local_name(element) in names:
            yield element
        else:
            remaining.append(element.iterchildren("*"))


def _only_cell(table: Element) -> Element | None:
    """Return the cell of a table that has no other."""
    cells = list(islice(_nearest(table, ("table-cell",)), 2))
    return cells[0] if len(cells) == 1 else None
