"""The numbers of a text by value and unit: `30 minutes`, `thirty minutes`, `三十分钟` and `half an hour` are the same.

English and Chinese are read. What an answer states must be in what its source offers: a number is taken from an answer only
where it surely is one, and from a source wherever it could be. This module knows nothing of answers or passages.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from rag_app.text import ENGLISH_STOP_WORDS

_UNKNOWN = ""
_THINGS = "things"
_MONTH = "month of the year"
_PERCENT = "percent"
# Dimension, its base units in one, and how the unit is written. Months and years are not made days: they differ.
_UNITS: tuple[tuple[str, str, str], ...] = (
    ("time", "1", "s sec secs second seconds 秒 秒钟"),
    ("time", "60", "min mins minute minutes 分 分钟"),
    ("time", "3600", "h hr hrs hour hours 小时 个小时 钟头"),
    ("time", "86400", "d day days 天 日"),
    ("time", "604800", "wk week weeks 周 星期 个星期 礼拜"),
    ("months", "1", "month months 个月"),
    ("years", "1", "yr yrs year years 年"),
    ("years", "10", "decade decades"),
    ("years", "100", "century centuries 世纪"),
    (_PERCENT, "1", "% percent per-cent 个百分点"),
    ("length", "0.001", "mm millimetre millimetres millimeter millimeters 毫米"),
    ("length", "0.01", "cm centimetre centimetres centimeter centimeters 厘米"),
    ("length", "1", "m metre metres meter meters 米"),
    ("length", "1000", "km kilometre kilometres kilometer kilometers 公里 千米"),
    ("miles", "1", "mi mile miles 英里"),
    ("feet", "1", "ft foot feet 英尺"),
    ("mass", "0.001", "g gram grams 克"),
    ("mass", "1", "kg kilogram kilograms 千克 公斤"),
    ("mass", "1000", "tonne tonnes 吨"),
    ("bytes", "1", "kb 千字节"),
    ("bytes", "1000", "mb 兆字节"),
    ("bytes", "1000000", "gb"),
    ("bytes", "1000000000", "tb"),
    ("dollars", "1", "$ usd dollar dollars 美元"),
    ("euros", "1", "€ eur euro euros 欧元"),
    ("pounds", "1", "£ gbp pound pounds 英镑"),
    ("yuan", "1", "¥ cny rmb yuan 元 块 人民币"),
    (_MONTH, "1", "月 月份"),
)
_UNIT = {
    word.replace("-", " "): (dimension, Decimal(size)) for dimension, size, words in _UNITS for word in words.split()
}
_SCALE = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "百": 10**2, "千": 10**3, "万": 10**4, "亿": 10**8,
}  # fmt: skip
_UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
_SMALL = {word: value for value, word in enumerate(_UNDER_TWENTY.split())} | {
    word: 10 * ten
    for ten, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2)
}
_RANKS = "first second third fourth fifth sixth seventh eighth ninth tenth"
_ORDINALS = {word: value for value, word in enumerate(_RANKS.split(), start=1)}
_HAN_DIGITS = dict(zip("〇零一二两三四五六七八九", (0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
_HAN_TENS = {"十": 10, "百": 100, "千": 1000}
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("January Jan", "February Feb", "March Mar", "April Apr", "May", "June Jun", "July Jul", "August Aug",
         "September Sept Sep", "October Oct", "November Nov", "December Dec"), start=1)
    for name in names.split()
}  # fmt: skip


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_LATIN_UNITS = _any_of(word for word in _UNIT if word.isascii() and word.replace(" ", "").isalpha())
_OTHER_UNITS = _any_of(word for word in _UNIT if not word.isascii() or word in "%$")
_UNIT_AFTER = re.compile(rf"[ -]?(?:({_LATIN_UNITS})(?![A-Za-z])|({_OTHER_UNITS}))", re.IGNORECASE)
# `30 working days` are days; `5 failed sign-ins` and 五次 are things, and no minutes.
_UNIT_NEAR = re.compile(rf"(?: [a-z]+){{1,2}} ({_LATIN_UNITS})(?![A-Za-z])")
_THING_AFTER = re.compile(r"[ -]([a-z]{2,})|[次个名位人台份条项件本张间层种]")
_SCALE_AFTER = re.compile(r"[ -]?(?:(hundred|thousand|million|billion|trillion)\b|([百千万亿]{1,3}))", re.IGNORECASE)
_CURRENCY_BEFORE = re.compile(r"(?:([$€£¥])|\b(USD|EUR|GBP|CNY|RMB)) ?\Z")
_HAN_NUMERAL = "[〇零一二两三四五六七八九十百千万亿]"
_WORD_NUMBER = f"(?:{_any_of([*_SMALL, 'hundred', 'thousand', 'million', 'billion', 'trillion'])})"
_NUMBER = re.compile(
    # a date is three numbers, 10.0.2 and 9:30 are none; digits in a name (LF-DK-230, H2O) belong to it
    r"(?P<date>(?<!\d)\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?![\d.]))"
    r"|(?P<digits>(?<![A-Za-z_\d.])(?<![A-Za-z_][-._/])"
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+(?:[.:]\d+)*))(?P<ordinal>st|nd|rd|th|s)?(?![A-Za-z_]*\d)"
    rf"|(?P<words>\b{_WORD_NUMBER}(?:(?: and |[ -]){_WORD_NUMBER}){{0,11}}\b)"
    rf"|(?P<month>\b(?:{_any_of(_MONTHS)})\b\.?)"
    rf"|(?P<percent>百分之)?(?P<nth>第)?(?P<han>{_HAN_NUMERAL}{{1,20}})(?:点(?P<fraction>[〇零一二三四五六七八九]{{1,20}}))?"
    r"|(?P<half>[Hh]alf an? (?=hour|day|year)|半个?(?=小时|天|年))"
    rf"|(?P<rank>\b(?:{_any_of(_ORDINALS)})\b)"
)
# In Chinese these are words and no numbers: very, by all means, in case.
_HAN_WORDS = re.compile(r"十分(?!钟|之|[钟秒])|千万(?=[不别要注记小])|万一|百分")
# Before and after a month's name: `May` and `March` are words as well.
_BY_A_DATE = re.compile(
    r"(?:\b(?:in|on|of|since|by|until|from|to|through|during|early|late|mid)|\d(?:st|nd|rd|th)?,?) \Z"
)
_LOOKED_BACK = 12  # characters
_DATE_AFTER = re.compile(r"[ ,]{1,2}\d")


@dataclass(frozen=True)
class Quantity:
    """A number: its value, its dimension (empty where no known unit stands by it), and how much a unit is in base units.

    `value` is a text for what is written like a number and has no value: a version, a time of day. `text` is as it is written,
    `start` and `end` are where in the plain text.
    """

    value: Decimal | str
    dimension: str
    size: Decimal
    text: str
    start: int
    end: int


def plain(text: str) -> str:
    """Return the text in which quantities are looked for: full-width digits and signs are plain ones."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def stated_quantities(text: str) -> list[Quantity]:
    """Return what surely is a number in a plain text: not `one` in `one of them`, nor 一 in 一个 and 一定."""
    return list(_quantities(text, only_sure=True))


def offered_quantities(text: str) -> list[Quantity]:
    """Return whatever could be a number in a plain text."""
    return list(_quantities(text, only_sure=False))


def is_offered(stated: Quantity, offered: Iterable[Quantity]) -> bool:
    """Whether one of the numbers has the value; where both have a known unit, the value in that unit."""
    return any(_same(stated, other) for other in offered)


def _same(one: Quantity, other: Quantity) -> bool:
    if isinstance(one.value, str) or isinstance(other.value, str):
        return one.value == other.value
    if _UNKNOWN in (one.dimension, other.dimension):
        return one.value == other.value
    return one.dimension == other.dimension and one.value * one.size == other.value * other.size


def _quantities(text: str, *, only_sure: bool) -> Iterator[Quantity]:
    done = 0
    for match in _NUMBER.finditer(text):
        if match.start() < done:  # the `million` of `4.5 million`
            continue
        if match["date"]:
            yield from _date(match)
        elif match["month"]:
            if not only_sure or _is_month(text, match):
                yield _quantity(match, Decimal(_MONTHS[match["month"].rstrip(".")]), _MONTH, match.end())
        elif match["rank"]:
            if not only_sure and match["rank"] in _ORDINALS:
                yield _quantity(match, Decimal(_ORDINALS[match["rank"]]), _UNKNOWN, match.end())
        else:
            for quantity in _counted(text, match, only_sure=only_sure):
                done = quantity.end
                yield quantity


def _is_month(text: str, match: re.Match[str]) -> bool:
    before = _BY_A_DATE.search(text, max(match.start() - _LOOKED_BACK, 0), match.start())
    return bool(before or _DATE_AFTER.match(text, match.end()))


def _counted(text: str, match: re.Match[str], *, only_sure: bool) -> Iterator[Quantity]:
    value = _value(match)
    if value is None:
        return
    end = match.end()
    scale = None if isinstance(value, str) or not match["digits"] else _SCALE_AFTER.match(text, end)
    if scale and not isinstance(value, str):
        for word in [scale[1].lower()] if scale[1] else scale[2]:
            value *= _SCALE[word]
        end = scale.end()
    dimension, size, end = _unit(text, match, value, end)
    if only_sure and not _is_sure(match, dimension):
        return
    yield Quantity(value, dimension, size, text[match.start() : end].strip(), match.start(), end)


def _unit(text: str, match: re.Match[str], value: Decimal | str, end: int) -> tuple[str, Decimal, int]:
    if match["percent"]:
        return _PERCENT, Decimal(1), end
    currency = _CURRENCY_BEFORE.search(text, max(match.start() - 4, 0), match.start())
    if currency:
        return *_UNIT[(currency[1] or currency[2]).lower()], end
    if match["ordinal"] or match["nth"] or isinstance(value, str):
        return _UNKNOWN, Decimal(1), end
    after = _UNIT_AFTER.match(text, end)
    if after is None:
        return *_far_unit(text, end), end
    dimension, size = _UNIT[(after[1] or after[2]).lower()]
    is_calendar_year = after[0].strip() == "年" and 1000 <= value < 3000
    return (_UNKNOWN, Decimal(1), after.end()) if is_calendar_year else (dimension, size, after.end())


def _far_unit(text: str, end: int) -> tuple[str, Decimal]:
    """Return the unit that stands a word or two after a number; else whether it counts things."""
    thing = _THING_AFTER.match(text, end)
    if thing is None or thing[1] in ENGLISH_STOP_WORDS:
        return _UNKNOWN, Decimal(1)
    near = _UNIT_NEAR.match(text, end)
    return _UNIT[near[1]] if near else (_THINGS, Decimal(1))


def _is_sure(match: re.Match[str], dimension: str) -> bool:
    if match["words"]:
        return match["words"].lower() != "one" or dimension not in (_UNKNOWN, _THINGS)
    numeral = match["han"]
    if not numeral or match["percent"] or match["nth"] or match["fraction"]:
        return True
    if _HAN_WORDS.match(match.string, match.start()):
        return False
    if dimension == _THINGS:
        return numeral != "一"
    return dimension != _UNKNOWN or (len(numeral) > 1 and not numeral.startswith("一一"))


def _value(match: re.Match[str]) -> Decimal | str | None:
    if match["digits"]:
        return _digits_value(match["digits"])
    if match["words"]:
        return _words_value(re.split(r"[ -]", match["words"].lower()))
    if match["half"]:
        return Decimal("0.5")
    value = _han_value(match["han"])
    if value is not None and match["fraction"]:
        return Decimal(f"{value}.{''.join(str(_HAN_DIGITS[digit]) for digit in match['fraction'])}")
    return None if value is None else Decimal(value)


def _digits_value(digits: str) -> Decimal | str | None:
    if ":" in digits or digits.count(".") > 1:
        return digits.lstrip("0")
    try:
        return Decimal(digits.replace(",", ""))
    except InvalidOperation:  # digits of another script
        return None


def _words_value(words: list[str]) -> Decimal:
    total, current = 0, 0
    for word in words:
        if word in _SMALL:
            current += _SMALL[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word != "and":
            total += max(current, 1) * _SCALE[word]
            current = 0
    return Decimal(total + current)


def _han_value(numeral: str) -> int | None:
    """Return the value of 三百零五 as of 二〇二四; None where it is neither."""
    if all(character in _HAN_DIGITS for character in numeral):
        return int("".join(str(_HAN_DIGITS[character]) for character in numeral))
    total, section, digit = 0, 0, 0
    for character in numeral:
        if character in _HAN_DIGITS:
            digit = _HAN_DIGITS[character]
        elif character in _HAN_TENS:
            section += (digit or 1) * _HAN_TENS[character]
            digit = 0
        else:
            total = (total + section + digit or 1) * _SCALE[character]
            section, digit = 0, 0
    return total + section + digit


def _date(match: re.Match[str]) -> Iterator[Quantity]:
    year, month, day = re.split(r"[-/.]", match["date"])
    for part, dimension in ((year, _UNKNOWN), (month, _MONTH), (day, _UNKNOWN)):
        yield _quantity(match, Decimal(part), dimension, match.end())


def _quantity(match: re.Match[str], value: Decimal, dimension: str, end: int) -> Quantity:
    return Quantity(value, dimension, Decimal(1), match[0].strip(), match.start(), end)
