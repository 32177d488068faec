"""Question and passages to messages: numbered passages, best first, whole, within the generator's budget of tokens.

Documents are data: each passage is one line between marks that nobody who writes a document can know, and what could pass for
a turn of the conversation in it, or in a question, is broken up, so that it stays text. The wording is in `prompts/`.
This module knows nothing of retrieval, and does not read answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from rag_app.answering.prompting.delimiters import delimiter_for
from rag_app.answering.prompting.neutral import neutralised, visible
from rag_app.answering.prompting.prompt_files import load_prompt, prompt_language
from rag_app.datatypes import Passage
from rag_app.errors import GenerationError
from rag_app.text import sentence_spans

TokenCounter = Callable[[str], int]

_HEADING_MARK = re.compile(r"^#+[ \t]+", re.MULTILINE)
# What a chat template adds around two messages, and what separates two passages: at most this, in any model listed.
_TEMPLATE_TOKENS = 32
_SEPARATOR_TOKENS = 2
_DELIMITER_TOKENS = 8  # a token a letter at most
_FEWEST_PASSAGE_TOKENS = 64


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
        template = load_prompt("answer", prompt_language(question))
        asked = _as_text(question, self.special_tokens)
        marks = _DELIMITER_TOKENS * (template.system + template.user).count("{delimiter}")
        left = self.window - _TEMPLATE_TOKENS - marks - self.count_tokens(template.system + template.user + asked)
        return left if left < _FEWEST_PASSAGE_TOKENS else min(self.passage_tokens, left)

    def size(self, passage: Passage) -> int:
        """Return how many tokens a whole passage takes of that."""
        return self.count_tokens(_numbered(passage, passage.text, self.special_tokens)) + _SEPARATOR_TOKENS


@dataclass(frozen=True)
class Prompt:
    """The messages for the generator, and the passages that are in them: only those can be cited.

    `name` is that of the prompt's file, with version and hash. The passages stand between two `delimiter`s.
    """

    messages: tuple[ChatMessage, ...]
    passages: tuple[Passage, ...]
    name: str
    delimiter: str


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
            text, size = _first_sentences(passage, budget, room), room
        if size > room:
            break
        parts.append(_numbered(passage, text, budget.special_tokens))
        room -= size
    template = load_prompt("answer", prompt_language(question))
    asked = _as_text(question, budget.special_tokens)
    delimiter = delimiter_for((asked, *parts))
    system, user = template.filled(passages="\n\n".join(parts), question=asked, delimiter=delimiter)
    messages = (
        ChatMessage(role=MessageRole.SYSTEM, content=system),
        ChatMessage(role=MessageRole.USER, content=user),
    )
    return Prompt(messages, tuple(passages[: len(parts)]), template.name, delimiter)


def _as_text(text: str, special_tokens: Sequence[str]) -> str:
    return neutralised(visible(text), special_tokens)


def _numbered(passage: Passage, text: str, special_tokens: Sequence[str] = ()) -> str:
    """Return a passage as the generator reads it: number, text on one line, and where it comes from.

    Line breaks, heading marks and a title before the text were seen to lead the small bundled generator astray.
    """
    where = " ".join((" > ".join(passage.heading_path) or passage.document).split())
    plain = " ".join(f"{passage.table_header} {_HEADING_MARK.sub('', text)}".split())
    return f"[{passage.n}] {_as_text(plain, special_tokens)} (from: {_as_text(where, special_tokens)})"


def _first_sentences(passage: Passage, budget: Budget, room: int) -> str:
    def is_too_long(text: str) -> bool:
        return budget.count_tokens(_numbered(passage, text, budget.special_tokens)) > room

    kept = ""
    for _, end in sentence_spans(passage.text):
        if kept and is_too_long(passage.text[:end]):
            break
        kept = passage.text[:end]
    while kept and is_too_long(kept):
        kept = kept[: len(kept) * 3 // 4]
    return kept
