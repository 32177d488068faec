"""What is made of a model's tokens: its output for each, how frequent each is, and fewer dimensions for them.

`distillation` says where the method is from. This module knows nothing of texts that are searched, or of files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rag_app.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

    from rag_app.models.embedder_spec import EmbedderSpec

Progress = Callable[[str, int, int], None]

# A token's output alone counts as much as that in so many places. Of 0.25 to 32, between what is best for the passages that
# were read and what is best for others.
_ALONE_COUNTS = 2.0
# A component with less of the first one's variance is rounding, and is not to be blown up.
_LEAST_VARIANCE = 1e-6
_TOKENS_AT_ONCE, _PASSAGES_AT_ONCE = 512, 16

_NEVER_IN_TEXT = re.compile(r"\[unused\d+\]|<unused\d+>|<0x[0-9A-F]{2}>")


def bare_tokenizer(model: SentenceTransformer, spec: EmbedderSpec) -> Tokenizer:
    """Return a copy of a model's tokenizer that neither cuts nor pads."""
    from tokenizers import Tokenizer

    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise UsageError(
            f"The tokenizer of {spec.model_id} is written in Python, and a static model needs a fast one.",
            "Use another model: rag-app models list",
        )
    copy = Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def outputs_of_tokens(
    model: SentenceTransformer, tokenizer: Tokenizer, read: Sequence[str], on_progress: Progress
) -> NDArray[np.float32]:
    """Return the model's output for each token of its vocabulary, shape (tokens, the model's dimension).

    `read` is empty for a model whose vectors are not the means of its tokens' outputs.
    """
    alone = np.concatenate(list(_alone(model, tokenizer, on_progress)))
    counts = np.full(len(alone), _ALONE_COUNTS, dtype=np.float32)
    sums = alone * np.float32(_ALONE_COUNTS)
    in_order = sorted(read, key=len)
    for first in range(0, len(in_order), _PASSAGES_AT_ONCE):
        features = model.preprocess(in_order[first : first + _PASSAGES_AT_ONCE])
        is_text = features["attention_mask"].bool().cpu().numpy()
        ids = features["input_ids"].cpu().numpy()[is_text]
        states = _run(model, features, "token_embeddings")[is_text]
        np.add.at(sums, ids, states)
        np.add.at(counts, ids, 1)
        on_progress("passages", min(first + _PASSAGES_AT_ONCE, len(in_order)), len(in_order))
    sums /= counts[:, None]
    return sums


def _alone(model: SentenceTransformer, tokenizer: Tokenizer, on_progress: Progress) -> Iterator[NDArray[np.float32]]:
    """Give the model's output for texts of one token each, between what the tokenizer puts around a text."""
    import torch

    size = max(tokenizer.get_vocab().values()) + 1
    example = tokenizer.encode("a")
    inner = [place for place, special in enumerate(example.special_tokens_mask) if not special]
    before, after = example.ids[: inner[0]], example.ids[inner[-1] + 1 :]
    for first in range(0, size, _TOKENS_AT_ONCE):
        last = min(first + _TOKENS_AT_ONCE, size)
        ids = torch.tensor([[*before, token, *after] for token in range(first, last)])
        yield _run(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, "sentence_embedding")
        on_progress("tokens", last, size)


def _run(model: SentenceTransformer, features: Any, output: str) -> NDArray[np.float32]:
    """Run a model on token ids, without the last step that brings vectors to length one."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Normalize

    features = {name: value.to(model.device) for name, value in features.items() if isinstance(value, torch.Tensor)}
    with torch.inference_mode():
        for module in model:
            if not isinstance(module, Normalize):
                features = module(features)
    found: NDArray[np.float32] = features[output].float().cpu().numpy()
    return found


def is_mean_of_tokens(model: SentenceTransformer) -> bool:
    """Whether a text's vector is the mean of its tokens' outputs, so that those are parts of it and can be averaged."""
    from sentence_transformers.sentence_transformer.modules import Normalize

    modules = [module for module in model if not isinstance(module, Normalize)]
    return len(modules) == 2 and getattr(modules[1], "pooling_mode", None) in ("mean", ("mean",), ["mean"])


def counted(tokenizer: Tokenizer, passages: Sequence[str], size: int) -> NDArray[np.float64]:
    """Return the share of each token among those of the passages; each is counted once more than it is seen."""
    counts = np.ones(size)
    for first in range(0, len(passages), _TOKENS_AT_ONCE):
        encodings = tokenizer.encode_batch(passages[first : first + _TOKENS_AT_ONCE], add_special_tokens=False)
        counts += np.bincount(np.concatenate([encoding.ids for encoding in encodings]).astype(int), minlength=size)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def guessed(tokenizer: Tokenizer, size: int) -> NDArray[np.float64]:
    """Return shares by Zipf's law, one over the rank: a vocabulary is in the order of frequency. What is not text has none."""
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    unseen = {number for token, number in tokenizer.get_vocab().items() if _NEVER_IN_TEXT.fullmatch(token)}
    is_text = np.array([number not in special and number not in unseen for number in range(size)])
    shares: NDArray[np.float64] = np.where(is_text, 1 / np.maximum(np.cumsum(is_text), 1), 0.0)
    shares /= shares.sum()
    return shares


def whitened(vectors: NDArray[np.float32], shares: NDArray[np.float64], dimension: int) -> NDArray[np.float64]:
    """Return the first principal components of tokens, each as frequent as its share, with variance one: (tokens, dimension).

    Raises:
        UsageError: the vectors do not vary in that many directions.
    """
    centred = vectors - shares @ vectors
    variances, directions = np.linalg.eigh((centred * shares[:, None]).T @ centred)
    variances, directions = variances[::-1], directions[:, ::-1]
    usable = int((variances > _LEAST_VARIANCE * variances[0]).sum())
    if dimension > usable:
        raise UsageError(
            f"The model's output for tokens varies in {usable} directions, fewer than {dimension}.",
            f"Give --dimensions {usable} or less.",
        )
    directions = directions[:, :dimension]
    # The sign of an eigenvector is an accident; here its largest number is positive.
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(dimension)])
    found: NDArray[np.float64] = centred @ (directions * signs / np.sqrt(variances[:dimension]))
    return found
