"""What the project knows of text as such: the unit of size, sentences, search tokens.

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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import Stemmer

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3040-\u30ff\u31f0-\u31ff"
HANGUL = "\uac00-\ud7a3\u1100-\u11ff"
_CJK = HAN + KANA + HANGUL

# To be raised whenever `search_tokens` or `searchable` give something else for any text: indexes are then made anew.
SEARCH_TEXT_VERSION = 1

_LONG = 100
_LONG_RUN = re.compile(rf"[^\s{_CJK}]{{{_LONG},}}")
_UNIT = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+|\S")
LETTERS_PER_UNIT = 4
# One match for each unit; texts are measured so often that ASCII has a simpler pattern of its own.
_PART = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]{{1,{LETTERS_PER_UNIT}}}|[^\w\s]|_")
_ASCII_PART = re.compile(rf"[A-Za-z0-9]{{1,{LETTERS_PER_UNIT}}}|[^A-Za-z0-9\s]")

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
    r"|(?<![.!?])[.!?]++[”’\"')\]]*+(?=\s|$)"  # Latin ones only before white space
    r"|\n[ \t]*\n\s*"  # a blank line
    r"|\n(?=[ \t]*(?:[-*+•>|#]|\d{1,3}(?:[.)]\s|、)))"  # a list item, quotation, table row or heading begins
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|approx|dr|mr|mrs|ms|prof|st|no|nos|fig|ext|dept|inc|ltd|u\.s|u\.k|p|pp)|\b[A-Z])\.$",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"(?:^|\n)\s*\d{1,3}\.$")
_LONGEST_ABBREVIATION = 20  # with the white space before it: a sentence is never searched from its start again


_LONGEST_CLUSTER = 64  # characters looked back for where a grapheme cluster begins

# Characters that nothing is seen of: soft hyphens, zero-width spaces, direction marks and overrides, byte order marks, tags.
_HIDDEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\U000e0000-\U000e007f]")
_SOFT_HYPHEN = "\u00ad"
_SURROGATE = re.compile("[\ud800-\udfff]")

_JOINERS = "\u200c\u200d"  # they hold emoji and Indic letters together


def normalise(text: str) -> str:
    r"""Return the text in Unicode form NFC, of whole characters, with `\n` line ends and without a byte order mark."""
    text = whole_characters(text).removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def whole_characters(text: str) -> str:
    """Return the text with U+FFFD for each half of a surrogate pair, which is no character and cannot be encoded."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _SURROGATE.search(text) else text


def searchable(text: str) -> str:
    """Return the text without characters that nothing is seen of: they would keep its words from being found."""
    return text if text.isascii() else _HIDDEN.sub("", text)


def hidden_characters(text: str) -> int:
    """Return how many characters a reader does not see, soft hyphens aside: some hide words, some turn them round."""
    return 0 if text.isascii() else sum(character != _SOFT_HYPHEN for character in _HIDDEN.findall(text))


def size_in_units(text: str) -> int:
    """Return the size of a text: one per CJK character or symbol, one per four letters of a word, rounded up.

    It needs no model and grows with every tokenizer's count, so that chunks can belong to a knowledge base and not to a
    model.
    """
    return len((_ASCII_PART if text.isascii() else _PART).findall(text))


def longest_word(text: str) -> int:
    """Return the length of the longest run without white space or CJK characters; 0 where none has a hundred characters."""
    if max(map(len, text.split()), default=0) < _LONG:  # most texts, told in a tenth of the time
        return 0
    return max(map(len, _LONG_RUN.findall(text)), default=0)


def first_units(text: str, units: int) -> str:
    """Return the beginning of a text, whole words of it, that is at most so large."""
    end = 0
    for match in _UNIT.finditer(text):
        units -= size_in_units(match.group())
        if units < 0:
            return text[:end].rstrip()
        end = match.end()
    return text


def sentence_spans(text: str, first: int = 0, last: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield `(start, end)` of each sentence in `text[first:last]`, without the white space around it.

    Together they hold every other character.
    """
    last = len(text) if last is None else last
    start = first
    for match in _SENTENCE_END.finditer(text, first, last):
        last_word = text[max(start, match.end() - _LONGEST_ABBREVIATION) : match.end()]
        if match.group() == "." and (_ABBREVIATION.search(last_word) or _LIST_NUMBER.search(last_word)):
            continue
        if splits_character(text, match.end()):
            continue
        yield from trimmed(text, start, match.end())
        start = match.end()
    yield from trimmed(text, start, last)


def splits_character(text: str, position: int) -> bool:
    """Whether a cut at `position` would fall inside what a reader sees as one character (a grapheme cluster, UAX #29)."""
    if not 0 < position < len(text) or text[position].isascii():
        return False
    joining, cluster = _grapheme_patterns()
    if not (joining.match(text, position) or joining.match(text, position - 1)):
        return False
    begin = position - 1
    while begin > max(position - _LONGEST_CLUSTER, 0) and not text[begin].isascii():
        begin -= 1
    return all(match.end() != position for match in cluster.finditer(text, begin, min(position + 1, len(text)) + 1))


@cache
def _grapheme_patterns() -> tuple[Any, Any]:
    import regex  # knows Unicode's grapheme clusters, which `re` does not

    joining = regex.compile(
        r"[\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=ZWJ}\p{GCB=Prepend}\p{GCB=RI}\p{GCB=L}\p{GCB=V}\p{GCB=T}]"
    )
    return joining, regex.compile(r"\X")


def trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the span without the white space around it; nothing where there is nothing else."""
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
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", searchable(text)).casefold()):
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
