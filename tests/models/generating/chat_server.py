"""A small server on loopback that speaks OpenAI's API for chats; the model's name decides how it behaves or fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ["The ", "account ", "is ", "locked", ". ", "账号", "被锁定", "。"]
KEY = "a-key"
REFUSALS = {
    "unknown": (404, "The model `unknown` does not exist"),
    "failing": (500, "CUDA out of memory\nat line 2"),
    "long": (400, "the request exceeds the available context size (5000 > 4096)"),
    "strict": (400, "unsupported parameter"),
}


@dataclass
class ChatServer:
    """What was asked so far, and what became of it."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    written: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: ChatServer

    def do_GET(self) -> None:
        self._log({})
        if self.headers.get("Authorization") == "Bearer wrong":
            self._send(401, {"error": {"message": "Wrong key."}})
        else:
            models = [
                {"id": "short", "max_model_len": 2048},
                {"id": "llama", "meta": {"n_ctx_train": 8192}},
                {"id": "words"},
            ]
            self._send(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._log(body)
        model = body["model"]
        if model in REFUSALS:
            status, message = REFUSALS[model]
            self._send(status, {"error": {"message": message}})
        elif model == "locked" and self.headers.get("Authorization") != f"Bearer {KEY}":
            self._send(401, {"error": {"message": "No key."}})
        elif model == "elsewhere":
            self._send(307, {}, Location=self.state.url + "/chat/completions")
        elif model == "no-json":
            self._send(200, "<html>hello</html>", kind="text/event-stream")
        elif model == "silent":
            self._wait_for_hanging_up()
        else:
            self._stream(model)

    def _stream(self, model: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, word in enumerate([] if model == "empty" else WORDS):
            if number == 3 and model in ("cut", "cut-cleanly"):
                if model == "cut-cleanly":
                    self._chunk(b"")
                self.close_connection = True
                return
            if number == 3 and model == "error":
                self._chunk(b'data: {"error": {"message": "the worker died"}}\n\n')
            if number == 3 and model == "stuck":
                self._wait_for_hanging_up()
                return
            self._event({"delta": {"content": word}})
            self.state.written += 1
        self._event({"delta": {}, "finish_reason": "length" if model == "limited" else "stop"})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _wait_for_hanging_up(self) -> None:
        self.connection.settimeout(60)
        if self.connection.recv(1) == b"":
            self.state.hung_up.set()
        self.close_connection = True

    def _event(self, choice: dict[str, Any]) -> None:
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0} | choice],
        }
        self._chunk(f"data: {json.dumps(chunk)}\n\n".encode())

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")

    def _log(self, body: dict[str, Any]) -> None:
        self.state.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})

    def _send(self, status: int, body: object, *, kind: str = "application/json", **headers: str) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are what is tested."""


@contextmanager
def chatting() -> Iterator[ChatServer]:
    """Run a server in a thread."""
    state = ChatServer()
    handler = type("Handler", (_Handler,), {"state": state})
    server = _Server(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
