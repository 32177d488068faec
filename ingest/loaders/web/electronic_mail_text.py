"""How the bytes of a message become text: headers, parts in any encoding, lines that a mail program broke.

Done here, not by the standard library: it fails on some malformed headers, and it drops characters where an encoding is named
too narrowly (GB2312 for what is GBK, as Chinese mail programs do) or not at all.
This module knows nothing of which parts of a message are read.
"""

from __future__ import annotations

import binascii
import re
from email.message import Message

from ingest.loaders.encoding import decode
from ingest.loaders.web.html import declared_encoding
from rag_app.errors import DocumentError
from rag_app.text import normalise

_ENCODED_WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([BbQq])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?)")
_SIGNATURE = "-- "


def header_text(value: str, declared: str = "") -> str:
    """Return a header, or a file's name, as a reader sees it: `=?gb2312?B?...?=` decoded, on one line.

    `declared` is the encoding of what is written as it is, against the rules.
    """
    if not value.isascii():
        value = _decoded(value.encode("utf-8", "surrogateescape"), declared)[0]
    pieces: list[tuple[str, bytes]] = []  # by encoding: a character may be parted between two encoded words
    position = 0
    value = _BETWEEN_WORDS.sub(r"\1", value)
    for word in _ENCODED_WORD.finditer(value):
        between = value[position : word.start()]
        if between:
            pieces.append(("utf-8", between.encode()))
        encoding = word[1].lower()
        data = _word_bytes(word)
        if pieces and not between and pieces[-1][0] == encoding:
            pieces[-1] = (encoding, pieces[-1][1] + data)
        else:
            pieces.append((encoding, data))
        position = word.end()
    pieces.append(("utf-8", value[position:].encode()))
    return normalise(" ".join("".join(_decoded(data, encoding)[0] for encoding, data in pieces).split()))


def part_text(part: Message) -> tuple[str, bool]:
    """Return the text of a part, and whether all of it could be read: what cannot is marked by U+FFFD."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    declared = part.get_content_charset("")
    if not declared and part.get_content_type() == "text/html":
        declared = declared_encoding(data)
    text, is_whole = _decoded(data, declared)
    if part.get_param("format") == "flowed":
        text = _joined(text, is_tight=part.get_param("delsp") == "yes")
    return text, is_whole


def _decoded(data: bytes, declared: str) -> tuple[str, bool]:
    try:
        return decode(data, declared).text, True
    except DocumentError:
        return normalise(data.decode("utf-8", "replace").replace("\0", "\ufffd")), False


def _word_bytes(word: re.Match[str]) -> bytes:
    """Return the bytes of an encoded word (RFC 2047); of one that is damaged, the word itself."""
    text = word[3].encode("utf-8")
    try:
        if word[2] in "bB":
            return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
        return binascii.a2b_qp(text, header=True)
    except binascii.Error:
        return word[0].encode("utf-8")


def _joined(text: str, *, is_tight: bool) -> str:
    """Return the text with lines joined that a mail program broke (RFC 3676): a space at their end says so.

    With `is_tight` the space is no part of the text, as in Chinese.
    """
    lines: list[str] = []
    open_quote: str | None = None  # the `>` before a line that goes on
    for line in text.split("\n"):
        words = line.lstrip(">")
        quote = line[: len(line) - len(words)]
        words = words.removeprefix(" ")
        goes_on = words.endswith(" ") and words != _SIGNATURE
        words = words[:-1] if goes_on and is_tight else words
        if open_quote == quote:
            lines[-1] += words
        else:
            lines.append(f"{quote} {words}" if quote else words)
        open_quote = quote if goes_on else None
    return "\n".join(lines)
