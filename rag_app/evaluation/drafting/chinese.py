"""Chinese questions by rule: a number, a date, a place or a person is asked for where it stands, as Chinese does.

This module knows nothing of documents or knowledge bases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag_app.evaluation.drafting.values import Span, Wording
from rag_app.text import HAN

_NUMBER = r"(?:\d[\d,.]*|[二两三四五六七八九十]+)"
_TIME = (  # how long; not a year, an age, "the 98th year of the Republic"
    rf"(?<!国)(?!\d{{3,}}\s*年|四周){_NUMBER}\s*个?(?:工作日|自然日|分钟|小时|个月|星期|天|周|年|秒)"
    r"(?!\s*\d|以?来|以[后前]|[度代级半])"
)
_MEASURES = "字符|个|次|人|台|张|封|位|名|条|份|期|款|种|倍|公里|元|英镑|美元|欧元|万元|GB|MB|TB"
_ASKED = (  # what is asked for, and what stands in its place in the question
    (re.compile(r"(?<![\d国])(\d{4})\s?年(?!\s*\d|[代度级间])"), "哪一年"),
    (re.compile(rf"(?<!\d)({_TIME})(?=之?[内前后]|以[内前后])"), "多长时间"),
    (re.compile(rf"(?<!第)(?<![\d一])(每隔?)\s?({_TIME})"), r"\1多久"),
    (re.compile(rf"(?<![第每\d])({_TIME})(?=$|一次)"), "多久"),
    (re.compile(rf"(?<![第每\d])({_TIME})"), "多长时间"),
    (re.compile(r"(?<![\d:])(\d{1,2}:\d\d)(?![\d:])"), "几点"),
    (re.compile(r"((?:\d{4} ?年 ?)?\d{1,2} ?月 ?\d{1,2} ?日)"), "哪一天"),
    (re.compile(rf"(?<![第每\d])(?!两\s*个|[二两]\s*[名位人])({_NUMBER})\s*({_MEASURES})(?![\d月])"), r"多少\2"),
    (re.compile(r"(?:分机)\s?(\d{3,6})"), "哪个分机"),
    (re.compile(r"(?<=[到至])\s?([\w.-]+@[\w.-]+)"), "哪个邮箱"),
    (re.compile(r"(?<=[在到])\s?((?:\d+ ?号楼)[^，。；]{0,8}|[A-Z]?\d[\d.]* ?室)"), "哪里"),
    (re.compile(r"(?<=由)([^，。；]{2,10}?)(?=审批|负责|承担|签字|提供|批准|盖章)"), "谁"),
    (re.compile(r"(?<=需要)([^，。；自己]{2,8}?)(?=审批|同意|批准)"), "谁"),
)
_CONDITION = re.compile(
    r"(?:如果|若|要是)?((?!如果|若|要是)[^，。：；]{4,40}?)(?:的话|的)?，(?:就)?(请[^问].+|马上.+|立即.+|可以.+)"
)
_NO_CONDITION = re.compile(
    r"(?:先|再|然后|之后|接着|另外|下面|以下|为|请|不(?!小心)|或|把|换一|长按|点|选).*|.*(?:[内前后起日天年]|时间|们.*|也.*|一律.*|都.*|会.*|将.*)"
)
_STEP = re.compile(r"(?:或|另|而|并|以及|和|及|把|换一|长按|点|选|打开|登录|输入|再|然后|[之以]?[内前后])")
_OTHER_NUMBER = re.compile(
    r"(?<![第每满A-Za-z\d.,:-])(?:\d[\d,.]*|[二两三四五六七八九十]+(?=[个次天周月年人台元小分]))"
)
_RESULT = re.compile(r"(?![\d一二两三四五六七八九十])[^，]{0,8}(?:会|将|就|自动|可以|能)")
_STATES = re.compile(r"为|是|有|最[多长高低]|至少|不超过|不得|可以|能|要|需|增加|扣|补贴|每|共")
_CODE = re.compile(r"(?:[^，。：]{0,8}?)((?=[A-Z-]*\d)[A-Z]{1,5}-?\d{2,6})(?:：|表示|是指)([^：]{4,80}?)。?$")
_DEFINITION = re.compile(r"([^，。：、]{2,14}?)(?:就是|是指|是)([^，。？]{5,50})(?:，[^。]*)?。?$")
_NO_SUBJECT = re.compile(
    r".*(?:如果|^[以有正]|因为|更|均|即$|本|另|其|虽|一直|曾|已|当时|牠|被|由|在|于|名称|名字|之一|们|只有|可以|该|所以|因此|也|都|不|这|那|它|他|常见|只要|凡|不论|无论|[一-龥]时$|统一|先|还|就|但|而|以前|现在).*"
)
_LOOSE = re.compile(
    r"这|那[个些种样里]|[它他她](?:们)?|上述|以上|以下|如下|上面|下面|其(?!他|它|余|实)|该(?!怎|如何)|此(?!外)|牠|之一|本[届次]|去年|今年|当时|本(?:办法|文件|手册|制度)|咱们"
)
_HEADING_NUMBER = re.compile(
    r"^(?:第?[一二三四五六七八九十\d]+[章节]?[、.．]\s*|[（(][一二三四五六七八九十\d]+[)）]\s*)"
)
_ASKS = re.compile(r"怎|如何|多[快久少]|什么|谁|哪|何时")
_HAN = re.compile(f"[{HAN}]")
_LONGEST = 60
_LONGEST_AFTER = 25
_ENOUGH = 6  # Chinese characters, without the answer, that a clause must have to be asked about alone


def chinese_wordings(span: Span) -> Iterator[Wording]:
    """Yield the questions that the rules make of a span, those that are most certain first."""
    if span.is_section:
        heading = _HEADING_NUMBER.sub("", span.headings[-1]).rstrip("？?")
        if _ASKS.search(heading) and len(_HAN.findall(heading)) >= 4:
            yield from _checked(f"{heading}？", span.text)
        return
    text = span.text
    if match := _CODE.match(text):
        yield from _checked(f"{match[1]} 是什么意思？", match[2], f"What does {match[1]} mean?")
    if (match := _CONDITION.match(text)) and not _LOOSE.search(match[1]) and not _NO_CONDITION.fullmatch(match[1]):
        yield from _checked(f"{match[1]}，怎么办？", match[2])
    yield from _in_place(text)
    if (match := _DEFINITION.match(text)) and not _NO_SUBJECT.match(match[1]) and "的" not in match[2][-1:]:
        yield from _checked(f"{match[1]}是什么？", match[2])


def _checked(question: str, answer: str, crossed: str = "") -> Iterator[Wording]:
    question = re.sub("[您你]", "我", question).replace("我们", "你们")
    if (
        question.count("：") > 1
        or _LOOSE.search(question)
        or len(question) > _LONGEST
        or re.search(r"https?:|[|<>{}“”]", question)
    ):
        return
    yield Wording(question, answer.strip(" ，。；"), crossed)


def _in_place(text: str) -> Iterator[Wording]:
    """Yield the clauses that hold a value, with what asks for it in its place."""
    for sentence in re.split(r"[。；！]", text):
        clauses = sentence.split("，")
        for number, clause in enumerate(clauses):
            found = _value(clause)
            if found is None:
                continue
            match, asking = found
            asked = clause[: match.start()].rstrip() + match.expand(asking) + clause[match.end() :].lstrip()
            before = _needed(clauses[:number], _without(clause, match))
            after = _following(clause, match.end(), clauses[number + 1 :])
            if before is not None and after is not None:
                yield from _checked(f"{before}{asked.rstrip('：: ')}{after}？", match[0])


def _value(clause: str) -> tuple[re.Match[str], str] | None:
    """Return the value of a clause and what asks for it; None where there is none, or another that would fit too."""
    for pattern, asking in _ASKED:
        if match := pattern.search(clause):
            before = clause[: match.start()]
            is_aside = (
                len(re.findall("[（(]", before)) > len(re.findall("[)）]", before)) or "：" in clause[match.end() :]
            )
            is_listed = re.search(r"[A-Z]\d*-?\d+：|[前头第]$", before.strip())
            is_one_of_several = _OTHER_NUMBER.search(_without(clause, match))
            return None if is_aside or is_listed or is_one_of_several else (match, asking)
    return None


def _without(clause: str, match: re.Match[str]) -> str:
    return f"{clause[: match.start()]}。{clause[match.end() :]}"


def _needed(before: list[str], rest: str) -> str | None:
    """Return the clause before that a question needs to be understood; None where that is not enough either."""
    rest = rest.strip("。 ")
    if _STEP.match(rest):
        return None
    depends = re.match(
        r"时|[就都也还会并且但而需可须才是由向于从与被有]|最[长多晚早少高低]|超过|不[得能超]|请|必须|应|逾期|到期", rest
    )
    if len(_HAN.findall(rest)) >= _ENOUGH and not depends:
        return ""
    if before and len(_HAN.findall(before[-1])) >= 3 and "：" not in rest and not _OTHER_NUMBER.search(before[-1]):
        return f"{before[-1].removeprefix('如果')}，"
    return None


def _following(clause: str, end: int, after: list[str]) -> str | None:
    """Return the clause after, where the one with the value only says when or on what condition; None if it is too long."""
    says_when = (
        re.fullmatch(r"\s*(?:之?[内前后]|以[内前后])|.*(?:[中上下时后前间里起内]|开始)", clause[end:])
        or not clause[end:].strip()
    )
    is_condition = not _STATES.search(clause) and after and _RESULT.match(after[0])
    is_adverbial = says_when and (clause[end:].strip() or clause.startswith(("在", "自", "从", "截至", "到")))
    if not (is_adverbial or is_condition):
        return ""
    return f"，{after[0]}" if after and len(after[0]) <= _LONGEST_AFTER else None
