"""Prompt to text by a server of the user's: llama.cpp, Ollama, vLLM and others that speak OpenAI's API, as a LlamaIndex `LLM`.

The chat template is applied by the server; it is asked not to think aloud. Text is streamed; closing the stream cuts the
connection, so that the server stops too. This module knows nothing of passages or citations.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from importlib.util import find_spec
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

from rag_app.config import AnsweringSettings, ModelSettings
from rag_app.errors import ModelLoadError, ModelNotAvailable
from rag_app.models.catalogue import load_catalogue
from rag_app.models.generating.background import in_background
from rag_app.models.generating.chat_server import GenerationServer, Told
from rag_app.models.generating.failures import wrote_nothing
from rag_app.models.generating.loading import DEFAULT_CONTEXT_TOKENS

_CLIENT = "llama_index.llms.openai_like"  # of the extra `served`; importing it takes seconds


def load_served_generator(name: str, answering: AnsweringSettings, models: ModelSettings) -> ServedGenerator:
    """Return the generator that a server knows by a name.

    Args:
        name: the model, as the server calls it.
        answering: the longest answer, and how tokens are chosen.
        models: which server, its key, how long it may take.

    Raises:
        ModelLoadError: the extra `served` is not installed.
        ModelNotAvailable: no server is configured, or it does not answer, or not with this key.
    """
    if find_spec(_CLIENT) is None:  # said at once, not when the first question is asked
        raise ModelLoadError(
            f"served:{name} is asked through a package that is not installed: llama-index-llms-openai-like.",
            'Run: pip install "rag-app[served]"',
        )
    url = models.served_generator_url or models.served_url
    if not url:
        raise ModelNotAvailable(
            f"served:{name} is run by a server, and none is configured.",
            "Start one that speaks OpenAI's API, and set RAG_APP_MODELS__SERVED_GENERATOR_URL=http://127.0.0.1:8000/v1 "
            "(docs/served-models.md).",
        )
    server = GenerationServer(name, url, _key(url, models), models.served_seconds)
    row = load_catalogue().generator(name)
    window = server.context_tokens() or (row.context_tokens if row else DEFAULT_CONTEXT_TOKENS)
    return ServedGenerator(server, answering, window)


def _key(url: str, models: ModelSettings) -> str:
    """Return the key for the generators' server: that of the embedding models' server is shown to no other."""
    is_one_server = _origin(url) == _origin(models.served_url)
    return models.served_generator_key.get_secret_value() or (
        models.served_key.get_secret_value() if is_one_server else ""
    )


def _origin(url: str) -> list[str]:
    """Return scheme, host and port of a URL as they are written."""
    return url.split("/", 3)[:3]


class ServedGenerator(CustomLLM):
    """A generator that a server runs. Its responses say the same in `additional_kwargs` as those of a `LocalGenerator`."""

    _server: GenerationServer = PrivateAttr()
    _answering: AnsweringSettings = PrivateAttr()
    _context_tokens: int = PrivateAttr()

    def __init__(self, server: GenerationServer, answering: AnsweringSettings, context_tokens: int) -> None:
        """Connect to nothing yet."""
        super().__init__(callback_manager=CallbackManager([]))
        self._server = server
        self._answering = answering
        self._context_tokens = context_tokens

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises the class under."""
        return "ServedGenerator"

    @property
    def metadata(self) -> LLMMetadata:
        """Name, window as far as it is known, and longest answer, for LlamaIndex."""
        return LLMMetadata(
            context_window=self._context_tokens,
            num_output=self._answering.max_new_tokens,
            is_chat_model=True,
            model_name=f"served:{self._server.name}",
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Return the whole answer; the arguments are those of `stream_chat`.

        Raises:
            GenerationError, ModelNotAvailable: as `stream_chat`.
        """
        *_, last = self._responses(messages, **kwargs)
        return last

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Yield the answer piece by piece; closing the generator cuts the connection.

        Args:
            messages: the conversation.
            **kwargs: `max_new_tokens`, where it is not that of the settings; others are for other LLMs.

        Raises:
            ModelNotAvailable: the server cannot be reached, does not know the model, or wants another key.
            GenerationError: it failed, or wrote nothing.
        """
        return self._responses(messages, **kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Return the whole answer to a prompt, which is put as a question: the server has the template."""
        *_, last = self._completions(prompt, **kwargs)
        return last

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Yield the answer to a prompt piece by piece, as `stream_chat`."""
        return self._completions(prompt, **kwargs)

    def _completions(self, prompt: str, **kwargs: Any) -> CompletionResponseGen:
        for response in self._responses([ChatMessage(role=MessageRole.USER, content=prompt)], **kwargs):
            message = response.message
            yield CompletionResponse(
                text=message.content or "", delta=response.delta, additional_kwargs=message.additional_kwargs
            )

    def _responses(
        self, messages: Sequence[ChatMessage], max_new_tokens: int | None = None, **_: Any
    ) -> Generator[ChatResponse]:
        request = self._server.request(messages, self._answering, max_new_tokens or self._answering.max_new_tokens)
        text, reason = "", ""

        def work(put: Callable[[Told], None]) -> None:
            request.send(put)

        with closing(in_background(work, request.cut)) as pieces:
            for told in pieces:
                delta = told.text if told else ""
                reason = (told.finish_reason if told else "") or reason
                if told is None or delta:
                    text += delta
                    yield _response(text, delta, {} if delta else {"waiting": 0})
        if not text.strip():
            raise wrote_nothing(self.metadata.model_name)
        yield _response(text, "", {"finish_reason": reason})


def _response(text: str, delta: str, told: dict[str, Any]) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, content=text, additional_kwargs=told)
    return ChatResponse(message=message, delta=delta)
