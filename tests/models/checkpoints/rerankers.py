"""A tiny checkpoint of every published reranker, and the reference way of running it, written out with transformers alone.

What each is expected to do stands here, compiled from what its authors published, not from the catalogue: window, prompts,
and how a text is cut that is too long. Nothing of rag_app is used here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from tests.checkpoints import CHAT_TEMPLATE
from tests.models.checkpoints import vocabularies
from tests.models.checkpoints.architectures import draw
from tests.models.checkpoints.published import write_network

Score = Callable[[str, str], float]

_QWEN3_BEFORE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
_QWEN3_AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
_QWEN3_TASK = "Given a web search query, retrieve relevant passages that answer the query"
_MXBAI_BEFORE = (
    "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n"
)
_MXBAI_TASK = (
    "You are a search relevance expert who evaluates how well documents match search queries. For each query-document pair, "
    "carefully analyze the semantic relationship between them, then provide your binary relevance judgment "
    "(0 for not relevant, 1 for relevant).\nRelevance:"
)
_MXBAI_AFTER = "<|im_end|>\n<|im_start|>assistant\n"


@dataclass(frozen=True)
class PublishedReranker:
    """A published reranker: its window in tokens, everything included, its architecture, tokenizer and number format."""

    id: str
    window: int
    architecture: str
    vocabulary: Callable[[], PreTrainedTokenizerFast]
    stored_dtype: str = "float32"
    reference: str = "pair"


RERANKERS = {
    model.id: model
    for model in (
        PublishedReranker("BAAI/bge-reranker-v2-m3", 8192, "xlm-roberta-8192 pair", vocabularies.unigrams),
        PublishedReranker("BAAI/bge-reranker-base", 512, "xlm-roberta pair", vocabularies.unigrams),
        PublishedReranker("BAAI/bge-reranker-large", 512, "xlm-roberta pair", vocabularies.unigrams),
        PublishedReranker(
            "Qwen/Qwen3-Reranker-0.6B", 8192, "qwen3 judge", vocabularies.bytes_of_judges, "bfloat16", "qwen3"
        ),
        PublishedReranker(
            "mixedbread-ai/mxbai-rerank-base-v2", 8192, "qwen2 judge", vocabularies.bytes_of_judges, "bfloat16", "mxbai"
        ),
        PublishedReranker(
            "mixedbread-ai/mxbai-rerank-xsmall-v1", 512, "deberta-v2 pair", vocabularies.unigrams_of_deberta, "float16"
        ),
        PublishedReranker(
            "Alibaba-NLP/gte-reranker-modernbert-base",
            8192,
            "modernbert pair",
            vocabularies.bytes_of_modernbert,
            "float16",
        ),
        PublishedReranker("cross-encoder/mmarco-mMiniLMv2-L12-H384-v1", 512, "xlm-roberta pair", vocabularies.unigrams),
    )
}


def publish_reranker(model: PublishedReranker, folder: Path) -> Path:
    """Write the tiny checkpoint of a published reranker into a folder, and return the folder."""
    tokenizer = model.vocabulary()
    if model.reference != "pair":  # that of the chat model it was made from, which is not how it is asked
        tokenizer.chat_template = CHAT_TEMPLATE
    write_network(draw(model.architecture, tokenizer), folder, model.stored_dtype, pickled=False)
    tokenizer.save_pretrained(folder)
    return folder


def scores_written_out(model: PublishedReranker, folder: Path) -> Score:
    """Return a function from a question and a passage to the raw score: one pair at a time, no padding, eager attention."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    kind = AutoModelForSequenceClassification if model.reference == "pair" else AutoModelForCausalLM
    network = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()

    @torch.no_grad()
    def score(question: str, passage: str) -> float:
        if model.reference == "pair":
            inputs = tokenizer(
                question, passage, truncation="only_second", max_length=model.window, return_tensors="pt"
            )
            return float(network(**inputs).logits[0, 0])
        make = _qwen3 if model.reference == "qwen3" else _mxbai
        ids, yes, no = make(tokenizer, question, passage, model.window)
        logits = network(input_ids=torch.tensor([ids])).logits[0, -1]
        return float(logits[yes] - logits[no])

    return score


def _qwen3(tokenizer: Any, question: str, passage: str, window: int) -> tuple[list[int], int, int]:
    """As its model card: what stands between the fixed parts is one text, cut at its end."""
    before, after = _ids(tokenizer, _QWEN3_BEFORE), _ids(tokenizer, _QWEN3_AFTER)
    body = f"<Instruct>: {_QWEN3_TASK}\n<Query>: {question}\n<Document>: {passage}"
    kept = _ids(tokenizer, body)[: window - len(before) - len(after)]
    return before + kept + after, *(tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))


def _mxbai(tokenizer: Any, question: str, passage: str, window: int) -> tuple[list[int], int, int]:
    """As its authors' program: question, passage and instruction are made into tokens each by itself."""
    line = _ids(tokenizer, "\n")
    before = _ids(tokenizer, _MXBAI_BEFORE) + _ids(tokenizer, f"query: {question}") + line
    after = line + _ids(tokenizer, _MXBAI_TASK) + _ids(tokenizer, _MXBAI_AFTER)
    kept = _ids(tokenizer, f"document: {passage}")[: window - len(before) - len(after)]
    return before + kept + after, *(_ids(tokenizer, word)[0] for word in ("1", "0"))


def _ids(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return found
