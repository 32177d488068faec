"""Web pages: the main text of a page with its headings, lists, tables and code; and the walk that other formats share.

This module knows nothing of where the main text is (html_main_text.py), nor what the elements mean (html_elements.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ingest.loaders.encoding import decode
from ingest.loaders.extract import Extract, LoadOptions, TextBuilder
from ingest.loaders.web.html_elements import (
    BLOCKS,
    HEADINGS,
    LINE_BREAK,
    LIST_ITEMS,
    LISTS,
    PREFORMATTED,
    collapse,
    traverse,
)
from ingest.loaders.web.html_main_text import MainText, main_text
from ingest.loaders.web.html_table import add_table, holds_data
from rag_app.dates import stated_day
from rag_app.errors import DocumentError
from rag_app.text import normalise

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_HEAD = 4096  # bytes in which a page names its encoding
_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,100}?\bencoding\s*=\s*["']([\w.:-]+)|<meta\b[^>]{0,300}?\bcharset\s*=\s*["']?\s*([\w.:-]+)""",
    re.IGNORECASE,
)
_ELEMENT = re.compile(r"<[a-zA-Z][a-zA-Z0-9:-]*(?:[\s/][^<>]*)?>")
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
# A document type with declarations of its own; the parser takes their end for text.
_DOCUMENT_TYPE = re.compile(r"<!DOCTYPE[^<>\[]*\[", re.IGNORECASE)
_CDATA = re.compile(r"<!\[CDATA\[((?:(?!<!\[CDATA\[|\]\]>).)*)\]\]>", re.DOTALL)
_CHANCE_TO_BREAK = re.compile(r"<wbr\b[^<>]*>", re.IGNORECASE)  # to the parser, all that follows one is in it
_DATES = ("article:modified_time", "article:published_time", "date")  # names of meta elements, the best first
_DEEPEST_LIST = 8  # lists nested deeper are indented no further
_NOTABLE_SHARE = 0.3  # of the words of a page
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_LARGE_PICTURE = 20_000  # characters of a picture that is part of the page itself: smaller ones are signs


def load_html(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the main text of a page: without navigation, footers and scripts.

    Raises:
        DocumentError: not HTML, or in an encoding that cannot be told.
    """
    try:
        decoded = decode(data, declared_encoding(data))
    except DocumentError as error:
        raise DocumentError(f"It is not readable HTML. {error.found}", error.remedy) from error
    if not decoded.text.strip():
        yield Extract("", encoding=decoded.encoding)
        return
    page = parse_html(decoded.text)
    part = main_text(page.tree)
    builder = TextBuilder()
    add_html(builder, part.root, left_out=part.left_out)
    notes = [*page.notes, *_notes(part)]
    yield builder.build(
        Extract(
            "",
            title=title_of(page.tree) or builder.first_title,
            notes=tuple(notes),
            remedy="If text is missing, save the page as PDF or as text." if notes else "",
            encoding=decoded.encoding,
            date=_date(page.tree),
        )
    )


@dataclass(frozen=True)
class Page:
    """A parsed page, and sentences on what the parser could not read."""

    tree: HtmlElement
    notes: tuple[str, ...] = ()


def declared_encoding(data: bytes) -> str:
    """Return the encoding that a page names itself, or an empty string."""
    match = _DECLARED.search(data[:_HEAD])
    return (match[1] or match[2]).decode("ascii") if match else ""


def parse_html(text: str) -> Page:
    """Parse the text of a page, HTML or XHTML.

    Raises:
        DocumentError: there is no element in it.
    """
    import lxml.html
    from lxml.etree import ParserError

    if not _ELEMENT.search(text):
        raise DocumentError("It is not readable HTML.")
    text = _CDATA.sub(lambda match: escape(match[1]), _without_declarations(text))
    text = _CHANCE_TO_BREAK.sub("", text)
    parser = lxml.html.HTMLParser(huge_tree=True)
    try:
        tree = lxml.html.document_fromstring(text, parser=parser)
    except ParserError as error:
        raise DocumentError(f"It is not readable HTML ({error}).") from error
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        return Page(tree, ("Its elements are nested too deeply: what follows the deepest was not read.",))
    return Page(tree)


def title_of(tree: HtmlElement) -> str:
    """Return the title of a page, else its first heading of level 1, else an empty string."""
    for tag in ("title", "h1"):
        for element in tree.iter(tag):
            if next(element.iterancestors("svg"), None) is None and (
                words := normalise(collapse(element.text_content()))
            ):
                return words
    return ""


def _date(tree: HtmlElement) -> str:
    """Return the day that a page states of its last change, else of its publication; an empty string where it does not."""
    stated: dict[str, str] = {}
    for element in tree.iter("meta"):
        name = (element.get("property") or element.get("name") or "").strip().lower()
        if name in _DATES and (day := stated_day(element.get("content") or "")):
            stated.setdefault(name, day)
    return next((stated[name] for name in _DATES if name in stated), "")


def add_html(builder: TextBuilder, tree: HtmlElement, *, left_out: Collection[HtmlElement] = ()) -> None:
    """Add everything in an element that a reader sees, but for the elements in `left_out`."""
    walker = _Walker(builder)
    traverse(tree, walker, left_out)
    walker.flush()


@dataclass
class _Item:
    """An item of a list. What comes after its first words (after a list in it, say) is a paragraph.

    `marker` is what a browser puts before it: `3.` in a list with numbers.
    """

    depth: int
    marker: str
    has_begun: bool = False


class _Walker:
    """Tells a builder of the blocks of a tree, in their order."""

    def __init__(self, builder: TextBuilder) -> None:
        self._builder = builder
        self._words: list[str] = []
        self._whole: HtmlElement | None = (
            None  # the heading or preformatted text that is open: blocks in it are not its own
        )
        self._items: list[_Item] = []
        self._next_numbers: list[int | None] = []  # of each list that is open; None: it has none

    def start(self, element: HtmlElement) -> bool:
        tag = element.tag
        if self._whole is not None:
            self._break_within_whole(tag)
        elif tag in HEADINGS or tag in PREFORMATTED:
            self._begin_block()
            self._whole = element
        elif tag == "table" and holds_data(element):
            self._begin_block()
            add_table(self._builder, element)
            return False
        elif tag in LISTS:
            self.flush()
            self._next_numbers.append(_first_number(element))
        elif tag in LIST_ITEMS:
            self.flush()
            depth = len(self._next_numbers) - (tag != "dd")  # the meaning of a term stands under it
            self._items.append(_Item(min(max(depth, 0), _DEEPEST_LIST), self._marker(element)))
        elif tag in BLOCKS:
            self._break()
        return True

    def end(self, element: HtmlElement) -> None:
        tag = element.tag
        if element is self._whole:
            self._end_whole(tag)
        elif self._whole is not None:
            self._break_within_whole(tag)
        elif tag in LISTS:
            self.flush()
            self._next_numbers.pop()
        elif tag in LIST_ITEMS:
            self.flush()
            self._items.pop()
        elif tag in BLOCKS:
            self._break()

    def text(self, text: str) -> None:
        self._words.append(text)

    def flush(self) -> None:
        """Add the words so far as a block."""
        text = collapse("".join(self._words))
        self._words.clear()
        if not text:
            return
        if self._items and not self._items[-1].has_begun:
            self._builder.list_item(text, depth=self._items[-1].depth, marker=self._items[-1].marker)
            self._items[-1].has_begun = True
        else:
            self._builder.paragraph(text)

    def _marker(self, item: HtmlElement) -> str:
        """Return what stands before an item, and count it."""
        following = self._next_numbers[-1] if self._next_numbers else None
        if following is None:
            return "-"
        number = _whole_number(item.get("value"), following)
        self._next_numbers[-1] = number + 1
        return f"{number}."

    def _begin_block(self) -> None:
        """End the words so far: a block of its own kind comes, and what follows it in an item is not the item's begin."""
        self.flush()
        if self._items:
            self._items[-1].has_begun = True

    def _break(self) -> None:
        """End a paragraph; those of an item stay together."""
        if self._items and not self._items[-1].has_begun:
            self._words.append(LINE_BREAK)
        else:
            self.flush()

    def _break_within_whole(self, tag: str) -> None:
        if tag in BLOCKS and self._words and not self._words[-1].endswith("\n"):
            self._words.append("\n")

    def _end_whole(self, tag: str) -> None:
        text = "".join(self._words)
        self._words.clear()
        self._whole = None
        if tag in HEADINGS:
            self._builder.heading(HEADINGS[tag], collapse(text))
        else:
            self._builder.code(text.replace(LINE_BREAK, "\n").replace("\u00a0", " "))


def _first_number(element: HtmlElement) -> int | None:
    """Return the number of a list's first item; None for lists without numbers, and for letters and countdowns."""
    is_plain = element.get("type", "1") == "1" and "reversed" not in element.attrib
    is_hidden = "list-style" in (element.get("style") or "")
    return _whole_number(element.get("start"), 1) if element.tag == "ol" and is_plain and not is_hidden else None


def _whole_number(stated: str | None, default: int) -> int:
    return int(stated) if stated and _NUMBER.fullmatch(stated) else default


def _notes(part: MainText) -> Iterator[str]:
    """Yield what is not read of a page, though it is there."""
    if part.share_left_out > _NOTABLE_SHARE:
        yield f"{part.share_left_out:.0%} of the words on the page were left out as navigation and the like."
    pictures = sum(len(picture.get("src", "")) > _LARGE_PICTURE for picture in part.root.iter("img"))
    if pictures:
        yield f"Pictures in it were not read: {pictures}."
    if next(part.root.iter("iframe", "frame"), None) is not None:
        yield "Pages that are shown inside it (frames) were not read."


def _without_declarations(text: str) -> str:
    """Return the text of a page without its XML declaration, and without declarations of entities in its document type."""
    text = _XML_DECLARATION.sub("", text)
    document_type = _DOCUMENT_TYPE.search(text, 0, _HEAD)
    if document_type is None:
        return text
    end = text.find("]", document_type.end())
    return text if end < 0 else text[: document_type.start()] + text[end + 1 :].lstrip().removeprefix(">")
