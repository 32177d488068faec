"""A follow-up becomes a question that stands by itself: by the generator where it is able to, its words checked; else by rule.

By rule the question before is said again in front of it, or with the one thing changed that the follow-up changes. Either is
shown to whoever asked. This module knows nothing of retrieval.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms import LLM

from rag_app.answering.follow_ups import content_characters, content_words, is_follow_up, without_connective
from rag_app.answering.prompting.neutral import neutralised, visible
from rag_app.answering.prompting.prompt_files import load_prompt
from rag_app.answering.writer_by_language import is_made_for
from rag_app.answering.writers import WAITING, Waiting
from rag_app.errors import GeneratorBusy, ModelError, ModelNotAvailable
from rag_app.language import UNDETERMINED, language_of
from rag_app.text import CJK_CHARACTER, HAN, search_tokens, sentence_spans

_TURN_CHARACTERS = 300  # of a question, and of an answer, that the generator is shown
_STANDALONE_CHARACTERS = 300  # what it writes, and of several questions what a rule puts before a follow-up
_KNOWN_SHARE = 2 / 3  # of what a rephrased question is about stands in the conversation
_ITEM_WORDS = 5  # of one item of a list in an answer; what is longer is a clause

_TURN = {"en": "Question: {question}\nAnswer: {answer}", "zh": "问：{question}\n答：{answer}"}
_MARK = {"en": "?", "zh": "？"}
_ANSWER_MARKER = re.compile(r"\s*\[\d+\]")
_QUOTES = "\"'“”‘’「」 "
_WORD = re.compile(r"[A-Za-z0-9][\w.'’/-]*")
_LIST_SIGN = re.compile(r"\s*(?:,\s*(?:and|or)\s|,|\band\b|\bor\b|、|，|；|;|以及|[和与或])\s*")
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}
_ZH_ORDINALS = {"第一": 0, "第二": 1, "第三": 2, "第四": 3, "第五": 4, "最后": -1}
_ORDINAL = re.compile(rf"\bthe ({'|'.join(_ORDINALS)}) one\b|({'|'.join(_ZH_ORDINALS)})一?[个种项条]", re.IGNORECASE)
_ANNOUNCES = re.compile(r"：|:\s")  # a list; the colon of 9:30 does not
# A whole number, and what beside it would make it a part of another: 1,000 and 9:30 are one each.
_NUMBER = r"\d++(?:[.,:]\d++)*+"
_BESIDE = r"[.,:/\s–-]"
_PLACED = re.compile(r"(in|at|for|from|on|with|as) (\w[\w'’-]*(?: \w[\w'’-]*){0,2})")


@dataclass(frozen=True)
class Exchange:
    """A question, what it was understood to ask, and its answer."""

    question: str
    standalone: str
    answer: str


@dataclass(frozen=True)
class Standalone:
    """A question that stands by itself, and by what it was made; empty where it is the question itself.

    `failure` is why the generator cannot be had, where that was waited for: it need not be asked for the answer, too.
    """

    question: str
    by: Literal["", "generator", "rule"] = ""
    failure: ModelError | None = None


def standalone_question(
    question: str, history: Sequence[Exchange], llm: LLM | None
) -> Generator[Waiting, None, Standalone]:
    """Return what a question asks, understood by what was said before it; the question itself where it stands by itself.

    While a generator rephrases it, `Waiting` is yielded; the first comes before it is asked, and closing stops it.

    Args:
        question: checked already.
        history: the exchanges before it that it may be understood by, the last of them last.
        llm: rephrases it, unless its `is_small` says that it is not able to, or it was not made for the question's language;
            where it fails, the rule does.
    """
    if not history or not is_follow_up(question):
        return Standalone(question)
    failure: ModelError | None = None
    if llm is not None and not getattr(llm, "is_small", False) and is_made_for(llm, question):
        try:
            said = yield from _said(llm, question, history)
        except (GeneratorBusy, ModelNotAvailable) as error:
            said, failure = "", error
        if _is_faithful(said, question, history):
            return Standalone(said, "generator")
    return Standalone(joined_by_rule(question, history[-1]), "rule", failure)


def understood_by_rule(question: str, history: Sequence[Exchange]) -> str:
    """Return what a question asks, as `standalone_question` does without a generator."""
    return joined_by_rule(question, history[-1]) if history and is_follow_up(question) else question


def joined_by_rule(question: str, previous: Exchange) -> str:
    """Return a follow-up joined to the question before it: "How long is an account locked? And for managers?"."""
    language = _language(question, previous)
    question = _with_item(question, previous.answer)
    before = _shortened(previous.standalone, language)
    changed = _changed(without_connective(question), before)
    if changed:
        return changed
    space = "" if language == "zh" else " "
    return f"{before}{space}{question[0].upper()}{question[1:]}"


def _language(question: str, previous: Exchange) -> str:
    """Return `zh` or `en`; that of the question before, where a follow-up is too short to tell."""
    code = language_of(question).code
    return "zh" if (language_of(previous.standalone).code if code == UNDETERMINED else code) == "zh" else "en"


def _shortened(question: str, language: str) -> str:
    """Return a question that may be several by now, its end marked: the first named the subject, the last are nearest."""
    sentences = [question[start:end] for start, end in sentence_spans(question)]
    while len(sentences) > 1 and sum(map(len, sentences)) > _STANDALONE_CHARACTERS:
        del sentences[1]
    joined = ("" if language == "zh" else " ").join(sentences)
    return joined if joined.endswith(("?", "？", "!", "！", ".", "。")) else joined + _MARK[language]


def _with_item(question: str, answer: str) -> str:
    """Return the question with "the second one" said by its name, where the answer lists such."""
    ordinal = _ORDINAL.search(question)
    if not ordinal:
        return question
    place = (_ORDINALS | _ZH_ORDINALS)[(ordinal[1] or ordinal[2]).lower()]
    item = _listed(_ANSWER_MARKER.sub("", answer), place)
    if not item or len(item.split()) > _ITEM_WORDS:
        return question
    return question[: ordinal.start()] + item + question[ordinal.end() :]


def _listed(answer: str, place: int) -> str:
    """Return the item at a place of the first sentence that lists so many; one that announces its list goes before others."""
    sentences: list[str] = []
    for start, end in sentence_spans(answer):
        if sentences and sentences[-1].endswith("；"):
            sentences[-1] += answer[start:end]
        else:
            sentences.append(answer[start:end])
    lists = []
    for sentence in sentences:
        *announced, listed = _ANNOUNCES.split(sentence)
        lists.append((not announced, listed.strip(" .。")))
    for _, listed in sorted(lists, key=itemgetter(0)):
        items = [item for item in _LIST_SIGN.split(listed) if item]
        if len(items) > 1 and -len(items) <= place < len(items):
            return items[place]
    return ""


def _changed(rest: str, before: str) -> str:
    """Return the question before with the code, the number or the place that the follow-up names; empty where none is alike."""
    if sum(1 for _ in sentence_spans(before)) != 1:
        return ""
    words = rest.split()
    for part in (rest, words[-1]) if len(words) == 2 else (rest,):
        number = re.search(_NUMBER, part)
        if number and part != number[0]:
            around = re.escape(part[: number.start()]), re.escape(part[number.end() :])
            whole = rf"(?<!\w)(?<!\d{_BESIDE}){around[0]}{_NUMBER}{around[1]}(?![^\W{HAN}])(?!{_BESIDE}\d)"
            alike = list(re.finditer(whole, before))
            if len(alike) == 1:
                return before[: alike[0].start()] + part + before[alike[0].end() :]
    place = _PLACED.fullmatch(rest)
    there = re.search(rf"\b{place[1]} (\w[\w'’-]*(?: \w[\w'’-]*){{0,2}})(?=\?$)", before) if place else None
    if place and there and place[2][0].isupper() and there[1][0].isupper():
        return before[: there.start()] + rest + before[there.end() :]
    return ""


def _said(llm: LLM, question: str, history: Sequence[Exchange]) -> Generator[Waiting, None, str]:
    """Return what the generator makes of a follow-up: its first line, or nothing where it fails.

    Raises:
        GeneratorBusy, ModelNotAvailable: it was waited for, and cannot be had.
    """
    language = _language(question, history[-1])
    special = getattr(llm, "special_tokens", ())

    def plain(text: str) -> str:
        return neutralised(visible(" ".join(_ANSWER_MARKER.sub("", text).split()))[:_TURN_CHARACTERS], special)

    turns = "\n".join(
        _TURN[language].format(question=plain(one.standalone), answer=plain(one.answer)) for one in history
    )
    system, user = load_prompt("standalone", language).filled(turns=turns, question=plain(question))
    messages = [ChatMessage(role=MessageRole.SYSTEM, content=system), ChatMessage(role=MessageRole.USER, content=user)]
    yield Waiting(0)  # nothing is asked of the generator until somebody reads on
    said = ""
    stream = None
    try:
        stream = llm.stream_chat(messages)
        for response in stream:
            said += response.delta or ""
            if len(said) > _STANDALONE_CHARACTERS or "\n" in said.lstrip():
                break
            yield Waiting(response.message.additional_kwargs.get(WAITING, 0))
    except (GeneratorBusy, ModelNotAvailable):
        raise
    except Exception:  # noqa: BLE001 - whatever an LLM raises, there is still the rule
        return ""
    finally:
        if stream is not None:
            stream.close()
    return said.strip().partition("\n")[0].strip(_QUOTES)


def _is_faithful(said: str, question: str, history: Sequence[Exchange]) -> bool:
    """Whether it is one question, in the language, of the follow-up's words, and of nothing that was not spoken of."""
    if (
        not said
        or len(said) > _STANDALONE_CHARACTERS
        or sum(1 for _ in sentence_spans(said)) != 1
        or is_follow_up(said)
    ):
        return False
    is_chinese = _language(question, history[-1]) == "zh"
    if bool(CJK_CHARACTER.search(said)) != is_chinese:
        return False
    spoken = " ".join([question, *(f"{one.question} {one.standalone} {one.answer}" for one in history)])
    known = set(search_tokens(spoken))
    names = [
        match[0]
        for match in _WORD.finditer(said)
        if is_chinese
        or any(map(str.isdigit, match[0]))
        or (match.start() and match[0][0].isupper() and match[0] != "I")
    ]
    if not known.issuperset(search_tokens(" ".join(names))):
        return False
    subject, wanted = _subject(said, is_chinese), _subject(question, is_chinese)
    return wanted <= subject and len(subject & (known | set(spoken))) >= _KNOWN_SHARE * len(subject)


def _subject(text: str, is_chinese: bool) -> set[str]:
    """Return what a question is about: characters of Chinese, stems of English words."""
    if is_chinese:
        return set(content_characters(without_connective(text)).casefold())
    return set(search_tokens(" ".join(content_words(without_connective(text)))))
