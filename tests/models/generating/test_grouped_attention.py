"""Attention without copies for the heads that share keys and values: the same as with them."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import DynamicCache
from transformers.integrations import sdpa_attention

from rag_app.models.generating.grouped_attention import group_attention

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}


def model_of(architecture: str, **settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, vocab_size=50, num_hidden_layers=2, **SIZES | settings)
    return AutoModelForCausalLM.from_config(config).eval()


def logits_of(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Return what a model gives for tokens that it reads in pieces."""
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        pieces = tokens.split([13, 9, 1, 1], dim=1)
        return torch.cat([model(input_ids=piece, past_key_values=cache).logits for piece in pieces], dim=1)


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("llama", {}),
        ("llama", {"num_key_value_heads": 4}),
        ("qwen3", {}),
        ("gemma3_text", {"sliding_window": 8, "query_pre_attn_scalar": 8}),
    ],
    ids=["llama", "nothing is shared", "qwen3", "gemma3"],
)
def test_a_model_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, architecture: str, settings: dict[str, object]
) -> None:
    model = model_of(architecture, **settings)
    assert model.config._attn_implementation == "sdpa"
    tokens = torch.randint(0, 50, (1, 24))
    expected = logits_of(model, tokens)
    group_attention(model)
    monkeypatch.setattr(sdpa_attention, "repeat_kv", lambda states, count: pytest.fail("they were copied"))
    assert torch.allclose(logits_of(model, tokens), expected, atol=1e-6)


def test_a_model_that_attends_in_its_own_way_goes_on_to() -> None:
    model = model_of("llama", attn_implementation="eager")
    group_attention(model)
    assert model.config._attn_implementation == "eager"


def test_an_architecture_that_takes_no_other_way_keeps_its_own() -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model("falcon", vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
    model = AutoModelForCausalLM.from_config(config).eval()
    tokens = torch.randint(0, 50, (1, 24))
    expected = logits_of(model, tokens)
    group_attention(model)
    assert torch.equal(logits_of(model, tokens), expected)
