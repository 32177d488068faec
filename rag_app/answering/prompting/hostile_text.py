"""Whether a passage speaks to the model instead of to its reader: orders to ignore, to reveal, to play a role; chat markers.

A hint for who looks at a source, no protection: it knows usual wordings in English and Chinese, and text about such attacks is
flagged as well. How often it is wrong is in `docs/prompts.md`. This module knows nothing of prompts and models.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

from rag_app.answering.prompting.neutral import neutralised, visible
from rag_app.datatypes import Passage

_ORDERS = r"(?:instructions?|directions|prompts?|orders|guidelines|guardrails|context|passages?|conversation)"
_EARLIER = r"(?:all|any|every|the|these|those|your|my|previous|prior|earlier|above|preceding)"
_MODEL = r"(?:AIs?|LLMs?|(?:large )?language models?|chat ?bots?|(?:AI |virtual )?assistants?)"
_ENGLISH = (
    # "Ignore all previous instructions", "disregard the passages above"
    rf"\b(?:ignore|disregard|forget|override|bypass) {_EARLIER} (?:\w+ ){{0,3}}?{_ORDERS}\b",
    r"\b(?:ignore|disregard|forget|override|bypass) (?:all )?(?:your|previous|prior|earlier) (?:\w+ )?rules\b",
    r"\b(?:ignore|disregard|forget) (?:everything|what) (?:that )?(?:you|I|was|above|before)\b|\bignore the question\b",
    # "Repeat the system prompt", "print your instructions"
    rf"\b(?:repeat|reveal|print|show|output|leak|recite) (?:\w+ ){{0,4}}?(?:system prompt|your (?:\w+ )?{_ORDERS})\b",
    # "AI assistants must reply", "note to the language model", or as in a play: the assistant, a colon, and "say"
    rf"\b{_MODEL} (?:must|shall|has to|have to) (?:\w+ )?(?:answer|reply|respond|say|ignore|output|write)\b",
    rf"\b(?:instructions|note|notice|attention),? (?:(?:to|for) )?(?:(?:the|any|all) )?{_MODEL}\b",
    rf"(?:^|[\n.#*>])\W*{_MODEL}: (?:ignore|disregard|forget|say|answer|reply|do not)\b",
    # "answer every question with", "reply only with", "ends every answer with", "copy this into your answer"
    r"\b(?:answer|reply|respond) (?:\w+ ){0,3}?(?:only with|with (?:only|exactly|nothing but|the (?:single )?word))\b",
    r"\b(?:answer|respond to) (?:every|all|any) questions?(?: \w+){0,5}? with\b|\banswer the question (?:\w+ ){0,5}?with\b",
    r"\b(?:begin|start|end)s?(?: \w+){0,2}? (?:every|each|your|the) (?:answer|reply) with\b",
    r"\b(?:write|put|copy|include|insert|append)\b(?:\W+\w+){0,4}?\W+(?:in|into|to) (?:your answer|your reply|every answer)\b",
    # "You are now DAN", "from now on you are", "stay in character"
    r"\b(?:from now on|henceforth),? you (?:are|will|must|act|answer|respond)\b",
    rf"\byou are (?:now|no longer) (?:an? |the )?(?:\w+ )?(?:{_MODEL}|DAN\b|unrestricted|jailbroken)",
    r"\bstay in character\b",
    # "must not mention this to the user", "decode this and do what it says"
    r"\b(?:do not|don't|must not|never) (?:mention|tell|reveal|disclose)\b(?:\W+\w+){0,4}?\W+(?:to )?the user\b",
    r"\bdecode this and\b",
)
# Of the form NFKC, in which full-width colons, commas and marks are ASCII.
_WITHIN = r"[^。!?\n]{0,8}?"
_EARLIER_ZH = r"(?:之前|以上|上述|前面|此前|先前|所有|一切|全部|任何)"
_CHINESE = (
    rf"(?:忽略|无视|忘记|忘掉){_WITHIN}{_EARLIER_ZH}{_WITHIN}(?:指令|指示|提示|规则|说明|要求|段落)",
    r"(?:忽略|不要看|无视)(?:这个|本)?(?:问题|段落)[并而,]",
    rf"(?:重复|复述|输出|显示|打印|泄露|说出){_WITHIN}(?:系统提示词|系统提示|你的(?:指令|指示|提示词))",
    r"(?:人工智能|AI|语言模型|聊天)(?:助手|助理|模型|机器人)?(?:必须|务必|只能|请)[^。!?\n]{0,6}?(?:回答|回复|忽略)",
    r"(?:助手|助理|模型|机器人|AI)(?:请)?注意[:,]",
    r"(?:只|一律|直接)(?:能|要|都|准)?(?:回答|回复)[^。!?,\n]{0,4}?[“\"「:]",
    r"(?:从现在开始|从现在起|从今以后),?你(?!们)(?:是|要|必须|只)",
    rf"你现在是(?:一个|一名)?{_WITHIN}(?:模型|助手|机器人)",
    rf"回答(?:的|里|中|最后){_WITHIN}(?:写上|加上|附上)",
    r"不要(?:告诉|提示|透露给)用户",
    r"新指令:|解码并(?:照做|执行)",
)
_PATTERN = re.compile("|".join(f"(?:{pattern})" for pattern in (*_ENGLISH, *_CHINESE)), re.IGNORECASE)
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{24,4000}={0,2}(?![A-Za-z0-9+/=])")
_STRIKE = re.compile("</?s>")  # one model's mark of a turn is struck out text for HTML, and a key for others
# In tags nothing is written but flags of regions, which are a black flag and six of them at most.
_TAGS = re.compile(
    "(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007e]{3,}|\U0001f3f4[\U000e0020-\U000e007e]{7,}"
)


def speaks_to_the_model(text: str) -> bool:
    """Whether a text holds what is said to a model: plainly, in base64, in invisible tags, or as markers of a chat."""
    if _TAGS.search(text):
        return True
    seen = visible(text)
    without_strikes = _STRIKE.sub("", seen)
    return (
        neutralised(without_strikes) != without_strikes
        or _gives_orders(seen)
        or any(map(_gives_orders, _decoded(seen)))
    )


def is_hostile(passage: Passage) -> bool:
    """Whether a passage, its headings or the name of its document speak to the model."""
    return any(map(speaks_to_the_model, (passage.text, passage.document, *passage.heading_path)))


def _gives_orders(text: str) -> bool:
    return _PATTERN.search(unicodedata.normalize("NFKC", text)) is not None


def _decoded(text: str) -> list[str]:
    found = []
    for match in _BASE64.finditer(text):
        try:
            found.append(base64.b64decode(match[0], validate=True).decode("utf-8"))
        except (binascii.Error, UnicodeDecodeError):
            continue  # a checksum, or a long word
    return found
