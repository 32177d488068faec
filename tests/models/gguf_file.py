"""Writes a tiny Llama generator as a GGUF file, and gives the model whose weights it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from gguf import GGUFWriter
from numpy.typing import NDArray
from tokenizers import pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

from tests.checkpoints import CHAT_TEMPLATE

_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_TOKENS = [*_SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "he"]
_HEADS = {"attn_q": 4, "attn_k": 2}
_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def write_gguf(file: Path, *, architecture: str = "llama", left_out: str = "") -> LlamaForCausalLM:
    """Write the file, without the tensor `left_out`, and return the model of `architecture` llama that it holds."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(_TOKENS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=2,
        pad_token_id=0,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config).eval()
    writer = GGUFWriter(file, architecture)
    writer.add_name("tiny")
    writer.add_context_length(512)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(len(_TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(_TOKENS)
    writer.add_token_types([3] * len(_SPECIAL) + [1] * (len(_TOKENS) - len(_SPECIAL)))
    writer.add_token_merges(["h e"])
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_chat_template(CHAT_TEMPLATE)
    for name, tensor in _tensors(model).items():
        if name != left_out:
            writer.add_tensor(name, np.ascontiguousarray(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _tensors(model: LlamaForCausalLM) -> dict[str, NDArray[np.float32]]:
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tensors = {
        "token_embd.weight": weights["model.embed_tokens.weight"],
        "output_norm.weight": weights["model.norm.weight"],
        "output.weight": weights["lm_head.weight"],
    }
    for layer in range(2):
        for name, source in _NAMES.items():
            tensor = weights[f"model.layers.{layer}.{source}.weight"]
            if name in _HEADS:  # llama.cpp orders the halves of a head's dimensions in pairs
                paired = tensor.reshape(_HEADS[name], 2, -1, tensor.shape[1])
                tensor = paired.swapaxes(1, 2).reshape(tensor.shape)
            tensors[f"blk.{layer}.{name}.weight"] = tensor
    return tensors
