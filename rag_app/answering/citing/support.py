"""Which span of which passage supports what a sentence of an answer claims.

A span is a sentence of a passage, or up to three that stand side by side. It supports a claim where it holds, with the
headings, the table's header and the document's name above it, every number and every name of the claim, says not where the
claim says not, and holds enough of the claim's words, or is near enough to it by an embedding model where words leave it open.
docs/citations.md has the figures. This module knows nothing of markers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

from rag_app.answering.citing.claims import claim_of, contradicts
from rag_app.answering.citing.names import Name, names_in
from rag_app.answering.citing.quantities import Quantity, is_offered, plain, stated_quantities
from rag_app.answering.citing.sources import Part, Source
from rag_app.datatypes import Passage
from rag_app.text import CJK_CHARACTER, search_tokens, searchable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag_app.retrieval.second_stage import SentenceEmbedder

# Each sentence of a span beyond the first must bring this share of the words.
_SHARE_A_SENTENCE = 0.05
# Beside a number or a name: so many words on each side, looked for in so many characters.
_WORDS_BESIDE = 3
_BESIDE = 40
# The subject of a claim may be named a sentence before a pronoun; both stand at the beginning, within so many characters.
_PRONOUN = re.compile(r"\b(?:he|she|it|they|his|her|its|their|this|these)\b|[他她它其该此这]", re.IGNORECASE)
_BEGINNING = 40
_IDENTIFIER_PART = re.compile(r"[^\W_]+")
# A claim that shares fewer words and numbers than this with a span is not supported by it. One that has no more, "30 minutes.",
# is a bare answer: it is understood with its question, so that the span must speak of what was asked.
_FEWEST_SHARED = 2
# This share of a claim's words is enough; of Chinese, whose tokens are characters and pairs of them, less. From the lower one
# upwards an embedding model is asked, but not about a claim of so few words that one of them makes all the difference:
# laptops are lent for twelve weeks, cameras are not.
_ENOUGH_WORDS = 0.6
_ENOUGH_CHINESE = 0.5
_FEWEST_WORDS = 0.4
_SHORT = 4
# Cosines of two models are not alike. What is asked is how far a span has come of the way from the cosine of any sentence of
# the passages (the median of so many) to 1.
_NEAR = 0.4
_OTHER_SENTENCES = 8
# The spans and sentences that are embedded for one answer are no more than this many, the claims aside.
_MOST_EMBEDDED = 32


@dataclass(frozen=True)
class Span:
    """The characters `[start, end)` of a passage's text, and the share of a claim's words in them, 0 to 1."""

    start: int
    end: int
    share: float


@dataclass(frozen=True)
class Alignment:
    """For each passage the span that supports a claim, or None. `missing` are the numbers and names that no such span holds."""

    spans: tuple[Span | None, ...]
    missing: tuple[str, ...]


def align(
    sentences: Sequence[str],
    passages: Sequence[Passage],
    embedder: SentenceEmbedder | None = None,
    question: str = "",
) -> list[Alignment]:
    """Return what supports each sentence of an answer.

    Args:
        sentences: without markers.
        passages: those the answer was written from.
        embedder: asked about sentences in a language that it reads, where words do not decide; None: words alone decide.
        question: that they answer; a bare answer is understood with it.
    """
    sources = [Source(passage) for passage in passages]
    known = frozenset(chain.from_iterable(source.names for source in sources))
    claims = [_claim(sentence, known, question) for sentence in sentences]
    found = [[_candidate(claim, source) for source in sources] for claim in claims]
    near = _near(claims, found, sources, embedder) if embedder is not None else frozenset()
    return [_alignment(claim, of_claim, sources, near) for claim, of_claim in zip(claims, found, strict=True)]


class _Claim:
    """What is to be found of a sentence: its words, and apart from them its numbers and names.

    `question` is what a bare answer is understood with: what it states is to be found too, but is not missed in the answer.
    """

    def __init__(self, sentence: str, known: frozenset[str], question: str = "") -> None:
        bare = claim_of(sentence)
        self.text = plain(searchable(f"{question} {bare}" if question else bare))
        self.answer = plain(searchable(bare))
        self.enough = _ENOUGH_CHINESE if CJK_CHARACTER.search(self.text) else _ENOUGH_WORDS
        self.quantities = stated_quantities(self.text)
        self.names = names_in(self.text, known)
        words = self.text
        for quantity in reversed(self.quantities):
            words = f"{words[: quantity.start]} {words[quantity.end :]}"
        tokens = search_tokens(words)
        # "E-4071" is found whole and by its parts; that a span speaks of it is one word in common, not three.
        parts = frozenset(
            chain.from_iterable(_IDENTIFIER_PART.findall(token) for token in tokens if _is_compound(token))
        )
        self.words = frozenset(token for token in tokens if not token.isdecimal() and token not in parts)
        stated: list[Quantity | Name] = [*self.quantities, *self.names]
        identifiers = frozenset(
            chain.from_iterable(filter(_is_compound, search_tokens(one.text)) for one in self.names)
        )
        facts = [_Fact(self.text, fact, identifiers) for fact in stated]
        self.facts = list({(fact.text, fact.beside, fact.is_subject): fact for fact in facts}.values())


def _claim(sentence: str, known: frozenset[str], question: str) -> _Claim:
    """Return what is to be found of a sentence; of a bare answer, with the question that it answers."""
    claim = _Claim(sentence, known)
    is_bare = bool(claim.facts) and len(claim.words) + len(claim.quantities) < _FEWEST_SHARED
    return _Claim(sentence, known, question) if question and is_bare else claim


def _is_compound(token: str) -> bool:
    """Whether a token is an identifier of several parts."""
    return any(map(str.isdecimal, token)) and _IDENTIFIER_PART.fullmatch(token) is None


class _Fact:
    """A number or a name of a claim, and the words that stand beside it there; of a number, the claim's identifiers too.

    Rows of a table have all words in common but the identifier: the price of BK-210 is not that of the next row.
    """

    def __init__(self, claim: str, fact: Quantity | Name, identifiers: frozenset[str]) -> None:
        self.text = fact.text
        self.quantity = fact if isinstance(fact, Quantity) else None
        self.is_subject = self.quantity is None and fact.end <= _BEGINNING
        self.tokens = frozenset(search_tokens(fact.text))
        before, after = claim[max(fact.start - _BESIDE, 0) : fact.start], claim[fact.end : fact.end + _BESIDE]
        # The words nearest to it; of Chinese, whose tokens are characters and pairs, a few characters.
        nearest = [*search_tokens(before)[-_WORDS_BESIDE:], *search_tokens(after)[:_WORDS_BESIDE]]
        # Another number is to be found itself: two wrong ones of one row do not speak for each other.
        beside = [token for token in nearest if any(map(str.isalpha, token))]
        self.beside = frozenset(beside).union(identifiers if self.quantity is not None else ()) - self.tokens

    def stands_in(self, words: Set[str], quantities: Iterable[Quantity]) -> bool:
        return self.tokens <= words if self.quantity is None else is_offered(self.quantity, quantities)


def _missing(claim: _Claim, source: Source, window: Sequence[Part]) -> tuple[_Fact, ...]:
    return tuple(fact for fact in claim.facts if not _holds(fact, source, window))


def _wrongness(missing: Sequence[_Fact]) -> tuple[int, int]:
    """Return by what a span is taken that lacks the least: it speaks of what is named, and then it lacks few numbers."""
    return sum(fact.quantity is None for fact in missing), len(missing)


def _holds(fact: _Fact, source: Source, window: Sequence[Part]) -> bool:
    """Whether a number or a name stands where the words do that stand beside it in the claim.

    A year of the next sentence is not that of this one. A name may be a sentence back where a pronoun stands for it.
    """
    if fact.stands_in(source.words_above, source.quantities_above):
        return True
    holders = [i for i, part in enumerate(window) if fact.stands_in(part.words, part.quantities)]
    if not holders:
        return False
    beside = [len(fact.beside & part.words) for part in window]
    nearest = [i for i, count in enumerate(beside) if count == max(beside)]
    return any(
        i in holders or (i - 1 in holders and fact.is_subject and _PRONOUN.search(window[i].text, 0, _BEGINNING))
        for i in nearest
    )


def _share(claim: _Claim, source: Source, window: Sequence[Part]) -> float:
    """Return the share of the claim's words in a window; what stands above counts, but cannot carry a claim alone."""
    held = claim.words.intersection(chain.from_iterable(part.words for part in window))
    if len(held) + len(claim.quantities) < _FEWEST_SHARED:
        return 0.0
    return len(held | claim.words & source.words_above) / len(claim.words) if claim.words else 1.0


@dataclass(frozen=True)
class _Candidate:
    """A span of a source that holds every number and name of a claim and does not contradict it."""

    window: tuple[Part, ...]
    share: float

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.window)

    @property
    def span(self) -> Span:
        return Span(self.window[0].start, self.window[-1].end, self.share)


# The best span of a source, and what the least wrong of those with more of the words lacks.
_Found = tuple[_Candidate | None, tuple[_Fact, ...]]


def _candidate(claim: _Claim, source: Source) -> _Found:
    least: tuple[_Fact, ...] = ()
    for share, window in _ranked(claim, source):
        missing = _missing(claim, source, window)
        if not missing and not contradicts(claim.text, "\n".join(part.text for part in window)):
            return _Candidate(window, share), least
        if missing and (not least or _wrongness(missing) < _wrongness(least)):
            least = missing
    return None, least


def _ranked(claim: _Claim, source: Source) -> list[tuple[float, tuple[Part, ...]]]:
    """Return the windows that hold words enough for anything to come of them, with the shares, best first."""
    shares = [(_share(claim, source, window), window) for window in source.windows()]
    found = [(share, window) for share, window in shares if share >= _FEWEST_WORDS]
    return sorted(found, key=lambda one: _SHARE_A_SENTENCE * len(one[1]) - one[0])


def _near(
    claims: Sequence[_Claim],
    found: Sequence[Sequence[_Found]],
    sources: Sequence[Source],
    embedder: SentenceEmbedder,
) -> frozenset[tuple[str, str]]:
    """Return the claims, each with the text of a span, that words leave open and the embedding model finds near."""
    pairs = [
        (claim.text, candidate.text)
        for claim, of_claim in zip(claims, found, strict=True)
        if len(claim.words) >= _SHORT and embedder.reads(claim.text)
        for candidate, _ in of_claim
        if candidate is not None and candidate.share < claim.enough
    ][:_MOST_EMBEDDED]
    if not pairs:
        return frozenset()
    parts = [part.text for source in sources for part in source.parts]
    others = parts[:: max(len(parts) // _OTHER_SENTENCES, 1)][:_OTHER_SENTENCES]
    texts = list(dict.fromkeys([*others, *chain.from_iterable(pairs)]))
    vectors = dict(zip(texts, embedder.embed_passages(texts), strict=True))
    return frozenset(pair for pair in pairs if _nearness(*pair, others, vectors) >= _NEAR)


def _nearness(claim: str, span: str, others: Sequence[str], vectors: Mapping[str, NDArray[np.float32]]) -> float:
    usual = median(float(vectors[other] @ vectors[claim]) for other in others)
    return (float(vectors[span] @ vectors[claim]) - usual) / max(1 - usual, 1e-6)


def _alignment(
    claim: _Claim, found: Sequence[_Found], sources: Sequence[Source], near: frozenset[tuple[str, str]]
) -> Alignment:
    spans = tuple(
        candidate.span
        if candidate is not None and (candidate.share >= claim.enough or (claim.text, candidate.text) in near)
        else None
        for candidate, _ in found
    )
    if any(spans):
        return Alignment(spans, ())
    lacking = [missing for _, missing in found if missing]
    nowhere = [fact for fact in claim.facts if not any(_holds(fact, source, source.parts) for source in sources)]
    missing = dict.fromkeys(fact.text for fact in min(lacking, key=_wrongness, default=nowhere))
    return Alignment(spans, tuple(text for text in missing if text in claim.answer))
