"""What every loader returns, and how bytes become text.

This module knows nothing of any one format.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from rag_app.datatypes import Heading
from rag_app.errors import DocumentError
from rag_app.text import normalise

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HAN = re.compile("[\u4e00-\u9fff]")
# The commonest characters of Chinese, with traditional forms: about every third of a text. Read as GB18030, German in
# Latin-1 and Korean in CP949 are Chinese characters as well, but rare ones.
_COMMON_HAN = frozenset(
    "的一是不了在人有我他这个上们来到时大地为子中你说生国年着就那和要出也得里后自以会可下而过天去能对小多于学之都好看起发当没成"
    "只如事把还用第样作开面最但现前些所同日手又行动方经长分因给名法间知什两次使者被高已其进此与请新或及这個們來時為說國後會過對學"
    "發當沒還樣開現動經長給間兩進與請"
)
_UNASSIGNED = re.compile("[\ufffd\ue000-\uf8ff]")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_ATX_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")  # `# C#` keeps its sign
_ATTRIBUTES = re.compile(r"\s*\{[^{}]*\}$")


@dataclass(frozen=True)
class Extract:
    """The text of a document as a reader would see it, normalised, with what is known of its structure.

    `record` is the id of a record in a file that holds many, else empty. `page_starts` and `headings` as in `Document`.
    """

    text: str
    title: str = ""
    record: str = ""
    page_starts: tuple[int, ...] = ()
    headings: tuple[Heading, ...] = ()


def decode(data: bytes) -> str:
    """Return the text of a file: by its byte order mark, else strict UTF-8, else GB18030 where that is evidently Chinese.

    Nothing is dropped or replaced.

    Raises:
        DocumentError: binary data, or an encoding that cannot be told with certainty.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return normalise(data.decode(encoding))
            except UnicodeDecodeError as error:
                raise DocumentError(f"Its byte order mark says {encoding}, but byte {error.start} is not.") from error
    if b"\0" in data:
        raise DocumentError("It holds binary data, expected text.")
    try:
        return normalise(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        position = error.start
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        text = ""
    foreign = sum(not character.isascii() for character in text)
    han = _HAN.findall(text)
    is_mostly_han = len(han) > 0.7 * foreign and not _UNASSIGNED.search(text)
    if is_mostly_han and sum(character in _COMMON_HAN for character in han) >= 0.1 * len(han):
        return normalise(text)
    raise DocumentError(
        f"Its encoding is unknown: byte {position} is not UTF-8, and it is not Chinese in GB18030.", "Save it as UTF-8."
    )


def markdown_headings(text: str) -> tuple[Heading, ...]:
    """Return the `#` headings of a Markdown text, those in code blocks left out."""
    headings = []
    fence = ""
    offset = 0
    for line in text.splitlines(keepends=True):
        content = line.rstrip("\n")
        mark = _FENCE.match(content)
        if mark and (not fence or (mark[1].startswith(fence) and content.strip() == mark[1])):
            fence = "" if fence else mark[1]
        elif not fence and (match := _ATX_HEADING.match(content)):
            words = _ATTRIBUTES.sub("", match[2])  # `## Install { #install }` carries an anchor for its own website
            headings.append(Heading(offset, offset + len(content), len(match[1]), words))
        offset += len(line)
    return tuple(headings)


def first_title(headings: tuple[Heading, ...]) -> str:
    """Return the words of the first heading of level 1, or an empty string."""
    return next((heading.text for heading in headings if heading.level == 1 and heading.text), "")
