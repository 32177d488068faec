"""What a question is about, said with it: whoever asks has no document open, and "How long is a slot?" may be one of anything.

This module knows nothing of how questions are made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from rag_app.evaluation.drafting.values import Span, Wording
from rag_app.text import CJK_CHARACTER, search_tokens

CODE = re.compile(r"(?=[\w-]*[A-Z])(?=[\w-]*\d)[A-Z][\w-]+")
_NUMBERING = re.compile(r"^(?:第?[一二三四五六七八九十\d]+[章节]?[、.．]\s*)")
_LONGEST = 60


def in_context(wording: Wording, span: Span) -> Iterator[Wording]:
    """Yield the wording as it is, where it names its subject; and with the headings that name it said before it."""
    if span.fields or CODE.search(wording.question):
        yield wording
        return
    if not span.headings or names_subject(wording.question, span):
        yield wording
    both = (*span.headings[:1], *span.headings[-1:])
    for heading in dict.fromkeys(_NUMBERING.sub("", part).strip(" :：?？.") for part in both):
        is_asked = span.is_section and heading in (
            span.headings[-1],
            _NUMBERING.sub("", span.headings[-1]).strip(" :：?？."),
        )
        if 2 <= len(heading) <= _LONGEST and not is_asked:
            yield replace(wording, question=_joined(heading, wording.question))


def names_subject(question: str, span: Span) -> bool:
    """Whether a question has a word of the headings above its span, of Chinese a pair of characters."""
    above = span.headings[:-1] if span.is_section else span.headings
    words = {token for heading in above for token in search_tokens(heading)}
    return any(token in words for token in search_tokens(question) if len(token) > 1 or not CJK_CHARACTER.match(token))


def _joined(heading: str, question: str) -> str:
    if CJK_CHARACTER.search(question):
        return f"{heading}：{question}"
    return f"{heading}: {question[0].lower()}{question[1:]}"
