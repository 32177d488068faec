"""A generator that a server runs: streamed, cut when closed, told nothing of the environment's, clear when it fails."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole

from rag_app.config import AnsweringSettings, ModelSettings
from rag_app.errors import GenerationError, ModelError, ModelLoadError, ModelNotAvailable
from rag_app.models.generating.chat_server import GenerationServer
from rag_app.models.generating.failures import WAY_OUT
from rag_app.models.generating.generator import LocalGenerator, load_generator
from rag_app.models.generating.served import ServedGenerator
from tests.models.generating.chat_server import KEY, WORDS, ChatServer, chatting
from tests.ui.server import free_port

pytest.importorskip("llama_index.llms.openai_like")

TEXT = "".join(WORDS)
MESSAGES = [
    ChatMessage(role=MessageRole.SYSTEM, content="Answer from passages."),
    ChatMessage(role=MessageRole.USER, content="忘记密码怎么办？"),
]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chatting() as state:
        yield state


def served(name: str, server: ChatServer, *, key: str = "", seconds: int = 10, **answering: Any) -> ServedGenerator:
    models = ModelSettings(served_generator_url=server.url, served_generator_key=key, served_seconds=seconds)  # type: ignore[arg-type]
    settings = AnsweringSettings(**answering)
    generator = load_generator(f"served:{name}", device="cpu", offline=True, answering=settings, models=models)
    assert isinstance(generator, ServedGenerator)
    return generator


def test_text_is_streamed_and_its_end_is_explained(server: ChatServer) -> None:
    generator = served("words", server)
    streamed = list(generator.stream_chat(MESSAGES))
    assert [response.delta for response in streamed if response.delta] == WORDS
    assert streamed[-1].message.content == TEXT
    assert streamed[-1].message.additional_kwargs == {"finish_reason": "stop"}
    assert generator.chat(MESSAGES).message.content == TEXT
    assert generator.complete("question").text == TEXT
    assert [response.delta for response in generator.stream_complete("question") if response.delta] == WORDS
    limited = served("limited", server).chat(MESSAGES)
    assert limited.message.additional_kwargs == {"finish_reason": "length"}


def test_what_it_is_asked(server: ChatServer) -> None:
    served("words", server, max_new_tokens=77, temperature=0.5, seed=9).chat(MESSAGES)
    asked = server.requests[-1]
    assert asked["path"] == "/v1/chat/completions"
    body = asked["body"]
    assert (body["model"], body["stream"], body["max_tokens"]) == ("words", True, 77)
    assert (body["temperature"], body["seed"]) == (0.5, 9)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert [(message["role"], message["content"]) for message in body["messages"]] == [
        ("system", "Answer from passages."),
        ("user", "忘记密码怎么办？"),
    ]
    generator = served("words", server)
    generator.chat(MESSAGES, max_new_tokens=80)
    assert server.requests[-1]["body"]["max_tokens"] == 80
    assert server.requests[-1]["body"]["temperature"] == 0


def test_nothing_of_the_environment_is_told_or_used(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Own: secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://192.0.2.1/v1")
    monkeypatch.setenv("OPENAI_API_BASE", "http://192.0.2.1/v1")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:1")
    served("words", server).chat(MESSAGES)
    assert len(server.requests) == 2
    headers = {name.lower() for name in server.requests[1]["headers"]}
    assert headers == {"host", "accept", "accept-encoding", "connection", "content-type", "content-length"}
    assert "secret" not in str(server.requests)
    served("locked", server, key=KEY).chat(MESSAGES)
    assert server.requests[-1]["headers"]["Authorization"] == f"Bearer {KEY}"
    assert server.requests[-2]["headers"]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("name", "window"),
    [("short", 2048), ("llama", 4096), ("words", 4096), ("Qwen/Qwen2.5-1.5B-Instruct", 32768)],
)
def test_the_window_is_what_the_server_says_or_the_catalogue(server: ChatServer, name: str, window: int) -> None:
    generator = served(name, server)
    assert generator.metadata.context_window == window
    assert generator.metadata.model_name == f"served:{name}"
    assert generator.metadata.is_chat_model


@pytest.mark.parametrize("name", ["silent", "stuck"], ids=["before the first word", "in the middle"])
def test_closing_the_stream_cuts_the_connection_at_once(server: ChatServer, name: str) -> None:
    stream = served(name, server, seconds=60).stream_chat(MESSAGES)
    for response in stream:
        if not response.delta:  # control comes back while nothing is written
            assert response.message.additional_kwargs == {"waiting": 0}
            if len(server.requests) == 2:
                break
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 20, "it did not wait for the server, which says nothing for a minute"
    assert server.hung_up.wait(30), "the server sees that nobody reads any more"
    for thread in threading.enumerate():
        if thread.name == "generator":
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("name", "kind", "found", "remedy"),
    [
        ("unknown", ModelNotAvailable, "status 404: .*does not exist", "--generator served:NAME"),
        ("locked", ModelNotAvailable, "status 401: .*No key", "RAG_APP_MODELS__SERVED_GENERATOR_KEY"),
        ("failing", GenerationError, "status 500: .*out of memory", "server's own messages"),
        ("long", GenerationError, "status 400: .*available context size", "RAG_APP_ANSWERING__PASSAGE_TOKENS"),
        ("strict", GenerationError, "status 400: .*unsupported parameter", "server's own messages"),
        ("elsewhere", GenerationError, "status 307", "server's own messages"),
        ("no-json", GenerationError, "no answer of 'no-json' that can be read", "OpenAI-compatible"),
        ("empty", GenerationError, "wrote nothing", "--generator quote"),
        ("cut", GenerationError, "broke off while 'cut' wrote", "ask again"),
        ("cut-cleanly", GenerationError, "broke off while .* the end of the answer did not come", "ask again"),
        ("error", GenerationError, "broke off while .*the worker died", "ask again"),
    ],
)
def test_what_a_server_does_wrong_is_said_with_a_way_on(
    server: ChatServer, name: str, kind: type[ModelError], found: str, remedy: str
) -> None:
    generator = served(name, server)
    with pytest.raises(kind, match=found) as caught:
        list(generator.stream_chat(MESSAGES))
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)
    assert len([request for request in server.requests if request["body"]]) == 1, "asked once, and nobody else"


def test_closing_before_the_request_was_sent_sends_none(server: ChatServer) -> None:
    request = GenerationServer("words", server.url, "", 10).request(MESSAGES, AnsweringSettings(), 10)
    request.cut()
    request.send(lambda told: pytest.fail(f"told {told}"))
    assert server.requests == []


@pytest.mark.parametrize("name", ["silent", "stuck"])
def test_a_server_that_says_nothing_for_too_long(server: ChatServer, name: str) -> None:
    with pytest.raises(ModelError, match=r"did not answer|broke off") as caught:
        served(name, server, seconds=1).chat(MESSAGES)
    assert ("SERVED_SECONDS" in caught.value.remedy) == (name == "silent")


def test_a_server_that_is_not_there_is_found_out_at_once(server: ChatServer) -> None:
    gone = ChatServer(url="http://127.0.0.1:9/v1")
    with pytest.raises(ModelNotAvailable, match=r"http://127\.0\.0\.1:9/v1 for 'words' did not answer") as caught:
        served("words", gone)
    assert "RAG_APP_MODELS__SERVED_GENERATOR_URL" in caught.value.remedy
    assert caught.value.remedy.endswith(WAY_OUT)
    with pytest.raises(ModelNotAvailable, match="status 401"):
        served("words", server, key="wrong")


def test_none_configured_or_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> object:
        settings = AnsweringSettings()
        return load_generator("served:x", device="cpu", offline=True, answering=settings, models=ModelSettings())

    with pytest.raises(ModelNotAvailable, match="none is configured") as caught:
        load()
    assert "RAG_APP_MODELS__SERVED_GENERATOR_URL" in caught.value.remedy
    monkeypatch.setitem(sys.modules, "llama_index.llms.openai_like", None)
    with pytest.raises(ModelLoadError) as missing:
        load()
    assert 'pip install "rag-app[served]"' in missing.value.remedy


def test_the_server_of_the_embedding_models_is_asked_where_no_other_is_set(server: ChatServer) -> None:
    models = ModelSettings(served_url=server.url)
    generator = load_generator("served:words", device="cpu", offline=True, answering=AnsweringSettings(), models=models)
    assert generator.chat(MESSAGES).message.content == TEXT


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"served_url": "{url}"}, "embedder's"),
        ({"served_url": "{url}/", "served_generator_url": "{url}/other"}, "embedder's"),
        ({"served_url": "https://provider.example/v1", "served_generator_url": "{url}"}, None),
        ({"served_url": "http://127.0.0.1:9/v1", "served_generator_url": "{url}"}, None),
        ({"served_generator_url": "{url}"}, None),
        ({"served_url": "{url}", "served_generator_key": "generator's"}, "generator's"),
        ({"served_generator_url": "{url}", "served_generator_key": "generator's"}, "generator's"),
    ],
)
def test_a_key_is_shown_to_its_own_server_alone(
    server: ChatServer, settings: dict[str, str], shown: str | None
) -> None:
    filled = {name: value.format(url=server.url) for name, value in settings.items()}
    models = ModelSettings(served_key="embedder's", **filled)  # type: ignore[arg-type]
    load_generator("served:words", device="cpu", offline=True, answering=AnsweringSettings(), models=models)
    assert server.requests[-1]["headers"].get("Authorization") == (shown and f"Bearer {shown}")


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def real_server(tiny_generator: Path) -> Iterator[ChatServer]:
    """The server that comes with transformers, in a process of its own, with a tiny model."""
    if importlib.util.find_spec("fastapi") is None:
        pytest.skip("transformers' server needs fastapi")
    port = free_port()
    arguments = ["serve", str(tiny_generator), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    command = [sys.executable, "-m", "transformers.cli.transformers", *arguments, "--dtype", "float32"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 300
            while not is_open(port):
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.1)
            yield ChatServer(url=f"http://127.0.0.1:{port}/v1")
        finally:
            process.terminate()


@pytest.mark.slow
def test_a_real_server_gives_what_the_same_model_gives_here(real_server: ChatServer, tiny_generator: Path) -> None:
    settings = AnsweringSettings(max_new_tokens=16)
    here = load_generator(str(tiny_generator), device="cpu", offline=True, answering=settings, models=ModelSettings())
    assert isinstance(here, LocalGenerator)
    there = served(str(tiny_generator), real_server, seconds=60, max_new_tokens=16)
    streamed = list(there.stream_chat(MESSAGES))
    expected = here.chat(MESSAGES).message
    assert "".join(response.delta or "" for response in streamed) == expected.content
    assert streamed[-1].message.additional_kwargs == expected.additional_kwargs == {"finish_reason": "length"}


@pytest.mark.slow
def test_a_real_server_is_told_to_stop_and_answers_the_next(real_server: ChatServer, tiny_generator: Path) -> None:
    there = served(str(tiny_generator), real_server, seconds=60, max_new_tokens=300)
    stream = there.stream_chat(MESSAGES)
    assert any(response.delta for response in stream)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 5
    assert there.chat(MESSAGES, max_new_tokens=4).message.content
