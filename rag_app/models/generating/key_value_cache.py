"""What a model keeps of the text it has read: keys and values, in memory that has room for the whole of it from the start.

transformers' own cache copies all it has for each token that is written. This module knows nothing of prompts or of writing.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer


def cache_for(model: Any, most_tokens: int) -> DynamicCache:
    """Return an empty cache for one text of at most so many tokens, which a model reads from its beginning to its end.

    Layers that keep something else, or less, than every token are transformers' own.
    """
    cache = DynamicCache(config=model.config)
    cache.layers = [_RoomyLayer(most_tokens) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class _RoomyLayer(DynamicLayer):  # type: ignore[misc]  # untyped there
    """Keys and values of one layer, shape (texts, heads, tokens, dimension): the filled part of a larger tensor each."""

    def __init__(self, most_tokens: int) -> None:
        super().__init__()
        self._most_tokens = most_tokens

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        super().lazy_initialization(key_states, value_states)
        self._all_keys, self._all_values = map(self._with_room, (key_states, value_states))

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take the keys and values of the next tokens, and return those of all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        self._all_keys[..., start:end, :] = key_states
        self._all_values[..., start:end, :] = value_states
        self.keys, self.values = self._all_keys[..., :end, :], self._all_values[..., :end, :]
        return self.keys, self.values

    def _with_room(self, states: torch.Tensor) -> torch.Tensor:
        *leading, _, dimension = states.shape
        return states.new_empty((*leading, self._most_tokens, dimension))
