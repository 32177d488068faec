"""Question and passages to messages: numbered passages, best first, whole, within the generator's budget of tokens.

Documents are data: what could pass for a turn of the conversation in a passage or a question is broken up, so that it
stays text. This module knows nothing of retrieval, and does not read answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from rag_app.datatypes import Passage
from rag_app.errors import GenerationError
from rag_app.language import language_of
from rag_app.text import sentence_spans

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
# What a chat template adds around two messages, and what separates two passages: at most this, in any model listed.
_TEMPLATE_TOKENS = 32
_SEPARATOR_TOKENS = 2
_FEWEST_PASSAGE_TOKENS = 64
# What chat templates write around turns: ChatML, Llama, Mistral, Gemma, DeepSeek and others. A generator's own special
# tokens are broken up as well.
_ROLE_MARKER = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]?>|<[^|｜<>\s]{1,40}[|｜]>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS)\]|<</?SYS>>|</?s>"
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|</?(?:think|tool_call|tool_response)>"
)


@dataclass(frozen=True)
class Budget:
    """What can be given to a generator, in its own tokens.

    `passage_tokens` is for all passages together, `window` what it can read, for everything. `special_tokens` are those of its
    tokenizer: in a document they are text.
    """

    count_tokens: TokenCounter
    passage_tokens: int
    window: int
    special_tokens: Sequence[str] = ()

    def room(self, question: str) -> int:
        """Return how many tokens are left for passages beside a question; it may be none, or fewer than none."""
        language = _language(question)
        asked = neutralised(question, self.special_tokens)
        left = self.window - _TEMPLATE_TOKENS - self.count_tokens(_SYSTEM[language] + _USER[language] + asked)
        return left if left < _FEWEST_PASSAGE_TOKENS else min(self.passage_tokens, left)

    def size(self, passage: Passage) -> int:
        """Return how many tokens a whole passage takes of that."""
        return self.count_tokens(_numbered(passage, passage.text, self.special_tokens)) + _SEPARATOR_TOKENS


@dataclass(frozen=True)
class Prompt:
    """The messages for the generator, and the passages that are in them: only those can be cited."""

    messages: tuple[ChatMessage, ...]
    passages: tuple[Passage, ...]


def build_prompt(question: str, passages: Sequence[Passage], budget: Budget) -> Prompt:
    """Return the system and user messages that ask for an answer.

    Args:
        question: checked already.
        passages: best first; as many as fit are used, each whole. The first is cut after a sentence if it alone is too long.
        budget: of the generator.

    Raises:
        GenerationError: the question leaves no room for a passage in the window.
    """
    room = budget.room(question)
    if room < _FEWEST_PASSAGE_TOKENS:
        raise GenerationError(
            f"The question fills the generator's window of {budget.window} tokens: no passage fits beside it.",
            "Shorten it, or use a generator with a longer window.",
        )
    parts: list[str] = []
    for passage in passages:
        text, size = passage.text, budget.size(passage)
        if size > room and not parts:
            text, size = _first_sentences(passage, budget.count_tokens, room), room
        if size > room:
            break
        parts.append(_numbered(passage, text, budget.special_tokens))
        room -= size
    language = _language(question)
    asked = neutralised(question, budget.special_tokens)
    content = _USER[language].format(passages="\n\n".join(parts), question=asked)
    messages = (
        ChatMessage(role=MessageRole.SYSTEM, content=_SYSTEM[language]),
        ChatMessage(role=MessageRole.USER, content=content),
    )
    return Prompt(messages, tuple(passages[: len(parts)]))


def _language(question: str) -> str:
    return "zh" if language_of(question).code == "zh" else "en"


def neutralised(text: str, special_tokens: Sequence[str] = ()) -> str:
    """Return the text with the markers of chat turns broken up: `<|im_start|>` becomes `< |im_start| >`."""
    for token in special_tokens:
        if len(token) > 1:
            text = text.replace(token, _broken(token))
    return _ROLE_MARKER.sub(lambda match: _broken(match[0]), text)


def _broken(marker: str) -> str:
    return f"{marker[0]} {marker[1:-1]} {marker[-1]}" if len(marker) > 2 else f"{marker[0]} {marker[-1]}"


def _numbered(passage: Passage, text: str, special_tokens: Sequence[str] = ()) -> str:
    """Return a passage as the generator reads it: number, text on one line, and where it comes from.

    Line breaks, heading marks and a title before the text were seen to lead the small bundled generator astray.
    """
    where = " > ".join(passage.heading_path) or passage.document
    plain = " ".join(f"{passage.table_header} {_HEADING_MARK.sub('', text)}".split())
    return f"[{passage.n}] {neutralised(plain, special_tokens)} (from: {neutralised(where, special_tokens)})"


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
