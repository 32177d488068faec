"""Text to vector: a LlamaIndex `HuggingFaceEmbedding` that runs each model as its authors meant.

The stock class puts empty prompts in place of a model's own, loads half precision on a CPU, sorts no more than ten texts
by length, repeats a failing call for eight seconds and cuts long texts without a word. This one sets exactly the prompts,
window, pooling and format of an `EmbedderSpec`, embeds in batches of texts alike in tokens, and counts what the window cuts.
This module knows nothing of documents or indexes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from sentence_transformers.util import batch_to_device

from rag_app.config import ModelSettings
from rag_app.datatypes import Fingerprint
from rag_app.errors import EmbeddingError, first_line
from rag_app.models.batches import run_each, token_batches
from rag_app.models.device import resolve_device
from rag_app.models.embedder_loading import PASSAGE, QUERY, forward_parameters, is_static, load_sentence_transformer
from rag_app.models.embedder_spec import EmbedderSpec, reads
from rag_app.models.served_embedder import ServedEmbedding
from rag_app.models.unit_vectors import unit_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Tokens a batch, padding included. Measured on two cores: from 512 to 2048 within a tenth of one another, 8192 slower
# (docs/benchmarks.md, "Embedding speed"). The GPU's is not measured: no GPU was at hand.
CPU_BATCH_TOKENS = 1024
GPU_BATCH_TOKENS = 16384
# Batches are halved when a GPU's memory is used up, down to this.
_LEAST_BATCH_TOKENS = 256
# Parameters that each token goes through: the small models of six to twelve layers of 384 on a CPU, those with half a gigabyte
# of weights on a GPU, which is not measured. `benchmarks/search_time.py` tells what the bundled model takes.
_QUICK_PARAMETERS_CPU = 25_000_000
_QUICK_PARAMETERS_GPU = 400_000_000
# Texts that LlamaIndex hands over at once; batches are cut from them by tokens.
_TEXTS_AT_ONCE = 1024


class CatalogueEmbedding(HuggingFaceEmbedding):
    """An embedding model with the prompts, window, pooling and number format of its specification.

    Vectors are float32 and of unit length. Calls from several threads wait for one another. So does all tokenizing: a fast
    tokenizer's truncation state is shared, and with other settings in another thread it was seen to cut at the wrong length.
    """

    _spec: EmbedderSpec = PrivateAttr()
    _lock: threading.Lock = PrivateAttr()
    _tokenizer_lock: threading.Lock = PrivateAttr()
    _batch_tokens: int = PrivateAttr()
    _stop: threading.Event = PrivateAttr()

    def __init__(self, spec: EmbedderSpec, *, device: str = "auto", batch_tokens: int | None = None) -> None:
        """Load the model.

        Args:
            spec: from `resolve_embedder`, not of a served model.
            device: `auto`, `cpu`, `cuda` or `mps`.
            batch_tokens: of a forward pass, padding included; None: what was measured to be good for the device.

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
            "embed_batch_size": _TEXTS_AT_ONCE,
            "callback_manager": CallbackManager([]),
        }
        MultiModalEmbedding.__init__(self, **fields)
        self._device = device
        self._model = model
        self._parallel_process = False
        self._target_devices = None
        self._spec = spec
        self._lock = threading.Lock()
        self._tokenizer_lock = threading.Lock()
        self._stop = threading.Event()
        for module in model.modules():
            module.register_forward_pre_hook(partial(_check, self._stop))
        self._batch_tokens = batch_tokens or (CPU_BATCH_TOKENS if device == "cpu" else GPU_BATCH_TOKENS)

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
        vectors, _ = self.embed_and_count(texts)
        return vectors

    def embed_and_count(
        self, texts: Sequence[str], on_progress: Callable[[int], None] = lambda _: None
    ) -> tuple[NDArray[np.float32], list[int]]:
        """Return the vectors of passages, and what `count_tokens` says of them.

        Args:
            texts: any number.
            on_progress: told after each batch how many texts are done.

        Raises:
            EmbeddingError: as `embed_passages`.
        """
        return self._encode(list(texts), PASSAGE, on_progress)

    def embed_question(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question, shape (dimension,), unit length."""
        vector: NDArray[np.float32] = self.embed_questions([text])[0]
        return vector

    def embed_questions(
        self, texts: Sequence[str], on_progress: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.float32]:
        """Return the vectors of questions, shape (texts, dimension), unit length, in the order given."""
        return self._encode(list(texts), QUERY, on_progress)[0]

    def reads(self, text: str) -> bool:
        """Whether the model was made for the language of a text, as far as the catalogue knows."""
        return reads(self._spec, text)

    @property
    def is_quick(self) -> bool:
        """Whether the sentences of some passages, three thousand tokens, are embedded while a person waits.

        Told by the size of the network and not by a clock, so that an answer is the same each time.
        """
        most = _QUICK_PARAMETERS_CPU if self._device == "cpu" else _QUICK_PARAMETERS_GPU
        return forward_parameters(self._model) <= most

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens the model would read of each passage were there no window: prompt and special tokens too."""
        return self._count(texts, PASSAGE) if texts else []

    def _count(self, texts: Sequence[str], prompt_name: str) -> list[int]:
        if is_static(self._model):
            return _static_counts(self._features(texts, prompt_name))
        prompted = [self._model.prompts[prompt_name] + text for text in texts]
        with self._tokenizer_lock:
            encoded = self._model.tokenizer(prompted, truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def _encode(
        self, texts: list[str], prompt_name: str, on_progress: Callable[[int], None] = lambda _: None
    ) -> tuple[NDArray[np.float32], list[int]]:
        vectors = np.empty((len(texts), self._spec.full_dimension), dtype=np.float32)
        try:
            with self._lock:
                fill = partial(self._fill, vectors, texts, prompt_name, on_progress)
                counts = self._as_memory_allows(fill) if texts else []
        except (RuntimeError, MemoryError, IndexError) as error:
            raise _failure(error, self.fingerprint.model) from error
        return unit_vectors(vectors, texts, self._spec), counts

    def _as_memory_allows(self, fill: Callable[[], list[int]]) -> list[int]:
        """Begin again with smaller batches where a GPU's memory cannot hold them; they stay small."""
        while True:
            try:
                return fill()
            except torch.OutOfMemoryError:
                if self._batch_tokens // 2 < _LEAST_BATCH_TOKENS:
                    raise
                self._batch_tokens //= 2

    def _fill(
        self,
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        prompt_name: str,
        on_progress: Callable[[int], None],
    ) -> list[int]:
        """Write the model's vectors of all texts, and return how many tokens each has."""
        if is_static(self._model):  # a look-up: nothing to batch
            features = self._features(texts, prompt_name)
            counts = _static_counts(features)
            vectors[:] = self._forward(features)
            on_progress(len(texts))
            return counts
        counts = self._count(texts, prompt_name)
        lengths = [min(count, self.fingerprint.max_tokens) for count in counts]
        batches = token_batches(lengths, self._batch_tokens)
        long = sum(lengths[batch[0]] > self._batch_tokens for batch in batches)
        done = 0
        self._stop.clear()
        # What is too long for a batch has all threads, and the memory, to itself.
        for part, together in ((batches[:long], False), (batches[long:], self._device == "cpu")):
            calls = [partial(self._embed_batch, [texts[row] for row in batch], prompt_name) for batch in part]
            with closing(run_each(calls, together=together, stop=self._stop)) as ended:
                for number, found in ended:
                    vectors[part[number]] = found
                    done += len(part[number])
                    on_progress(done)
        return counts

    def _embed_batch(self, texts: Sequence[str], prompt_name: str) -> NDArray[np.float32]:
        return self._forward(self._features(texts, prompt_name))

    def _features(self, texts: Sequence[str], prompt_name: str) -> dict[str, Any]:
        """Return what the model reads of texts, as sentence-transformers prepares it: cut at the window, padded."""
        with self._tokenizer_lock:
            features: dict[str, Any] = self._model.preprocess(list(texts), prompt=self._model.prompts[prompt_name])
        return features

    def _forward(self, features: dict[str, Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            output = self._model(batch_to_device(features, self._model.device))
        found: NDArray[np.float32] = output["sentence_embedding"].float().cpu().numpy()
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes this embedder again in another process: LlamaIndex hands its embeddings to workers."""
        return partial(CatalogueEmbedding, device=self._device, batch_tokens=self._batch_tokens), (self._spec,)

    def _get_image_embedding(self, img_file_path: Any) -> NoReturn:
        raise EmbeddingError(
            f"{self.fingerprint.model} is asked for the vector of a picture, and is used for text alone here.",
            "Embed pictures by the model's own code.",
        )

    def _get_image_embeddings(self, img_file_paths: Any) -> NoReturn:
        self._get_image_embedding(img_file_paths)

    def _embed(self, inputs: list[Any], prompt_name: str | None = None) -> list[list[float]]:
        """Embed without the stock class's retries: an input that fails once fails always."""
        found, _ = self._encode([str(text) for text in inputs], prompt_name or PASSAGE)
        vectors: list[list[float]] = found.tolist()
        return vectors


def _failure(error: Exception, model: str) -> EmbeddingError:
    """Return how it is said that a network cannot be run. Of torch, that memory is used up is a RuntimeError like others."""
    reason = first_line(error)
    if isinstance(error, MemoryError) or "memory" in reason:
        remedy = "Use smaller chunks (--chunk-tokens), another device (--device cpu), or a smaller model."
    else:
        remedy = "Its files may not belong together. Fetch it again, or use another model: rag-app models list"
    return EmbeddingError(f"{model} cannot embed these texts: {reason}.", remedy)


def _check(stop: threading.Event, *_: object) -> None:
    """End a batch between two layers: one of a large model takes minutes on a CPU."""
    if stop.is_set():
        raise CancelledError


def _static_counts(features: dict[str, Any]) -> list[int]:
    """Return the tokens of each text: a static model's texts lie one after the other."""
    ends = np.append(features["offsets"][1:].numpy(), len(features["input_ids"]))
    counts: list[int] = (ends - features["offsets"].numpy()).tolist()
    return counts


Embedder = CatalogueEmbedding | ServedEmbedding


def load_embedder(spec: EmbedderSpec, *, device: str = "auto", models: ModelSettings | None = None) -> Embedder:
    """Load an embedding model, or connect to the server that runs it.

    Raises:
        ModelLoadError: the files cannot be loaded, or the model is not what the specification says.
    """
    if spec.path is None:
        return ServedEmbedding(spec, models or ModelSettings())
    return CatalogueEmbedding(spec, device=device)
