"""What the style of a Word paragraph makes of it: a heading, or an item of a list.

This module knows nothing of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingest.loaders.office.open_xml import Element
from ingest.loaders.office.open_xml_text import attribute
from ingest.loaders.office.word_numbering import Numbering, number_of, value_of

_HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)
_DEEPEST = 8  # the depth of a list, from 0
_BODY_TEXT = 9  # the outline level, counted from 0, that says: no heading


@dataclass(frozen=True)
class Format:
    """What a paragraph is: a heading of `level` (0: none), an item of list `list_id` (empty: none) at `depth` (from 0)."""

    level: int = 0
    list_id: str = ""
    depth: int = 0


class Styles:
    """Tells what paragraphs are, by their own properties, by their style and by those it is based on."""

    def __init__(self, styles: Element, numbering: Numbering) -> None:
        """`styles` is the root of the part of styles."""
        self._elements = {attribute(style, "styleId"): style for style in styles.iterchildren("{*}style")}
        self._numbering = numbering
        self._known: dict[str, Format] = {}

    def format_of(self, paragraph: Element) -> Format:
        """Return what a paragraph is."""
        style_id = value_of(paragraph, "pPr", "pStyle")
        if style_id not in self._known:
            self._known[style_id] = self._format_of_style(style_id)
        style = self._known[style_id]
        level = _outline_level(paragraph)
        list_id = value_of(paragraph, "pPr", "numPr", "numId") or style.list_id
        return Format(
            level=style.level if level is None else level,
            list_id="" if list_id == "0" else list_id,  # the number 0 takes a paragraph out of the list of its style
            depth=min(number_of(value_of(paragraph, "pPr", "numPr", "ilvl"), style.depth), _DEEPEST),
        )

    def _format_of_style(self, style_id: str) -> Format:
        level: int | None = None
        list_id, depth = "", 0
        seen: set[str] = set()
        while style_id in self._elements and style_id not in seen:  # in a damaged file, a style is based on itself
            seen.add(style_id)
            style = self._elements[style_id]
            if level is None:
                level = _level_by_name(value_of(style, "name"))
            if level is None:
                level = _outline_level(style)
            if not list_id:
                list_id = value_of(style, "pPr", "numPr", "numId")
                depth = number_of(
                    value_of(style, "pPr", "numPr", "ilvl"), self._numbering.depth_of_style(list_id, style_id)
                )
            style_id = value_of(style, "basedOn")
        return Format(level or 0, list_id, depth)


def _level_by_name(name: str) -> int | None:
    """Return the level of a built-in heading style: in the file, its name is English in every language of Word."""
    heading = _HEADING_STYLE.fullmatch(name)
    if heading:
        return int(heading[1])
    return 1 if name == "Title" else None


def _outline_level(element: Element) -> int | None:
    """Return the heading level that a paragraph or style states (0: it is no heading), or None where it states none."""
    stated = number_of(value_of(element, "pPr", "outlineLvl"), -1)
    if stated < 0:
        return None
    return 0 if stated >= _BODY_TEXT else stated + 1
