"""An answer without a model: the best sentence or two of the passages, word for word, each cited to where it stands.

Which sentence is best is told by its vector, where the embedding model reads the question's language, by the words that it
shares with the question, and by the rank of its passage. This module knows nothing of prompts or generators.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rag_app.answering.follow_ups import is_follow_up
from rag_app.answering.prompting.answer_text import MarkupFilter
from rag_app.answering.writers import Draft, Writing, Written
from rag_app.datatypes import Citation, Passage, Sentence
from rag_app.models.catalogue import QUOTE
from rag_app.retrieval.second_stage import SentenceEmbedder
from rag_app.text import CJK_CHARACTER, first_units, search_tokens, searchable, sentence_spans, trimmed

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What a sentence's evidence weighs: one standard deviation of the cosines of all sentences looked at, all of the question's
# words, and one rank of its passage. Fitted on the odd-numbered articles of SQuAD, and rounded (`benchmarks/quotes.py`).
WEIGHTS = (1.0, 5.0, -0.75)
WEIGHTS_BY_WORDS = (0.0, 7.0, -1.2)  # without vectors
# A second sentence is quoted where it is nearly as good as the best.
SECOND_WITHIN = 1.5
_ADDED = 2.0  # what the words that a follow-up adds weigh beside those of the questions before it
PASSAGES = 3
SENTENCES = 2
# A quote is cut after so many units, and says so: what has no full stop may be as long as its passage.
_LONGEST = 120
_CUT = "…"
# It is cut where a clause ends, if that keeps so much of what fits.
_KEPT_SHARE = 2 / 3
_CLAUSE_END = re.compile(r"[,;:](?=\s|$)|[，；：、]|—+|\s–(?=\s)")


class QuestionEmbedder(SentenceEmbedder, Protocol):
    """What embeds sentences, and a question to be compared with them."""

    def embed_question(self, text: str) -> NDArray[np.float32]:
        """Return a unit vector, shape (dimension,)."""
        ...


@dataclass(frozen=True)
class Candidate:
    """The sentence `text[start:end]` of a passage of this rank, from 0; `lead` is the question that stands before it."""

    passage: Passage
    rank: int
    start: int
    end: int
    lead: str = ""

    @property
    def text(self) -> str:
        """The sentence itself."""
        return self.passage.text[self.start : self.end]


class QuotingWriter:
    """Writes nothing of its own."""

    llm = None

    def __init__(self, embedder: QuestionEmbedder | None) -> None:
        """Take what embeds sentences while a person waits; None: words and ranks decide."""
        self._embedder = embedder

    @property
    def name(self) -> str:
        """The name under which it is chosen."""
        return QUOTE

    def budget(self, question: str) -> None:
        """Passages are quoted as they were found."""

    def write(self, question: str, passages: Sequence[Passage]) -> Writing:
        """Yield the best sentences, each with the number of its passage."""
        plain = MarkupFilter(passages)
        sentences = []
        text = ""
        for candidate in self._best(question, passages):
            quoted = _quoted(candidate)
            sentence = replace(quoted, text=plain.whole(quoted.text))
            sentences.append(sentence)
            space = _space_in(sentence.text)
            piece = f"{space if text else ''}{sentence.text}{space}[{candidate.passage.n}]"
            text += piece
            yield Written(piece)
        return Draft(plain.whole(text), tuple(sentences))

    def _best(self, question: str, passages: Sequence[Passage]) -> list[Candidate]:
        candidates = candidates_of(passages[:PASSAGES])
        if not candidates:
            return []
        is_read = self._embedder is not None and self._embedder.reads(question)
        evidence = evidence_of(question, candidates, self._embedder if is_read else None)
        scores = evidence @ np.array(WEIGHTS if is_read else WEIGHTS_BY_WORDS)
        order = np.argsort(-scores, kind="stable").tolist()
        best = [place for place in order if scores[place] >= scores[order[0]] - SECOND_WITHIN]
        return [candidates[place] for place in best[:SENTENCES]]


def candidates_of(passages: Sequence[Passage]) -> list[Candidate]:
    """Return the sentences that can be quoted: no heading, and no question, which leads what comes after it."""
    found = []
    for rank, passage in enumerate(passages):
        lead = ""
        for start, end, is_heading in _sentences(passage):
            sentence = passage.text[start:end].strip()
            if sentence.endswith(("?", "？")):
                lead = sentence
            elif any(map(str.isalnum, sentence)) and not is_heading:
                found.append(Candidate(passage, rank, start, end, lead))
                lead = ""
    return found


def _sentences(passage: Passage) -> Iterator[tuple[int, int, bool]]:
    """Yield each heading and each sentence between them: where it begins and ends, and whether it is a heading."""
    position = 0
    for heading in _headings(passage.heading_path).finditer(passage.text):
        for start, end in sentence_spans(passage.text, position, heading.start()):
            yield start, end, False
        yield heading.start(), heading.end(), True
        position = heading.end()
    for start, end in sentence_spans(passage.text, position):
        yield start, end, False


def _headings(heading_path: Sequence[str]) -> re.Pattern[str]:
    """Return what finds the lines that are headings: by their mark, or because they say what one of the path does."""
    known = [r"\s*".join(map(re.escape, "".join(heading.split()))) for heading in heading_path]
    lines = "|".join((r"#{1,6}[ \t].*", *filter(None, known)))
    return re.compile(rf"^[ \t]*+(?:{lines})[ \t]*$", re.MULTILINE | re.IGNORECASE)


def evidence_of(
    question: str, candidates: Sequence[Candidate], embedder: QuestionEmbedder | None
) -> NDArray[np.float64]:
    """Return what speaks for each sentence, shape (sentences, 3): cosine (0 without an embedder), words, rank."""
    cosines = np.zeros(len(candidates)) if embedder is None else _standard(_cosines(question, candidates, embedder))
    ranks = np.array([candidate.rank for candidate in candidates])
    return np.column_stack([cosines, _shares(question, candidates), ranks]).astype(np.float64)


def _cosines(question: str, candidates: Sequence[Candidate], embedder: QuestionEmbedder) -> NDArray[np.float32]:
    headings = [" > ".join(candidate.passage.heading_path) for candidate in candidates]
    texts = [
        searchable("\n".join(part for part in (heading, candidate.lead, candidate.text) if part))
        for heading, candidate in zip(headings, candidates, strict=True)
    ]
    cosines: NDArray[np.float32] = embedder.embed_passages(texts) @ embedder.embed_question(question)
    return cosines


def _shares(question: str, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """Return what share of the question's words each sentence has, a word that few of the sentences have weighing more.

    Of a follow-up behind the question that it goes on from, its own words weigh more than all others: the sentence that
    answered before has all the others.
    """
    tokens = [set(search_tokens(f"{candidate.lead} {candidate.text}")) for candidate in candidates]
    before, added = _words_of(question)
    shares = [(_share_of(before, tokens), 1.0), (_share_of(added, tokens), _ADDED)]
    found = [(share, weight) for share, weight in shares if share is not None]
    return (
        np.average([share for share, _ in found], axis=0, weights=[weight for _, weight in found])
        if found
        else np.zeros(len(tokens))
    )


def _words_of(question: str) -> tuple[set[str], set[str]]:
    """Return the words of a question, and those that a follow-up at its end adds."""
    spans = list(sentence_spans(question))
    last = spans[-1][0] if len(spans) > 1 and is_follow_up(question[spans[-1][0] :]) else len(question)
    known = set(search_tokens(question[:last]))
    return known, set(search_tokens(question[last:])) - known


def _share_of(words: Set[str], sentences: Sequence[Set[str]]) -> NDArray[np.float64] | None:
    """Return the share of some words that each sentence has; None where no sentence has any of them."""
    counts = Counter(token for sentence in sentences for token in sentence & words)
    weights = {token: math.log(1 + len(sentences) / (count + 0.5)) for token, count in counts.items()}
    total = sum(weights.values())
    if not total:
        return None
    return np.array([sum(weights[token] for token in weights.keys() & sentence) / total for sentence in sentences])


def _standard(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values in standard deviations from their mean, so that no model's cosines weigh more than another's."""
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _quoted(candidate: Candidate) -> Sentence:
    passage, start, end = candidate.passage, candidate.start, candidate.end
    kept = _kept(candidate.text)
    ((start, end),) = trimmed(passage.text, start, start + len(kept))
    text = " ".join(passage.text[start:end].split())
    if end < candidate.end:
        text = f"{text}{_space_in(text)}{_CUT}"
    citation = Citation(
        passage.n, passage.document, passage.page, passage.start + start, passage.start + end, computed=False
    )
    return Sentence(text, (citation,), supported=True)


def _kept(text: str) -> str:
    """Return as much of a sentence as is quoted."""
    kept = first_units(text, _LONGEST) or text
    if len(kept) == len(text):
        return text
    ends = [match.start() for match in _CLAUSE_END.finditer(kept) if match.start() >= _KEPT_SHARE * len(kept)]
    return kept[: ends[-1]] if ends else kept


def _space_in(text: str) -> str:
    """Return what stands between two words of a text."""
    return "" if CJK_CHARACTER.search(text) else " "
