"""Attention on a CPU where several heads share keys and values: they are read where they are, not copied for each head first.

transformers copies them wherever there is a mask, as for a piece of a prompt, because kernels for GPUs want it so; that for a
CPU does not. This module knows nothing of prompts or of writing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "sdpa_grouped"


def group_attention(model: Any) -> None:
    """Have a model on a CPU attend so, unless it attends in a way of its own."""
    if model.config._attn_implementation != "sdpa":  # noqa: SLF001 - transformers has no other way to ask
        return
    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    model.set_attn_implementation(_NAME)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Do as transformers' function of the same arguments; shapes (texts, heads, tokens, dimension)."""
    is_shared = query.shape[1] != key.shape[1] and query.shape[2] > 1
    if attention_mask is None or not is_shared or options.get("position_bias") is not None:
        found, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
        return found, None
    found = scaled_dot_product_attention(query, key, value, attention_mask, scale=scaling, enable_gqa=True)
    return found.transpose(1, 2).contiguous(), None
