"""What the project knows of text as such: the unit of size, sentences, search tokens, language.

Used by ingest, retrieval and answering alike, so that what is indexed, what is asked and what is cited are cut the same
way. Chinese, Japanese and Korean are treated by character, everything else by word.
This module knows nothing of documents, models or indexes.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import Stemmer

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3040-\u30ff\u31f0-\u31ff"
_HANGUL = "\uac00-\ud7a3\u1100-\u11ff"
_CJK = _HAN + _KANA + _HANGUL

_UNIT = re.compile(rf"(?P<cjk>[{_CJK}])|(?P<word>[^\W_{_CJK}]+)|(?P<symbol>\S)")
_LETTERS_PER_UNIT = 4

# A run of CJK characters; or letters and digits, which - . _ / may join into an identifier, a version or a path.
_TOKEN = re.compile(rf"(?P<cjk>[{_CJK}]+)|(?P<word>[^\W_{_CJK}]+(?:[-._/+:][^\W_{_CJK}]+)*)")
_WORD_PART = re.compile(r"[^\W_]+")
_IDENTIFIER_SIGN = re.compile(r"[\d_]")  # what tells `max_length` and `10.0.2` from `well-known`

# The function words of English that carry no subject: they would only make every passage match every question.
ENGLISH_STOP_WORDS = frozenset(
    """
    a about after all also am an and any are as at be because been before being but by can could did do does doing
    for from had has have having he her here him his how i if in into is it its just me my no not of on or our out
    over own she should so some such than that the their them then there these they this those through to too
    under until up very was we were what when where which while who whom why will with would you your
    """.split()  # noqa: SIM905 - a paragraph is read more easily than a list of a hundred strings
)

_SENTENCE_END = re.compile(
    r"[。！？；…]+[”’」』）】》\"')\]]*"  # CJK stops end a sentence wherever they stand
    r"|[.!?]+[”’\"')\]]*(?=\s|$)"  # Latin ones only before white space
    r"|\n[ \t]*\n\s*"  # a blank line
    r"|\n(?=[ \t]*(?:[-*+•>|#]|\d{1,3}(?:[.)]\s|、)))"  # a list item, quotation, table row or heading begins
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|approx|dr|mr|mrs|ms|prof|st|no|nos|fig|ext|dept|inc|ltd|u\.s|u\.k|p|pp)|\b[A-Z])\.$",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"(?:^|\n)\s*\d{1,3}\.$")
_LONGEST_ABBREVIATION = 20  # with the white space before it: a sentence is never searched from its start again


_JOINERS = "\u200c\u200d"  # they hold emoji and Indic letters together


def normalise(text: str) -> str:
    r"""Return the text in Unicode form NFC, with `\n` line ends and without a byte order mark."""
    return unicodedata.normalize("NFC", text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))


def size_in_units(text: str) -> int:
    """Return the size of a text: one per CJK character or symbol, one per four letters of a word, rounded up.

    It needs no model and grows with every tokenizer's count, so that chunks can belong to a knowledge base and not to a
    model.
    """
    units = 0
    for match in _UNIT.finditer(text):
        units += -(-len(match["word"]) // _LETTERS_PER_UNIT) if match["word"] else 1
    return units


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield `(start, end)` of each sentence, without the white space around it; together they hold every other character."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        last_word = text[max(start, match.end() - _LONGEST_ABBREVIATION) : match.end()]
        if match.group() == "." and (_ABBREVIATION.search(last_word) or _LIST_NUMBER.search(last_word)):
            continue
        yield from _trimmed(text, start, match.end())
        start = match.end()
    yield from _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = text[start:end]
    inner = part.strip()
    if inner:
        offset = start + len(part) - len(part.lstrip())
        yield offset, offset + len(inner)


def search_tokens(text: str) -> list[str]:
    """Return the tokens by which keyword search finds a text, in order.

    English words are stemmed, stop words left out. CJK runs give their characters and pairs of characters. Identifiers,
    versions and numbers with inner signs (`LF-DK-230`, `10.0.2`, `max_length`) stay whole, and give their parts as well.
    """
    tokens: list[str] = []
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text).casefold()):
        if match["cjk"]:
            run = match["cjk"]
            tokens.extend(run)
            tokens.extend(run[i : i + 2] for i in range(len(run) - 1))
            continue
        word = match["word"]
        parts = _WORD_PART.findall(word)
        if len(parts) > 1 and _IDENTIFIER_SIGN.search(word):
            tokens.append(word)
        tokens.extend(_stem(part) for part in parts if part not in ENGLISH_STOP_WORDS)
    return tokens


@cache
def _stemmer() -> tuple[Stemmer.Stemmer, threading.Lock]:
    import Stemmer  # a C extension, loaded at the first use: `--help` must stay fast

    return Stemmer.Stemmer("english"), threading.Lock()


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    stemmer, lock = _stemmer()
    with lock:  # a Snowball stemmer keeps state between the calls of one word
        return str(stemmer.stemWord(word))


def language_of(text: str, *, sample: int = 20_000) -> str:
    """Return `zh`, `ja`, `ko` or `en` where script and function words say so, else `und` (undetermined).

    Only the first `sample` characters are read.
    """
    head = text[:sample]
    kana = len(re.findall(f"[{_KANA}]", head))
    hangul = len(re.findall(f"[{_HANGUL}]", head))
    han = len(re.findall(f"[{_HAN}]", head))
    words = re.findall(rf"[^\W\d_{_CJK}]+", head.casefold())
    cjk = kana + hangul + han
    # A CJK character carries about as much as half a Latin word; mixed technical Chinese is still Chinese.
    if cjk and cjk / 2 >= 0.3 * (cjk / 2 + len(words)):
        if hangul > cjk / 2:
            return "ko"
        return "ja" if kana > 0.1 * cjk else "zh"
    if words and sum(word in ENGLISH_STOP_WORDS for word in words) >= 0.1 * len(words):
        return "en"
    return "und"


def printable(text: str, *, keep_line_breaks: bool = True) -> str:
    r"""Return the text without what would act on a terminal or hide: control and bidirectional-override characters.

    They become `\x1b`-like escapes, so that nothing disappears unseen.
    """
    kept = _JOINERS + ("\n\t" if keep_line_breaks else "")
    return "".join(
        character
        if character in kept or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else character.encode("unicode_escape").decode()
        for character in text
    )
