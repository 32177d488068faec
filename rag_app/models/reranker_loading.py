"""Loads a reranker as sentence-transformers' `CrossEncoder`, made to give one raw score a pair, or refuses it.

The raw score is the logit: sentence-transformers would put most of them through a sigmoid, which in float32 makes the best ones
all alike. Of a language model that judges, the head for writing is cut to the two tokens that are compared.
This module knows nothing of batches, of LlamaIndex, or of how texts become tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from torch import nn

from rag_app.errors import ModelLoadError, first_line
from rag_app.models.device import dtype_for
from rag_app.models.folder_safety import check_folder
from rag_app.models.model_folder import stated_architectures
from rag_app.models.packed_linear import pack_linear_layers
from rag_app.models.reranker_spec import JudgePrompt, RerankerSpec


def load_cross_encoder(spec: RerankerSpec, device: str) -> CrossEncoder:
    """Load a reranker on a device, float32, with the window of its specification.

    Raises:
        ModelLoadError: the files cannot be loaded, would run code, or are no reranker.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    check_folder(spec.path, trusted=False)
    _check_head(spec)
    try:
        model = _judge(spec, spec.judge, device) if spec.judge is not None else _classifier(spec, device)
        if device == "cpu":
            pack_linear_layers(model)
    except ModelLoadError:
        raise
    except Exception as error:  # damaged files raise what they like: SafetensorError is an Exception and no more
        raise ModelLoadError(
            f"The reranker in {spec.path} cannot be loaded: {first_line(error)}.",
            "Fetch it again, or choose another: rag-app models list --kind reranker",
        ) from error
    return model.eval()


def _check_head(spec: RerankerSpec) -> None:
    """Refuse what has not the head that is read: one drawn at random would be put in its place."""
    wanted = "ForSequenceClassification" if spec.judge is None else "ForCausalLM"
    found = stated_architectures(spec.path)
    if any(name.endswith(wanted) for name in found):
        return
    if spec.judge is None and any(name.endswith("ForCausalLM") for name in found):
        raise ModelLoadError(
            f"{spec.model_id} is a language model that judges: without the prompt of its authors its scores mean nothing.",
            "Write a row for it into your catalogue.toml, with `prompt`, `yes` and `no` (docs/reranking.md).",
        )
    raise ModelLoadError(
        f"{spec.model_id} is no reranker: its weights are of {', '.join(found) or 'an unknown kind'}, expected one that ends "
        f"in {wanted}.",
        "Choose a reranker: rag-app models list --kind reranker",
    )


def _classifier(spec: RerankerSpec, device: str) -> CrossEncoder:
    """Load a model with a head for one score over a pair of texts."""
    loading = _loading()
    model = CrossEncoder(
        str(spec.path),
        device=device,
        activation_fn=nn.Identity(),
        model_kwargs={"dtype": dtype_for(device)},
        **loading,
    )
    if model.num_labels != 1:
        raise ModelLoadError(
            f"{spec.model_id} gives {model.num_labels} numbers for a pair of texts, expected one score.",
            "Choose a reranker: rag-app models list --kind reranker",
        )
    return model


def _judge(spec: RerankerSpec, prompt: JudgePrompt, device: str) -> CrossEncoder:
    """Load a language model, and cut its head for writing to the two tokens."""
    loading = _loading()
    transformer = Transformer(
        str(spec.path),
        transformer_task="text-generation",
        model_kwargs={"dtype": dtype_for(device)} | loading,
        processor_kwargs=dict(loading),
        config_kwargs=dict(loading),
    )
    tokens = [_token(transformer.tokenizer, word, spec) for word in (prompt.yes, prompt.no)]
    _cut_head(transformer.model, tokens)
    scored = [transformer, LogitScore(true_token_id=0, false_token_id=1)]
    return CrossEncoder(modules=scored, device=device, activation_fn=nn.Identity())


def _loading() -> dict[str, Any]:
    return {"local_files_only": True, "trust_remote_code": False}


def _token(tokenizer: Any, word: str, spec: RerankerSpec) -> int:
    found: list[int] = tokenizer(word, add_special_tokens=False).input_ids
    if len(found) != 1:
        raise ModelLoadError(
            f"The tokenizer of {spec.model_id} makes {len(found)} tokens of '{word}', expected one to be compared.",
            "Fetch the model again, with all its files, or correct its row in your catalogue.toml.",
        )
    return found[0]


def _cut_head(network: Any, tokens: list[int]) -> None:
    """Leave the rows of the head that are read: of all 150,000, packed, it would be held twice (0.6 GB at Qwen3's 0.6B)."""
    whole: nn.Linear = network.get_output_embeddings()
    cut = nn.Linear(whole.in_features, len(tokens), bias=whole.bias is not None)
    with torch.no_grad():
        cut.weight = nn.Parameter(whole.weight[tokens].clone(), requires_grad=False)
        if whole.bias is not None:
            cut.bias = nn.Parameter(whole.bias[tokens].clone(), requires_grad=False)
    network.set_output_embeddings(cut)
