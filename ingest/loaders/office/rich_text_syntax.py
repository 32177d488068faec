r"""The syntax of Rich Text Format: its tokens, and what its words stand for.

This module knows nothing of documents.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

# A control word with its number, a byte in hexadecimal, a control symbol, a brace, text.
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}\r\n]+)|[\r\n]+", re.DOTALL
)
_HEADING_STYLE = re.compile(rb"\s*(?:heading ([1-9])|title);", re.IGNORECASE)
_BODY_TEXT = 9  # what paragraphs that are no headings have for a level

PARAGRAPH_ENDS = frozenset({"par", "sect", "\n", "\r"})
CHARACTERS = {
    "tab": "\t",
    "line": "\n",
    "lbr": "\n",
    "page": "\n",
    "column": "\n",
    "nestcell": "\t",
    "nestrow": "\n",
    "emdash": "—",
    "endash": "–",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "zwj": "\u200d",
    "zwnj": "\u200c",
    "~": "\u00a0",
    "_": "-",
    "-": "",  # where a word may be hyphenated
    "{": "{",
    "}": "}",
    "\\": "\\",
    "\t": "\t",
}
# Parts of a document beside its text, by what their words in the result begin with.
STORIES = {
    "header": "Header",
    "headerl": "Header",
    "headerr": "Header",
    "headerf": "Header",
    "footer": "Footer",
    "footerl": "Footer",
    "footerr": "Footer",
    "footerf": "Footer",
    "footnote": "Footnote",
    "annotation": "Comment",
    "shptxt": "",
    "dptxbxtext": "",
    # These are not written, but taken for what they say.
    "title": "title",
    "atnauthor": "author",
    "listtext": "marker",
    "pntext": "marker",
}
LEFT_OUT = frozenset(
    """
    colortbl falt fldinst fname fonttbl info mctrlPr nonesttables nonshppict objdata panose pict rxe shprslt sp stylesheet tc
    template txe xe
    """.split()  # noqa: SIM905 - a paragraph is read more easily than a list of strings
)
# Groups that readers may skip if they do not know them (`\*`), and that are known here.
KNOWN = frozenset({"annotation", "atnauthor", "do", "moMath", "moMathPara", "shpinst", "shppict"})
# A picture in these stands for something that is counted or read already.
COPIES = frozenset({"listpicture", "nonshppict", "result", "shprslt"})
ENCODINGS = {"ansi": "cp1252", "mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
CHARSETS = {
    0: "cp1252",
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gb18030",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}


class Token(NamedTuple):
    """One of: a control word (or symbol) with its number, the beginning or end of a group (`{`, `}`), bytes of text."""

    word: str = ""
    number: int | None = None
    brace: str = ""
    text: bytes = b""


def tokens(content: bytes) -> Iterator[Token]:
    r"""Yield the tokens of a file; binary data (`\bin`) is passed over."""
    position = 0
    while (match := _TOKEN.match(content, position)) is not None:
        position = match.end()
        word, number, hexadecimal, symbol, brace, text = match.groups()
        if word == b"bin":
            position += max(int(number or 0), 0)
        elif word or symbol:
            yield Token((word or symbol).decode("latin-1"), None if number is None else int(number))
        elif brace:
            yield Token(brace=brace.decode())
        elif text or hexadecimal:
            yield Token(text=text or bytes.fromhex(hexadecimal.decode()))


def heading_level(outline_level: int | None) -> int:
    """Return the level of a heading, from 1; 0 for other paragraphs."""
    level = outline_level or 0
    return level + 1 if 0 <= level < _BODY_TEXT else 0


def heading_style_level(name: bytes) -> int:
    """Return the level of headings in the style that is called so; 0 where it is none for headings."""
    match = _HEADING_STYLE.match(name)
    return int(match[1] or 1) if match else 0


def code_page(number: int | None) -> str:
    """Return Python's name of a code page, or an empty string where it has none."""
    try:
        return codecs.lookup(f"cp{number}").name
    except LookupError:
        return ""
