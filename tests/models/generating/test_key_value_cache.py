"""Keys and values in memory with room: the same as in transformers' own cache, and never copied."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import DynamicCache, DynamicSlidingWindowLayer

from rag_app.models.generating.key_value_cache import cache_for

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}


def model_of(architecture: str, **settings: int) -> torch.nn.Module:
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, vocab_size=50, num_hidden_layers=2, **SIZES, **settings)
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize(
    ("architecture", "settings"), [("llama", {}), ("qwen2", {}), ("gemma3_text", {"sliding_window": 8})]
)
def test_a_model_reads_the_same_with_it(architecture: str, settings: dict[str, int]) -> None:
    model = model_of(architecture, **settings)
    tokens = torch.randint(0, 50, (1, 24))
    ours, theirs = cache_for(model, 24), DynamicCache(config=model.config)
    with torch.no_grad():
        for piece in tokens.split([13, 9, 1, 1], dim=1):
            logits = [model(input_ids=piece, past_key_values=cache).logits for cache in (ours, theirs)]
            assert torch.allclose(*logits, atol=1e-6)
    assert ours.get_seq_length() == 24


def test_what_is_kept_is_never_copied() -> None:
    (layer, *_) = cache_for(model_of("llama"), 10).layers
    places = set()
    states = [torch.full((1, 2, count, 8), float(count)) for count in (4, 1, 1, 3)]
    for state in states:
        keys, values = layer.update(state, -state)
        places |= {keys.data_ptr()}
        assert keys.is_contiguous() == (keys.shape[-2] == 10)
    assert torch.equal(keys, torch.cat(states, dim=-2))
    assert torch.equal(values, -keys)
    assert len(places) == 1


def test_a_layer_that_looks_back_at_few_tokens_keeps_few() -> None:
    cache = cache_for(model_of("gemma3_text", sliding_window=8), 100)
    assert any(isinstance(layer, DynamicSlidingWindowLayer) for layer in cache.layers)
