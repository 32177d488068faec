"""Questions about a row of a table: the value of one column, asked for by what names the row.

This module knows nothing of documents or knowledge bases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag_app.evaluation.drafting.values import Span, Wording

_LONGEST_VALUE = 160
_CURRENCIES = ("gbp", "usd", "eur", "cny", "jpy", "chf", "inr")
_COUNTED = re.compile(r"(?:(.+) )?(months|days|years|hours|minutes|weeks)", re.IGNORECASE)
# Columns that are named after what they hold: "the price of", not "the after 3 years of".
_THING = re.compile(
    r"(?!(?:its|their|with|without)\b|.*\b(?:to|by|per|in)\b)(?:[\w-]+ ){0,2}"
    r"(?:address|approver|area|author|capacity|category|city|code|colou?r|contact|cost|country|date|deadline|"
    r"department|default|dimension|duration|e-?mail|extension|fee|format|height|item|language|length|licen[cs]e|limit|location|"
    r"manager|manufacturer|material|model|name|number|owner|period|phone|population|price|purpose|rate|release|room|salary|"
    r"size|speed|status|stock|supplier|telephone|time|type|unit|use|value|version|warranty|weight|width|year)",
    re.IGNORECASE,
)
_THING_ZH = re.compile(
    r".{0,6}(?:价格?|费|金额|版本|用途|方式|人|时限|年限|期限?|型号|名称|类别|类型|日期|时间|地址|地点|电话|分机|邮箱|面积|人口|重量|"
    r"尺寸|容量|状态|单位|房间|部门|作者|城市|国家|数量|颜色|材质|厂商|供应商|许可证)"
)
_KEY = re.compile(r"[^\s,:;()，：；（）]+(?: [^\s,:;()，：；（）]+){0,4}")
_NOTHING = re.compile(r"[-–—/\s]*|n/?a|none|无", re.IGNORECASE)
_IDENTIFIER = re.compile(r"(?=.*\d)(?=.*[A-Z])[\w.+-]+")
_UNIT_ZH = re.compile(r"[（(](元|英镑|美元|欧元|%|天|月|年|小时|分钟)[）)]")
_WORDS = {  # columns that many tables have, by their name in either language
    "price": "价格", "version": "版本", "category": "类别", "date": "日期", "author": "作者",
    "status": "状态", "owner": "负责人", "licence": "许可证", "license": "许可证", "address": "地址", "phone": "电话",
    "size": "大小", "weight": "重量", "colour": "颜色", "color": "颜色", "annual fee": "年费", "use": "用途",
    "approver": "审批人", "name": "名称", "item": "名称", "code": "代码", "standard model": "标准型号",
}  # fmt: skip
_PERSONS = ("approver", "author", "owner")
_ENGLISH = {chinese: english for english, chinese in reversed(_WORDS.items())}


def record_wordings(span: Span) -> Iterator[Wording]:
    """Yield the questions about a row, those of its first columns first."""
    (_, key), *others = span.fields
    if not _KEY.fullmatch(key) or len(key) > 60 or key.isdigit():
        return
    ask = _ask_chinese if span.language == "zh" else _ask_english
    for name, value in others:
        if value and len(value) <= _LONGEST_VALUE and not _NOTHING.fullmatch(value) and value != key:
            question = ask(name, key, value)
            if question:
                yield Wording(question, value, _crossed(name, key, span.language))


def _ask_english(name: str, key: str, value: str) -> str:
    name = " ".join(name.replace("_", " ").split())
    lower = name[0].lower() + name[1:] if name[1:2].islower() else name
    *rest, last = lower.split()
    if last.lower() in _CURRENCIES and rest:
        return f"What is the {' '.join(rest)} of {key} in {last.upper()}?"
    counted = _COUNTED.fullmatch(lower)
    if counted:
        of_what = f" of {counted[1]}" if counted[1] else ""
        return f"How many {counted[2]}{of_what} does {key} have?" if value.isdigit() else ""
    if re.fullmatch(r"what (?:it|this) means|meaning|description", lower):
        return f"What does {key} mean?" if " " not in key else ""
    if re.fullmatch(r"what to do|action|remedy|fix|solution", lower):
        return f"What should I do about {key}?"
    if not _THING.fullmatch(lower):
        return ""
    return f"What is the {lower} of {key}?" if _IDENTIFIER.fullmatch(key) else f"What is the {lower} for {key}?"


def _ask_chinese(name: str, key: str, value: str) -> str:
    unit = _UNIT_ZH.search(name)
    plain = _UNIT_ZH.sub("", name).strip()
    if not _THING_ZH.fullmatch(plain):
        return ""
    space = " " if key[-1].isascii() else ""
    if unit:
        return f"{key}{space}的{plain}是多少{unit[1]}？"
    if plain.endswith("人"):
        return "" if "无" in value else f"{key}{space}的{plain}是谁？"
    if re.match(r"\d", value):
        return f"{key}{space}的{plain}是多少？"
    return f"{key}{space}的{plain}是什么？"


def _crossed(name: str, key: str, language: str) -> str:
    """Return the question in the other language, where the row has a code for a name and the column is one that is known."""
    if not _IDENTIFIER.fullmatch(key):
        return ""
    if language == "zh":
        word = _ENGLISH.get(_UNIT_ZH.sub("", name).strip())
        asking = "Who" if word in _PERSONS else "What"
        return f"{asking} is the {word} of {key}?" if word else ""
    plain = name.replace("_", " ").lower().strip()
    if plain in ("what it means", "what this means", "meaning"):
        return f"{key} 是什么意思？"
    if plain == "what to do":
        return f"出现 {key} 该怎么办？"
    *rest, last = plain.split()
    currency = {"gbp": "英镑", "cny": "元", "usd": "美元", "eur": "欧元"}.get(last)
    if currency and " ".join(rest) == "price":
        return f"{key} 的价格是多少{currency}？"
    word = _WORDS.get(plain)
    return f"{key} 的{word}是什么？" if word else ""
