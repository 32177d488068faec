"""The numbers that Word writes before headings and items of lists: `3.2`, `(b)`, `第五条`.

They are not in the text of a document, Word counts them. Without them, nobody would find "section 3.2".
This module knows nothing of the text.
"""

from __future__ import annotations

import re

from ingest.loaders.office.open_xml import Element
from ingest.loaders.office.open_xml_text import attribute

_PLACE = re.compile(r"%([1-9])")
_LARGEST = 9999  # beyond it, numbers are written in digits
_LONGEST = 100  # characters of what is written around the numbers
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"),
    (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_CHINESE = ("零一二三四五六七八九", "十百千")
_CHINESE_LEGAL = ("零壹贰叁肆伍陆柒捌玖", "拾佰仟")
_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"


def value_of(element: Element, *path: str) -> str:
    """Return the `val` of the element at the end of a path of child elements, or an empty string."""
    found = element.find("/".join(f"{{*}}{name}" for name in path))
    return "" if found is None else attribute(found, "val")


def number_of(text: str, default: int) -> int:
    """Return the number that a text holds, or the default: in a damaged file it may hold anything."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(_LARGEST)) + 3 else default


class Numbering:
    """Counts the items of the lists of a document, in the order in which they are asked for."""

    def __init__(self, root: Element | None) -> None:
        """`root` is that of the part of numberings; None where the document has none."""
        self._definitions: dict[str, dict[int, Element]] = {}  # of lists: their levels
        self._definition_ids: dict[str, str] = {}  # by the number of the list
        self._levels: dict[str, dict[int, Element]] = {}  # by the number of the list, with its own changes
        self._beginnings: dict[tuple[str, int], int] = {}  # where a list begins anew, until it has
        self._counts: dict[str, dict[int, int]] = {}  # by the definition, for lists made from one count on
        if root is not None:
            for definition in root.iterchildren("{*}abstractNum"):
                self._definitions[attribute(definition, "abstractNumId")] = _levels(definition)
            for each in root.iterchildren("{*}num"):
                self._add(each)

    def depth_of_style(self, list_id: str, style_id: str) -> int:
        """Return the level of a list that is tied to a style, 0 where none is."""
        levels = self._levels.get(list_id, {})
        return next((depth for depth, level in levels.items() if value_of(level, "pStyle") == style_id), 0)

    def next_number(self, list_id: str, depth: int) -> str:
        """Count the next item of a list, and return what Word writes before it; an empty string for a bullet."""
        levels = self._levels.get(list_id, {})
        if depth not in levels:
            return ""
        counts = self._counts.setdefault(self._definition_ids[list_id], {})
        going_on = counts[depth] + 1 if depth in counts else _start(levels[depth])
        counts[depth] = self._beginnings.pop((list_id, depth), going_on)
        for deeper in [level for level in counts if level > depth]:
            del counts[deeper]
        return _written(levels, depth, counts)

    def _add(self, each: Element) -> None:
        list_id, definition_id = attribute(each, "numId"), value_of(each, "abstractNumId")
        changes = list(each.iterchildren("{*}lvlOverride"))
        self._definition_ids[list_id] = definition_id
        self._levels[list_id] = self._definitions.get(definition_id, {}).copy()
        for change in changes:
            self._levels[list_id].update(_levels(change))
            begin = number_of(value_of(change, "startOverride"), -1)
            if begin >= 0:
                self._beginnings[list_id, number_of(attribute(change, "ilvl"), 0)] = begin


def formatted(count: int, number_format: str) -> str:
    """Return a number in one of Word's formats; in digits for a format that is not known here."""
    numeral = str(count)
    if number_format == "decimalZero":
        numeral = f"{count:02}"
    elif not 0 < count <= _LARGEST:
        pass
    elif number_format in ("lowerLetter", "upperLetter"):
        numeral = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)  # after z comes aa, then bb
    elif number_format in ("lowerRoman", "upperRoman"):
        numeral = _roman(count)
    elif number_format in ("chineseLegalSimplified", "ideographLegalTraditional"):
        numeral = _chinese(count, *_CHINESE_LEGAL)
    elif number_format.startswith(("chineseCounting", "taiwaneseCounting", "japaneseCounting")):
        numeral = _chinese(count, *_CHINESE).removeprefix("一" if 10 <= count < 20 else "")
    elif number_format.startswith("decimalEnclosedCircle") and count <= len(_CIRCLED):
        numeral = _CIRCLED[count - 1]
    return numeral.upper() if number_format.startswith("upper") else numeral


def _levels(parent: Element) -> dict[int, Element]:
    return {number_of(attribute(level, "ilvl"), 0): level for level in parent.iterchildren("{*}lvl")}


def _start(level: Element) -> int:
    return number_of(value_of(level, "start"), 1)


def _written(levels: dict[int, Element], depth: int, counts: dict[int, int]) -> str:
    if value_of(levels[depth], "numFmt") in ("bullet", "none"):
        return ""
    is_decimal = levels[depth].find("{*}isLgl") is not None

    def number(place: re.Match[str]) -> str:
        level = levels.get(int(place[1]) - 1)
        if level is None:
            return ""
        count = counts.get(int(place[1]) - 1, _start(level))
        return formatted(count, "decimal" if is_decimal else value_of(level, "numFmt"))

    return _PLACE.sub(number, value_of(levels[depth], "lvlText")[:_LONGEST]).strip()


def _roman(count: int) -> str:
    numeral = ""
    for value, letters in _ROMAN:
        numeral += letters * (count // value)
        count %= value
    return numeral


def _chinese(count: int, digits: str, units: str) -> str:
    numeral = ""
    for position, digit in enumerate(reversed(str(count))):
        if digit != "0":
            numeral = digits[int(digit)] + (units[position - 1] if position else "") + numeral
        elif numeral and not numeral.startswith(digits[0]):
            numeral = digits[0] + numeral  # 105 is 一百零五, 100 is 一百
    return numeral
