"""Question and passages to messages: numbered passages, best first, whole, within the generator's budget of tokens.

Documents are data: what could pass for a turn of the conversation in a passage or a question is broken up, so that it
stays text. This module knows nothing of retrieval, and does not read answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from rag_app.datatypes import Passage
from rag_app.text import language_of, sentence_spans

TokenCounter = Callable[[str], int]

_SYSTEM = {
    "en": (
        "You are a helpful assistant. Answer the question from the passages, in one or two full sentences, and cite the "
        "passage number like [1]. If the passages do not answer it, say so."
    ),
    "zh": (
        "你是一个乐于助人的助手。请根据给出的段落，用一两句完整的中文回答问题，并注明段落编号，例如 [1]。"
        "如果段落没有回答这个问题，请直接说明。"
    ),
}
_USER = {
    "en": "Passages:\n\n{passages}\n\nQuestion: {question}\n\nAnswer in full sentences, from the passages only.",
    "zh": "段落：\n\n{passages}\n\n问题：{question}\n\n请只根据以上段落，用完整的句子回答。",
}
_HEADING_MARK = re.compile(r"^#+[ \t]+", re.MULTILINE)
# What chat templates write around turns, in the families of models this project lists: ChatML, Llama, Mistral, Gemma.
_ROLE_MARKER = re.compile(r"<\|[^|<>\n]{1,40}\|>|\[/?(?:INST|SYSTEM_PROMPT)\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>")


def build_messages(
    question: str, passages: Sequence[Passage], count_tokens: TokenCounter, max_prompt_tokens: int
) -> list[ChatMessage]:
    """Return the system and user messages that ask for an answer.

    Args:
        question: checked already.
        passages: best first; as many as fit are used, each whole. The first is cut after a sentence if it alone is too long.
        count_tokens: of the generator.
        max_prompt_tokens: for both messages together.
    """
    language = "zh" if language_of(question) == "zh" else "en"
    question = neutralised(question)
    room = max_prompt_tokens - count_tokens(_SYSTEM[language] + _USER[language] + question)
    parts: list[str] = []
    for passage in passages:
        part = _numbered(passage, passage.text)
        size = count_tokens(part)
        if size > room and not parts:
            part = _numbered(passage, _first_sentences(passage, count_tokens, room))
            size = room
        if size > room:
            break
        parts.append(part)
        room -= size
    content = _USER[language].format(passages="\n\n".join(parts), question=question)
    return [
        ChatMessage(role=MessageRole.SYSTEM, content=_SYSTEM[language]),
        ChatMessage(role=MessageRole.USER, content=content),
    ]


def neutralised(text: str) -> str:
    """Return the text with the markers of chat turns broken up: `<|im_start|>` becomes `< |im_start| >`."""
    return _ROLE_MARKER.sub(lambda match: f"{match[0][0]} {match[0][1:-1]} {match[0][-1]}", text)


def _numbered(passage: Passage, text: str) -> str:
    """Return a passage as the generator reads it: number, text on one line, and where it comes from.

    Line breaks, heading marks and a title before the text were seen to lead the small bundled generator astray.
    """
    where = " > ".join(passage.heading_path) or passage.document
    plain = " ".join(_HEADING_MARK.sub("", text).split())
    return f"[{passage.n}] {neutralised(plain)} (from: {neutralised(where)})"


def _first_sentences(passage: Passage, count_tokens: TokenCounter, room: int) -> str:
    def is_too_long(text: str) -> bool:
        return count_tokens(_numbered(passage, text)) > room

    kept = ""
    for _, end in sentence_spans(passage.text):
        if kept and is_too_long(passage.text[:end]):
            break
        kept = passage.text[:end]
    while kept and is_too_long(kept):
        kept = kept[: len(kept) * 3 // 4]
    return kept
