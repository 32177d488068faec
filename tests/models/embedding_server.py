"""A small OpenAI-compatible embedding server in a process of its own, on loopback: it writes down what it was asked.

`python -m tests.models.embedding_server LOG` prints its port. What a model's name begins with decides how it behaves.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

DIMENSION = 16
KEY = "a-key"


def vector(text: str, dimension: int = DIMENSION) -> list[float]:
    """Return the vector of a text, of no particular length."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return (3 * np.random.default_rng(seed).normal(size=dimension)).tolist()


class Handler(BaseHTTPRequestHandler):
    """Answers POST /v1/embeddings."""

    log: Path

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.log.open("a") as file:
            file.write(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}) + "\n")
        model, texts = body["model"], body["input"]
        if self.path != "/v1/embeddings" or model == "unknown":
            self._send(404, {"error": {"message": f"The model `{model}` does not exist"}})
        elif model == "locked" and self.headers.get("Authorization") != f"Bearer {KEY}":
            self._send(401, {"error": {"message": "No key."}})
        elif model == "failing":
            self._send(500, {"error": {"message": "out of memory\nat line 2"}})
        elif model == "elsewhere":
            self._send(307, {}, Location=f"http://{self.headers['Host']}/v1/embeddings")
        elif model == "slow":
            time.sleep(10)
        elif model == "no-json":
            self._send(200, "<html>hello</html>")
        elif model == "no-vectors":
            self._send(200, {"choices": []})
        else:
            self._send(200, self._answer(model, texts))

    def _answer(self, model: str, texts: list[str]) -> dict[str, Any]:
        vectors = [vector(text) for text in texts]
        if model == "few":
            vectors = vectors[:-1]
        if model == "longer":
            vectors = [vector(text, DIMENSION + 1) for text in texts]
        if model == "nan":
            vectors[-1] = [float("nan")] * DIMENSION
        data = [{"object": "embedding", "index": n, "embedding": numbers} for n, numbers in enumerate(vectors)]
        usage = {} if model == "silent" else {"usage": {"prompt_tokens": sum(len(text.split()) for text in texts)}}
        return {"object": "list", "model": model, "data": data[::-1]} | usage  # in whatever order: the index counts

    def _send(self, status: int, body: object, **headers: str) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


@dataclass(frozen=True)
class Server:
    """A server that runs, and what it was asked so far."""

    url: str
    log: Path

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.is_file() else []


@contextmanager
def running(log: Path) -> Iterator[Server]:
    """Run a server in a process of its own."""
    command = [sys.executable, "-m", "tests.models.embedding_server", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}/v1", log)
        finally:
            process.terminate()


if __name__ == "__main__":
    Handler.log = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
