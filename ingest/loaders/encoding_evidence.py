"""Whether what bytes were read as is evidently a text: Chinese, Japanese, Korean, or of Western Europe.

Bytes in one of the older encodings can be read in most others too, and give letters each time. The right one is told by
words: the commonest characters of Chinese, kana, function words together with accents where a language has them.
This module knows nothing of bytes, and not which encodings there are.
"""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType

from rag_app.language import FUNCTION_WORDS, TRADITIONAL_FORMS, function_words

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_FOREIGN = re.compile("[^\x00-\x7f]")
_KANA_RUN = re.compile("[\u3041-\u3096\u30a1-\u30fc]{2,}")
_HALF_WIDTH_KANA = re.compile("[\uff61-\uff9f]")
_HANGUL = re.compile("[\uac00-\ud7a3]")

# The commonest characters of Chinese, in general and in texts of offices and computers: two in three of a text. Of what
# another language gives when it is read as Chinese they are one in ten.
_COMMON_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如"
    "都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高"
    "间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解"
    "水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队"
    "形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清"
    "今切院让识候带导争运请密码页置输户登录选择示错误络服器账版按钮载装连邮箱址软列击存键屏印供参考查找修删除添创需配测试序客订购买价费款票证"
    "照申技研究章节附介绍范围标准质检支持默块符串段值效源启停败允忽略警限消息隐藏右左属组编辑例项整换继续状态预环境图片显描助单注册某另仅够域构"
    "层况功责未优越足随步速均较历史影响约余号转依复杂双算易始视频"
)
# The forms that TRADITIONAL_FORMS leaves out: the simplified one is another character of traditional Chinese.
_COMMON_TRADITIONAL = frozenset(
    "".join(TRADITIONAL_FORMS.get(character, character) for character in _COMMON_SIMPLIFIED) + "後著於裡幾麼餘準"
)
_COMMON_CHINESE = _COMMON_TRADITIONAL.union(_COMMON_SIMPLIFIED)
_CHINESE_SHARE = 0.4
_KANA_SHARE = 0.2
_HALF_WIDTH_SHARE = 0.05
_FEWEST_DISTINCT = 4
# Half of a Korean text, and one in twenty of what Chinese gives when it is read as Korean.
_COMMON_HANGUL = frozenset(
    "이다는을를에의가하고지로으기사도리한서자시어인대정해스수나아보일있라전주장그부제구상여게것된되니들은와과용성세안소만요않없면할때습우공"
    "위중개조드오비모명문선유연방경계간내생결음식행관설파력록출입번호옵션값합트크프터클릭"
)
_HANGUL_SHARE = 0.4

# The letters beyond a to z of the languages of Western Europe.
_LETTERS = MappingProxyType(
    {
        "ca": frozenset("àçèéíïòóúü"),
        "da": frozenset("åæøé"),
        "de": frozenset("äöüßé"),
        "en": frozenset("é"),
        "es": frozenset("áéíñóúü"),
        "fi": frozenset("äåö"),
        "fr": frozenset("àâçèéêëîïôùûüœ"),
        "it": frozenset("àèéìòóù"),
        "nl": frozenset("áèéêëïóöü"),
        "no": frozenset("åæøéèêóòô"),
        "pt": frozenset("àáâãçéêíóôõú"),
        "sv": frozenset("åäöé"),
    }
)
# Letters of words that are guests in any language. These have the same place in the encodings of Eastern Europe and Turkey
# (windows-1250, 1254): no evidence against those, but right whichever was meant. (à and å are Slovak letters there, in a
# handful of words.)
_SHARED_LETTERS = frozenset("áàâäåçéëíîóôöúüß")
# And words like crème, Genève, tête, œuvre, señor, São, naïve, août, Bjørn, Næstved: Czech, Polish and Hungarian words
# read in the wrong encoding have these letters between others.
_GUEST = re.compile(
    r"è(?=[bcdfglmnprtv]r?es?\b|s\b)|(?<!i)ê(?=[tmpv]e|ts?\b)|œ(?=u)|ñ(?=[aeiou])|ã(?=[oe])|(?<=na)ï(?=[vf])"
    r"|(?<=o)û|ø(?=[bdfgkmnprs])|æ(?=[dgrs])"
)
_GUEST_LETTERS = frozenset("èêœñãïûøæ")
# Languages that are written without any accent for pages.
_PLAIN = frozenset({"en", "nl"})

_LETTER = r"[^\W\d_ªº²³¹¼½¾]"  # to Python, those are letters or digits too
_LOWER = "[a-zß-öø-ÿœ]"
_WORD = re.compile(f"{_LETTER}+")
_INITIAL = re.compile(r"\b[À-ÖØ-Þ]\.")
_NO_WORD = re.compile(r"[^\x00-\x7f]{3}|^[^\x00-\x7f]+$|(?<![aeiou])ï|œ(?![distu])")
# Where no sign and no capital stands in a text that is read in the right encoding: German from DOS gives `„` and `”` in
# words, French from a Mac capitals.
_MISPLACED = re.compile(
    f"{_LETTER}[‘“”•™‹›§©«®»±´µ¶×÷…€]{_LETTER}(?<!´s)"  # in a word; geht´s
    f"|{_LETTER}[‚„†‡•§¶µ]|[†‡]{_LETTER}|°(?![CFKNSEWO]\\b){_LETTER}"  # after and before one
    r"|[ˆ˜¨¸¯¤¦¬ƒ]|(?<![\d )(nN])°|°°|(?<!\d)(?<!\d )‰"
    f"|{_LOWER}[À-ÖØ-ÞŒŠŽŸ]|[A-ZÀ-ÖØ-Þ]{{2}}[à-öø-ÿœ]|[à-öø-ÿœ][A-ZÀ-ÖØ-Þ]"
)
# Signs that are letters in the encodings of Eastern Europe and Turkey: `Micha³`, `£ukasz`, `¿eby`.
_MISREAD = re.compile(
    f"{_LETTER}[£¥¢¡¿¼½¾¹]|[£¥¢¼½¾²³¹ªº]{_LETTER}|[©®]{_LOWER}|(?<![\\dnNaAoO.])[ªº]|(?<!\\d)(?<!\\d )¢|¥(?! ?\\d)"
    r"|(?<![\d)\]])(?<!\b[a-zA-Z])(?<!\b[cmkd]m)(?<!\bft)(?<!\bin)[²³]"  # but m³
)
# What is a sign in some languages, and a misread letter in others.
_MISREAD_UNLESS = MappingProxyType(
    {
        re.compile("[¿¡]"): frozenset({"es", "ca"}),
        re.compile(f"{_LETTER}·{_LETTER}"): frozenset({"ca"}),
        re.compile(f"”{_LETTER}"): frozenset({"fi", "sv"}),
    }
)
_LOW_QUOTE = re.compile("[„‚]")
_HIGH_QUOTE = re.compile("[“”‘’]")
_HIGH_QUOTE_AFTER_WORD = re.compile(f"{_LETTER}[“‘]")  # right where a low one began it
_DASH_IN_WORD = re.compile(f"{_LOWER}[–—]{_LOWER}")  # usual in English alone

# Running text has twice as many.
_FUNCTION_WORD_SHARE = 0.15
_FEWEST_FUNCTION_WORDS = MappingProxyType({"en": 3})  # `to`, `do`, `on` are words of other languages too; else 2
_LONG_WORD = 3
_MANY_WORDS = 5
_SECOND_LANGUAGE_SHARE = 0.1
_SECOND_LANGUAGE_WORDS = 5
_RIVAL_SHARE = 0.6
_GUEST_SHARE = 0.5  # German from DOS has á for ß, and no other accent that is read
# From here on a language's own letters, like è or ø, tell windows-1252 from its neighbours.
_ESTABLISHED_WORDS = 3
_ESTABLISHED_SHARE = 0.05
_ODD_SHARE = 0.02


def is_text(characters: frozenset[str]) -> bool:
    """Return whether a text may hold each of the characters: assigned, not for private use, no control character."""
    return not any(
        "\x80" <= character <= "\x9f" or character == "\ufffd" or unicodedata.category(character) in ("Cn", "Co", "Cs")
        for character in characters
    )


def is_chinese(sample: str) -> bool:
    """Return whether a text is evidently Chinese, simplified or traditional."""
    return _is_made_of(sample, _COMMON_CHINESE)


def is_traditional_chinese(sample: str) -> bool:
    """Return whether a text is evidently traditional Chinese."""
    return _is_made_of(sample, _COMMON_TRADITIONAL)


def is_japanese(sample: str) -> bool:
    """Return whether a text is evidently Japanese: it has runs of kana.

    Half-width katakana are no evidence: other encodings read as Shift-JIS are full of them.
    """
    foreign = len(_FOREIGN.findall(sample))
    kana = sum(map(len, _KANA_RUN.findall(sample)))
    return kana >= _KANA_SHARE * foreign + 2 and len(_HALF_WIDTH_KANA.findall(sample)) <= _HALF_WIDTH_SHARE * foreign


def is_korean(sample: str) -> bool:
    """Return whether a text is evidently Korean."""
    hangul = _HANGUL.findall(sample)
    common = sum(syllable in _COMMON_HANGUL for syllable in hangul)
    return bool(hangul) and common >= _HANGUL_SHARE * len(hangul) and len(_HAN.findall(sample)) <= 0.1 * len(hangul)


def is_common_chinese(characters: str) -> bool:
    """Return whether all the characters, however few, are among the commonest of Chinese."""
    return _COMMON_CHINESE.issuperset(characters)


def _is_made_of(sample: str, common: frozenset[str]) -> bool:
    han = _HAN.findall(sample)
    found = [character for character in han if character in common]
    # In a short text the share alone says little, and nor does one character again and again.
    is_enough = len(found) >= _CHINESE_SHARE * len(han) + 2 and len(set(found)) >= _FEWEST_DISTINCT
    return is_enough and len(han) > 0.7 * len(_FOREIGN.findall(sample))


def is_western_european(sample: str, characters: frozenset[str]) -> bool:
    """Return whether a text is evidently in a language of Western Europe, with accents and signs where they belong.

    Args:
        sample: the text, or pieces of it.
        characters: what the whole text is made of.
    """
    words = _WORD.findall(_INITIAL.sub("", sample))
    languages = _languages([word.lower() for word in words if len(word) > 1])
    accented = [word for word in words if not word.isascii()]
    if not languages or not (accented or languages[0] in _PLAIN):
        return False
    native = frozenset[str]().union(*(_LETTERS[language] for language in languages))
    strange = sum(_is_strange(word, native | _SHARED_LETTERS, languages) for word in accented)
    strange += len(_MISREAD.findall(sample))
    strange += sum(len(sign.findall(sample)) for sign, usual in _MISREAD_UNLESS.items() if usual.isdisjoint(languages))
    misplaced = _misplaced_signs(sample, languages, has_accents=bool(accented))
    few = _ODD_SHARE * len(_FOREIGN.findall(sample))
    own = native - _SHARED_LETTERS
    telling = sum(not own.isdisjoint(word.lower()) for word in accented)
    if telling >= max(_ESTABLISHED_WORDS, _ESTABLISHED_SHARE * len(accented)):
        # The language's own letters tell the encoding: a foreign name here and there is then read rightly too.
        return strange + misplaced <= few
    guests = sum(not native.issuperset(_foreign(word.lower())) for word in accented)
    if guests > _GUEST_SHARE * len(accented) and "en" not in languages:
        return False
    letters = {letter for letter in _foreign("".join(characters).lower()) if letter.isalpha()} - set("ªº")
    return not strange and misplaced <= few and letters <= native | _SHARED_LETTERS | _GUEST_LETTERS


def _languages(words: list[str]) -> tuple[str, ...]:
    """Return the languages of Western Europe that words are evidently in, the main one first: more where they are mixed."""
    counts = function_words(words)
    best, most = max(counts.items(), key=lambda item: item[1], default=("", 0))
    if not best or most < _FUNCTION_WORD_SHARE * len(words):
        return ()
    if any(count == most for code, count in counts.items() if code not in _LETTERS):
        return ()
    distinct = FUNCTION_WORDS[best].intersection(words)
    # Words of two letters mean something in most languages: several are wanted, or a longer one.
    has_long_word = max(map(len, distinct)) >= _LONG_WORD or len(distinct) >= _MANY_WORDS
    if len(distinct) < _FEWEST_FUNCTION_WORDS.get(best, 2) or not has_long_word:
        return ()
    # A second language has words that are none of the first, as kin does not.
    others = function_words(word for word in words if word not in FUNCTION_WORDS[best])
    fewest = max(_SECOND_LANGUAGE_WORDS, _SECOND_LANGUAGE_SHARE * most, _RIVAL_SHARE * max(others.values(), default=0))
    return (best, *(code for code, count in others.items() if code in _LETTERS and count >= fewest))


def _misplaced_signs(sample: str, languages: tuple[str, ...], *, has_accents: bool) -> int:
    count = len(_MISPLACED.findall(sample))
    low, high = len(_LOW_QUOTE.findall(sample)), len(_HIGH_QUOTE.findall(sample))
    if not low:
        count += len(_HIGH_QUOTE_AFTER_WORD.findall(sample))
    if not has_accents:
        # Signs alone are weaker evidence: each must be right.
        count += max(low - high, 0) + (0 if "en" in languages else len(_DASH_IN_WORD.findall(sample)))
    return count


def _is_strange(word: str, letters: frozenset[str], languages: tuple[str, ...]) -> bool:
    """Return whether a word with accents is none of these languages: it has other letters, or hardly any plain ones."""
    lower = word.lower()
    if len(lower) == 1:
        return not any(lower in FUNCTION_WORDS[language] for language in languages)
    return bool(_NO_WORD.search(lower)) or not _foreign(_GUEST.sub("", lower)) <= letters


def _foreign(letters: str) -> set[str]:
    return {letter for letter in letters if not letter.isascii()}
