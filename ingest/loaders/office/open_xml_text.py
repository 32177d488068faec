"""The text of one paragraph of Word or PowerPoint, and what hangs on it: notes, comments, text boxes, pictures, charts.

The two formats call their parts alike (`t` is text, `br` a line break), so elements are told by their local names.
This module knows nothing of paragraphs among each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingest.loaders.office.open_xml import Element
from ingest.loaders.office.symbols import symbol

_CHARACTERS = {"br": "\n", "cr": "\n", "tab": "\t", "ptab": "\t", "noBreakHyphen": "-"}
# Deleted text, commands of fields, formats (a `tab` among them is a tab stop), and how a character is pronounced (`rt`):
# between the characters of a word it would only hide the word from the search.
_LEFT_OUT = frozenset({"del", "moveFrom", "delText", "delInstrText", "instrText", "pPr", "rPr", "sdtPr", "rt"})
_ATTACHED = frozenset(
    {"txbxContent", "footnoteReference", "endnoteReference", "commentReference"}
    | {"docPr", "chart", "relIds", "pic", "imagedata", "object"}
)
_CODE = re.compile("[0-9A-Fa-f]{1,6}")
_APPLICATION = "\u2061"  # the invisible sign between a function and its argument
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_SIGNS = {"sup": "^", "sub": "_", "lim": "_", "num": "", "den": "/", "deg": ""}
_ENDED_BY_SPACE = ("mr", "eqArr")  # the rows and cells of a matrix or of a system of equations


@dataclass(frozen=True)
class Inline:
    """The text of a paragraph and the elements attached to it, in their order."""

    text: str
    attached: tuple[Element, ...]


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def attribute(element: Element, name: str) -> str:
    """Return the attribute with this local name, or an empty string."""
    return next((str(value) for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def read_inline(paragraph: Element) -> Inline:
    """Return the text of a paragraph as a reader sees it, formulas in one line: `(a+b)/2`, `x^2`."""
    parts: list[str] = []
    attached: list[Element] = []
    # Each element being read with what is written after it: the depth is the document's to choose, so no recursion.
    open_elements = [(paragraph.iterchildren("*"), "")]
    while open_elements:
        remaining, after = open_elements[-1]
        child = next(remaining, None)
        if child is None:
            parts.append(after)
            open_elements.pop()
            continue
        name = local_name(child)
        if name in _ATTACHED:
            attached.append(child)
        elif name == "t":
            parts.append((child.text or "").replace(_APPLICATION, " "))
        elif name in _CHARACTERS:
            parts.append(_CHARACTERS[name])
        elif name == "sym":
            code = attribute(child, "char")
            parts.append(symbol(attribute(child, "font"), int(code, 16) if _CODE.fullmatch(code) else 0))
        elif name not in _LEFT_OUT:
            if child.get("alt"):  # an old drawing with a description
                attached.append(child)
            before, after = _around(child, name)
            parts.append(before)
            open_elements.append((child.iterchildren("*"), after))
    return Inline("".join(parts).strip(), tuple(attached))


def _around(element: Element, name: str) -> tuple[str, str]:
    """Return what is written before and after an element of a formula; nothing around other elements."""
    before = after = ""
    if name == "p":  # a paragraph inside a paragraph: a drawing of its own
        after = "\n"
    elif not element.tag.startswith(_MATH):
        pass
    elif name in _SIGNS:
        size = len("".join(element.itertext()).strip())
        before, after = (f"{_SIGNS[name]}(", ")") if size > 1 else (_SIGNS[name] * size, "")
    elif name == "d":
        before, after = _property(element, "begChr", "("), _property(element, "endChr", ")")
    elif name == "nary":
        before = _property(element, "chr", "∫")
    elif name == "rad":
        before, after = "√(", ")"
    elif name == "mr" or (name == "e" and local_name(element.getparent()) in _ENDED_BY_SPACE):
        after = " "
    return before, after


def _property(element: Element, name: str, default: str) -> str:
    """Return a character that a formula states in its properties, or the one that stands where it does not."""
    stated = element.find(f"{{*}}{local_name(element)}Pr/{{*}}{name}")
    return default if stated is None else attribute(stated, "val")
