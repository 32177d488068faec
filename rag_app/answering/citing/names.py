"""The names and identifiers of a text, which its source must hold to the letter: people, products, `LF-DK-230`, `max_length`.

In Latin letters only: where a Chinese name begins and ends is not told without a model.
This module knows nothing of answers or passages.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass

from rag_app.text import CJK_CHARACTER, search_tokens

_WORD = re.compile(r"[A-Za-zÀ-ɏ](?:[-._/@'’&+]?[A-Za-z0-9_À-ɏ])*(?:\+\+|#)?")
_SENTENCE_BEGINS = re.compile(r"(?:(?:^|\n)[-*+•>#|\d.) ]*|[.!?:;。！？：；])[\s\"'“‘(（*_|]*\Z")
_LOOKED_BACK = 12  # characters: where a sentence begins is told from so many before a word
_IDENTIFIER = re.compile(r".*(?:\d|_|[a-z][A-Z]|[A-Z]{2}).*|.*[+#]", re.DOTALL)
# Where all longer words are capitalised it is a heading in title case, and capitals tell nothing.
_TITLE_WORD = 4
_FEWEST_TITLE_WORDS = 5


@dataclass(frozen=True)
class Name:
    """A name as it is written, and where it stands: the characters `[start, end)` of the text."""

    text: str
    start: int
    end: int


def names_in(text: str, known: Set[str] = frozenset()) -> list[Name]:
    """Return the names of a text, word by word, in order.

    A word is one where it is capitalised inside a sentence, or built like an identifier; beside Chinese every Latin word.

    Args:
        text: normalised.
        known: names that count at the beginning of a sentence too, where every word is capitalised.
    """
    words = list(_WORD.finditer(text))
    beside_chinese = bool(CJK_CHARACTER.search(text))
    in_title_case = len(words) >= _FEWEST_TITLE_WORDS and all(
        word[0][0].isupper() for word in words if len(word[0]) >= _TITLE_WORD
    )
    return [
        Name(word[0], *word.span())
        for word in words
        if search_tokens(word[0])
        and (
            _IDENTIFIER.fullmatch(word[0])
            or (beside_chinese and len(word[0]) > 1)
            or (word[0][0].isupper() and not in_title_case and (word[0] in known or not _begins_a_sentence(word)))
        )
    ]


def _begins_a_sentence(word: re.Match[str]) -> bool:
    return bool(_SENTENCE_BEGINS.search(word.string, max(word.start() - _LOOKED_BACK, 0), word.start()))
