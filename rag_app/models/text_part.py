"""The text part of models that were made for pictures or sound too, as sentence-transformers modules.

Only the text part is loaded: pictures are not embedded here, and cost no memory. It also runs where the published way does not:
the code that comes with BGE-VL breaks on transformers 5, whose own CLIP gives the same vectors without it; EmbeddingGemma 2 is
published with a processor for video, which wants torchvision.
This module knows nothing of catalogues or fingerprints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules import InputModule
from transformers import AutoConfig, AutoModel, AutoTokenizer, CLIPConfig, CLIPTextModelWithProjection


class _TextPart(InputModule):
    """What both have: a tokenizer, a network, a window that can be set."""

    model: Any
    max_seq_length: int

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)

    def preprocess(self, inputs: list[str], prompt: str | None = None, **_: Any) -> dict[str, torch.Tensor]:
        """Return token ids and attention mask, cut at the window."""
        texts = [(prompt or "") + text for text in inputs]
        encoded: dict[str, torch.Tensor] = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_seq_length, return_tensors="pt"
        )
        return encoded

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Refuse: a part of a model is not saved as the model."""
        raise NotImplementedError


class ClipText(_TextPart):
    """Text to the vector that CLIP compares with those of pictures. Its window is that of the positions, 77 tokens."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        """Load the text tower and the tokenizer of a CLIP model's folder."""
        super().__init__(folder)
        config = CLIPConfig.from_pretrained(folder, local_files_only=True)
        # The text tower's own configuration does not know how long the common vectors are.
        config.text_config.projection_dim = config.projection_dim
        self.model = CLIPTextModelWithProjection.from_pretrained(
            folder, config=config.text_config, dtype=dtype, local_files_only=True
        )
        self.max_seq_length = config.text_config.max_position_embeddings

    def forward(self, features: dict[str, torch.Tensor], **_: Any) -> dict[str, torch.Tensor]:
        """Add `sentence_embedding`, shape (texts, dimension)."""
        output = self.model(input_ids=features["input_ids"], attention_mask=features["attention_mask"])
        features["sentence_embedding"] = output.text_embeds
        return features

    def get_embedding_dimension(self) -> int:
        """Return the length of a vector."""
        return int(self.model.config.projection_dim)


class TextTokens(_TextPart):
    """Text to one vector a token, to be pooled. The towers for pictures and sound are left out of the configuration."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        """Load the text part and the tokenizer of a model's folder."""
        super().__init__(folder)
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        config.vision_config = config.audio_config = None
        self.model = AutoModel.from_pretrained(
            folder, config=config, dtype=dtype, local_files_only=True, trust_remote_code=False
        )
        self.max_seq_length = config.get_text_config().max_position_embeddings

    def forward(self, features: dict[str, torch.Tensor], **_: Any) -> dict[str, torch.Tensor]:
        """Add `token_embeddings`, shape (texts, tokens, dimension)."""
        output = self.model(input_ids=features["input_ids"], attention_mask=features["attention_mask"])
        features["token_embeddings"] = output.last_hidden_state
        return features

    def get_embedding_dimension(self) -> int:
        """Return the length of a token's vector."""
        config = self.model.config.get_text_config()
        return int(getattr(config, "embedding_dim", config.hidden_size))
