"""Whether a drafted question is a good one: its words lead to one document, and it does not give its answer away.

That is told by which passages hold all the words that the question has from its span: by whether, not by a score, so that no
way of searching is favoured that ranks. This module knows nothing of how questions are made.
"""

from __future__ import annotations

import re

import numpy as np

from rag_app.evaluation.drafting.values import Span, Wording
from rag_app.store.keywords import QuestionWords
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.text import CJK_CHARACTER, search_tokens

_FEWEST_WORDS = 2
_FEWEST_PAIRS = 3  # pairs of characters, of a Chinese question


class HeldWords:
    """Which documents hold which words."""

    def __init__(self, knowledge_base: KnowledgeBase) -> None:
        """Take the passages of a knowledge base by their numbers, and its keyword index."""
        self._keywords = knowledge_base.keywords
        self._passages = knowledge_base.chunks.place_column("chunk")
        counts = knowledge_base.chunks.place_counts()
        self._documents = np.repeat(np.arange(len(counts)), counts)
        documents = knowledge_base.chunks.documents()
        self._numbers = {path: number for number, (path, *_) in enumerate(documents)}
        self._languages = [language for _, _, language, _ in documents]

    def is_held(self, text: str) -> bool:
        """Whether a passage has this word; of Chinese, all of its pairs of characters."""
        words = self._keywords.read(text)
        if CJK_CHARACTER.search(text):
            pairs = [number for token, number in zip(words.tokens, words.numbers, strict=True) if len(token) > 1]
            return all(number >= 0 for number in pairs)
        return bool(len(words.numbers)) and words.numbers[0] >= 0

    def leads_to(self, question: str, span: Span) -> bool:
        """Whether the words that a question has from its span and the headings above it are together in its document alone."""
        there = set(search_tokens(" ".join((span.text, *span.headings))))
        read = self._keywords.read(question)
        kept = [
            place
            for place, token in enumerate(read.tokens)
            if token in there and not (len(token) == 1 and CJK_CHARACTER.match(token))
        ]
        fewest = _FEWEST_PAIRS if CJK_CHARACTER.search(question) and span.language == "zh" else _FEWEST_WORDS
        if len({read.tokens[place] for place in kept}) < fewest:
            return False
        return self._holding(read, kept) == [self._numbers[span.document]]

    def is_of_one_language(self, name: str, language: str) -> bool:
        """Whether a name stands in documents of this language alone; those of no told language are taken to be English."""
        read = self._keywords.read(name)
        return all((self._languages[number] == "zh") == (language == "zh") for number in self._holding(read, [0]))

    def _holding(self, read: QuestionWords, places: list[int]) -> list[int]:
        """Return the numbers of the documents that have a passage with all the tokens at these places."""
        held = np.ones(self._keywords.count, dtype=bool)
        for place in places:
            one = slice(place, place + 1)
            held &= self._keywords.scores_of(QuestionWords(read.tokens[one], read.numbers[one], read.weights[one])) > 0
        found: list[int] = np.unique(self._documents[held[self._passages]]).tolist()
        return found


def gives_away(wording: Wording) -> bool:
    """Whether the question says its answer, or the answer says nothing."""
    answer = re.sub(r"\W+", " ", wording.answer).strip().casefold()
    asked = re.sub(r"\W+", " ", wording.question).casefold()
    return not answer or re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", asked) is not None
