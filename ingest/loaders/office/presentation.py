"""PowerPoint presentations: each slide is a page, its shapes in reading order, then the notes and comments.

python-pptx opens the package and knows where placeholders stand. It leaves out shapes that have alternatives (formulas,
newer charts), so the shapes are read here.
This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import io
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
)
from ingest.loaders.office.open_xml_drawings import add_chart, add_diagram, description, drawing_lines
from ingest.loaders.office.open_xml_text import attribute, local_name, read_inline
from rag_app.text import normalise

_KIND = "PowerPoint presentation"
_TITLES = ("title", "ctrTitle")
_BULLETED = ("", "obj", "body")  # placeholders whose paragraphs are items unless they say otherwise
_SAID_ONCE = ("ftr", "dt")
_OF_THE_PAGE = ("sldNum", "sldImg", "hdr", *_SAID_ONCE)  # what a page of notes has besides notes
# Shapes whose tops differ by less than this part of the slide's height stand side by side, and are read from the left.
_SAME_ROW = 20

_DEEPEST = 8  # the level of a paragraph, from 0
_REPEATED_LENGTH = 100  # characters of a cell over several rows that are given in each of them

_Place = tuple[int, int]


def load_pptx(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the text of a presentation with the offsets at which its slides start.

    Raises:
        DocumentError: not a presentation, damaged, or more than it may hold.
    """
    import pptx
    from pptx.exc import PythonPptxError

    with open_package(data, options, _KIND) as archive, reading(_KIND, PythonPptxError):
        stated = core_properties(archive)
        extract = _Reader(pptx.Presentation(io.BytesIO(data))).read(stated)
    yield extract


class _Reader:
    """Reads one presentation, from its first slide to its last."""

    def __init__(self, presentation: Any) -> None:
        self._presentation = presentation
        self._builder = TextBuilder()
        self._counts = Counter[str]()  # of what is not read
        self._said: set[str] = set()  # footers
        self._authors = {
            attribute(author, "id"): attribute(author, "name")
            for kind in ("commentAuthors", "authors")
            for part in related_parts(presentation.part, kind)
            for author in parse_part(part.blob).iterchildren("*")
        }

    def read(self, stated: CoreProperties) -> Extract:
        """Return the presentation."""
        title = stated.title
        for number, slide in enumerate(self._presentation.slides, start=1):
            self._builder.start_page()
            heading = self._slide(number, slide)
            title = title or (heading if number == 1 else "")
        notes, remedy = not_read(self._counts)
        return self._builder.build(Extract("", title=title, notes=tuple(notes), remedy=remedy, date=stated.date))

    def _slide(self, number: int, slide: Any) -> str:
        """Add a slide and return its title."""
        tree = with_first_choices(slide.element).find("{*}cSld/{*}spTree")
        places = {shape.element: (shape.top or 0, shape.left or 0) for shape in slide.shapes}
        height = self._presentation.slide_height or 0
        shapes = list(_in_reading_order(tree, places, height // _SAME_ROW))
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        title = normalise(" ".join(" ".join(drawing_lines(shape)) for shape in titles).strip())
        notes = _notes(slide)
        if title:
            self._builder.heading(2, title)
        elif notes or drawing_lines(tree) or next(tree.iter("{*}graphicFrame"), None) is not None:
            self._builder.heading(2, f"Slide {number}")  # else its text would stand under the title of the slide before
        for shape in shapes:
            if shape not in titles:
                self._shape(shape, slide.part)
        if notes:
            self._builder.paragraph(f"Notes: {notes}")
        for part in related_parts(slide.part, "comments"):
            self._comments(parse_part(part.blob))
        return title

    def _shape(self, shape: Element, part: Any) -> None:
        name = local_name(shape)
        placeholder = _placeholder(shape)
        if name == "pic":
            self._picture(shape)
        elif name == "graphicFrame":
            self._frame(shape, part)
        elif placeholder in _SAID_ONCE:
            text = "\n".join(drawing_lines(shape))
            if text not in self._said:
                self._builder.paragraph(text)
            self._said.add(text)
        elif placeholder != "sldNum":
            for paragraph in shape.iterfind("{*}txBody/{*}p"):
                self._paragraph(paragraph, is_bulleted=placeholder in _BULLETED)

    def _paragraph(self, paragraph: Element, *, is_bulleted: bool) -> None:
        properties = paragraph.find("{*}pPr")
        text = read_inline(paragraph).text
        depth = 0
        if properties is not None:
            depth = min(int(properties.get("lvl", "0")), _DEEPEST)
            is_bulleted = properties.find("{*}buNone") is None and (
                is_bulleted
                or any(properties.find(f"{{*}}{sign}") is not None for sign in ("buChar", "buAutoNum", "buBlip"))
            )
        if is_bulleted:
            self._builder.list_item(text, depth=depth)
        else:
            self._builder.paragraph(text)

    def _picture(self, shape: Element) -> None:
        self._describe(shape)
        is_recording = shape.find("{*}nvPicPr/{*}nvPr/{*}videoFile") is not None
        is_recording |= shape.find("{*}nvPicPr/{*}nvPr/{*}audioFile") is not None
        self._counts["recording" if is_recording else "picture"] += 1

    def _frame(self, shape: Element, part: Any) -> None:
        """Add a table, a chart or a diagram; count what is embedded."""
        self._describe(shape)
        for element in shape.iter("{*}tbl", "{*}chart", "{*}relIds", "{*}oleObj"):
            name = local_name(element)
            if name == "tbl":
                self._builder.table(_table_rows(element))
            elif name == "oleObj":
                self._counts["embedded object"] += 1
            else:
                is_chart = name == "chart"
                self._drawing(
                    part, attribute(element, "id" if is_chart else "dm"), add_chart if is_chart else add_diagram
                )

    def _drawing(self, part: Any, relationship_id: str, add: Callable[[TextBuilder, Element], None]) -> None:
        relationship = part.rels.get(relationship_id)
        if relationship is not None and not relationship.is_external:
            add(self._builder, parse_part(relationship.target_part.blob))

    def _describe(self, shape: Element) -> None:
        properties = next(shape.iter("{*}cNvPr"), None)
        if properties is not None and (words := description(attribute(properties, "descr"))):
            self._builder.paragraph(f"Picture: {words}")

    def _comments(self, root: Element) -> None:
        for comment in root.iter("{*}cm", "{*}reply"):
            body = comment.find("{*}txBody")
            text = comment.findtext("{*}text") or ("" if body is None else "\n".join(drawing_lines(body)))
            author = self._authors.get(attribute(comment, "authorId"), "")
            if text.strip():
                self._builder.paragraph(
                    f"Comment by {author}: {text.strip()}" if author else f"Comment: {text.strip()}"
                )


def _placeholder(shape: Element) -> str | None:
    """Return the type of a placeholder (empty where it states none), None for another shape."""
    placeholder = shape.find("{*}nvSpPr/{*}nvPr/{*}ph")
    return None if placeholder is None else str(placeholder.get("type", ""))


def _in_reading_order(tree: Element, places: dict[Element, _Place], row_height: int) -> Iterator[Element]:
    """Yield the shapes of a slide from top to bottom and left to right; those of a group where the group stands."""
    remaining = _sorted(tree, places, row_height)[::-1]
    while remaining:
        shape = remaining.pop()
        if local_name(shape) == "grpSp":
            remaining += _sorted(shape, places, row_height)[::-1]
        else:
            yield shape


def _sorted(container: Element, places: dict[Element, _Place], row_height: int) -> list[Element]:
    shapes: list[Element] = []
    for child in container.iterchildren("*"):
        shapes += child.iterfind("*/*") if local_name(child) == "AlternateContent" else [child]
    placed = sorted(((_place(shape, places), number) for number, shape in enumerate(shapes)))
    rows: list[tuple[int, int, int]] = []
    row_top = row = 0
    for (top, left), number in placed:
        if top - row_top > row_height:
            row_top, row = top, row + 1
        rows.append((row, left, number))
    return [shapes[number] for _, _, number in sorted(rows)]


def _place(shape: Element, places: dict[Element, _Place]) -> _Place:
    """Return the top and left of a shape: as python-pptx found it, for a placeholder may stand where its layout says."""
    if shape in places:
        return places[shape]
    offset = next(shape.iter("{*}off"), None)
    return (0, 0) if offset is None else (int(offset.get("y", "0")), int(offset.get("x", "0")))


def _table_rows(table: Element) -> list[list[str]]:
    """Return the rows of a table; a cell that spans columns is given once in its row, one that spans rows in each."""
    rows: list[list[str]] = []
    above: dict[int, str] = {}
    for row in table.iterchildren("{*}tr"):
        rows.append([])
        for column, cell in enumerate(row.iterchildren("{*}tc")):
            if cell.get("hMerge") in ("1", "true"):
                continue
            text = "\n".join(drawing_lines(cell))
            if cell.get("vMerge") not in ("1", "true"):
                above[column] = text if len(text) <= _REPEATED_LENGTH else ""
            rows[-1].append(text or above.get(column, ""))
    return rows


def _notes(slide: Any) -> str:
    """Return what the speaker noted, without blank lines."""
    if not slide.has_notes_slide:
        return ""
    shapes = with_first_choices(slide.notes_slide.element).iterfind("{*}cSld/{*}spTree/{*}sp")
    return "\n".join(
        line for shape in shapes if _placeholder(shape) not in _OF_THE_PAGE for line in drawing_lines(shape)
    )
