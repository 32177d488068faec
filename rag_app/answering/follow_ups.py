"""Whether a question needs the one before it to be understood, told from its words, in English and in Chinese.

In doubt a question stands by itself: a follow-up that is not seen is found badly, and its writer sees why; a new question
taken for a follow-up would be asked about something else. This module knows nothing of conversations or models.
"""

from __future__ import annotations

import re

from rag_app.text import CJK_CHARACTER, ENGLISH_STOP_WORDS, HAN

_WORD = re.compile(r"[A-Za-z0-9]+(?:[-_.'’/][A-Za-z0-9]+)*|[?!.;]")
_STOPS = "?!.;"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ASKING = _words("who whom whose what which when where why how")
_AUXILIARIES = _words(
    """
    is are was were am be do does did has have had can could will would shall should may might must isn't aren't wasn't weren't
    don't doesn't didn't can't couldn't won't
    """
)
_PREPOSITIONS = _words(
    """
    about above after against at before behind below besides beyond by during for from in into like near of off on over since
    than through to towards under until upon via with within without
    """
)
_DETERMINERS = _words("a an the my your our some any each every no which what whose many much")
# Words that ask for more of what was spoken of, and name nothing themselves.
_EMPTY = _words(
    """
    afterwards alternative alternatives apply approve ask cost costs day days deadline detail details difference either else
    exactly example examples exception exceptions explain far fifth first fourth give happen happened happens hour hours
    instead kind last let limit limits long longer mean means meant meanwhile minute minutes month months more need often ok
    okay one ones otherwise please price really reason say second see show since something soon still sure take taken takes
    tell then thing things third time times too us week weeks well works year years yes
    """
)
_CONNECTIVE = re.compile(
    r"(?:(?:ok(?:ay)?|and|but|or|so|also|plus|well|then)\b[,\s]+)*"
    r"(?:(?:what|how) about|what of|and|but|or|so|also|plus|then)\b[,\s]+",
    re.IGNORECASE,
)
_TRAILING = re.compile(r"\b(?:too|as well|instead|either|afterwards|otherwise|meanwhile|in the meantime|else|then)$")
_ORDINAL_ONE = re.compile(
    r"\b(?:first|second|third|fourth|fifth|last|other|another|same|old|new) ones?\b", re.IGNORECASE
)
_BEFORE_THAT = re.compile(r"\b(?:before|after|besides|beyond|since|like|for) (?:this|that)$")

_PERSONS = _words("who whose anyone anybody someone somebody everyone everybody nobody people person")
_OF_PERSONS = _words("he she him her his hers")
_OF_ANYTHING = _words("they them their theirs")
_OF_THINGS = _words("it its there")
_DEMONSTRATIVES = _words("this that these those")
# "this week", "at this office": said of what is around whoever asks.
_AROUND = _words(
    "week month year morning afternoon evening summer winter quarter company office site app document page handbook manual"
)
_CLAUSE = _words("who that which whose with of in at from")  # "those who", "those of"
_SUBJECTS = _words("i you we he she it they a an the my your our")  # "files that I send"
_TO_BE = _words("is are was were")
_TO_DO = _words("do does did")
_ADVERBS = _words("twice again too instead there now then already myself for from in at as with")  # "use one twice"

_ZH_CONNECTIVE = re.compile(
    r"(?:那[么麼]?(?![不曲达英霸个些样里儿边时天年位种次台多])|[还還]有(?![多几幾没沒什谁誰哪])|然[后後]|可是|不过|但是?(?!丁)|所以)[，,\s]*"
)
_ZH_ASKING = re.compile(
    r"什[么麼]|怎[么麼样樣]|如何|多少|多久|多长|多大|[几幾哪谁誰吗嗎]|[为為]何|是否|能不能|会不会|要不要|是不是|可不可以|有没有"
)
_ZH_REFERRING = re.compile(
    r"[它她]们?|(?<![其吉])他们?(?!国|乡|人)|前者|后者|上述|其(?![他它中实余次间])"
    r"|[这這那](?!么|麼|里|裡|儿|边|时|样|利|不勒斯|[一两几]?个?(?:周|星期|月|年|天|季度|学期))|(?:第[一二三四五]|最后一?)[个种项条](?=[是呢怎有要能]|$)"
)
# Words that ask, that stand between others, or that want an object: without others they do not say what is asked about.
_ZH_EMPTY = re.compile(
    r"什[么麼]|[时時]候|[为為]何|怎[么麼样樣]|样|有没有|可不可以|多[少久长長大]|[时時][间間]|[几幾][点天个次年位]?|哪[里儿个些天家位]?|是否|可以|需要|应该|必须"
    r"|没有|[之以][前后内]|最[多少长]|至少|大概|一般|如果|要是|的话|一直|还是|我们|你们|请问|^请(?!假)|具体|详细|例子|举例|解释|继续|再说|说说|一遍"
    r"|原因|区别|意思|申请|预订|审批|处理|办理|使用|取消|延长|续期|提交|购买|安装|更换|解决|领取|承担|设置|开通|下载|费用|价格|电话|联系"
    r"|例外|上限|限制|办法|方法|过期|截止|到期|提前"
    r"|[吗嗎呢吧啊么麼谁誰能会要该得是有没不了的地在从到对和与跟给把被让我你您也还都就才再又最很更个些個用做办辦找打花赔换买改问一天前后钱]"
)
_ZH_MOST_EMPTY = 1  # characters that may be left of a question that says nothing itself
_ZH_MOST_LEADING = 6  # characters of substance after "那": more of them name a subject
_HAN = re.compile(f"[{HAN}A-Za-z0-9]")
_OTHER_LETTER = re.compile(rf"[^\W\d_\u0000-\u024f{HAN}]")


def is_follow_up(question: str) -> bool:
    """Return whether a question cannot be understood without the one before it; one in another script is never said to be."""
    if _OTHER_LETTER.search(question):
        return False
    if CJK_CHARACTER.search(question):
        return _is_chinese_follow_up(question)
    return _is_english_follow_up(question)


def without_connective(question: str) -> str:
    """Return what a follow-up is about: "and for managers?" and "那经理呢？" without what joins them to what was said."""
    if CJK_CHARACTER.search(question):
        rest = _ZH_CONNECTIVE.sub("", question, count=1) if _ZH_CONNECTIVE.match(question) else question
        return re.sub(r"呢?[？?。！!\s]*$", "", rest)
    match = _CONNECTIVE.match(question)
    return question[match.end() if match else 0 :].rstrip("?!. ")


def content_words(text: str) -> list[str]:
    """Return the words of an English text that say what it is about, in lower case."""
    return [word for word in map(_lower, _WORD.findall(text)) if _is_content(word)]


def content_characters(text: str) -> str:
    """Return the characters of a Chinese text that say what it is about."""
    return "".join(_HAN.findall(_ZH_EMPTY.sub("", _ZH_REFERRING.sub("", text))))


def _is_english_follow_up(question: str) -> bool:
    connective = _CONNECTIVE.match(question)
    words = _WORD.findall(question[connective.end() :] if connective else question)
    while words and words[-1] in _STOPS:
        words.pop()
    lower = [_lower(word) for word in words]
    content = [word for word in lower if _is_content(word)]
    if not content:
        return True
    asks = lower[0] in _ASKING | _AUXILIARIES
    if connective and (not asks or len(content) < 2):
        return True
    if lower[0] in _PREPOSITIONS and len(lower) <= 6 and _ASKING.isdisjoint(lower) and _AUXILIARIES.isdisjoint(lower):
        return True
    text = " ".join(lower)
    if _BEFORE_THAT.search(text) or _ORDINAL_ONE.search(text) or (len(content) <= 2 and _TRAILING.search(text)):
        return True
    return any(_refers_back(words, lower, place) for place in range(len(lower)))


def _lower(word: str) -> str:
    return word.lower().replace("’", "'")


def _is_content(word: str) -> bool:
    known = word in ENGLISH_STOP_WORDS or word in _EMPTY or word in _AUXILIARIES or word in _ASKING
    return not (known or word in _PREPOSITIONS or word in _DETERMINERS or word in _OF_PERSONS or word in _STOPS)


def _refers_back(words: list[str], lower: list[str], place: int) -> bool:
    """Whether the word at a place refers to something, and nothing before it in the question can be meant."""
    word, before = lower[place], lower[:place]
    following = lower[place + 1] if place + 1 < len(lower) else ""
    if word in _DEMONSTRATIVES:
        return _points_back(before, word, following)
    if word == "one":
        refers = not following or following in _ADVERBS
    elif word in _OF_PERSONS or word in _OF_ANYTHING:
        refers = _PERSONS.isdisjoint(before)
    elif word == "there":
        refers = following not in _AUXILIARIES and not (before and before[-1] in _AUXILIARIES)
    elif word in _OF_THINGS:
        if not following and _asks_of_one_thing(before):
            return True
        refers = not _is_expletive(lower[place:])
    else:
        return False
    return refers and not _names_something(words[:place], before)


def _points_back(before: list[str], word: str, following: str) -> bool:
    """Whether this, that, these or those stands for something said: not "this week", not "the files that I send"."""
    if following in _AROUND or following in _CLAUSE or before[-2:] == ["one", "of"]:
        return False
    if any(stop in before for stop in _STOPS):
        return False  # what the sentence before it says is meant
    if not before or not following:
        return True
    if word == "that":  # elsewhere a clause begins
        return before[-1] in _AUXILIARIES | _PREPOSITIONS and following not in _SUBJECTS
    return not _is_content(before[-1])


def _names_something(words: list[str], lower: list[str]) -> bool:
    """Whether there is a name, a number, or a noun as far as its place tells: after an article, auxiliary or preposition."""
    for place, word in enumerate(lower):
        if word in _STOPS:
            return True
        if not _is_content(word):
            continue
        if any(character.isdigit() for character in word) or (place and words[place][0].isupper()):
            return True
        previous = lower[place - 1] if place else ""
        if previous in _DETERMINERS - {"what"} or previous in _PREPOSITIONS or (place and _is_content(previous)):
            return True
        if previous in _AUXILIARIES and place > 1 and (previous in _TO_DO or lower[place - 2] not in ("who", "what")):
            return True  # "can unlock" in "who can unlock it" is a verb
    return False


def _asks_of_one_thing(before: list[str]) -> bool:
    """Whether what comes before "it" at the end is like "what is the notice period during": it cannot be the period."""
    prepositions = [word for word in before if word in _PREPOSITIONS]
    return len(before) > 2 and before[1] in _TO_BE and prepositions == before[-1:]


def _is_expletive(rest: list[str]) -> bool:
    """Whether "it" stands for nothing: "how long does it take to repair a laptop", "is it true that"."""
    return rest[0] == "it" and any(word in ("to", "that", "if", "when", "for") for word in rest[2:5])


def _is_chinese_follow_up(question: str) -> bool:
    connective = _ZH_CONNECTIVE.match(question)
    rest = question[connective.end() :] if connective else question
    content = content_characters(rest)
    if len(content) <= _ZH_MOST_EMPTY or (connective and len(content) <= _ZH_MOST_LEADING):
        return True
    if rest.rstrip("？?。 ").endswith("呢") and not _ZH_ASKING.search(rest):
        return True
    reference = _ZH_REFERRING.search(rest)
    return reference is not None and len(content_characters(rest[: reference.start()])) <= _ZH_MOST_EMPTY
