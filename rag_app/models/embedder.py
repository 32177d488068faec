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
from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from rag_app.config import ModelSettings
from rag_app.datatypes import Fingerprint
from rag_app.errors import EmbeddingError
from rag_app.models.device import resolve_device
from rag_app.models.embedder_loading import PASSAGE, QUERY, is_static, load_sentence_transformer
from rag_app.models.embedder_spec import EmbedderSpec
from rag_app.models.served_embedder import ServedEmbedding
from rag_app.models.unit_vectors import unit_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Measured on two cores, chunks of the default size: 8 and 16 within 5 % of one another, 32 a quarter slower
# (docs/benchmarks.md, "Embedding speed"). The GPU figure is not measured: no GPU was at hand.
CPU_BATCH_SIZE = 16
GPU_BATCH_SIZE = 128


class CatalogueEmbedding(HuggingFaceEmbedding):
    """An embedding model with the prompts, window, pooling and number format of its specification.

    Vectors are float32 and of unit length. Calls from several threads wait for one another: a fast tokenizer's
    truncation state is shared, and with other settings in another thread it was seen to cut at the wrong length.
    """

    _spec: EmbedderSpec = PrivateAttr()
    _lock: threading.Lock = PrivateAttr()

    def __init__(self, spec: EmbedderSpec, *, device: str = "auto", batch_size: int | None = None) -> None:
        """Load the model.

        Args:
            spec: from `resolve_embedder`, not of a served model.
            device: `auto`, `cpu`, `cuda` or `mps`.
            batch_size: texts a forward pass; None: what was measured to be good for the device.

        Raises:
            ModelLoadError: the files cannot be loaded, or the model is not what the specification says.
        """
        device = resolve_device(device)
        model = load_sentence_transformer(spec, device)
        # The stock class's own __init__ loads the model its way, and cannot load a static one: it is passed over.
        fields: dict[str, Any] = {
            "model_name": str(spec.path),
            "max_length": spec.fingerprint.max_tokens,
            "query_instruction": spec.fingerprint.query_prompt,
            "text_instruction": spec.fingerprint.passage_prompt,
            "normalize": True,
            "embed_batch_size": batch_size or (CPU_BATCH_SIZE if device == "cpu" else GPU_BATCH_SIZE),
            "callback_manager": CallbackManager([]),
        }
        MultiModalEmbedding.__init__(self, **fields)
        self._device = device
        self._model = model
        self._parallel_process = False
        self._target_devices = None
        self._spec = spec
        self._lock = threading.Lock()

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises the class under."""
        return "CatalogueEmbedding"

    @property
    def fingerprint(self) -> Fingerprint:
        """What the vectors are, exactly."""
        return self._spec.fingerprint

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
        prompted = [self.fingerprint.passage_prompt + text for text in texts]
        with self._lock:
            tokenizer = self._model.tokenizer
            if is_static(self._model):
                return [len(encoding.ids) for encoding in tokenizer.encode_batch(prompted, add_special_tokens=False)]
            encoded = tokenizer(prompted, truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def _encode(self, texts: list[str], prompt_name: str | None) -> NDArray[np.float32]:
        try:
            with self._lock:
                vectors = self._model.encode(
                    texts,
                    prompt_name=prompt_name,
                    batch_size=self.embed_batch_size,  # encode sorts the texts by length before it cuts the batches
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
        except (RuntimeError, MemoryError) as error:  # torch's way of saying that memory is used up, among others
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            batch = min(len(texts), self.embed_batch_size)
            raise EmbeddingError(
                f"{self.fingerprint.model} failed on a batch of {batch} texts: {reason:.200}",
                "Use smaller chunks (--chunk-tokens), another device (--device cpu), or a smaller model.",
            ) from error
        array = np.asarray(vectors, dtype=np.float32).reshape(len(texts), -1 if texts else self._spec.full_dimension)
        return unit_vectors(array, texts, self._spec)

    def _embed(self, inputs: list[Any], prompt_name: str | None = None) -> list[list[float]]:
        """Embed without the stock class's retries: an input that fails once fails always."""
        vectors: list[list[float]] = self._encode([str(text) for text in inputs], prompt_name).tolist()
        return vectors


Embedder = CatalogueEmbedding | ServedEmbedding


def load_embedder(spec: EmbedderSpec, *, device: str = "auto", models: ModelSettings | None = None) -> Embedder:
    """Load an embedding model, or connect to the server that runs it.

    Raises:
        ModelLoadError: the files cannot be loaded, or the model is not what the specification says.
    """
    if spec.path is None:
        return ServedEmbedding(spec, models or ModelSettings())
    return CatalogueEmbedding(spec, device=device)
