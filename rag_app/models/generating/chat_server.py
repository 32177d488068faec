"""Asks a server of the user's for text, by OpenAI's API, through LlamaIndex's client for it.

It speaks to no server but the one that was configured, and tells it nothing but the request and the key that was configured:
neither keys and names of accounts nor proxies of the environment are used. This module knows nothing of prompts.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag_app.errors import GenerationError, ModelError, ModelNotAvailable, first_line
from rag_app.models.generating.failures import WAY_OUT

if TYPE_CHECKING:
    import httpx
    from llama_index.core.base.llms.types import ChatMessage

    from rag_app.config import AnsweringSettings

# What a request says of itself. OpenAI's client adds the machine's system and Python, and accounts of the environment.
_HEADERS = frozenset({"host", "accept", "accept-encoding", "connection", "content-type", "content-length"})
# Where vLLM says how many tokens a model reads; llama.cpp says only for how many it was trained.
_WINDOW = "max_model_len"
_TOO_LONG = ("context", "too long", "too large", "max_model_len")


@dataclass(frozen=True)
class Told:
    """What a server said: some more text, and why it ended, once it did."""

    text: str
    finish_reason: str


class GenerationServer:
    """One model of a server."""

    def __init__(self, name: str, url: str, key: str, seconds: int) -> None:
        """Connect to nothing yet.

        Args:
            name: the model, as the server calls it.
            url: the base of its API.
            key: what it wants to be shown; empty: nothing.
            seconds: how long it may be silent.
        """
        self.name = name
        self.url = url.rstrip("/")
        self.key = key
        self.seconds = seconds

    def context_tokens(self) -> int | None:
        """Return how many tokens the model reads, None where the server does not say.

        Raises:
            ModelNotAvailable: it does not answer, or not with this key.
        """
        import httpx2

        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            with httpx2.Client(trust_env=False, timeout=self.seconds, follow_redirects=False) as client:
                answer = client.get(f"{self.url}/models", headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._silent(error) from error
        if answer.status_code in (401, 403):
            raise self._refused(answer.status_code, answer.text)
        # Not every server has this list, or fills it in.
        with suppress(ValueError, LookupError, TypeError, AttributeError):
            for model in answer.json()["data"]:
                if model["id"] == self.name:
                    return int(model[_WINDOW])
        return None

    def request(self, messages: Sequence[ChatMessage], answering: AnsweringSettings, max_new_tokens: int) -> Request:
        """Return a request that is not sent yet."""
        return Request(self, messages, answering, max_new_tokens)

    def error(self, error: BaseException, *, begun: bool) -> ModelError:
        """Return what is told of an error of the client's; `begun`: some text had come before."""
        import openai

        if isinstance(error, openai.APIStatusError):
            return self._refused(error.status_code, error.message)
        if begun:
            return GenerationError(
                f"The server at {self.url} broke off while '{self.name}' wrote: {first_line(error)}.",
                f"Look at the server's own messages, and ask again. {WAY_OUT}",
            )
        if isinstance(error, openai.APIConnectionError):
            return self._silent(error.__cause__ or error)
        return GenerationError(
            f"The server at {self.url} gave no answer of '{self.name}' that can be read: {first_line(error)}.",
            f"Check that the URL is that of an OpenAI-compatible API. {WAY_OUT}",
        )

    def _silent(self, error: BaseException) -> ModelNotAvailable:
        return ModelNotAvailable(
            f"The server at {self.url} for '{self.name}' did not answer ({type(error).__name__}).",
            "Start it, or correct RAG_APP_MODELS__SERVED_GENERATOR_URL; "
            "a slow one needs RAG_APP_MODELS__SERVED_SECONDS.",
        )

    def _refused(self, status: int, text: str) -> ModelError:
        said = " ".join(text.split())[:200]
        found = f"The server at {self.url} refused '{self.name}' with status {status}: {said}"
        if status in (401, 403):
            return ModelNotAvailable(found, "Give it the key it wants: RAG_APP_MODELS__SERVED_GENERATOR_KEY.")
        if status == 404:
            return ModelNotAvailable(
                found,
                "Give the name the server knows the model by: --generator served:NAME; check that the URL ends in /v1.",
            )
        if status < 500 and any(words in said.lower() for words in _TOO_LONG):
            return GenerationError(
                found,
                "The prompt is too long for it: lower RAG_APP_ANSWERING__PASSAGE_TOKENS, or start the server with a larger "
                f"context. {WAY_OUT}",
            )
        return GenerationError(found, f"Look at the server's own messages. {WAY_OUT}")


class Request:
    """One answer of a server. Cutting it, from whatever thread, closes the connection."""

    def __init__(
        self,
        server: GenerationServer,
        messages: Sequence[ChatMessage],
        answering: AnsweringSettings,
        max_new_tokens: int,
    ) -> None:
        """Send nothing yet."""
        self._server = server
        self._messages = messages
        self._options: dict[str, Any] = {
            "max_tokens": max_new_tokens,
            "temperature": answering.temperature,
            "seed": answering.seed,
            # vLLM, llama.cpp and others hand this to the chat template; the rest ignore it.
            "extra_body": {"chat_template_kwargs": {"enable_thinking": False}},
        }
        self._connection: Any = None
        self._is_cut = threading.Event()

    def send(self, put: Callable[[Told], None]) -> None:
        """Ask, and tell `put` what comes.

        Raises:
            ModelNotAvailable: the server does not answer, does not know the model, or wants another key.
            GenerationError: it failed, or broke off.
        """
        import httpx

        hooks: dict[str, list[Callable[..., Any]]] = {"request": [self._prepare]}
        begun, reason = False, ""
        timeout = self._server.seconds
        try:
            with httpx.Client(trust_env=False, timeout=timeout, follow_redirects=False, event_hooks=hooks) as client:
                for response in self._llm(client).stream_chat(self._messages, **self._options):
                    told = _told(response)
                    begun, reason = begun or bool(told.text), told.finish_reason or reason
                    put(told)
            if not reason:
                raise ConnectionError("the end of the answer did not come")  # noqa: TRY301 - said as any other end of this kind
        except Exception as error:
            if not self._is_cut.is_set():  # else nobody reads it any more
                raise self._server.error(error, begun=begun) from error

    def cut(self) -> None:
        """Close the connection. Shutting it down wakes the thread that waits for it; closing alone would not."""
        self._is_cut.set()
        self._shut_down()

    def _llm(self, client: httpx.Client) -> Any:
        from llama_index.llms.openai_like import OpenAILike

        return OpenAILike(
            model=self._server.name,
            api_base=self._server.url,
            api_key=self._server.key or "none",  # an empty one would be replaced by one of the environment
            is_chat_model=True,
            max_retries=0,
            timeout=self._server.seconds,
            http_client=client,
        )

    def _prepare(self, request: httpx.Request) -> None:
        if self._is_cut.is_set():
            raise ConnectionAbortedError
        for name in set(request.headers) - _HEADERS:
            del request.headers[name]
        if self._server.key:
            request.headers["Authorization"] = f"Bearer {self._server.key}"
        request.extensions = {**request.extensions, "trace": self._trace}

    def _trace(self, event: str, told: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._connection = told["return_value"]
            if self._is_cut.is_set():
                self._shut_down()

    def _shut_down(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def _told(response: Any) -> Told:
    choices = response.raw.choices
    return Told(response.delta or "", (choices[0].finish_reason or "") if choices else "")
