"""A few questions that a knowledge base can answer, for a page on which nothing was asked yet. No model takes part.

The rules of drafting make them of sentences and headings, in the language of the documents. Where they make too few, what a
document is called is asked about. The same generation gives the same questions. This module knows nothing of pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rag_app.evaluation.drafting.drafts import answerable_questions

if TYPE_CHECKING:
    from rag_app.store.knowledge_base import KnowledgeBase

_LONGEST = 100
# A suggestion is what a button is called, where Markdown is read: only words, numbers and plain signs are in one.
_PLAIN = re.compile(r"(?!\d+[.)])\w(?:[^\W_]|[ ,.?'’()%/、，。？（）《》“”·-]|[:：](?!\S)|：)*")
_OPENING = {"en": "What is said about {title}?", "zh": "关于{title}，文档里是怎么说的？"}


def suggested_questions(knowledge_base: KnowledgeBase, count: int = 3) -> tuple[str, ...]:
    """Return up to `count` questions; documents that the rules can ask about take turns."""
    found: dict[str, None] = {}
    for question in _candidates(knowledge_base, count):
        if len(question) <= _LONGEST and _PLAIN.fullmatch(question):
            found.setdefault(question)
        if len(found) == count:
            break
    return tuple(found)


def _candidates(knowledge_base: KnowledgeBase, count: int) -> Iterator[str]:
    if knowledge_base.chunk_count:
        yield from answerable_questions(knowledge_base, count)
    for _, title, language, _ in knowledge_base.chunks.documents()[: 10 * count]:
        if title:
            yield _OPENING["zh" if language == "zh" else "en"].format(title=" ".join(title.split()))
