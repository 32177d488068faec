"""What one question costs a reranker: processor seconds for so many passages, by models of the published shapes.

    python benchmarks/reranking_cost.py [--passages 30] [--tokens 256] [--rounds 3] [--model NAME]...

The weights are drawn at random, so nothing is said of quality: what a network costs does not depend on what it has learned.
Each is measured with packed linear layers (`rag_app.models.packed_linear`) and without, in turns; the best round counts.
"""

# ruff: noqa: SLF001 - networks are made here, not loaded

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import torch
from machine import machine
from transformers import (
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from rag_app.models import reranker_loading
from rag_app.models.reranker import CatalogueReranker
from rag_app.models.reranker_pairs import Pair
from rag_app.models.reranker_spec import JudgePrompt, RerankerSpec
from tests.models.checkpoints import vocabularies

JUDGE = JudgePrompt(("{question} {passage}",), "yes", "no")


def xlm_roberta(layers: int, width: int, inner: int, heads: int, positions: int) -> XLMRobertaForSequenceClassification:
    """Return a network of the XLM-RoBERTa family."""
    return XLMRobertaForSequenceClassification(
        XLMRobertaConfig(
            vocab_size=250002,
            num_hidden_layers=layers,
            hidden_size=width,
            intermediate_size=inner,
            num_attention_heads=heads,
            max_position_embeddings=positions,
            type_vocab_size=1,
            num_labels=1,
        )
    )


def qwen(
    kind: type[PreTrainedModel], configuration: type, layers: int, width: int, inner: int, heads: tuple[int, int]
) -> PreTrainedModel:
    """Return a decoder of the Qwen family."""
    attention, shared = heads
    return kind(
        configuration(
            vocab_size=151936,
            num_hidden_layers=layers,
            hidden_size=width,
            intermediate_size=inner,
            num_attention_heads=attention,
            num_key_value_heads=shared,
            tie_word_embeddings=True,
        )
    )


# By the shapes of their published configurations.
MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1": lambda: xlm_roberta(12, 384, 1536, 12, 514),
    "mixedbread-ai/mxbai-rerank-xsmall-v1": lambda: DebertaV2ForSequenceClassification(
        DebertaV2Config(
            vocab_size=128100,
            num_hidden_layers=12,
            hidden_size=384,
            intermediate_size=1536,
            num_attention_heads=6,
            relative_attention=True,
            position_buckets=256,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
            type_vocab_size=0,
            num_labels=1,
        )
    ),
    "Alibaba-NLP/gte-reranker-modernbert-base": lambda: ModernBertForSequenceClassification(
        ModernBertConfig(num_labels=1, classifier_pooling="mean")
    ),
    "BAAI/bge-reranker-base": lambda: xlm_roberta(12, 768, 3072, 12, 514),
    "BAAI/bge-reranker-v2-m3": lambda: xlm_roberta(24, 1024, 4096, 16, 8194),
    "Qwen/Qwen3-Reranker-0.6B": lambda: qwen(Qwen3ForCausalLM, Qwen3Config, 28, 1024, 3072, (16, 8)),
    "mixedbread-ai/mxbai-rerank-base-v2": lambda: qwen(Qwen2ForCausalLM, Qwen2Config, 24, 896, 4864, (14, 2)),
}


def main() -> None:
    """Print a Markdown table: model, parameters, processor seconds with and without packed layers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", action="append", choices=list(MODELS))
    arguments = parser.parse_args()
    print(f"{machine()}\n{arguments.passages} passages of {arguments.tokens} tokens, question included.\n")
    print("| model | million parameters | processor seconds | without packed layers | seconds, both cores idle |")
    print("| --- | --: | --: | --: | --: |")
    for name in arguments.model or MODELS:
        row = measured(name, arguments.passages, arguments.tokens, arguments.rounds)
        print(f"| {name} | {row} |", flush=True)


def measured(name: str, passages: int, tokens: int, rounds: int) -> str:
    """Return the cells of one model."""
    torch.manual_seed(0)
    is_judge = "Qwen" in name or name.endswith("-v2")
    with tempfile.TemporaryDirectory() as folder:
        network = MODELS[name]()
        parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        network.save_pretrained(folder)
        del network
        (vocabularies.bytes_of_judges() if is_judge else vocabularies.unigrams()).save_pretrained(folder)
        spec = RerankerSpec(name, Path(folder), "", 8192, JUDGE if is_judge else None)
        packed = CatalogueReranker(spec, device="cpu")
        with patch.object(reranker_loading, "pack_linear_layers", lambda _: None):
            plain = CatalogueReranker(spec, device="cpu")
    pair = Pair({"input_ids": [5 + number % 90 for number in range(tokens)], "attention_mask": [1] * tokens}, 0.0)
    best = {"packed": float("inf"), "plain": float("inf")}
    for _ in range(rounds):
        for way, reranker in (("packed", packed), ("plain", plain)):
            began = time.process_time()
            reranker._scores([pair] * passages)
            best[way] = min(best[way], time.process_time() - began)
    idle = best["packed"] / (os.cpu_count() or 1)
    return f"{parameters:.0f} | {best['packed']:.1f} | {best['plain']:.1f} | {idle:.1f}"


if __name__ == "__main__":
    main()
