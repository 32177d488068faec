"""One page of a PDF, by pdfium: its lines with the place of each word, its form fields, and whether it can be read at all.

This module knows nothing of documents, of joining lines or of OCR.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ingest.loaders.pdf.lines import Line, Rectangle, make_line, words_of

_REPLACEMENT = "\ufffd"
_BROKEN_WORD = 0x02  # what pdfium makes of a hyphen at the end of a line whose word goes on in the next
_SOFT_HYPHEN = "\u00ad"  # a PDF holds what is drawn: it is seen as a hyphen
# A text layer of which a larger share tells no letters is none.
_UNREADABLE_SHARE = 0.3
# Fonts without Unicode: where so much of what they give cannot be letters, the rest of it is no text either.
_NO_LETTERS_SHARE = 0.1
# A page with fewer visible characters has no text layer to speak of: a page number, the stamp of a scanner.
_FEW_CHARACTERS = 30
_MOSTLY = 0.5  # of a page's area
_PICTURE = 0.02  # of a page's area; less is a logo, a bullet, a line
_MANY_PATHS = 100  # text drawn as outlines has more, the frame and rules of an empty page fewer
_MOST_OBJECTS = 10_000


class PageKind(Enum):
    """What of a page can be read: its text, nothing because there is none, or a picture of text by OCR alone."""

    TEXT = "text"
    BLANK = "blank"
    SCANNED = "scanned"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class PageContent:
    """The lines of a page, what kind of page it is, and how many pictures stand beside its text."""

    lines: tuple[Line, ...]
    kind: PageKind
    pictures: int = 0


def read_text_layer(page: Any) -> PageContent:
    """Return what the text layer of a page (a `pypdfium2.PdfPage`) holds.

    Raises:
        pypdfium2.PdfiumError: it cannot be read.
    """
    text_page = page.get_textpage()
    try:
        layer = _TextLayer(text_page)
        place = seen_places(page)
        lines = tuple(layer.line(characters, place) for characters in layer.lines())
    finally:
        text_page.close()
    if layer.unreadable > _UNREADABLE_SHARE * layer.visible:
        return PageContent(lines, PageKind.UNREADABLE)
    drawn = _drawn(page)
    if layer.visible < _FEW_CHARACTERS and drawn.may_be_text(has_text=layer.visible > 0):
        return PageContent(lines, PageKind.SCANNED)
    return PageContent(lines, PageKind.TEXT if layer.visible else PageKind.BLANK, drawn.pictures)


def seen_places(page: Any) -> Callable[[Rectangle], Rectangle]:
    """Return the function that turns a place on a page as it is stored into one on the page as it is seen.

    What is seen begins at the corner of the crop box and is turned by the page's rotation.
    """
    left, bottom, right, top = page.get_bbox()
    rotation = page.get_rotation()

    def seen(place: Rectangle) -> Rectangle:
        x0, y0, x1, y1 = place
        if rotation == 90:
            return y0 - bottom, right - x1, y1 - bottom, right - x0
        if rotation == 180:
            return right - x1, top - y1, right - x0, top - y0
        if rotation == 270:
            return top - y1, x0 - left, top - y0, x1 - left
        return x0 - left, y0 - bottom, x1 - left, y1 - bottom

    return seen


class _TextLayer:
    """The characters of a page as pdfium gives them, one by one.

    Its function for whole pages gives control characters for what has no Unicode, and only characters have places.
    """

    def __init__(self, text_page: Any) -> None:
        from pypdfium2 import raw

        self._raw = raw
        self._handle = text_page.raw
        self._count = text_page.count_chars()
        self._left, self._bottom, self._right, self._top = (ctypes.c_double() for _ in range(4))
        self._loose = raw.FS_RECTF()
        self._matrix = raw.FS_MATRIX()
        self.visible = 0
        self._no_letters = 0  # replacement characters, private use
        self._unmapped = 0  # characters of fonts that do not say what they are: what pdfium gives is a guess ...
        self._wrongly_mapped = 0  # ... and of these cannot be right

    @property
    def unreadable(self) -> int:
        """How many of the visible characters are not what is seen."""
        is_guesswork = self._wrongly_mapped > _NO_LETTERS_SHARE * self._unmapped
        return self._no_letters + (self._unmapped if is_guesswork else self._wrongly_mapped)

    def lines(self) -> Iterator[list[tuple[int, str]]]:
        """Yield each line as characters with their numbers; a hyphen that breaks a word stands as U+0002 at the end."""
        line: list[tuple[int, str]] = []
        for number in range(self._count):
            code = self._raw.FPDFText_GetUnicode(self._handle, number)
            if code in {10, 13} and self._raw.FPDFText_IsGenerated(self._handle, number) == 1:
                if code == 10:
                    yield line
                    line = []
            elif code == _BROKEN_WORD and self._raw.FPDFText_IsHyphen(self._handle, number) == 1:
                yield [*line, (number, chr(_BROKEN_WORD))]
                line = []
                self.visible += 1
            else:
                line.append((number, self._character(number, code)))
        yield line

    def line(self, characters: Sequence[tuple[int, str]], seen: Callable[[Rectangle], Rectangle]) -> Line:
        """Return a line as text with its words in their places."""
        is_broken = bool(characters) and characters[-1][1] == chr(_BROKEN_WORD)
        text = "".join(character for _, character in characters).replace(chr(_BROKEN_WORD), "-")
        words = list(words_of(text))
        if not words:
            return Line("")
        numbers = [number for number, _ in characters]
        first, last = words[0][1], words[-1][2] - 1
        is_upright = self._is_upright(numbers[first])
        # The middle of three: neither an initial nor a footnote's number tells the size of a line.
        size = sorted(self._size(numbers[position]) for position in (first, (first + last) // 2, last))[1]
        return make_line(
            (
                (separator, text[start:end], seen(self._union(numbers[start:end], is_upright=is_upright)))
                for separator, start, end in words
            ),
            size=round(size, 1),
            is_broken=is_broken,
        )

    def _character(self, number: int, code: int) -> str:
        """Return a character as it goes into the text, and count what it says of the layer."""
        is_guess = self._raw.FPDFText_HasUnicodeMapError(self._handle, number) == 1
        is_control = code < 0x20 or 0x7F <= code < 0xA0
        if 9 <= code <= 13 and not is_guess:
            return " "
        is_character = not is_control and code <= sys.maxunicode and code not in {0xFFFE, 0xFFFF}
        character = chr(code) if is_character else _REPLACEMENT
        if character.isspace():
            return character
        self.visible += 1
        if is_guess:
            self._unmapped += 1
            self._wrongly_mapped += is_control or code > 0xFF
        elif character == _REPLACEMENT or 0xE000 <= code < 0xF900:
            self._no_letters += 1
        return "-" if character == _SOFT_HYPHEN else character

    def _union(self, numbers: Sequence[int], *, is_upright: bool) -> Rectangle:
        """Return the rectangle around characters: tight, but along the line with the space that belongs to them."""
        left, bottom, right, top = self._place(numbers[0])
        for number in numbers[1:]:
            x0, y0, x1, y1 = self._place(number)
            left, bottom, right, top = min(left, x0), min(bottom, y0), max(right, x1), max(top, y1)
        for number in {numbers[0], numbers[-1]}:
            x0, y0, x1, y1 = self._loose_place(number)
            if is_upright:
                left, right = min(left, x0), max(right, x1)
            else:
                bottom, top = min(bottom, y0), max(top, y1)
        return left, bottom, right, top

    def _place(self, number: int) -> Rectangle:
        self._raw.FPDFText_GetCharBox(self._handle, number, self._left, self._right, self._bottom, self._top)
        left, bottom, right, top = self._left.value, self._bottom.value, self._right.value, self._top.value
        if left < right and bottom < top:
            return left, bottom, right, top
        return self._loose_place(number)  # a font without an outline for it

    def _loose_place(self, number: int) -> Rectangle:
        self._raw.FPDFText_GetLooseCharBox(self._handle, number, self._loose)
        return self._loose.left, self._loose.bottom, self._loose.right, self._loose.top

    def _is_upright(self, number: int) -> bool:
        self._raw.FPDFText_GetMatrix(self._handle, number, self._matrix)
        return bool(abs(self._matrix.a) >= abs(self._matrix.b))

    def _size(self, number: int) -> float:
        """Return how high letters are set, in points."""
        self._raw.FPDFText_GetMatrix(self._handle, number, self._matrix)
        size: float = self._raw.FPDFText_GetFontSize(self._handle, number)
        return size * math.hypot(self._matrix.c, self._matrix.d)


@dataclass(frozen=True)
class _Drawn:
    """What is drawn on a page: the share of it that pictures cover, the share that each does, and how many paths."""

    covered: float
    shares: tuple[float, ...]
    paths: int

    def may_be_text(self, *, has_text: bool) -> bool:
        """Whether this may be the text of a page whose text layer holds nothing, or hardly anything."""
        return self.covered >= (_MOSTLY if has_text else _PICTURE) or (self.paths >= _MANY_PATHS and not has_text)

    @property
    def pictures(self) -> int:
        """How many pictures stand beside the text: neither logos nor what lies under all of it."""
        return sum(_PICTURE <= share < _MOSTLY for share in self.shares)


def _drawn(page: Any) -> _Drawn:
    from pypdfium2 import raw

    left, bottom, right, top = page.get_bbox()
    area = max((right - left) * (top - bottom), 1.0)
    edges = [ctypes.c_float() for _ in range(4)]
    shares = []
    paths = 0
    for number in range(min(raw.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
        item = raw.FPDFPage_GetObject(page, number)
        kind = raw.FPDFPageObj_GetType(item)
        paths += kind == raw.FPDF_PAGEOBJ_PATH
        is_picture = kind == raw.FPDF_PAGEOBJ_IMAGE or (kind == raw.FPDF_PAGEOBJ_FORM and _holds_picture(item))
        if is_picture and raw.FPDFPageObj_GetBounds(item, *edges):
            x0, y0, x1, y1 = (edge.value for edge in edges)
            shares.append(max(min(x1, right) - max(x0, left), 0) * max(min(y1, top) - max(y0, bottom), 0) / area)
    return _Drawn(sum(shares), tuple(shares), paths)


def _holds_picture(form: Any) -> bool:
    """Whether a form, a group of objects that may hold other groups, holds a picture."""
    from pypdfium2 import raw

    forms = [form]
    seen = 0
    while forms and seen < _MOST_OBJECTS:
        group = forms.pop()
        for number in range(min(raw.FPDFFormObj_CountObjects(group), _MOST_OBJECTS)):
            seen += 1
            item = raw.FPDFFormObj_GetObject(group, number)
            kind = raw.FPDFPageObj_GetType(item)
            if kind == raw.FPDF_PAGEOBJ_IMAGE:
                return True
            if kind == raw.FPDF_PAGEOBJ_FORM:
                forms.append(item)
    return False
