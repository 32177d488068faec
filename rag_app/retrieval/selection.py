"""Which of the candidates are shown: duplicates collapsed, at most so many a document, cut to so many.

Passages that are the same to the letter, headings included, are one passage already, with several places. This looks at those
that say the same under another heading, or with a few other words: the best ranked is kept and says where the others stand.
Two that differ in a number or a negation do not say the same, however alike they are: so do two versions of a rule differ.
`PassageSelector` is a LlamaIndex postprocessor, to come after a reranker; it needs more candidates than it keeps.
This module knows nothing of how passages are found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from llama_index.core.bridge.pydantic import Field
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_app.datatypes import Passage, Place
from rag_app.retrieval.nodes import ALSO_IN, node_with, passages_of
from rag_app.text import search_tokens

# For each passage that is kept so many are to be found: enough for every passage to have three duplicates.
DEPTH_FACTOR = 4
# Texts that share this much of their pairs of tokens (Jaccard) say the same, where one has no word that the other lacks: a
# footer more, or other white space. A single other word may turn what is said round (allowed, forbidden).
_SAME_SHARE = 0.9
# Nobody copies a passage that is longer than this by hand; where passages have no limit, comparing them would take seconds.
_MOST_CHARACTERS = 20_000
_SHINGLE_TOKENS = 2
# Single words that change what is said: numbers however written, and negations. Chinese has them in other words as well
# (一些, 不过), which only makes this more careful.
_TELLING = re.compile(
    r"\d+(?:[.,:/-]\d+)*"
    r"|[〇零一二两三四五六七八九十百千万亿半不没無无未非别勿莫禁]"
    r"|\b(?:no|not|never|none|nor|neither|without|except|unless|cannot"
    r"|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|ninety|hundred"
    r"|thousand|million|half|once|twice|first|second|third|last)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)


def groups_of_duplicates(texts: Sequence[str], headers: Sequence[str]) -> list[list[int]]:
    """Return which texts say the same: groups of positions, in the order of their first, which the others are like.

    Args:
        texts: best first.
        headers: that of the table which a text continues, else empty; rows under another header say something else.
    """
    groups: list[list[int]] = []
    comparable: dict[object, list[tuple[_Words, list[int]]]] = {}
    for position, (text, header) in enumerate(zip(texts, headers, strict=True)):
        if len(text) > _MOST_CHARACTERS:
            groups.append([position])
            continue
        words = _words(text)
        alike = comparable.setdefault((header, _telling(text)), [])
        group = next((group for first, group in alike if _say_the_same(first, words)), None)
        if group is None:
            group = []
            groups.append(group)
            alike.append((words, group))
        group.append(position)
    return groups


@dataclass(frozen=True)
class _Words:
    """The search tokens of a text, counted, and the runs of them."""

    counts: Counter[str]
    shingles: frozenset[tuple[str, ...]]


def _telling(text: str) -> frozenset[tuple[str, int]]:
    return frozenset(Counter(found.lower() for found in _TELLING.findall(text)).items())


def _words(text: str) -> _Words:
    """Return the words of a text; all of them are one run where they are fewer, and there is none without a token."""
    tokens = search_tokens(text) or text.split()
    runs = range(max(len(tokens) - _SHINGLE_TOKENS + 1, 1))
    return _Words(Counter(tokens), frozenset(tuple(tokens[first : first + _SHINGLE_TOKENS]) for first in runs))


def _say_the_same(one: _Words, other: _Words) -> bool:
    if not (one.counts <= other.counts or other.counts <= one.counts):
        return False
    shared = len(one.shingles & other.shingles)
    return shared >= _SAME_SHARE * (len(one.shingles) + len(other.shingles) - shared)


def chosen(documents: Sequence[str], top_k: int, per_document: int | None) -> list[int]:
    """Return the positions of the passages to keep, in order.

    Args:
        documents: that of each passage, best first.
        top_k: how many are kept where there are as many.
        per_document: how many of one document; None for any number. More are kept where other documents do not fill `top_k`:
            the best of those.
    """
    within: list[int] = []
    beyond: list[int] = []
    counts: Counter[str] = Counter()
    for position, document in enumerate(documents):
        counts[document] += 1
        is_beyond = per_document is not None and counts[document] > per_document
        (beyond if is_beyond else within).append(position)
    return sorted((within + beyond)[:top_k])


class PassageSelector(BaseNodePostprocessor):
    """Collapses duplicates, limits the passages of one document, and keeps the best `top_k`; the order stays."""

    top_k: int = Field(default=5, ge=1, description="How many passages are kept.")
    per_document: int | None = Field(default=None, ge=1, description="How many of one document; None: no limit.")

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises the class under."""
        return "PassageSelector"

    def _postprocess_nodes(
        self,
        nodes: list[NodeWithScore],
        query_bundle: QueryBundle | None = None,
    ) -> list[NodeWithScore]:
        """Return the nodes that are kept, those that have duplicates with their places; the nodes given stay as they are."""
        passages = passages_of(nodes)
        groups = groups_of_duplicates([one.text for one in passages], [one.table_header for one in passages])
        documents = [passages[group[0]].document for group in groups]
        return [
            _standing_also(nodes[groups[kept][0]], [passages[position] for position in groups[kept]])
            for kept in chosen(documents, self.top_k, self.per_document)
        ]


def _standing_also(scored: NodeWithScore, passages: Sequence[Passage]) -> NodeWithScore:
    """Return a node that says where all of these passages stand, of which the first is its own."""
    if len(passages) == 1:
        return scored
    best, *others = passages
    places = [*best.also_in, *(place for other in others for place in (_place(other), *other.also_in))]
    distinct = [place for place in dict.fromkeys(places) if place != _place(best)]
    return node_with(scored, {ALSO_IN: [asdict(place) for place in distinct]})


def _place(passage: Passage) -> Place:
    return Place(passage.document, passage.page, passage.last_page, passage.start, passage.end)
