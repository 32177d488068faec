"""Small stand-ins for models: deterministic, instant, and with just the property that a test needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle
from numpy.typing import NDArray

from rag_app.datatypes import Fingerprint
from rag_app.text import search_tokens

DIMENSION = 64


def fake_fingerprint(model: str = "fake/hash-embedding", **changes: Any) -> Fingerprint:
    """Return a fingerprint for vectors of `hash_vector`; `changes` replace fields."""
    values: dict[str, Any] = {
        "model": model,
        "revision": "",
        "files_sha256": "0" * 64,
        "dimension": DIMENSION,
        "pooling": "mean",
        "normalised": True,
        "query_prompt": "",
        "passage_prompt": "",
        "max_tokens": 256,
        "dtype": "float32",
    }
    return Fingerprint(**values | changes)


def hash_vector(text: str) -> NDArray[np.float32]:
    """Return a unit vector that is nearer to another's the more search tokens the two texts share."""
    vector = np.full(DIMENSION, 1e-3, dtype=np.float32)
    for token in search_tokens(text):
        digest = hashlib.sha256(token.encode()).digest()
        vector[digest[0] % DIMENSION] += 1.0 if digest[1] % 2 else -1.0
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class FakePassageEmbedder:
    """What a build needs of a model; counts calls, so that a test can see what was embedded again."""

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed_and_count(
        self, texts: Sequence[str], on_progress: Callable[[int], None]
    ) -> tuple[NDArray[np.float32], list[int]]:
        parts = []
        for first in range(0, len(texts), 64):  # as a real model, some at a time
            part = texts[first : first + 64]
            parts.append(self.embed_passages(part))
            on_progress(first + len(part))
        return np.concatenate(parts), [len(text.split()) for text in texts]

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded.extend(texts)
        return np.stack([hash_vector(text) for text in texts])

    def embed_questions(
        self, texts: Sequence[str], on_progress: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.float32]:
        on_progress(len(texts))
        return np.stack([hash_vector(text) for text in texts])


class FakeReranker(BaseNodePostprocessor):
    """A reranker that likes long passages; counts what it is given."""

    top_n: int = 5
    model_id: str = "fake/longest"
    unseen: float = 0.0
    given: list[int]  # shared by copies, as a model is

    def keeping(self, top_n: int) -> FakeReranker:
        return self.model_copy(update={"top_n": top_n})

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        assert query_bundle is not None
        self.given.append(len(nodes))
        for scored in nodes:
            scored.score = float(len(scored.node.get_content()))
            scored.node.metadata["scores"]["reranker"] = scored.score
            if self.unseen:
                scored.node.metadata["reranker_unseen"] = self.unseen
        return sorted(nodes, key=lambda scored: -(scored.score or 0))[: self.top_n]


class HashEmbedding(BaseEmbedding):
    """A LlamaIndex embedding over `hash_vector`; as a model of ours it is quick enough for sentences."""

    is_quick: bool = True

    def reads(self, text: str) -> bool:
        return True

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([hash_vector(text) for text in texts])

    def _get_query_embedding(self, query: str) -> list[float]:
        return hash_vector(query).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return hash_vector(text).tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


class ScriptedLLM(CustomLLM):
    """A LlamaIndex LLM that says the pieces it was given, remembers the prompts, and can fail half-way."""

    _pieces: list[str] = PrivateAttr()
    _error: Exception | None = PrivateAttr()
    _prompts: list[str] = PrivateAttr()
    _closed: bool = PrivateAttr()

    def __init__(self, *pieces: str, error: Exception | None = None) -> None:
        super().__init__(callback_manager=CallbackManager([]))
        self._pieces = list(pieces)
        self._error = error
        self._prompts = []
        self._closed = False

    @property
    def prompts(self) -> list[str]:
        return self._prompts

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=4096, num_output=200, is_chat_model=True, model_name="fake/scripted")

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text="".join(response.delta or "" for response in self._stream(prompt)))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        return self._stream(prompt)

    def _stream(self, prompt: str) -> CompletionResponseGen:
        self._prompts.append(prompt)
        text = ""
        try:
            for piece in self._pieces:
                text += piece
                yield CompletionResponse(text=text, delta=piece)
            if self._error is not None:
                raise self._error
        finally:
            self._closed = True


class SmallScriptedLLM(ScriptedLLM):
    """A generator that says itself that it is too small to rephrase, or to choose among passages."""

    @property
    def is_small(self) -> bool:
        return True
