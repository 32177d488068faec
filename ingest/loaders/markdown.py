"""Markdown: the text as it is, its blocks by a CommonMark parser with tables.

This module knows nothing of files: it is given bytes. What stands inside a line is not parsed, but for the words of headings
and of table headers.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.loaders.encoding import decode
from ingest.loaders.extract import Extract, LoadOptions, first_title, paragraph_spans
from rag_app.datatypes import Block, BlockKind
from rag_app.dates import stated_day

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)^(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_MAX_FRONT_MATTER = 20_000  # characters; beyond it, two rules that stand far apart are more likely
_FIELD = re.compile(r"^[\w-]+[ \t]*[:=]", re.MULTILINE)
_STATEMENT = re.compile(r"^(?P<name>title|date)[ \t]*:[ \t]*(?P<value>.*?)[ \t]*$", re.MULTILINE)
_NOTHING = ("", "~", "null")
_ATTRIBUTES = re.compile(r"\s*\{[^{}]*\}$")  # `## Install { #install }` carries an anchor for its own website
_INLINE_MARK = re.compile(r"[\\`*_\[!<&]")
_KINDS = {
    "paragraph_open": BlockKind.PARAGRAPH,
    "heading_open": BlockKind.HEADING,
    "html_block": BlockKind.PARAGRAPH,
    "blockquote_open": BlockKind.PARAGRAPH,
    "fence": BlockKind.CODE,
    "code_block": BlockKind.CODE,
    "table_open": BlockKind.TABLE,
}
_LIST_ITEM_STEPS = {"list_item_open": 1, "list_item_close": -1}


def load_markdown(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield a Markdown file as it is, with its blocks; title (else the first heading) and date are the front matter's.

    Raises:
        DocumentError: binary data, or an encoding that cannot be told.
    """
    decoded = decode(data)
    text = decoded.text
    begin, title, date = _front_matter(text)
    before = (Block(BlockKind.PARAGRAPH, 0, len(text[:begin].rstrip())),) if begin else ()
    blocks = before + markdown_blocks(text, begin)
    yield Extract(text, title=title or first_title(blocks), blocks=blocks, encoding=decoded.encoding, date=date)


def markdown_blocks(text: str, begin: int = 0) -> tuple[Block, ...]:
    """Return the blocks of a normalised Markdown text from the line that starts at `begin`.

    They are whole lines, in order, and hold every character that is not white space. What a page would not show (rules,
    definitions of links) is a paragraph.
    """
    starts = _line_starts(text, begin)
    references: dict[str, Any] = {}
    tokens = _parser().parse(text[begin:], references)
    blocks: list[Block] = []
    covered = 0  # lines
    for leaf in _leaves(tokens, references):
        blocks += _paragraphs(text, starts[covered], starts[leaf.first])
        blocks += _blocks(text, starts[leaf.first], starts[leaf.last], leaf)
        covered = leaf.last
    return (*blocks, *_paragraphs(text, starts[covered], starts[-1]))


class _Leaf(NamedTuple):
    """A block of the lines `[first, last)`."""

    kind: BlockKind
    first: int
    last: int
    level: int = 0
    label: str = ""


def _leaves(tokens: Sequence[Token], references: dict[str, Any]) -> Iterator[_Leaf]:
    """Yield the outermost blocks that are not lists; they do not share a line."""
    covered = 0
    list_depth = 0
    for i, token in enumerate(tokens):
        list_depth += _LIST_ITEM_STEPS.get(token.type, 0)
        kind = _KINDS.get(token.type)
        if kind is None or token.map is None or token.map[0] < covered:
            continue
        first, covered = token.map
        label = ""
        if kind is BlockKind.TABLE:
            label = " | ".join(_words(cell.content, references) for cell in _header_cells(tokens, i))
        elif kind is BlockKind.HEADING:
            content = tokens[i + 1].content
            # A paragraph that a rule follows at once would be one as well, and its text a heading over all that follows.
            label = "" if "\n" in content or token.level else _words(content, references)
            kind = kind if label else BlockKind.PARAGRAPH
        if kind is BlockKind.PARAGRAPH and list_depth:
            kind = BlockKind.LIST_ITEM
        yield _Leaf(kind, first, covered, int(token.tag[1]) if kind is BlockKind.HEADING else 0, label)


def _header_cells(tokens: Sequence[Token], table: int) -> Iterator[Token]:
    """Yield the text of each cell in the header row of the table that begins at a token."""
    for i in range(table, len(tokens)):
        token = tokens[i]
        if token.type == "thead_close":
            return
        if token.type == "inline":
            yield token


def _words(content: str, references: dict[str, Any]) -> str:
    """Return what a reader sees of a line: without the marks of emphasis, the addresses of links, tags and attributes."""
    content = _ATTRIBUTES.sub("", content)
    if _INLINE_MARK.search(content):
        parser = _parser()
        tokens: list[Token] = []
        parser.inline.parse(content, parser, references, tokens)
        content = "".join(token.content for token in tokens if token.type != "html_inline")
    return " ".join(content.split())


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # a moment to import, and needed by these formats alone

    # Without the rule that parses the inside of every line it takes a fifth of the time.
    return MarkdownIt("commonmark").enable("table").disable("inline")


def _line_starts(text: str, begin: int) -> list[int]:
    r"""Return where each line starts, and the end of the text. The parser ends lines at `\n` alone, so they end there here."""
    starts = [begin, *(match.end() for match in re.compile("\n").finditer(text, begin))]
    return starts if starts[-1] == len(text) else [*starts, len(text)]


def _paragraphs(text: str, start: int, end: int) -> Iterator[Block]:
    """Yield a paragraph for everything between blank lines."""
    for first, last in paragraph_spans(text, start, end):
        yield from _blocks(text, first, last, _Leaf(BlockKind.PARAGRAPH, 0, 0))


def _blocks(text: str, start: int, end: int, leaf: _Leaf) -> Iterator[Block]:
    """Yield the block of these lines without the blank ones around; none where nothing is left."""
    part = text[start:end].rstrip()
    if part:
        blank = len(part) - len(part.lstrip())
        first = start + part.rfind("\n", 0, blank) + 1
        yield Block(leaf.kind, first, start + len(part), leaf.level, leaf.label)


def _front_matter(text: str) -> tuple[int, str, str]:
    """Return where the front matter ends (0: there is none), and the title and the date that it states."""
    match = _FRONT_MATTER.match(text)
    if match is None or len(match[2]) > _MAX_FRONT_MATTER:
        return 0, "", ""
    try:
        fields = _fields(match[1], match[2])
    except (ValueError, RecursionError):  # that of TOML is a ValueError
        if not _FIELD.match(match[2]):
            return 0, "", ""
        return match.end(), _line(match[2], "title"), stated_day(_line(match[2], "date"))
    if not isinstance(fields, dict):
        return 0, "", ""  # text between two rules
    title = fields.get("title")
    is_title = isinstance(title, str | int) and title not in _NOTHING
    return match.end(), " ".join(str(title).split()) if is_title else "", stated_day(str(fields.get("date", "")))


def _line(content: str, name: str) -> str:
    """Return what a line of front matter that cannot be parsed states under a name."""
    stated = next((line for line in _STATEMENT.finditer(content) if line["name"] == name), None)
    return stated["value"].strip("\"'") if stated else ""


def _fields(fence: str, content: str) -> object:
    """Return what the front matter holds, values as they are written.

    Raises:
        ValueError: neither YAML nor, between `+++`, TOML.
        RecursionError: it is nested too deeply.
    """
    if fence == "+++":
        return tomllib.loads(content, parse_float=str)
    import yaml

    try:
        return yaml.load(content, Loader=yaml.BaseLoader)  # noqa: S506 - it makes strings of everything, so it is safe
    except yaml.YAMLError as error:
        raise ValueError("not YAML") from error
