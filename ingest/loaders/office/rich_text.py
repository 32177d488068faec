r"""Rich Text Format: paragraphs, headings, lists and tables, notes and comments where they are attached.

It is read here and not by a library: striprtf 0.0.35 drops notes, comments, text boxes and headers without a word, and gives
up where two fonts of one text are in different encodings, which is what WordPad writes in China.
This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ingest.loaders.extract import Extract, LoadOptions, TextBuilder, not_read
from ingest.loaders.office.rich_text_syntax import (
    CHARACTERS,
    CHARSETS,
    COPIES,
    ENCODINGS,
    KNOWN,
    LEFT_OUT,
    PARAGRAPH_ENDS,
    STORIES,
    code_page,
    heading_level,
    heading_style_level,
    tokens,
)
from rag_app.errors import DocumentError
from rag_app.text import normalise

_BULLET = re.compile("[\u2022\u00b7\u25aa\u25e6\u2023\uf0b7\uf0a7o\u2013-]\t")
_NUMBER = re.compile(r"\d|\w[.)]$")  # in what stands before a list item; else it is a bullet, in whatever font
_LONGEST_PAGE_WORDS = 8  # letters beside a page number: "Seite von"


def load_rtf(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the text of a Rich Text file.

    Raises:
        DocumentError: not such a file.
    """
    content = data.removeprefix(codecs.BOM_UTF8).lstrip()
    if not content.startswith(b"{\\rtf"):
        raise DocumentError(
            "It is not a Rich Text file: expected it to begin with {\\rtf.", "Give it the ending of what it is."
        )
    yield _Reader().read(content)


@dataclass
class _Group:
    """What holds between two braces; a group inside begins with the same."""

    destination: str = ""
    opens_story: bool = False
    is_left_out: bool = False
    is_copy: bool = False
    is_starred: bool = False
    is_hidden: bool = False
    font: int | None = None
    fallback_length: int = 1
    level: int = 0
    depth: int = 0
    is_in_table: bool = False


@dataclass
class _Story:
    """A part of the document that is being read: its text, a header, a note."""

    label: str = ""
    parts: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    is_item: bool = False
    has_page_number: bool = False


class _Reader:
    """Reads one document, from its beginning to its end."""

    def __init__(self) -> None:
        self._builder = TextBuilder()
        self._counts = Counter[str]()  # of what is not read
        self._groups = [_Group()]
        self._stories = [_Story()]
        self._rows: list[list[str]] = [[]]
        self._after: list[str] = []  # notes and text boxes of the paragraph
        self._margins: dict[str, None] = {}
        self._title = ""
        self._author = ""
        self._encoding = "cp1252"
        self._default_font: int | None = None
        self._fonts: dict[int, str] = {}
        self._styles: dict[int, int] = {}
        self._defined = 0  # the font or style that the table of them is describing
        self._bytes = bytearray()
        self._bytes_encoding = ""
        self._fallback = 0  # characters that stand for the last one for programs without Unicode

    def read(self, content: bytes) -> Extract:
        """Return the document."""
        for token in tokens(content):
            if token.word:
                self._control(token.word, token.number)
            elif token.text:
                self._text(token.text)
            elif token.brace == "{":
                self._fallback = 0
                self._groups.append(replace(self._groups[-1], opens_story=False, is_starred=False))
            else:
                self._close_group()
                if len(self._groups) == 1:
                    break  # what follows is no part of the document
        is_cut = len(self._groups) > 1
        while len(self._groups) > 1:
            self._close_group()
        return self._finished(is_cut)

    def _finished(self, is_cut: bool) -> Extract:
        self._end_paragraph()
        for margin in self._margins:
            self._builder.paragraph(margin)
        notes, remedy = not_read({noun: self._counts[noun] for noun in ("embedded object", "picture")})
        if self._counts["hidden"]:
            notes.append("Hidden or deleted text was not read.")
        if self._counts["unknown"]:
            notes.append(
                f"Characters that are none in their encoding were replaced by \ufffd: {self._counts['unknown']}."
            )
        if is_cut:
            notes.append("Its end is missing: it may have been cut off.")
            remedy = f"{remedy} Get a complete copy of it.".strip()
        title = self._title or self._builder.first_title
        return self._builder.build(Extract("", title=title, notes=tuple(notes), remedy=remedy))

    def _text(self, data: bytes) -> None:
        """Take bytes of text. They are decoded together: the two bytes of a character may be written in different ways."""
        fallback = min(self._fallback, len(data))
        self._fallback -= fallback
        data = data[fallback:]
        group = self._groups[-1]
        if group.is_left_out:
            self._stories[-1].has_page_number |= group.destination == "fldinst" and b"PAGE" in data
            if group.destination == "stylesheet" and self._defined not in self._styles:
                self._styles[self._defined] = heading_style_level(data)
        elif group.is_hidden:
            self._counts["hidden"] += bool(data.strip())
        else:
            font = self._default_font if group.font is None else group.font
            encoding = self._encoding if font is None else self._fonts.get(font, self._encoding)
            if encoding != self._bytes_encoding:
                self._decode()
                self._bytes_encoding = encoding
            self._bytes += data

    def _decode(self) -> None:
        if self._bytes:
            text = self._bytes.decode(self._bytes_encoding, "replace")
            self._counts["unknown"] += text.count("\ufffd")
            self._stories[-1].parts.append(text)
            self._bytes.clear()

    def _write(self, text: str) -> None:
        group = self._groups[-1]
        if not group.is_left_out and not group.is_hidden:
            self._decode()
            self._stories[-1].parts.append(text)

    def _taken(self) -> str:
        """Return the text since the last paragraph or cell."""
        self._decode()
        story = self._stories[-1]
        text = "".join(story.parts)
        story.parts.clear()
        return text

    def _control(self, word: str, number: int | None) -> None:
        group = self._groups[-1]
        if self._fallback and word in CHARACTERS:
            self._fallback -= 1
            return
        self._fallback = 0
        is_unknown = group.is_starred and word not in KNOWN
        group.is_starred = word == "*"
        group.is_copy |= word in COPIES
        if word in STORIES and (not group.is_left_out or group.destination == "info"):
            self._open_story(word)
        elif word in LEFT_OUT or is_unknown:
            self._counts["picture"] += word == "pict" and not group.is_copy
            group.is_left_out = True
            group.destination = word
        elif group.is_left_out:
            self._define(word, number)
        elif word in PARAGRAPH_ENDS:
            self._end_paragraph()
        elif word in CHARACTERS:
            self._write(CHARACTERS[word])
        elif word == "u":
            self._write(chr((number or 0) % 0x10000))
            self._fallback = group.fallback_length
        else:
            self._format(group, word, number)

    def _format(self, group: _Group, word: str, number: int | None) -> None:
        """Take a control word that says how what follows is to be read."""
        if word == "f":
            group.font = number
        elif word == "uc":
            group.fallback_length = max(number or 0, 0)
        elif word in ("v", "deleted"):
            group.is_hidden = number != 0
        elif word == "plain":
            group.font, group.is_hidden = None, False
        elif word == "pard":
            group.level, group.depth, group.is_in_table = 0, 0, False
        elif word == "intbl":
            group.is_in_table = True
        elif word == "s":
            group.level = self._styles.get(number or 0, 0)
        elif word == "outlinelevel":
            group.level = heading_level(number)
        elif word == "ilvl":
            group.depth = number or 0
        else:
            self._structure(word, number)

    def _structure(self, word: str, number: int | None) -> None:
        """Take a control word that ends a part of a table, or says something of the document or of a part of it."""
        if word == "cell":
            self._end_cell()
        elif word == "row":
            self._end_row()
        elif word == "chpgn":
            self._stories[-1].has_page_number = True
        elif word == "ftnalt":
            self._stories[-1].label = "Endnote"
        elif word == "object":
            self._counts["embedded object"] += 1
        elif word == "deff":
            self._default_font = number
        elif word in ENCODINGS:
            self._encoding = ENCODINGS[word]
        elif word == "ansicpg":
            self._encoding = code_page(number) or self._encoding

    def _define(self, word: str, number: int | None) -> None:
        """Take a control word of the tables of fonts and styles."""
        destination = self._groups[-1].destination
        if (destination, word) in (("fonttbl", "f"), ("stylesheet", "s")):
            self._defined = number or 0
        elif destination == "fonttbl" and word in ("fcharset", "cpg"):
            encoding = CHARSETS.get(number or 0) if word == "fcharset" else code_page(number)
            if encoding:
                self._fonts[self._defined] = encoding
        elif destination == "stylesheet" and word == "outlinelevel":
            self._styles[self._defined] = heading_level(number)

    def _end_paragraph(self) -> None:
        group, story = self._groups[-1], self._stories[-1]
        if len(self._stories) > 1:
            story.lines.append(self._taken().strip())
            return
        if group.is_in_table:
            self._write("\n")
            return
        self._end_table()
        text = self._taken().strip()
        if group.level:
            self._builder.heading(group.level, text)
        elif story.is_item or _BULLET.match(text):
            self._builder.list_item(_BULLET.sub("", text, count=1), depth=group.depth)
        else:
            self._builder.paragraph(text)
        story.is_item = False
        self._add_attached()

    def _end_cell(self) -> None:
        if len(self._stories) > 1:
            self._write(" | ")
        else:
            self._rows[-1].append(self._taken().strip())
            self._stories[-1].is_item = False

    def _end_row(self) -> None:
        if len(self._stories) > 1:
            self._end_paragraph()
        else:
            self._rows.append([])

    def _end_table(self) -> None:
        rows = [row for row in self._rows if row]
        if not rows:
            return
        self._rows = [[]]
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around a paragraph
            self._builder.paragraph(rows[0][0])
        else:
            self._builder.table(rows)
        self._add_attached()

    def _add_attached(self) -> None:
        for text in self._after:
            self._builder.paragraph(text)
        self._after.clear()

    def _open_story(self, word: str) -> None:
        group = self._groups[-1]
        if not group.opens_story:
            self._decode()
            self._stories.append(_Story(STORIES[word]))
            group.opens_story, group.is_left_out, group.destination = True, False, word

    def _close_group(self) -> None:
        self._fallback = 0
        if self._groups[-1].opens_story:
            self._end_paragraph()
            self._close_story(self._stories.pop())
        self._groups.pop()

    def _close_story(self, story: _Story) -> None:
        text = "\n".join(line for line in story.lines if line)
        if story.label == "title":
            self._title = " ".join(normalise(text).split())
        elif story.label == "author":
            self._author = text
        elif story.label == "marker":
            self._stories[-1].is_item = True
            if _NUMBER.search(text):
                self._stories[-1].parts.append(f"{text} ")
        elif story.label in ("Header", "Footer"):
            if text and not (story.has_page_number and sum(map(str.isalpha, text)) <= _LONGEST_PAGE_WORDS):
                self._margins[f"{story.label}: {' '.join(text.split())}"] = None
        elif text:
            by = f" by {self._author}" if story.label == "Comment" and self._author else ""
            self._after.append(f"{story.label}{by}: {text}" if story.label else text)
