"""Other forms of a question, by rule: as keywords, with other words for its words, and one that no document answers.

This module knows nothing of documents; what a knowledge base holds is told to it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from rag_app.text import ENGLISH_STOP_WORDS, HAN, search_tokens

_OTHER_WORDS = 2  # that a question has at least, to count as put in other words ...
_SHARE = 0.4  # ... or one, where it is so much of what is looked for
_MOST_KEYWORDS = 9
_ASKING = re.compile(
    r"(how (?:long|soon|often|much|many|far ahead)|after how long|by when|since when|until when|at what time|where|when|who|"
    r"whose|what does|what should i do|what happens|how do i|what is|what are)\b",
    re.IGNORECASE,
)
_AS_KEYWORD = {"what does": "meaning", "how do i": "how to", "at what time": "when", "by when": "until when"}
_KEPT = frozenset(
    {
        "how long",
        "how soon",
        "how often",
        "how much",
        "how many",
        "after how long",
        "until when",
        "how far ahead",
        "where",
        "who",
        "when",
        "since when",
    }
)
_FILLING = ENGLISH_STOP_WORDS | frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "may",
        "must",
        "shall",
        "might",
        "i",
        "me",
        "my",
        "mine",
        "myself",
        "much",
        "many",
        "long",
    ]
)
_FILLING_ZH = re.compile(
    r"的话|(?:[，：、？的被将就由]|会(?![议员计场])|要(?!求)|了(?!解)|请(?!假))+|需要|必须|可以|应该|怎么办|是?多少|多久|多长时间|是什么意思|是?什么|哪里|哪一天|几点|是?谁|如果"
)
_KEPT_ZH = {
    "多久": "多久|多长时间",
    "多少": "多少",
    "几点": "几点",
    "在哪": "哪里",
    "谁": "谁",
    "含义": "是什么意思",
    "哪天": "哪一天",
}
_WORD = re.compile(r"[\w£$€][\w'’.@/+-]*")
# A code, a version or a number that is a name; with the digits that are changed last in it.
_NAMED = re.compile(r"\b((?=[\w.-]*[A-Z])(?=[\w.-]*\d)[A-Z][\w-]*?|version \d+\.)(\d+)(?![\w-]|\.\d)")


@cache
def _known() -> dict[str, Any]:
    return tomllib.loads(
        resources.files("rag_app.evaluation.drafting").joinpath("words.toml").read_text(encoding="utf-8")
    )


def as_keywords(question: str, language: str) -> str:
    """Return what a person types who types no sentence; an empty string where too little would be left."""
    if language == "zh":
        words = _FILLING_ZH.sub(" ", question).split()
        asks = next((kept for kept, form in _KEPT_ZH.items() if re.search(form, question)), "")
        return " ".join([*words, asks]).strip() if len(words) > 1 and sum(map(len, words)) >= 4 else ""
    topic, _, question = question.rpartition(": ")
    asking = _ASKING.match(question)
    asked = asking[1].lower() if asking else ""
    rest = question[asking.end() :] if asking else question
    rest = f"{topic} {rest}".rstrip("?")
    words = list(dict.fromkeys(word for word in _WORD.findall(rest) if word.lower() not in _FILLING))
    if asked == "what does" and words[-1:] == ["mean"]:
        words.pop()
    elif asked == "what does":
        asked = ""
    if not 1 < len(words) <= _MOST_KEYWORDS and not (words and asked == "what does"):
        return ""
    return " ".join([*(word if any(map(str.isdigit, word)) else word.lower() for word in words), *_last(asked)])


def _last(asked: str) -> list[str]:
    word = asked if asked in _KEPT else _AS_KEYWORD.get(asked, "")
    return [word] if word else []


def in_other_words(question: str, language: str) -> str:
    """Return the question with other words for its words; an empty string where too few are known."""
    pairs: dict[str, str] = _known()["chinese" if language == "zh" else "english"]
    topic, separator, question = question.rpartition("：" if language == "zh" else ": ")  # what names the subject stays
    around = ("", "") if language == "zh" else (r"(?<![\w-])", r"(?![\w-])")
    pattern = "|".join(re.escape(word) for word in sorted(pairs, key=len, reverse=True))
    exchanged: list[str] = []

    def other(match: re.Match[str]) -> str:
        exchanged.append(match[0])
        return pairs[match[0]]

    changed = re.sub(f"{around[0]}(?:{pattern}){around[1]}", other, question)
    before = {token for token in search_tokens(question) if len(token) > 1}
    gone = before - set(search_tokens(changed))
    is_enough = len(exchanged) >= _OTHER_WORDS or (exchanged and len(gone) >= _SHARE * len(before))
    return topic + separator + changed if is_enough else ""


def without_answer(question: str, language: str, is_held: Callable[[str], bool], lot: int) -> str:
    """Return the question about something that no document speaks of; an empty string where nothing in it can be exchanged.

    A code or version has its last digits changed, or a place is exchanged for another.

    Args:
        question: one that a document answers.
        language: `en` or `zh`.
        is_held: whether any document has these words.
        lot: any number; which of the possible ones is taken.
    """
    match = _NAMED.search(question)
    if match:
        size = 10 ** len(match[2])
        for step in range(min(size, 200)):
            digits = f"{(int(match[2]) + 1 + (lot % 40 + step * 7) % (size - 1)) % size:0{len(match[2])}}"
            name = match[1] + digits
            is_like = digits != match[2] and digits.startswith("0") == match[2].startswith("0")
            if is_like and not is_held(name.removeprefix("version ")):
                return question[: match.start()] + name + question[match.end() :]
        return ""
    if re.search("哪里|^[Ww]here|: where", question):  # where a place is, everybody can tell
        return ""
    places: list[str] = _known()["places"]["chinese" if language == "zh" else "english"]
    around = "{}(?=同事|员工|办公室|分公司|校区|地区|店|馆|[）)])" if language == "zh" else r"\b(?:in|at|from) {}\b"
    there = [place for place in places if re.search(around.format(place), question)]
    others = [place for place in places if not is_held(place)]
    return question.replace(there[0], others[lot % len(others)]) if len(there) == 1 and others else ""


def is_chinese(text: str) -> bool:
    """Whether a text has a Chinese character."""
    return re.search(f"[{HAN}]", text) is not None
