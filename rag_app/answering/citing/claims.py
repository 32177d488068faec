"""What a sentence of an answer claims: its words without what is said about the passages; whether it says no, or nothing.

English and Chinese are read; a sentence in another language is a claim as it stands.
This module knows nothing of passages: what a claim rests on is found in `support.py`.
"""

from __future__ import annotations

import re
from itertools import chain

from rag_app.text import search_tokens

# The number of a list item is not a number that a passage must hold.
_LIST_MARK = re.compile(r"^(?:[-*+•>]|#{1,6}|\d{1,3}[.)、])\s+|^\d{1,3}、")
_SOURCE = (
    r"(?:the )?(?:given |provided |above |following )?"
    r"(?:passages?|text|contexts?|documents?|sources?|information)(?: (?:provided|given|above|\d{1,3}))*"
)
_HAN_NUMBER = r"第?\s?\d{1,3}\s?号?"
_HAN_GIVEN = "(?:所|上述|以上|给出|提供|给定|下列|这些|该|的)"
_HAN_ONE_SOURCE = (
    rf"(?:{_HAN_GIVEN}*(?:{_HAN_NUMBER})?(?:段落|文档|资料|内容|信息|文章|上下文|原文|文中)(?:\s?{_HAN_NUMBER})?"
    r"|第\s?\d{1,3}\s?段)"
)
_HAN_SOURCE = rf"(?:{_HAN_ONE_SOURCE}(?:\s?[、和与及]\s?(?:{_HAN_ONE_SOURCE}|{_HAN_NUMBER}))*)"
# "According to the passage, ..." tells of the answer, not of its subject.
_ATTRIBUTION = re.compile(
    rf"^(?:(?:according to|based on|as (?:stated|mentioned|described) in|from|in) {_SOURCE},? "
    rf"|{_SOURCE} (?:says?|states?|mentions?|explains?|indicates?|tells? us) that "
    rf"|(?:根据|依据|按照|基于){_HAN_SOURCE}[中里]?(?:可知|可以看出)?[，,：:]\s*"
    rf"|{_HAN_SOURCE}(?:提到|指出|说明|表示)[，,：:了]?\s*)",
    re.IGNORECASE,
)
# "The answer is: 30 minutes." claims what follows.
_ANSWER_IS = re.compile(
    r"^(?:(?:the |my |short |final )*answer(?: to (?:the|your) question)?(?: is\b|:)|答案(?:是|为|：|:))[\s:：,，]*",
    re.IGNORECASE,
)
_YES_OR_NO = re.compile(r"^(?:yes|no|是的?|不是|不|对|可以|不可以|没有)(?:[,，.。!！:：;；]+\s*|$)", re.IGNORECASE)
# Nothing was found, or nothing is said: there is nothing to cite. Each of these names the passages, or is the whole sentence:
# "No answer is required." and "Documents are not returned." are claims. What goes on after `but` may be one.
_PASSAGES = (
    r"(?:(?:(?:the|these|this) )?(?:given |provided |above |following )*(?:passages?|texts?|contexts?)"
    r"|(?:(?:the|these|this) )(?:given |provided |above |following )*(?:documents?|sources?|information)"
    r"|(?:given|provided) (?:documents?|sources?|information))(?: (?:provided|given|above|(?:and )?\d{1,3}))*"
)
_IN_PASSAGES = rf"(?: (?:in|by|from|within|with|using|based (?:only |solely )?on) {_PASSAGES})?\W*$"
_INFORMATION = (
    r"(?:(?:explicit|specific|relevant|direct|clear|further|such) )*(?:information|mention|answers?|details?|data)"
)
_ABOUT = r" (?:about|regarding|concerning|on|of|as to|to (?:this|the|that|your) question)\b"
_STATED = r"(?:mentioned|stated|specified|provided|answered|found|given)"
_IS_STATED = rf" (?:is|are|was|were|can be|could be) (?:available|{_STATED})"
_HOW = r"(?: (?:in|by|at|on|to|for|from|with|of))? (?:how|what|when|where|which|who|whom|whose|why|whether|if)\b"
_NOTHING_FOUND = re.compile(
    rf"^(?:(?:based on|according to|from|in) {_PASSAGES},? )?(?:(?:i am |i['’]m )?sorry,? (?:but )?)?"
    r"(?!.*(?:\bbut\b|\bhowever\b|;))"
    rf"(?:{_PASSAGES} (?:do|does|did)(?: not|n['’]t) (?:\w+ly )?(?:say|state|mention|contain|provide|answer|specify|include|"
    r"describe|discuss|give|tell|address|explain|have(?! to\b))\b"
    rf"|{_PASSAGES} (?:contains?|provides?|gives?|has|have|makes?) no {_INFORMATION}\b"
    rf"|{_PASSAGES} (?:is|are)(?: not|n['’]t) (?:about|relevant|related|clear|specific|sufficient|enough)\b"
    rf"|there (?:is|are) no {_INFORMATION}(?:{_ABOUT}|(?: (?:available|{_STATED}))?{_IN_PASSAGES})"
    rf"|no {_INFORMATION}(?:{_ABOUT}.{{1,200}}?)?(?:{_IS_STATED})?{_IN_PASSAGES}"
    rf"|(?:this|that|it|the answer|the question|(?:this|the) information) (?:is|was|can|could)(?: ?not| ?n['’]t) (?:be )?"
    rf"(?:(?:(?:explicitly|directly|clearly|specifically) )?{_STATED}(?:{_HOW}|{_IN_PASSAGES})|in {_PASSAGES}\W*$)"
    r"|i (?:do not|don['’]t|cannot|can['’]t|could not|couldn['’]t) (?:know|answer|find|tell|say|determine)\b)",
    re.IGNORECASE | re.DOTALL,
)
_HAN_PASSAGES = (
    rf"(?:{_HAN_GIVEN}*(?:{_HAN_NUMBER})?(?:段落|上下文|原文|文中)|{_HAN_GIVEN}+(?:文档|资料|内容|信息|文章)|第\s?\d{{1,3}}\s?段"
    rf"|(?:文档|资料|内容|信息|文章)(?=[中里]|\s?{_HAN_NUMBER}))(?:\s?{_HAN_NUMBER})?[中里]?"
)
_HAN_UNSAID = "[没未无](?:有|能|明确|直接|具体)*(?:提到|提及|说|回答|包含|提供|给出|找到|相关|涉及|明确|关于|有关)"
_HAN_UNKNOWN = "(?:无法|不能)(?:回答|确定|判断|得知)"
_HAN_REST = "(?!的)(?!.*的[，,])"  # "未提及的费用" and "未说明用途的，" are of a rule
_HAN_NOTHING_FOUND = re.compile(
    r"^(?!.*(?:但|不过|然而|；))(?:抱歉|对不起|很抱歉)?[，,]?"
    rf"(?:{_HAN_PASSAGES}(?:[、和与及]{_HAN_PASSAGES})*(?:都|均|并)*{_HAN_UNSAID}{_HAN_REST}"
    rf"|(?:根据|依据|按照|基于|从){_HAN_SOURCE}[中里]?[，,]?(?:我们?)?(?:{_HAN_UNKNOWN}|{_HAN_UNSAID}){_HAN_REST}"
    rf"|我们?(?:{_HAN_UNKNOWN}|不知道){_HAN_REST}"
    rf"|(?:我们?)?(?:无法|不能)(?:根据|依据|从){_HAN_SOURCE}[中里]?(?:来|中)?(?:回答|确定|判断|得知){_HAN_REST}"
    rf"|(?:没有|未)(?:提到|提及){_HAN_REST}[^，,]*$"
    rf"|{_HAN_UNKNOWN}(?:这个|该|此|您的|你的|上述)*(?:问题|答案)?\W*$|不知道(?:答案)?\W*$"
    r"|(?:没有|未)(?:找到|提供|给出|有)?(?:任何|明确|直接|具体|足够)*(?:(?:关于|有关|与|和)[^，,]{1,40}?)?(?:的|相关)*"
    r"(?:信息|内容|答案|说明|资料|段落)\W*$)",
    re.DOTALL,
)
_COURTESY = re.compile(
    r"^(?:i hope (?:this|that|it) helps\b.*|(?:please )?let me know\b.*|feel free to ask\b.*|(?:sure|certainly|of course|"
    r"thanks?(?: you)?|hello|hi|you['’]re welcome|great question)\b[^a-z]*|here (?:is|are) (?:the |your |an? )?(?:short |"
    r"brief )?(?:answers?|steps|summary|details|list)\W*|希望.{0,8}有(?:所)?帮助.*|如有.{0,8}(?:疑问|问题).*|好的?|谢谢.*|"
    r"(?:以下是|答案是?|回答)(?:答案|步骤)?)[.!:。！：\s]*$",
    re.IGNORECASE,
)
# What leads up to a list claims nothing itself, nor does a heading.
_LEAD_IN = re.compile(r"^(?:#{1,6}\s.*|\D*[:：])$", re.DOTALL)
_NEGATION = re.compile(
    r"\bnot\b(?! (?:only|just|merely)\b)|n['’]t\b|\bno\b(?!\.? ?\d)(?! (?:more|less|fewer|later|earlier|sooner|longer) than\b)"
    r"|\b(?:never|none|nobody|nothing|neither|nor|without|cannot|prohibit\w*|forbid\w*|banned)\b"
    r"|(?<!是)不(?![仅但同断过久管论])(?!少于|多于|超过|得不|得已)|没(?!收)|(?<![毫从])无(?![论线数])|非(?![常洲])|未(?!来)|勿|禁止?",
    re.IGNORECASE,
)
_SENTENCE_PART = re.compile(r"[.;!?]\s|[;。！？；\n]")
_CLAUSE_PART = re.compile(
    r",\s|[，、：()（）—]|:\s|\b(?:but|while|although|though|because|if|unless|until|when|which|who|whereas|except)\b"
    r"|但是?|而是?|如果|因为|所以|除非",
    re.IGNORECASE,
)
_STATEMENT_PART = re.compile(r"[,;]?\s(?:and|but|while|whereas)\s|;\s|[，；]|并且|而且", re.IGNORECASE)
_LOOKED_AT_AFTER = 40  # characters after a negation: its verb stands there


def claim_of(sentence: str) -> str:
    """Return the sentence without its list mark, its attribution to the passages, "the answer is", its leading yes or no."""
    text = _LIST_MARK.sub("", sentence.strip())
    text = _ATTRIBUTION.sub("", text, count=1)
    text = _ANSWER_IS.sub("", text, count=1)
    return _YES_OR_NO.sub("", text, count=1).strip()


def is_courtesy(sentence: str) -> bool:
    """Whether a sentence claims nothing that a passage could show: nothing was found, a courtesy, or signs without words."""
    if _LEAD_IN.match(sentence.strip()):
        return True
    text = _LIST_MARK.sub("", sentence.strip())
    if not search_tokens(text) and not _YES_OR_NO.match(text):
        return not any(character.isalnum() for character in text)
    return says_nothing_is_there(text) or bool(_COURTESY.match(text))


def says_nothing_is_there(sentence: str) -> bool:
    """Whether a sentence says that the passages do not answer the question, and nothing else."""
    text = _LIST_MARK.sub("", sentence.strip())
    return any(pattern.match(text) for pattern in (_NOTHING_FOUND, _HAN_NOTHING_FOUND))


def is_yes_or_no(sentence: str) -> bool:
    """Whether a sentence says yes or no and nothing else: what it affirms stands in the one that follows."""
    text = _LIST_MARK.sub("", sentence.strip())
    return bool(text) and not claim_of(text) and bool(_YES_OR_NO.match(text))


def contradicts(claim: str, span: str) -> bool:
    """Whether one says not where the other, of the same words, does not.

    Told clause by clause, from words of negation: that `admitted` is the contrary of `refused` is not seen.
    """
    parts = [part for part in map(_Sentence, _cut(_SENTENCE_PART, span)) if part.words]
    return any(
        _is_denied(clause, parts)
        for sentence in _cut(_SENTENCE_PART, claim)
        for clause in map(_Clause, _cut(_CLAUSE_PART, sentence))
        if clause.words
    )


def statements_of(claim: str) -> list[str]:
    """Return the parts of a compound sentence that could each be a statement of its own."""
    return [part.strip() for part in _STATEMENT_PART.split(claim) if len(search_tokens(part)) > 1]


class _Clause:
    """A part of a sentence: its words, whether it is negated, and the first word after each negation."""

    def __init__(self, text: str) -> None:
        self.words = frozenset(search_tokens(_NEGATION.sub(" ", text)))
        found = list(_NEGATION.finditer(text))
        self.is_negated = bool(found)
        self.denied = frozenset(
            chain.from_iterable(_first_word(text[one.end() : one.end() + _LOOKED_AT_AFTER]) for one in found)
        )


class _Sentence:
    """A sentence of a source, in clauses."""

    def __init__(self, text: str) -> None:
        self.clauses = [
            clause for clause in map(_Clause, _cut(_CLAUSE_PART, text)) if clause.words or clause.is_negated
        ]
        self.words = frozenset(chain.from_iterable(clause.words for clause in self.clauses))
        self.is_negated = any(clause.is_negated for clause in self.clauses)


def _is_denied(clause: _Clause, sentences: list[_Sentence]) -> bool:
    shared = [(len(clause.words & part.words), part) for sentence in sentences for part in sentence.clauses]
    most = max((count for count, _ in shared), default=0)
    if most == 0:
        return False
    best = [part for count, part in shared if count == most]
    if clause.is_negated:
        return not any(part.is_negated for part in best)
    if all(part.is_negated for part in best) and 2 * most >= len(clause.words):
        return True
    affirmed = frozenset(
        chain.from_iterable(part.words for sentence in sentences for part in sentence.clauses if not part.is_negated)
    )
    denied = frozenset(chain.from_iterable(part.denied for sentence in sentences for part in sentence.clauses))
    return bool((clause.words & denied) - affirmed)


def _first_word(text: str) -> list[str]:
    """Return the first word with a meaning, its tokens; of Chinese the first two characters."""
    for word in text.split():
        tokens = search_tokens(word)
        if tokens:
            return [token for token in tokens if len(token) > 1][:1] or tokens[:1]
    return []


def _cut(pattern: re.Pattern[str], text: str) -> list[str]:
    return [part for part in pattern.split(text) if part and part.strip()]
