"""How near a written answer comes to the known ones: exact match, F1, and whether one of them is contained in it.

English as SQuAD's own evaluation has it (Rajpurkar and others 2018, `evaluate-v2.0.py`): small letters, without punctuation
and articles, words between white space. Chinese as CMRC 2018 has it (Cui and others 2019, `cmrc2018_evaluate.py`): small
letters, without punctuation, each Chinese character by itself; its F1 is that of the longest common substring.
This module knows nothing of questions, passages or models.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from rag_app.text import CJK_CHARACTER

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def exact_match(answer: str, references: Sequence[str]) -> float:
    """Return 1 where the answer is one of the references once both are normalised, else 0."""
    return max((float(_units(answer, known) == _units(known, known)) for known in references), default=0.0)


def f1(answer: str, references: Sequence[str]) -> float:
    """Return the best F1 with a reference, 0 to 1: of words in English, of the longest common substring in Chinese."""
    return max((_f1(_units(answer, known), _units(known, known), known) for known in references), default=0.0)


def contains(answer: str, references: Sequence[str]) -> bool:
    """Whether one of the references stands in the answer, once both are normalised, as whole words in English."""
    for known in references:
        wanted, given = _units(known, known), _units(answer, known)
        if wanted and any(
            given[first : first + len(wanted)] == wanted for first in range(len(given) - len(wanted) + 1)
        ):
            return True
    return False


def _f1(given: Sequence[str], wanted: Sequence[str], reference: str) -> float:
    if not given or not wanted:
        return float(given == wanted)
    common: Callable[[Sequence[str], Sequence[str]], int] = _longest_common if _is_chinese(reference) else _shared
    same = common(given, wanted)
    return 2 * same / (len(given) + len(wanted))


def _shared(given: Sequence[str], wanted: Sequence[str]) -> int:
    return sum((Counter(given) & Counter(wanted)).values())


def _longest_common(given: Sequence[str], wanted: Sequence[str]) -> int:
    matcher = SequenceMatcher(None, given, wanted, autojunk=False)
    return matcher.find_longest_match().size


def _is_chinese(reference: str) -> bool:
    return CJK_CHARACTER.search(reference) is not None


def _units(text: str, reference: str) -> list[str]:
    """Return what is compared of a text, by the language of the reference."""
    return _chinese_units(text) if _is_chinese(reference) else _english_units(text)


def _english_units(text: str) -> list[str]:
    plain = "".join(character for character in text.lower() if character not in string.punctuation)
    return _ARTICLE.sub(" ", plain).split()


def _chinese_units(text: str) -> list[str]:
    units: list[str] = []
    word = ""
    for character in text.lower():
        if CJK_CHARACTER.match(character) or character.isspace() or unicodedata.category(character)[0] in "PS":
            if word:
                units.append(word)
                word = ""
            if CJK_CHARACTER.match(character) and unicodedata.category(character)[0] not in "PS":
                units.append(character)
        else:
            word += character
    return [*units, word] if word else units
