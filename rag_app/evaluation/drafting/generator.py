"""A drafted question said in other words or in the other language by a generator, taken only where it passes checks.

What is checked: it is one question in the wanted language, keeps every code and number, has no other, does not say the answer,
and, in the same language, shares fewer words with the passage. Whether it still asks the same is for a person to see.
This module knows nothing of knowledge bases.
"""

from __future__ import annotations

import re

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms import LLM

from rag_app.answering.prompting.neutral import neutralised, visible
from rag_app.evaluation.drafting.checks import gives_away
from rag_app.evaluation.drafting.values import Span, Wording
from rag_app.evaluation.drafting.variants import is_chinese
from rag_app.text import search_tokens

_LONGEST = 200  # characters of a question
_SYSTEM = "You write test questions for a search engine. Reply with one question on one line and nothing else."
_SAME_LANGUAGE = {
    "en": "Ask the question below as a colleague would who does not know the words of the document. Use other words and "
    "another order; keep names, codes and numbers.\n\nQuestion: {question}",
    "zh": "请换一种说法提出下面的问题，像没看过文件的同事那样问。换用别的词和语序；"
    "名称、代码和数字保持不变。\n\n问题：{question}",
}
_OTHER_LANGUAGE = {
    "en": "Translate this question into Chinese. Keep names, codes and numbers.\n\nQuestion: {question}",
    "zh": "把下面的问题译成英文。名称、代码和数字保持不变。\n\n问题：{question}",
}
_NAMED = re.compile(r"[A-Za-z]*[\d][\w.-]*\w|\d")
_QUOTES = "\"'“”‘’「」 "


def reworded(llm: LLM, wording: Wording, span: Span) -> str:
    """Return the question in other words; an empty string where what the generator says cannot be taken."""
    said = _said(llm, _SAME_LANGUAGE[span.language], wording.question)
    if not _is_usable(said, wording) or is_chinese(said) != (span.language == "zh"):
        return ""
    passage = set(search_tokens(span.text))
    shared, before = (len(passage.intersection(search_tokens(text))) for text in (said, wording.question))
    return said if shared < before else ""


def translated(llm: LLM, wording: Wording, span: Span) -> str:
    """Return the question in the other language; an empty string where what the generator says cannot be taken."""
    said = _said(llm, _OTHER_LANGUAGE[span.language], wording.question)
    return said if _is_usable(said, wording) and is_chinese(said) != (span.language == "zh") else ""


def _said(llm: LLM, prompt: str, question: str) -> str:
    """Return the first line that the generator says.

    Raises:
        Exception: whatever the generator raises, the caller says once.
    """
    shown = neutralised(visible(question), getattr(llm, "special_tokens", ()))
    messages = [
        ChatMessage(role=MessageRole.SYSTEM, content=_SYSTEM),
        ChatMessage(role=MessageRole.USER, content=prompt.format(question=shown)),
    ]
    said = llm.chat(messages).message.content or ""
    return said.strip().partition("\n")[0].strip(_QUOTES)


def _is_usable(said: str, wording: Wording) -> bool:
    is_question = said.endswith(("?", "？")) and len(said) <= _LONGEST and len(re.findall("[?？]", said)) == 1
    same_names = sorted(_NAMED.findall(said)) == sorted(_NAMED.findall(wording.question))
    return is_question and same_names and said != wording.question and not gives_away(Wording(said, wording.answer))
