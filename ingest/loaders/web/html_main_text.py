"""Which part of a page is its main text: the part its author names, else the part where trafilatura finds it.

trafilatura drops captions, headings and whatever it takes for decoration, and what it returns has lost line breaks and spans.
So it is only asked where the text is: everything in that place is read.
This module knows nothing of blocks, nor of what becomes of the part.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.loaders.web.html_elements import BLOCKS, LINE_BREAK, text_of, traverse
from rag_app.text import size_in_units

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_BESIDE = frozenset(("nav", "aside", "footer", "header"))
_BESIDE_ROLES = {
    "navigation": "nav",
    "search": "nav",
    "complementary": "aside",
    "contentinfo": "footer",
    "banner": "header",
}
# Sphinx, for one, sets its footnotes and remarks as <aside>.
_PART_OF_TEXT = re.compile(
    r"\b(?:(?:foot|end|side)?notes?|footnote-list|admonition|callout|hint|tip|warning|caution|important|example)\b"
)
_PLACES = frozenset(("div", "section", "article", "main", "center", "form", "table", "tbody", "tr", "td"))
_INLINE_FOUND = frozenset(("hi", "ref", "del", "code"))  # of trafilatura's own names

_FEW = 50  # units, about 25 words: a text that is shorter may be a remark that was taken for the text
_SMALLEST_MAIN = 0.1  # of the words outside links: <main> is believed above it, a page may fill it by script
_SMALLEST_ARTICLE = 0.5  # the same for the only <article>: it may be a teaser
_IN_PLACE = 0.9  # of the text that trafilatura finds is in the place where it is
_SMALLEST_PLACE = 0.5  # of the words outside links: where less is in the place, trafilatura lost the rest
_MORE_AROUND = 1.3  # a place is widened to what is around it as long as that adds no more
_LINK_LIST = 0.9  # of the text of a list of links is in links
_SHORTEST_FOUND = 15  # characters: shorter paragraphs stand in menus as well as in the text
_MOST_ELEMENTS = 20_000  # trafilatura's time grows with their square: a page that is larger is read whole
_PREFIX = 40  # characters by which paragraphs are recognised


@dataclass(frozen=True)
class MainText:
    """The part of a page that is read: `root` but for the elements in `left_out`.

    `share_left_out` is the share of the visible words of the page that are elsewhere, 0 where those are few.
    """

    root: HtmlElement
    left_out: frozenset[HtmlElement]
    share_left_out: float


def main_text(tree: HtmlElement) -> MainText:
    """Return which part of a page is its main text. What has any visible text never comes out empty."""
    body = tree.find("body")
    body = tree if body is None else body
    beside = frozenset(element for element in body.iter() if _is_beside(element))
    page = _measured(body, beside)
    if not page[body].text:
        return MainText(body, frozenset(), 0.0)  # nothing but navigation
    named = _named(body, page)
    root, left_out = (named, beside) if named is not None else _found(tree, body, beside)
    whole = size_in_units(text_of(body))
    lost = whole - size_in_units(text_of(root, left_out))
    return MainText(root, left_out, lost / whole if lost >= _FEW else 0.0)


@dataclass
class _Size:
    """Characters in an element: all, those in links, those that trafilatura found; and the number of links."""

    text: int = 0
    links: int = 0
    found: int = 0
    link_count: int = 0

    @property
    def prose(self) -> int:
        """Characters outside links."""
        return self.text - self.links


Sizes = dict["HtmlElement", _Size]


@dataclass
class _Survey:
    """Measures every element of a tree."""

    known: frozenset[str] = frozenset()  # how the paragraphs begin that trafilatura found
    sizes: dict[HtmlElement, _Size] = field(default_factory=dict)
    _open: list[tuple[HtmlElement, _Size]] = field(default_factory=list)
    _paragraph: list[str] = field(default_factory=list)
    _links_open: int = 0

    def start(self, element: HtmlElement) -> bool:
        if element.tag in BLOCKS:
            self._end_paragraph()
        self._open.append((element, _Size()))
        if element.tag == "a":
            self._links_open += 1
            self._open[-1][1].link_count = 1
        return True

    def end(self, element: HtmlElement) -> None:
        if element.tag in BLOCKS:
            self._end_paragraph()
        if element.tag == "a":
            self._links_open -= 1
        _, size = self._open.pop()
        self.sizes[element] = size
        if self._open:
            above = self._open[-1][1]
            above.text += size.text
            above.links += size.links
            above.found += size.found
            above.link_count += size.link_count

    def text(self, text: str) -> None:
        if text == LINE_BREAK:
            self._end_paragraph()
        letters = "".join(text.split())
        size = self._open[-1][1]
        size.text += len(letters)
        size.links += len(letters) if self._links_open else 0
        self._paragraph.append(letters)

    def _end_paragraph(self) -> None:
        letters = "".join(self._paragraph)
        self._paragraph.clear()
        if len(letters) >= _SHORTEST_FOUND and letters[:_PREFIX] in self.known:
            self._open[-1][1].found += len(letters)


def _measured(body: HtmlElement, left_out: Collection[HtmlElement], known: frozenset[str] = frozenset()) -> Sizes:
    survey = _Survey(known)
    traverse(body, survey, left_out)
    return survey.sizes


def _is_beside(element: HtmlElement) -> bool:
    """Whether an element says of itself that it stands beside the text."""
    if not isinstance(element.tag, str):
        return False
    kind = element.tag if element.tag in _BESIDE else _BESIDE_ROLES.get(element.get("role", ""))
    if kind == "header":
        return not _is_in_text(element) and not _is_title(element)
    if kind in ("aside", "footer"):
        names = f"{element.get('class', '')} {element.get('role', '')}".lower()
        if _PART_OF_TEXT.search(names) or next(element.iterancestors("blockquote"), None) is not None:
            return False
        # Pages call what stands under each of their entries `contentinfo`, which is the footer of all.
        return kind == element.tag or element.get("role") != "contentinfo" or not _is_in_text(element)
    return kind is not None


def _is_in_text(element: HtmlElement) -> bool:
    return any(
        ancestor.tag in ("main", "article", "section") or ancestor.get("role") == "main"
        for ancestor in element.iterancestors()
    )


def _is_title(header: HtmlElement) -> bool:
    """Whether the header of a page holds the title of its text rather than the way around the site."""
    is_inner = next(header.iterancestors("header"), None) is not None
    if is_inner or next(header.iter("h1"), None) is None or next(header.iter("nav"), None) is not None:
        return False
    size = _measured(header, ()).get(header, _Size())
    return size.prose > size.links


def _named(body: HtmlElement, page: Sizes) -> HtmlElement | None:
    """Return the element that the author names as the main text, unless next to nothing is in it."""
    for name, smallest in (("main", _SMALLEST_MAIN), ("article", _SMALLEST_ARTICLE)):
        named = {element for element in page if element.tag == name or element.get("role") == name}
        outermost = [element for element in named if named.isdisjoint(element.iterancestors())]
        if len(outermost) == 1 and page[outermost[0]].prose >= smallest * page[body].prose:
            return outermost[0] if page[outermost[0]].text else None
    return None


def _found(
    tree: HtmlElement, body: HtmlElement, beside: frozenset[HtmlElement]
) -> tuple[HtmlElement, frozenset[HtmlElement]]:
    """Return the place where trafilatura finds the main text and what is left out there; the body where it finds little."""
    known = _paragraphs_found(tree) if sum(1 for _ in tree.iter()) <= _MOST_ELEMENTS else frozenset()
    sizes = _measured(body, beside, known)
    inner: HtmlElement | None = body
    while inner is not None:
        place = inner
        inner = next((child for child in place if _holds_most(child, sizes, sizes[body].found)), None)
    widest = _MORE_AROUND * sizes[place].prose
    for around in list(place.iterancestors()):
        if around in sizes and sizes[around].prose <= widest:
            place = around
    left_out = beside | {element for element in place.iter() if _is_link_list(element, sizes)}
    has_lost_most = not sizes[place].found or sizes[place].prose < _SMALLEST_PLACE * sizes[body].prose
    if has_lost_most or size_in_units(text_of(place, left_out)) < _FEW:
        return body, beside
    return place, left_out


def _holds_most(element: HtmlElement, sizes: Sizes, found: int) -> bool:
    return element.tag in _PLACES and element in sizes and 0 < _IN_PLACE * found <= sizes[element].found


def _is_link_list(element: HtmlElement, sizes: Sizes) -> bool:
    """Whether an element is a menu: nearly nothing but links, and trafilatura found no text there."""
    size = sizes.get(element)
    return (
        size is not None
        and element.tag in BLOCKS
        and size.link_count >= 2
        and not size.found
        and size.links >= _LINK_LIST * size.text
    )


def _paragraphs_found(tree: HtmlElement) -> frozenset[str]:
    """Return how the paragraphs begin that trafilatura takes for the main text."""
    import trafilatura  # a second to import, and needed by few formats
    from lxml.etree import LxmlError, iterwalk

    try:
        document = trafilatura.bare_extraction(tree, favor_recall=True, include_comments=False, include_formatting=True)
    except (RecursionError, LxmlError):  # elements nested too deep for it
        document = None
    if document is None:
        return frozenset()
    found = set()
    letters = ""
    for event, element in iterwalk(document.body, events=("start", "end")):
        if element.tag not in _INLINE_FOUND:
            found.add(letters[:_PREFIX])
            letters = ""
        if len(letters) < _PREFIX:
            letters += "".join(((element.text if event == "start" else element.tail) or "").split())
    return frozenset(found)
