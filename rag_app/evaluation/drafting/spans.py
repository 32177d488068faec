"""The places of a document that a question can be made of: its sentences, list items, table rows and sections.

This module knows nothing of questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rag_app.datatypes import Block, BlockKind, Document
from rag_app.evaluation.drafting.values import Span
from rag_app.language import language_of
from rag_app.text import sentence_spans, trimmed

_LONGEST = 320  # characters of a sentence; what is longer is no sentence, or nobody's question
_SHORTEST = 8
_TITLE = 60
_SECTION = 600  # characters of a section that are given as the evidence of what its heading asks
_DECODED = re.compile(r"\*\*|__|`|(?<=\s)\*(?=\S)|(?<=\S)\*(?=\s)")
_LIST_SIGN = re.compile(r"^(?:[-*+•]|\d{1,3}[.)、])\s+")
_LEADING_LABEL = re.compile(r"\*\*([^*\n]{2,40}?)[.。:：]\*\*[.。:：]?\s*")  # "**Office days.** Wednesday is ..."
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_FIELD = re.compile(r"([^:;]{1,60}): ([^;]*)(?:; |$)")
_RECORD = re.compile(r"(?:[^:;\n]{1,60}: [^;\n]*; ){2,}[^:;\n]{1,60}: [^;\n]*")  # as tables without a document are read
# Who keeps a document and when: no one asks, and each document has it.
_IMPRINT = re.compile(
    r"(?:Owner|Date of issue|Edition|Author|Version)\b.{0,4}:|Last reviewed|负责部门|最近一次修订|发布日期|版权"
)
_RULE = re.compile(r"[\s|:+-]*")


def spans_of(document: Document) -> Iterator[Span]:
    """Yield the spans of a document, in order."""
    for span in _spans(document):
        yield replace(span, quote=document.text[span.start : span.end])


def _spans(document: Document) -> Iterator[Span]:
    headings: list[tuple[int, str]] = []
    for number, block in enumerate(document.blocks):
        if block.kind is BlockKind.HEADING:
            headings = [one for one in headings if one[0] < block.level] + [(block.level, _plain(block.label))]
            yield from _section(document, number, _path(document, headings))
        elif block.kind is BlockKind.TABLE:
            yield from _table_rows(document, block, _path(document, headings))
        elif block.kind is not BlockKind.CODE:
            yield from _sentences(document, block, _path(document, headings))


def _path(document: Document, headings: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    labels = [label for _, label in headings]
    title = (
        document.title.partition(" | ")[0] or _first_line(document) or document.name.replace("-", " ").replace("_", " ")
    )
    return tuple(labels if not title or title in labels else [title, *labels])


def _first_line(document: Document) -> str:
    """Return the first line of a text without headings, where it looks like a title: short, and no sentence."""
    if not document.blocks or any(block.kind is BlockKind.HEADING for block in document.blocks):
        return ""
    first = document.blocks[0]
    text = document.text[first.start : first.end].strip()
    return text if 2 <= len(text) <= _TITLE and not re.search(r"[.。:：;；!?！？|\n]", text) else ""


def _plain(text: str) -> str:
    """Return a text on one line, without the marks of Markdown."""
    return _LIST_SIGN.sub("", " ".join(_DECODED.sub("", _LINK.sub(r"\1", text)).split()))


def _language(document: Document, text: str) -> str:
    """Return `en` or `zh`, else what the document is in; that of the text itself where the document's is not told."""
    code = document.language if document.language in ("en", "zh") else language_of(text).code
    if code in ("en", "zh"):
        return code
    return "en" if document.language == "und" and text.isascii() else document.language


def _sentences(document: Document, block: Block, headings: tuple[str, ...]) -> Iterator[Span]:
    for start, end in _lines(document.text, block):
        text = document.text[start:end]
        if _RECORD.fullmatch(text):
            fields = tuple((name.strip(), value.strip()) for name, value in _FIELD.findall(text))
            yield Span(document.path, _language(document, text), start, end, text, headings, fields)
        elif _SHORTEST <= len(text) <= _LONGEST and not _IMPRINT.search(text):
            label = _LEADING_LABEL.match(_LIST_SIGN.sub("", text))
            above = (*headings, _plain(label[1])) if label else headings
            said = _plain(_LEADING_LABEL.sub("", _LIST_SIGN.sub("", text), count=1))
            yield Span(document.path, _language(document, text), start, end, said, above)


def _lines(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """Yield the sentences of a block; a line that ends one, as lines of a list do, is one by itself."""
    for start, end in sentence_spans(text, block.start, block.end):
        begin = start
        for line_end in (match.end() for match in re.finditer(r"[。！？；.:：]\s*\n", text[start:end])):
            yield from trimmed(text, begin, start + line_end)
            begin = start + line_end
        yield from trimmed(text, begin, end)


def _table_rows(document: Document, block: Block, headings: tuple[str, ...]) -> Iterator[Span]:
    names = _cells(block.label)
    start = block.start
    for line in document.text[block.start : block.end].splitlines(keepends=True):
        cells = _cells(line)
        if len(cells) == len(names) > 1 and cells != names and not _RULE.fullmatch(line):
            fields = tuple(zip(names, cells, strict=True))
            for first, last in trimmed(document.text, start, start + len(line)):
                yield Span(document.path, _language(document, line), first, last, _plain(line), headings, fields)
        start += len(line)


def _cells(line: str) -> list[str]:
    return [_plain(cell.strip()) for cell in line.strip().strip("|").split("|")]


def _section(document: Document, number: int, headings: tuple[str, ...]) -> Iterator[Span]:
    """Yield what stands under a heading, as far as it is text and not too long for one answer."""
    following = document.blocks[number + 1 :]
    end = start = following[0].start if following else 0
    for block in following:
        if block.kind in (BlockKind.HEADING, BlockKind.TABLE, BlockKind.CODE) or block.end - start > _SECTION:
            break
        end = block.end
    for first, last in trimmed(document.text, start, end):
        text = document.text[first:last]
        yield Span(
            document.path,
            _language(document, headings[-1] + text),
            first,
            last,
            _plain(text),
            headings,
            (),
            is_section=True,
        )
