"""What the elements of HTML mean to a reader: what is seen, what breaks a line, what stands in place of an element.

This module knows nothing of blocks of a document, nor of where the main text of a page is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lxml.html import HtmlElement

# What `<br>` becomes until white space has been collapsed. The parser lets no such character through.
LINE_BREAK = "\0"

HEADINGS = {f"h{level}": level for level in range(1, 7)}
LISTS = frozenset(("ul", "ol", "dl", "menu", "dir"))
LIST_ITEMS = frozenset(("li", "dt", "dd"))
PREFORMATTED = frozenset(("pre", "listing", "xmp", "plaintext"))
BLOCKS = (
    frozenset(HEADINGS)
    | LISTS
    | LIST_ITEMS
    | PREFORMATTED
    | frozenset(
        """
        address article aside blockquote body caption center details dialog div fieldset figcaption figure footer form
        header hgroup hr html legend main nav p search section summary table tbody td text tfoot th thead tr foreignobject
        """.split()  # noqa: SIM905 - a paragraph is read more easily than a list of forty strings
    )
)

# Never seen as text: the machinery of a page, form controls, readings beside ruby characters, titles within drawings.
_UNSEEN = frozenset(
    """
    applet area audio base canvas col colgroup datalist defs desc frame frameset head iframe input link meta metadata meter
    noembed noframes noscript param progress rp rt rtc script select style template textarea title video
    """.split()  # noqa: SIM905 - a paragraph is read more easily than a list of forty strings
)
_HIDDEN_STYLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_LINE_NUMBERS = re.compile(r"(?:^|\s)(?:linenos?|linenodiv|line-numbers?|gutter)(?:\s|$)")
_LINK_SIGNS = frozenset(("¶", "#", "§", "🔗", "\uf0c1"))  # links of a heading to itself

# White space as HTML has it, and the space that does not break.
_WHITE_SPACE = re.compile("[ \t\n\f\r\u00a0]+")
_CJK = (
    "\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
)
# A line break between two Chinese or Japanese characters is the editor's: it parts no words.
_CJK_LINE_BREAK = re.compile(rf"(?<=[{_CJK}])[ \t\f\r]*\n[ \t\n\f\r]*(?=[{_CJK}])")

_FILE_NAME = re.compile(r"\.\w{2,5}$")
_HAN_OR_KANA = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_SUPERSCRIPTS = str.maketrans("0123456789+-−n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁿ")
_WORD_END = re.compile(r"[^\W\d_]{3}$")  # longer than `x` and `cm`
_SUPERSCRIPT = re.compile(r"[+\-−]?(?:\d+|n)")


class Visitor(Protocol):
    """What is told of the elements and the text of a tree, in their order."""

    def start(self, element: HtmlElement) -> bool:
        """An element begins; the answer says whether to go into it. `end` is told only where it is true."""

    def end(self, element: HtmlElement) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Text as it is in the source, white space included; `LINE_BREAK` for a line break that the author wants."""


class Words:
    """Collects the text of a tree, as a visitor; blocks are set apart by a space."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def start(self, element: HtmlElement) -> bool:
        """Go into every element."""
        self.end(element)
        return True

    def end(self, element: HtmlElement) -> None:
        """Set a block apart from what follows."""
        if element.tag in BLOCKS:
            self.text(" ")

    def text(self, text: str) -> None:
        """Collect a piece."""
        self.parts.append(text)


def traverse(root: HtmlElement, visitor: Visitor, left_out: Collection[HtmlElement] = ()) -> None:
    """Tell a visitor of everything in an element that is seen, itself included; what follows an element is never lost.

    Elements in `left_out` are passed over. Nothing here recurses: pages nest as deep as they like.
    """
    pending = [(root, True)]
    while pending:
        element, begins = pending.pop()
        if begins:
            replaced = "" if element in left_out else stands_for(element)
            if replaced is None and visitor.start(element):
                pending.append((element, False))
                if element.text:
                    visitor.text(element.text)
                pending.extend((child, True) for child in reversed(element))
                continue
            if replaced:
                visitor.text(replaced)
        else:
            visitor.end(element)
        if element is not root and element.tail:
            visitor.text(element.tail)


def stands_for(element: HtmlElement) -> str | None:
    """Return the text that is seen in place of an element and all in it, or None where that is its own text."""
    tag = element.tag
    if not isinstance(tag, str) or tag in _UNSEEN:  # comments and processing instructions have no name
        return ""
    if tag in _STAND_INS:
        replaced = _STAND_INS[tag](element)
        if replaced is not None:
            return replaced
    if is_hidden(element):
        # Pages that draw their formulas as pictures hide the formula itself beside each.
        return " ".join(_formula(formula) for formula in element.iter("math"))
    return None


def is_hidden(element: HtmlElement) -> bool:
    """Whether an element is kept from sight. The panels of tabs are not: a click shows them."""
    if element.tag == "dialog" and element.get("open") is None:
        return True
    attributes = element.attrib
    # A page that is hidden as a whole is shown by a script once it has loaded.
    if not attributes or attributes.get("role") == "tabpanel" or element.tag in ("html", "body"):
        return False
    hidden = attributes.get("hidden")
    return (
        (hidden is not None and hidden.lower() != "until-found")
        or attributes.get("aria-hidden", "").lower() == "true"
        or _HIDDEN_STYLE.search(attributes.get("style", "")) is not None
        or (_LINE_NUMBERS.search(attributes.get("class", "")) is not None and _is_numbers(element))
    )


def collapse(text: str) -> str:
    """Return text as a browser sets it: white space is one space, and lines break only where the author said so."""
    lines = [_collapse_line(line) for line in text.split(LINE_BREAK)]
    return "\n".join(lines).strip("\n")


def text_of(element: HtmlElement, left_out: Collection[HtmlElement] = ()) -> str:
    """Return everything in an element that is seen, in one line."""
    words = Words()
    traverse(element, words, left_out)
    return _collapse_line("".join(words.parts).replace(LINE_BREAK, " "))


def _collapse_line(line: str) -> str:
    return _WHITE_SPACE.sub(" ", _CJK_LINE_BREAK.sub("", line)).strip()


def _is_numbers(element: HtmlElement) -> bool:
    return all(word.isdigit() for text in element.itertext() for word in text.split())


def _picture(element: HtmlElement) -> str:
    """Return what is written of a picture where it is a sentence: one word or a file's name says nothing."""
    words = (element.get("alt") or "").strip()
    is_sentence = len(words.split()) >= 3 or len(_HAN_OR_KANA.findall(words)) >= 6
    return f" {words} " if is_sentence and not _FILE_NAME.search(words) else ""


def _formula(element: HtmlElement) -> str:
    """Return a formula: as its author typed it where that is there, else its signs with spaces between them."""
    for annotation in element.iter("annotation"):
        if "tex" in (annotation.get("encoding") or "").lower() and annotation.text:
            return str(annotation.text.strip())
    return element.get("alttext") or " ".join(part for text in element.itertext() if (part := text.strip()))


def _superscript(element: HtmlElement) -> str | None:
    """Return a number that is an exponent in characters that say so: 10 to the 6 must not become 106.

    After a word it is the number of a note, and stands apart, so that the word is still found.
    """
    digits = (element.text or "").strip()
    if len(element) or not _SUPERSCRIPT.fullmatch(digits):
        return None
    previous, parent = element.getprevious(), element.getparent()
    before = (previous.tail if previous is not None else parent.text if parent is not None else "") or ""
    return f" {digits}" if _WORD_END.search(before) else digits.translate(_SUPERSCRIPTS)


def _link(element: HtmlElement) -> str | None:
    is_sign = len(element) == 0 and (element.text or "").strip() in _LINK_SIGNS
    return "" if is_sign and element.get("href", "").startswith("#") else None


def _button(element: HtmlElement) -> str | None:
    """Leave buttons out, but for those that are a heading: questions whose answers a click unfolds."""
    return "" if next(element.iterancestors(*HEADINGS, "summary"), None) is None else None


_STAND_INS: dict[str, Callable[[HtmlElement], str | None]] = {
    "br": lambda _: LINE_BREAK,
    "img": _picture,
    "math": _formula,
    "sup": _superscript,
    "a": _link,
    "button": _button,
}
