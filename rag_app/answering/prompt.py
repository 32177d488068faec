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
        "You answer questions from numbered passages, and from nothing else. Answer in one to three short sentences. "
        "After each sentence write the number of the passage it comes from, like [1]. If the passages do not hold the "
        "answer, say: The documents do not answer this."
    ),
    "zh": (
        "你只根据给出的编号段落回答问题，不使用其他知识。用一到三句简短的中文回答，每句后面写出所依据的段落编号，"
        "例如 [1]。如果段落里没有答案，就说：文档没有回答这个问题。"
    ),
}
_USER = {
    "en": "Passages:\n\n{passages}\n\nQuestion: {question}\nAnswer:",
    "zh": "段落：\n\n{passages}\n\n问题：{question}\n回答：",
}
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
            part = _numbered(passage, _first_sentences(passage.text, count_tokens, room))
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
    where = " > ".join(passage.heading_path) or passage.document
    return f"[{passage.n}] ({neutralised(where)})\n{neutralised(text)}"


def _first_sentences(text: str, count_tokens: TokenCounter, room: int) -> str:
    kept = ""
    for _, end in sentence_spans(text):
        if kept and count_tokens(text[:end]) > room:
            break
        kept = text[:end]
    while kept and count_tokens(kept) > room:
        kept = kept[: len(kept) * 3 // 4]
    return kept
