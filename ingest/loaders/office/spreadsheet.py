"""Excel workbooks: each sheet under its name, each row with the names of its columns, then comments, text boxes and charts.

openpyxl gives the cells in one pass, without holding a sheet in memory; what else a sheet has it leaves out in this mode, so
that is read here. Headers and footers for printing are not read.
This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ingest.loaders.extract import Extract, LoadOptions, TextBuilder, not_read
from ingest.loaders.office.open_xml import (
    Element,
    Relationship,
    core_properties,
    open_package,
    parse_part,
    reading,
    relationships,
)
from ingest.loaders.office.open_xml_drawings import add_chart, add_diagram, description, drawing_lines
from ingest.loaders.office.open_xml_text import attribute
from ingest.loaders.office.spreadsheet_rows import Row, add_rows, is_unknown_result, row_of

_KIND = "Excel workbook"
_MOST_ROWS = 1_048_576  # of a sheet in Excel; a damaged file may number its rows higher
_NO_NAME = re.compile(r"(?:sheet|worksheet|工作表|シート|tabelle|feuil|hoja|foglio|лист)?[\s_-]*\d*", re.IGNORECASE)
# A formula without a result beside it: nothing, or an empty value, between the ends of formula and cell.
_NO_RESULT = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\b[^>]*/>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_PIECE = 1 << 20
_OVERLAP = 1 << 10
_EXTRAS = frozenset({"drawing", "comments", "threadedComment"})


def load_xlsx(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the text of a workbook.

    Raises:
        DocumentError: not a workbook, damaged, or more than it may hold.
    """
    from openpyxl.utils.exceptions import InvalidFileException

    with open_package(data, options, _KIND) as archive, reading(_KIND, InvalidFileException), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of formats that openpyxl would lose on saving
        extract = _Reader(data, archive).read()
    yield extract


class _Reader:
    """Reads one workbook, from its first sheet to its last."""

    def __init__(self, data: bytes, archive: zipfile.ZipFile) -> None:
        self._data = data
        self._archive = archive
        self._builder = TextBuilder()
        self._counts = Counter[str]()  # of what is not read
        self._without_result = 0  # formulas
        self._formulas: dict[str, Any] = {}  # sheets with formulas instead of results, once they are needed
        self._names = set(archive.namelist())
        package = relationships(archive, "")
        self._workbook = next((each.target for each in package if each.kind == "officeDocument"), "")
        self._people = {
            attribute(person, "id"): attribute(person, "displayName")
            for root in self._roots(self._workbook, "person")
            for person in root.iterchildren("*")
        }

    def read(self) -> Extract:
        """Return the workbook."""
        sheets = self._sheets(is_with_results=True)
        targets = {each.id: each.target for each in relationships(self._archive, self._workbook)}
        stated = list(parse_part(self._archive.read(self._workbook)).iterfind("{*}sheets/{*}sheet"))
        for sheet in stated:
            name, part = attribute(sheet, "name"), targets.get(attribute(sheet, "id"), "")
            is_named = len(stated) > 1 or not _NO_NAME.fullmatch(name)
            self._sheet(sheets.get(name), part, name if is_named else "")
        notes, remedy = not_read(self._counts)
        if self._without_result == 1:
            notes.append("1 formula has no stored result; it is given as a formula.")
        elif self._without_result:
            notes.append(f"{self._without_result} formulas have no stored result; they are given as formulas.")
        if self._without_result:
            remedy = remedy or "Open it in Excel and save it: the results are then stored."
        properties = core_properties(self._archive)
        return self._builder.build(
            Extract("", title=properties.title, notes=tuple(notes), remedy=remedy, date=properties.date)
        )

    def _sheets(self, *, is_with_results: bool) -> dict[str, Any]:
        import openpyxl

        workbook = openpyxl.load_workbook(
            io.BytesIO(self._data), read_only=True, data_only=is_with_results, keep_links=False
        )
        return {sheet.title: sheet for sheet in workbook.worksheets}

    def _sheet(self, sheet: Any, part: str, heading: str) -> None:
        """Add a sheet of cells or one that is a chart; `heading` is empty where its name says nothing."""
        rows = iter(()) if sheet is None else self._rows(sheet, part)
        first = next((row for row in rows if row.cells), None)
        referred = relationships(self._archive, part)
        if first is not None or any(each.kind in _EXTRAS for each in referred):
            self._builder.heading(2, heading)
        if first is not None:
            add_rows(self._builder, chain([first], rows))
        self._comments(part)
        for each in referred:
            if each.kind == "drawing" and each.target in self._names:
                self._drawing(each.target)
            self._counts["embedded object"] += each.kind in ("oleObject", "package")

    def _rows(self, sheet: Any, part: str) -> Iterator[Row]:
        """Yield the rows of a sheet, as far as it really reaches: what it states of its size is not believed."""
        sheet.reset_dimensions()
        rows = sheet.iter_rows(max_row=_MOST_ROWS)
        if not self._lacks_results(part):
            yield from (row_of(cells) for cells in rows)
            return
        self._formulas = self._formulas or self._sheets(is_with_results=False)
        twin = self._formulas[sheet.title]
        twin.reset_dimensions()
        for cells, formulas in zip(rows, twin.iter_rows(max_row=_MOST_ROWS), strict=False):
            self._without_result += sum(map(is_unknown_result, cells, formulas))
            yield row_of(cells, formulas)

    def _lacks_results(self, part: str) -> bool:
        """Whether a sheet has a formula without a stored result, as programs write that do not compute."""
        before = b""
        with self._archive.open(part) as stream:
            while piece := stream.read(_PIECE):
                if _NO_RESULT.search(before + piece):
                    return True
                before = piece[-_OVERLAP:]
        return False

    def _roots(self, part: str, kind: str) -> list[Element]:
        return [
            parse_part(self._archive.read(each.target))
            for each in relationships(self._archive, part)
            if each.kind == kind and each.target in self._names
        ]

    def _comments(self, part: str) -> None:
        """Add the comments on a sheet's cells: discussions, and notes, but not the notes that repeat a discussion."""
        for root in self._roots(part, "threadedComment"):
            for comment in root.iterchildren("{*}threadedComment"):
                author = self._people.get(attribute(comment, "personId"), "")
                self._comment(author, attribute(comment, "ref"), comment.findtext("{*}text") or "")
        for root in self._roots(part, "comments"):
            authors = [author.text or "" for author in root.iterfind("{*}authors/{*}author")]
            for comment in root.iterfind("{*}commentList/{*}comment"):
                author = authors[int(attribute(comment, "authorId"))]
                if not author.startswith("tc="):
                    text = "".join(run.text or "" for run in comment.iter("{*}t"))
                    self._comment(author, attribute(comment, "ref"), text)

    def _comment(self, author: str, cell: str, text: str) -> None:
        if text.strip():
            by = f" by {author}" if author else ""
            self._builder.paragraph(f"Comment{by} on {cell}: {text.strip()}")

    def _drawing(self, part: str) -> None:
        """Add the words in text boxes, charts and diagrams, and the descriptions of pictures."""
        root = parse_part(self._archive.read(part))
        targets = {each.id: each for each in relationships(self._archive, part) if each.target in self._names}
        for line in drawing_lines(root):
            self._builder.paragraph(line)
        for element in root.iter("{*}chart"):
            self._part_of_drawing(targets.get(attribute(element, "id")))
        for element in root.iter("{*}relIds"):
            self._part_of_drawing(targets.get(attribute(element, "dm")))
        for element in root.iter("{*}pic"):
            self._counts["picture"] += 1
            properties = element.find("{*}nvPicPr/{*}cNvPr")
            if properties is not None and (words := description(attribute(properties, "descr"))):
                self._builder.paragraph(f"Picture: {words}")

    def _part_of_drawing(self, related: Relationship | None) -> None:
        if related is not None:
            add = add_diagram if related.kind == "diagramData" else add_chart
            add(self._builder, parse_part(self._archive.read(related.target)))
