"""Loads tokenizer and weights of a causal language model from a folder, and says what is wrong with it.

This module knows nothing of prompts or of how text is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rag_app.errors import ModelLoadError, first_line
from rag_app.models.device import dtype_for
from rag_app.models.folder_safety import check_folder
from rag_app.models.generating.failures import is_out_of_memory

# A model whose files do not say how much it reads gets this many tokens.
DEFAULT_CONTEXT_TOKENS = 4096


def load_weights(path: Path, device: str) -> tuple[Any, Any]:
    """Return tokenizer and model, the model on its device.

    Raises:
        ModelLoadError: the folder does not hold a causal language model with a chat template, would run code, or the memory
            does not suffice.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from rag_app.models.generating.grouped_attention import group_attention

    logging.disable_progress_bar()
    check_folder(path, trusted=False)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        dtype = dtype_for(device, generating=True)
        model = AutoModelForCausalLM.from_pretrained(path, local_files_only=True, trust_remote_code=False, dtype=dtype)
        model = model.to(device).eval()
        if device == "cpu":
            group_attention(model)
    except Exception as error:  # damaged files raise what they like: SafetensorError is an Exception and no more
        if is_out_of_memory(error):
            raise ModelLoadError(
                f"The memory does not suffice for the generator in {path}: {first_line(error)}.",
                "Use a smaller model: rag-app models list",
            ) from error
        raise ModelLoadError(
            f"The generator in {path} cannot be loaded: {first_line(error)}.",
            "Fetch it again, or choose another: rag-app models list.",
        ) from error
    if not tokenizer.chat_template:
        raise ModelLoadError(
            f"The generator in {path} has no chat template: it was not trained to follow instructions.",
            "Use an instruction-tuned model, such as Qwen/Qwen2.5-1.5B-Instruct.",
        )
    return tokenizer, model


def stated_context_tokens(model: Any) -> int:
    """Return how many tokens a model reads, as its files say. One that reads pictures too has a part for text that says it."""
    text = model.config.get_text_config(decoder=True)
    return int(getattr(text, "max_position_embeddings", None) or DEFAULT_CONTEXT_TOKENS)
