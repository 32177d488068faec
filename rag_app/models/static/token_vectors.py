"""What is made of a model's tokens: its output for each, how frequent each is, and fewer dimensions for them.

`distillation` says where the method is from. This module knows nothing of texts that are searched, or of files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rag_app.errors import EmbeddingError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

    from rag_app.models.embedder_spec import EmbedderSpec

Progress = Callable[[str, int, int], None]

DIMENSION = 256

# A token's output alone counts as much as that in so many places. Of 0.25 to 32, between what is best for the passages that
# were read and what is best for others.
_ALONE_COUNTS = 2.0
# A component with less of the first one's variance is rounding, and is not to be blown up.
_LEAST_VARIANCE = 1e-6
_TOKENS_AT_ONCE = 512
# Of a forward pass over passages, padding included; a passage that is longer goes alone.
_BATCH_TOKENS = 2048
# Rows that are in memory in float64 together: 32 MB for vectors of 1024 numbers.
_ROWS_AT_ONCE = 4096

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


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """Return how many vectors a tokenizer needs: one more than its highest token."""
    return int(max(tokenizer.get_vocab().values())) + 1


def outputs_of_tokens(
    model: SentenceTransformer, tokenizer: Tokenizer, read: Sequence[str], on_progress: Progress
) -> NDArray[np.float32]:
    """Return the model's output for each token of its vocabulary, shape (tokens, the model's dimension).

    `read` is empty for a model whose vectors are not the means of its tokens' outputs.

    Raises:
        EmbeddingError: an output that is not finite.
    """
    from rag_app.models.batches import token_batches

    outputs = _alone(model, tokenizer, on_progress)
    if not read:
        return outputs
    counts = np.full(len(outputs), _ALONE_COUNTS, dtype=np.float32)
    outputs *= np.float32(_ALONE_COUNTS)
    done = 0
    for batch in token_batches([len(encoding.ids) for encoding in tokenizer.encode_batch(list(read))], _BATCH_TOKENS):
        features = model.preprocess([read[number] for number in batch])
        is_text = features["attention_mask"].bool().cpu().numpy()
        ids = features["input_ids"].cpu().numpy()[is_text]
        np.add.at(outputs, ids, _finite(_run(model, features, "token_embeddings")[is_text]))
        np.add.at(counts, ids, 1)
        done += len(batch)
        on_progress("passages", done, len(read))
    outputs /= counts[:, None]
    return outputs


def _alone(model: SentenceTransformer, tokenizer: Tokenizer, on_progress: Progress) -> NDArray[np.float32]:
    """Return the model's output for texts of one token each, between what the tokenizer puts around a text."""
    import torch

    size = vocabulary_size(tokenizer)
    outputs = np.empty((size, model.get_embedding_dimension()), dtype=np.float32)
    example = tokenizer.encode("a")
    inner = [place for place, special in enumerate(example.special_tokens_mask) if not special]
    before, after = example.ids[: inner[0]], example.ids[inner[-1] + 1 :]
    for first in range(0, size, _TOKENS_AT_ONCE):
        last = min(first + _TOKENS_AT_ONCE, size)
        ids = torch.tensor([[*before, token, *after] for token in range(first, last)])
        features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        outputs[first:last] = _finite(_run(model, features, "sentence_embedding"))
        on_progress("tokens", last, size)
    return outputs


def _finite(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the outputs, refused where one is infinite or no number: found at once, not by the components an hour later."""
    if not np.isfinite(outputs).all():
        raise EmbeddingError(
            "The model's output for some of its tokens is infinite or no number, expected finite numbers.",
            "Run it on another device (--device cpu), or use another model: rag-app models list",
        )
    return outputs


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


def whitened(vectors: NDArray[np.float32], shares: NDArray[np.float64], dimension: int | None) -> NDArray[np.float32]:
    """Return the first principal components of tokens, each as frequent as its share, with variance one.

    Sums are float64, over blocks of rows: beside the vectors, which stay as they are, only what is returned is large.

    Args:
        vectors: of tokens, shape (tokens, any).
        shares: of each token, their sum one.
        dimension: how many components; None: 256, or as many directions as the vectors vary in.

    Returns:
        Shape (tokens, dimension).

    Raises:
        UsageError: the vectors do not vary in that many directions.
    """
    blocks = [slice(first, first + _ROWS_AT_ONCE) for first in range(0, len(vectors), _ROWS_AT_ONCE)]
    mean = np.zeros(vectors.shape[1])
    covariance = np.zeros((vectors.shape[1],) * 2)
    for rows in blocks:
        mean += shares[rows] @ vectors[rows]
    for rows in blocks:
        centred = vectors[rows] - mean
        covariance += (centred * shares[rows, None]).T @ centred
    variances, directions = np.linalg.eigh(covariance)
    variances, directions = variances[::-1], directions[:, ::-1]
    usable = int((variances > _LEAST_VARIANCE * variances[0]).sum())
    dimension = min(DIMENSION, usable) if dimension is None else dimension
    if dimension > usable:
        raise UsageError(
            f"The model's output for tokens varies in {usable} directions, fewer than {dimension}.",
            f"Give --dimensions {usable} or less.",
        )
    directions = directions[:, :dimension]
    # The sign of an eigenvector is an accident; here its largest number is positive.
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(dimension)])
    projection = directions * signs / np.sqrt(variances[:dimension])
    found = np.empty((len(vectors), dimension), dtype=np.float32)
    for rows in blocks:
        found[rows] = (vectors[rows] - mean) @ projection
    return found
