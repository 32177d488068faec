"""The reference way of running a published model, written out: one text at a time, no padding, transformers alone.

What is done comes from published.json. Nothing of rag_app is used here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer, CLIPModel

from tests.models.checkpoints.published import Published

Encode = Callable[[str, str], NDArray[np.float32]]


def written_out(model: Published, folder: Path) -> Encode:
    """Return a function from a prompt and a text to a vector of unit length, by transformers' eager attention."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    kind = CLIPModel if model.architecture == "clip" else AutoModel
    network = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    dense = [load_file(path)["linear.weight"] for path in sorted(folder.glob("*_Dense/model.safetensors"))]

    @torch.no_grad()
    def encode(prompt: str, text: str) -> NDArray[np.float32]:
        ids: list[int] = tokenizer(prompt + text, truncation=True, max_length=model.window).input_ids
        if model.end_of_sequence:
            end = tokenizer.convert_tokens_to_ids(model.end_of_sequence)
            ids = [*[number for number in ids if number != end][: model.window - 1], end]
        vector = _clip(network, ids) if model.architecture == "clip" else _pooled(model, network, ids)
        for weight in dense:
            vector = weight @ vector
        found: NDArray[np.float32] = torch.nn.functional.normalize(vector, dim=0).numpy()
        return found

    return encode


def _pooled(model: Published, network: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    tokens = torch.tensor([ids])
    # A mask of four dimensions is used as it is: nothing hidden, every token sees every other.
    looks_both_ways = model.bidirectional and model.architecture == "qwen2"
    mask = torch.zeros(1, 1, len(ids), len(ids)) if looks_both_ways else torch.ones_like(tokens)
    hidden: torch.Tensor = network(input_ids=tokens, attention_mask=mask).last_hidden_state[0]
    pooled: torch.Tensor = {"cls": hidden[0], "mean": hidden.mean(dim=0), "lasttoken": hidden[-1]}[model.pooling]
    return pooled


def _clip(network: CLIPModel, ids: list[int]) -> torch.Tensor:
    hidden = network.text_model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    projected: torch.Tensor = network.text_projection(
        hidden[len(ids) - 1]
    )  # the end of the text: all after it is padding
    return projected


def by_sentence_transformers(model: Published, folder: Path) -> Encode:
    """Return the same by sentence-transformers' own `encode`, from the files as they are published."""
    network = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    network.max_seq_length = model.window

    def encode(prompt: str, text: str) -> NDArray[np.float32]:
        found: NDArray[np.float32] = network.encode(text, prompt=prompt, normalize_embeddings=True)
        return found

    return encode
