"""Text to vector: a LlamaIndex `HuggingFaceEmbedding` that runs each model as its authors meant.

The stock class puts empty prompts in place of a model's own, loads half precision on a CPU, sorts no more than ten texts
by length, repeats a failing call for eight seconds and cuts long texts without a word. This one sets exactly the prompts,
window, pooling and format of an `EmbedderSpec`, embeds in batches sorted by length, and can count what the window cuts.
This module knows nothing of documents or indexes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from rag_app.datatypes import Fingerprint
from rag_app.errors import EmbeddingError, ModelLoadError
from rag_app.models.device import dtype_for, resolve_device
from rag_app.models.embedder_spec import EmbedderSpec, pooling_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUERY = "query"
PASSAGE = "text"  # the name by which HuggingFaceEmbedding asks for the prompt of a passage

# Measured on two cores, chunks of the default size: 8 and 16 within 5 % of one another, 32 a quarter slower
# (docs/benchmarks.md, "Embedding speed"). The GPU figure is not measured: no GPU was at hand.
CPU_BATCH_SIZE = 16
GPU_BATCH_SIZE = 128


class CatalogueEmbedding(HuggingFaceEmbedding):
    """An embedding model with the prompts, window, pooling and number format of its specification.

    Vectors are float32 and of unit length. Calls from several threads wait for one another: a fast tokenizer's
    truncation state is shared, and with other settings in another thread it was seen to cut at the wrong length.
    """

    _fingerprint: Fingerprint = PrivateAttr()
    _lock: threading.Lock = PrivateAttr()

    def __init__(self, spec: EmbedderSpec, *, device: str = "auto", batch_size: int | None = None) -> None:
        """Load the model.

        Args:
            spec: from `resolve_embedder`.
            device: `auto`, `cpu`, `cuda` or `mps`.
            batch_size: texts a forward pass; None: what was measured to be good for the device.

        Raises:
            ModelLoadError: the files cannot be loaded, or the model is not what the specification says.
        """
        from transformers.utils import logging

        logging.disable_progress_bar()
        fingerprint = spec.fingerprint
        device = resolve_device(device)
        try:
            super().__init__(
                model_name=str(spec.path),
                max_length=fingerprint.max_tokens,
                query_instruction=fingerprint.query_prompt,
                text_instruction=fingerprint.passage_prompt,
                normalize=True,
                embed_batch_size=batch_size or (CPU_BATCH_SIZE if device == "cpu" else GPU_BATCH_SIZE),
                cache_folder=str(spec.path),  # never used for a folder; unset, the stock class creates one of its own
                trust_remote_code=False,
                device=device,
                callback_manager=CallbackManager([]),
                model_kwargs={"dtype": dtype_for(device)},
                local_files_only=True,
            )
        except Exception as error:  # damaged files raise what they like: SafetensorError is an Exception and no more
            raise ModelLoadError(
                f"The embedding model in {spec.path} cannot be loaded: {_first_line(error)}",
                "Fetch it again, or choose another: rag-app models list",
            ) from error
        # The stock class cannot pass an empty prompt, and a repository's default prompt would be put before every text.
        self._model.prompts = {QUERY: fingerprint.query_prompt, PASSAGE: fingerprint.passage_prompt}
        self._model.default_prompt_name = None
        found = self._model.get_embedding_dimension()
        if found != fingerprint.dimension:
            raise ModelLoadError(
                f"{fingerprint.model} gives vectors of {found} numbers, expected {fingerprint.dimension}.",
                "Correct the row in your catalogue.toml.",
            )
        pooling = next(
            (pooling_name(module.pooling_mode) for module in self._model if hasattr(module, "pooling_mode")), ""
        )
        if pooling and pooling != fingerprint.pooling:  # without modules.json, sentence-transformers takes the mean
            raise ModelLoadError(
                f"The files of {fingerprint.model} in {spec.path} give {pooling} pooling, expected {fingerprint.pooling}"
                f"{'' if (spec.path / 'modules.json').is_file() else ': modules.json is missing'}.",
                "Fetch the model again, with all its files.",
            )
        self._fingerprint = fingerprint
        self._lock = threading.Lock()

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises the class under."""
        return "CatalogueEmbedding"

    @property
    def fingerprint(self) -> Fingerprint:
        """What the vectors are, exactly."""
        return self._fingerprint

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of passages, shape (texts, dimension), unit length, in the order given.

        Raises:
            EmbeddingError: a vector with a value that is not finite, or of length zero.
        """
        return self._encode(list(texts), PASSAGE)

    def embed_question(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question, shape (dimension,), unit length."""
        vector: NDArray[np.float32] = self._encode([text], QUERY)[0]
        return vector

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens the model would read of each passage were there no window: prompt and special tokens too."""
        prompt = self._fingerprint.passage_prompt
        with self._lock:
            encoded = self._model.tokenizer([prompt + text for text in texts], truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def _encode(self, texts: list[str], prompt_name: str | None) -> NDArray[np.float32]:
        try:
            with self._lock:
                vectors = self._model.encode(
                    texts,
                    prompt_name=prompt_name,
                    batch_size=self.embed_batch_size,  # encode sorts the texts by length before it cuts the batches
                    normalize_embeddings=True,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
        except (RuntimeError, MemoryError) as error:  # torch's way of saying that memory is used up, among others
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EmbeddingError(
                f"{self._fingerprint.model} failed on a batch of {min(len(texts), self.embed_batch_size)} texts: {reason:.200}",
                "Use smaller chunks (--chunk-tokens), another device (--device cpu), or a smaller model.",
            ) from error
        array = np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(texts), self._fingerprint.dimension)
        _refuse_unusable(array, texts, self._fingerprint.model)
        return array

    def _embed(self, inputs: list[Any], prompt_name: str | None = None) -> list[list[float]]:
        """Embed without the stock class's retries: an input that fails once fails always."""
        vectors: list[list[float]] = self._encode([str(text) for text in inputs], prompt_name).tolist()
        return vectors


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _refuse_unusable(vectors: NDArray[np.float32], texts: Sequence[str], model: str) -> None:
    """Refuse what an index would keep and never find: NaN, infinities, zero vectors."""
    norms = np.linalg.norm(vectors, axis=1)
    unusable = np.flatnonzero(~np.isfinite(norms) | (np.abs(norms - 1) > 1e-3))
    if unusable.size:
        row = int(unusable[0])
        raise EmbeddingError(
            f"{model} gave {unusable.size} vectors that cannot be searched (length {norms[row]:.3g}, expected 1), "
            f"the first for the text '{texts[row][:80]}'.",
            "Run on another device (--device cpu), or use another model.",
            row=row,
        )
