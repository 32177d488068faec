"""The `[n]` of an answer: kept only where passage n exists, tied to the words of the passage that support the sentence.

Where the generator cites nothing, each sentence is matched with the passages by the words they share, and the citation is
marked as computed. A sentence is called supported where a passage it cites holds most of its words and all its numbers.
This module knows nothing of generators or prompts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_app.datatypes import Citation, Passage, Sentence
from rag_app.text import search_tokens, sentence_spans

# [1], [1, 2], [1][2], 【1】; also ［1］ as full-width typing gives it.
# Both expressions allow the same length, so that what is held back while it arrives is just what could be a marker.
_MARKER = re.compile(r"[\[【［](?=[\d\s,，、;]{1,80}[\]】］])\s*(\d{1,3}(?:\s*[,，、;]\s*\d{1,3})*)\s*[\]】］]")
_MARKER_BEGUN = re.compile(r"[\[【［][\d\s,，、;]{0,80}\Z")
# "Locked.[1] Call us.": a full stop ends a sentence only before white space.
_STOP_BEFORE_MARKER = re.compile(rf"(?<=[.!?])(?={_MARKER.pattern})")
_LEADING_MARKERS = re.compile(rf"(?:\s*{_MARKER.pattern})+")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
# The number of a list item is not a number that a passage must hold.
_LIST_MARK = re.compile(r"^(?:[-*•]|\d{1,3}[.)、])\s+")
# A sentence with fewer of its words in a passage than this is not called supported by it.
_SUPPORTING_SHARE = 0.5
# "The answer is no." would be in every passage that says "answer".
_FEWEST_SHARED_WORDS = 2


class MarkerFilter:
    """Lets the text of an answer through as it is written, without markers of passages that do not exist.

    A marker may arrive in several pieces, so text is held back from an opening bracket until it is decided.
    """

    def __init__(self, passage_count: int) -> None:
        """Take the number of passages that were given to the generator."""
        self._count = passage_count
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be shown after the next piece of the answer."""
        text = self._held + piece
        begun = _MARKER_BEGUN.search(text)
        cut = begun.start() if begun else len(text)
        self._held = text[cut:]
        return without_unknown_markers(text[:cut], self._count)

    def finish(self) -> str:
        """Return what is left when the answer has ended."""
        held, self._held = self._held, ""
        return without_unknown_markers(held, self._count)


def without_unknown_markers(text: str, passage_count: int) -> str:
    """Return the text with each marker reduced to the numbers from 1 to `passage_count`; one without any is removed."""

    def kept(match: re.Match[str]) -> str:
        return "".join(f"[{number}]" for number in _numbers(match) if 1 <= number <= passage_count)

    return _MARKER.sub(kept, text)


def _numbers(match: re.Match[str]) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", match[1])]


def cite(answer: str, passages: Sequence[Passage]) -> tuple[Sentence, ...]:
    """Return the sentences of an answer with their citations.

    Args:
        answer: with markers of existing passages only.
        passages: those given to the generator.
    """
    written = [
        (text, sorted({number for number in numbers if 1 <= number <= len(passages)}))
        for text, numbers in _split(answer)
    ]
    is_computed = not any(numbers for _, numbers in written)
    sentences = []
    for text, stated in written:
        claim = _LIST_MARK.sub("", text)
        numbers = _closest(claim, passages) if is_computed else stated
        citations = tuple(_citation(claim, passages[number - 1], computed=is_computed) for number in numbers)
        supported = any(_supports(claim, passages[number - 1].text) for number in numbers)
        sentences.append(Sentence(text, citations, supported))
    return tuple(sentences)


def _split(answer: str) -> list[tuple[str, list[int]]]:
    """Return each sentence without its markers, and their numbers; markers after a full stop belong before it."""
    sentences: list[tuple[str, list[int]]] = []
    answer = _STOP_BEFORE_MARKER.sub(" ", answer)
    for start, end in sentence_spans(answer):
        part = answer[start:end]
        leading = _LEADING_MARKERS.match(part)
        if leading and sentences:
            sentences[-1][1].extend(number for match in _MARKER.finditer(leading[0]) for number in _numbers(match))
            part = part[leading.end() :]
        numbers = [number for match in _MARKER.finditer(part) for number in _numbers(match)]
        text = re.sub(r"\s+([.,;!?。，；！？])", r"\1", _MARKER.sub("", part)).strip()
        if text:
            sentences.append((text, numbers))
        elif sentences:
            sentences[-1][1].extend(numbers)
    return sentences


def _closest(sentence: str, passages: Sequence[Passage]) -> list[int]:
    """Return the number of the passage that holds most of the sentence's words, or none if none supports it."""
    supporting = [passage for passage in passages if _supports(sentence, passage.text)]
    if not supporting:
        return []
    return [max(supporting, key=lambda passage: (_shared(sentence, passage.text), -passage.n)).n]


def _supports(sentence: str, text: str) -> bool:
    if not set(_NUMBER.findall(sentence)) <= set(_NUMBER.findall(text)):
        return False
    words = set(search_tokens(sentence))
    shared = words & set(search_tokens(text))
    return len(shared) >= max(_FEWEST_SHARED_WORDS, _SUPPORTING_SHARE * len(words))


def _shared(sentence: str, text: str) -> float:
    """Return the share of the sentence's words that are in the text, 0 to 1."""
    words = set(search_tokens(sentence))
    return len(words & set(search_tokens(text))) / len(words) if words else 0.0


def _citation(sentence: str, passage: Passage, *, computed: bool) -> Citation:
    """Return a citation of the passage's sentence that shares the most words with the answer's."""
    wanted = set(search_tokens(sentence))

    def overlap(span: tuple[int, int]) -> float:
        found = set(search_tokens(passage.text[span[0] : span[1]]))
        return len(wanted & found) / (len(wanted | found) or 1)

    start, end = max(sentence_spans(passage.text), key=overlap, default=(0, len(passage.text)))
    return Citation(passage.n, passage.document, passage.page, passage.start + start, passage.start + end, computed)
