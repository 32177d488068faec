r"""Text written into Markdown so that a reader of it sees the text and nothing else: no link, picture, HTML or heading.

Signs that CommonMark or GitHub's extension of it would act on get a backslash, so that nothing of the text is lost. An address
becomes no link either: `https\://example.org` is shown as it was, and not fetched.
This module knows nothing of answers.
"""

from __future__ import annotations

import re

from rag_app.answering.prompting.neutral import visible

_SIGN = re.compile(r"[\\`*_{}\[\]<>#|~$&@^!]")
_ADDRESS = re.compile(r"(?<=\w):(?=//)|(?<=www)\.", re.IGNORECASE)
# `[1]` is no link where nothing defines it, and whatever would is escaped: a citation stays as a reader knows it.
_MARKER = re.compile(r"(?<!\\)\\\[(\d{1,3})\\\](?![(\[:\\])")
# What begins a list, a quotation, a rule or the line under a heading; white space would make the line code.
_BEGIN = re.compile(r"^[ \t]*(?:([-+=])|(\d{1,9})([.)]))?", re.MULTILINE)


def as_markdown(text: str) -> str:
    """Return Markdown that shows a text as it is; each of its lines is a line."""
    plain = visible(text).replace("\t", " ")
    escaped = _ADDRESS.sub(r"\\\g<0>", _SIGN.sub(r"\\\g<0>", plain))
    escaped = _MARKER.sub(r"[\1]", escaped)
    return _BEGIN.sub(_shown_begin, escaped).replace("\n", "  \n")


def in_one_line(text: str) -> str:
    """Return Markdown that shows a text on one line."""
    return as_markdown(" ".join(text.split()))


def _shown_begin(match: re.Match[str]) -> str:
    sign, number, after = match.groups()
    if sign:
        return f"\\{sign}"
    return f"{number}\\{after}" if number else ""
