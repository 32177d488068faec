"""The text side of a CLIP model (BGE-VL) as a sentence-transformers module.

The code published with BGE-VL breaks on transformers 5; transformers' own CLIP gives the same vectors without it. Only the text
tower is loaded: pictures are not embedded here, and cost no memory.
This module knows nothing of catalogues or fingerprints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules import InputModule
from transformers import AutoTokenizer, CLIPConfig, CLIPTextModelWithProjection


class ClipText(InputModule):
    """Text to the vector that CLIP compares with those of pictures. Its window is that of the positions, 77 tokens."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        """Load the text tower and the tokenizer of a CLIP model's folder."""
        super().__init__()
        config = CLIPConfig.from_pretrained(folder)
        # The text tower's own configuration does not know how long the common vectors are.
        config.text_config.projection_dim = config.projection_dim
        self.model = CLIPTextModelWithProjection.from_pretrained(
            folder, config=config.text_config, dtype=dtype, local_files_only=True
        )
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self.max_seq_length: int = config.text_config.max_position_embeddings

    def preprocess(self, inputs: list[str], prompt: str | None = None, **_: Any) -> dict[str, torch.Tensor]:
        """Return token ids and attention mask, cut at the window."""
        texts = [(prompt or "") + text for text in inputs]
        encoded: dict[str, torch.Tensor] = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_seq_length, return_tensors="pt"
        )
        return encoded

    def forward(self, features: dict[str, torch.Tensor], **_: Any) -> dict[str, torch.Tensor]:
        """Add `sentence_embedding`, shape (texts, dimension)."""
        output = self.model(input_ids=features["input_ids"], attention_mask=features["attention_mask"])
        features["sentence_embedding"] = output.text_embeds
        return features

    def get_embedding_dimension(self) -> int:
        """Return the length of a vector."""
        return int(self.model.config.projection_dim)

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Refuse: a part of a model is not saved as the model."""
        raise NotImplementedError
