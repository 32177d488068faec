"""What the project knows of text as such: the unit of size, sentences, search tokens.

Used by ingest, retrieval and answering alike, so that what is indexed, what is asked and what is cited are cut the same
way. Chinese, Japanese and Korean are treated by character, everything else by word.
This module knows nothing of documents, models or indexes.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import Stemmer

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3040-\u30ff\u31f0-\u31ff"
HANGUL = "\uac00-\ud7a3\u1100-\u11ff"
_CJK = HAN + KANA + HANGUL
CJK_CHARACTER = re.compile(f"[{_CJK}]")

# To be raised whenever `search_tokens` or `searchable` give something else for any text: indexes are then made anew.
SEARCH_TEXT_VERSION = 2

_LONG = 100
_LONG_RUN = re.compile(rf"[^\s{_CJK}]{{{_LONG},}}")
_UNIT = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+|\S")
LETTERS_PER_UNIT = 4
# One match for each unit; texts are measured so often that ASCII has a simpler pattern of its own.
_PART = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]{{1,{LETTERS_PER_UNIT}}}|[^\w\s]|_")
_ASCII_PART = re.compile(rf"[A-Za-z0-9]{{1,{LETTERS_PER_UNIT}}}|[^A-Za-z0-9\s]")

# In search also the marks that repeat a character; but not the middle dot, which stands between two words.
_SEARCHED_CJK = f"\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff{HAN}{HANGUL}"


def _token_pattern(letter: str, cjk: str) -> re.Pattern[str]:
    """Return a pattern with three groups: a run of CJK characters, or a word and the ending that an apostrophe cuts off.

    A word is of letters and digits, which - . _ / + : @ may join into an identifier, a version, a path or an address; with the
    signs of `C++`, `C#` and `.NET`.

    Args:
        letter: what words are of.
        cjk: what runs are of, as it stands between brackets.
    """
    first_dot = rf"\.(?<![^\s{cjk}(\[\"'`]\.)"
    word = rf"(?:{first_dot})?{letter}+(?:[-._/+:@]{letter}+)*(?:\+\+|\#(?!{letter}))?"
    return re.compile(rf"([{cjk}]+)|({word})(['’](?i:s|t|re|ve|ll|d|m)(?!{letter}))?")


_TOKEN = _token_pattern(rf"[^\W_{_SEARCHED_CJK}]", _SEARCHED_CJK)
_ASCII_TOKEN = _token_pattern("[A-Za-z0-9]", "\x80")  # a simpler pattern for most English texts: it has no run to find
_WORD_PART = re.compile(r"[^\W_]+")
_IDENTIFIER_SIGN = re.compile(r"[\d_@]|^\.|[+#]$")  # what tells `max_length` and `10.0.2` from `well-known`
_DIGITS_OR_LETTERS = re.compile(r"\d+|[^\W\d_]+")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th|s)")  # `10th`, `1990s`
_MOST_PIECES = 6  # those of `8GB` or `p53` are words, those of a checksum are not
_CAMEL_CASE = re.compile(r"[a-z]{3,}(?:[A-Z][a-z]{2,})+")
_CAMEL_PIECE = re.compile(r"[A-Z]?[a-z]+")

# Small Latin letters with marks, by those without. Umlauts stay: without them fewer of XQuAD's German questions
# find their paragraph.
_UNMARKED = {
    code: form[0]
    for code in range(0xE0, 0x250)
    if len(form := unicodedata.normalize("NFD", chr(code))) > 1
    and form[0] in ascii_lowercase
    and chr(code) not in "äöü"
}

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

    English words are stemmed, stop words left out; `company's` is `company`, and `don't` no word. Latin letters lose their
    marks, umlauts aside. CJK runs give their characters and pairs of characters. Identifiers, versions, addresses and numbers
    with inner signs (`LF-DK-230`, `10.0.2`, `max_length`, `C++`) stay whole, and give their parts as well; so do `8GB` and
    `maxLength`.
    """
    tokens: list[str] = []
    plain = _plain(text)
    for run, word, ending in (_ASCII_TOKEN if plain.isascii() else _TOKEN).findall(plain):
        if run:
            tokens.extend(run)
            tokens.extend(run[i : i + 2] for i in range(len(run) - 1))
        elif not _is_negation(word, ending):
            tokens.extend(_word_tokens(word))
    return tokens


def _plain(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", searchable(text))


def _is_negation(word: str, ending: str) -> bool:
    return ending[1:] in ("t", "T") and word[-1] in "nN"


@lru_cache(maxsize=100_000)
def _word_tokens(word: str) -> tuple[str, ...]:
    whole = _whole_token(word)
    parts = (token for part in _WORD_PART.findall(word) for token in _part_tokens(part))
    return (whole, *parts) if whole else tuple(parts)


def _whole_token(word: str) -> str:
    """Return the token of an identifier as a whole; an empty string where a word is none."""
    return "" if word.isalnum() or not _IDENTIFIER_SIGN.search(word) else _folded(word)


def _part_tokens(part: str) -> list[str]:
    """Return the tokens of letters and digits without a sign in them: the stem, and those of its pieces."""
    folded = _folded(part)
    if folded in ENGLISH_STOP_WORDS:
        return []
    pieces: list[str] = []
    if not folded.isalpha() and not folded.isdigit() and not _ORDINAL.fullmatch(folded):
        pieces = _DIGITS_OR_LETTERS.findall(folded)
    elif _CAMEL_CASE.fullmatch(part):
        pieces = [piece for piece in map(_folded, _CAMEL_PIECE.findall(part)) if piece not in ENGLISH_STOP_WORDS]
    if not 1 < len(pieces) <= _MOST_PIECES:
        pieces = []
    return [_stem(word) for word in (folded, *pieces)]


def _folded(word: str) -> str:
    folded = word.casefold()
    return folded if folded.isascii() else folded.translate(_UNMARKED)


@cache
def _stemmer() -> tuple[Stemmer.Stemmer, threading.Lock]:
    import Stemmer  # a C extension, loaded at the first use: `--help` must stay fast

    return Stemmer.Stemmer("english"), threading.Lock()


def _stem(word: str) -> str:
    stemmer, lock = _stemmer()
    with lock:  # a Snowball stemmer keeps state between the calls of one word
        return str(stemmer.stemWord(word))


def matching_spans(text: str, question: str) -> list[tuple[int, int]]:
    """Return where the words of a question stand in a text: `(start, end)` each, sorted, none touching another.

    Words are the same where their search tokens are. Of CJK runs it is the pairs of characters; a single character only where
    it stands alone in the question.
    """
    wanted = set(search_tokens(question))
    alone = {run for run, _, _ in _TOKEN.findall(_plain(question)) if len(run) == 1}
    plain, starts, ends = _plain_with_places(text) if wanted else ("", (), ())
    spans: list[tuple[int, int]] = []
    for match in _TOKEN.finditer(plain):
        found = _matching_in_run(match, wanted, alone) if match[1] else _matching_in_word(match, wanted)
        for start, end in found:
            first, last = starts[start], ends[end - 1]
            if spans and first <= spans[-1][1]:
                first, last = spans[-1][0], max(last, spans.pop()[1])
            spans.append((first, last))
    return spans


def _matching_in_run(match: re.Match[str], wanted: set[str], alone: set[str]) -> Iterator[tuple[int, int]]:
    run, first = match[1], match.start()
    for place, character in enumerate(run):
        if run[place : place + 2] in wanted and place + 1 < len(run):
            yield first + place, first + place + 2
        elif character in alone:
            yield first + place, first + place + 1


def _matching_in_word(match: re.Match[str], wanted: set[str]) -> Iterator[tuple[int, int]]:
    if _is_negation(match[2], match[3] or ""):
        return
    if _whole_token(match[2]) in wanted:
        yield match.span(2)
        return
    for part in _WORD_PART.finditer(match.string, *match.span(2)):
        if not wanted.isdisjoint(_part_tokens(part.group())):
            yield part.span()


def _plain_with_places(text: str) -> tuple[str, Sequence[int], Sequence[int]]:
    """Return a text as its tokens are cut from it, and where the character at each place of it begins and ends in `text`.

    Empty where that cannot be told: then nothing is marked, rather than something else.
    """
    plain = _plain(text)
    if plain == text:
        return plain, range(len(text)), range(1, len(text) + 1)
    kept = [place for place, character in enumerate(text) if not _HIDDEN.match(character)]
    starts: list[int] = []
    ends: list[int] = []
    pieces = []
    for cluster in _grapheme_patterns()[1].finditer("".join(text[place] for place in kept)):
        piece = unicodedata.normalize("NFKC", cluster.group())
        pieces.append(piece)
        starts += [kept[cluster.start()]] * len(piece)
        ends += [kept[cluster.end() - 1] + 1] * len(piece)
    return (plain, starts, ends) if "".join(pieces) == plain else ("", (), ())


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
