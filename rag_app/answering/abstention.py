"""Whether anything was found: decided by the percentile of the best passage, never by a cosine.

A percentile of 0.9 says that nine of ten questions that the knowledge base cannot answer have no passage that scores as high:
whoever answers from there on answers one of ten of them (`AnsweringSettings.false_alarm_rate`).
Where nothing was found, that is said in the language of the question, with what to try.
This module knows nothing of how percentiles are measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag_app.answering.prompting.prompt_files import prompt_language
from rag_app.datatypes import Passage

PERCENTILE = "percentile"
_NO_PASSAGE = {
    "en": "No passage was found. Try other words, or the hybrid retriever.",
    "zh": "没有找到任何段落。请换一种说法，或改用混合检索（hybrid）。",
}
_NOTHING_NEAR = {
    "en": (
        "Nothing was found that answers this, as far as the scores tell: of the questions that this knowledge base cannot "
        "answer {as_high:.1%} have a passage that scores as high, and {limit:.1%} is the limit. "
        "The closest passages are shown. Try the documents' own words, or a better embedding model: rag-app models advise. "
        "RAG_APP_ANSWERING__FALSE_ALARM_RATE moves the limit; 1 answers everything."
    ),
    "zh": (
        "从分数来看，没有找到能回答这个问题的内容：在这个知识库无法回答的问题中，有 {as_high:.1%} 也能找到得分这么高的段落，"
        "而上限是 {limit:.1%}。下面列出最接近的段落。请试试文档中的原词，或换用更好的嵌入模型：rag-app models advise。"
        "RAG_APP_ANSWERING__FALSE_ALARM_RATE 可调整上限；设为 1 则总是回答。"
    ),
}
_REFUSED = {
    "en": "The generator says that the passages do not answer this. They are shown: see for yourself, or ask in other words.",
    "zh": "生成模型认为这些段落没有回答这个问题。段落列在下面，请自行查看，或换一种问法。",
}


def is_found(passages: Sequence[Passage], wanted_percentile: float) -> bool:
    """Return whether one of the passages may well answer; where their percentiles are not known, whether there are any."""
    known = [passage.scores[PERCENTILE] for passage in passages if PERCENTILE in passage.scores]
    return max(known) >= wanted_percentile if known else bool(passages)


def why_nothing(question: str, passages: Sequence[Passage], wanted_percentile: float) -> str:
    """Return why nothing is answered from the closest passages, and what to try, in the language of the question."""
    language = prompt_language(question)
    best = max((passage.scores.get(PERCENTILE, 0.0) for passage in passages), default=None)
    if best is None:
        return _NO_PASSAGE[language]
    return _NOTHING_NEAR[language].format(as_high=1 - best, limit=1 - wanted_percentile)


def why_refused(question: str) -> str:
    """Return what is to be said where the generator itself says that there is no answer."""
    return _REFUSED[prompt_language(question)]
