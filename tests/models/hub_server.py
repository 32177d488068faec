"""A Hugging Face hub on this machine: a model, served as the real one does, with what was asked of it counted."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee0123456789c0ffee0123456789c0ffee01"
LARGE = (".safetensors", ".bin", ".pt")


@dataclass(frozen=True)
class Sent:
    """One answer with a file's content: which file, from which byte on, how many bytes."""

    name: str
    start: int
    count: int


@dataclass
class Hub:
    """What the hub has, how it behaves, and what it did."""

    model_id: str
    files: dict[str, bytes]
    licence: str = "mit"
    gated: bool = False
    damaged: frozenset[str] = frozenset()
    """Files that arrive with another first byte than the hub's sums are of."""
    stop_after: int | None = None
    """A large file's answer stops, the connection open, after so many bytes."""
    url: str = ""
    sent: list[Sent] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    others: list[Hub] = field(default_factory=list)
    """Repositories beside the model, under the same address; what is asked of them is counted with the model."""

    def git_sha1(self, name: str) -> str:
        content = self.files[name]
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def sha256(self, name: str) -> str:
        return hashlib.sha256(self.files[name]).hexdigest()

    def sent_of(self, name: str) -> list[Sent]:
        return [one for one in self.sent if one.name == name]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Hub
    hub: Hub  # the part of it that is asked

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.served.asked.append(path)
        self.hub = hub = next((one for one in self.served.others if f"/{one.model_id}/" in f"{path}/"), self.served)
        if path in (f"/api/models/{hub.model_id}{at}" for at in ("", f"/revision/{COMMIT}", "/revision/main")):
            self._json(self._information())
        elif path.startswith(f"/api/models/{hub.model_id}/tree/{COMMIT}"):
            self._json(self._tree())
        elif path.startswith(f"/{hub.model_id}/resolve/{COMMIT}/"):
            self._file(path.removeprefix(f"/{hub.model_id}/resolve/{COMMIT}/"))
        else:
            self._refuse(404, "RepoNotFound")

    def _information(self) -> object:
        hub = self.hub
        siblings = []
        for name, content in hub.files.items():
            sibling: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": hub.git_sha1(name)}
            if name.endswith(LARGE):
                sibling["lfs"] = {"sha256": hub.sha256(name), "size": len(content), "pointerSize": 130}
            siblings.append(sibling)
        return {
            "id": hub.model_id,
            "sha": COMMIT,
            "gated": "manual" if hub.gated else False,
            "cardData": {"license": hub.licence},
            "siblings": siblings,
        }

    def _tree(self) -> object:
        hub = self.hub
        entries = []
        for name, content in hub.files.items():
            entry: dict[str, object] = {
                "type": "file", "path": name, "size": len(content), "oid": hub.git_sha1(name),
            }  # fmt: skip
            if name.endswith(LARGE):
                entry["lfs"] = {"oid": hub.sha256(name), "size": len(content), "pointerSize": 130}
            entries.append(entry)
        return entries

    def _file(self, name: str) -> None:
        hub = self.hub
        if hub.gated:
            self._refuse(403, "GatedRepo")
            return
        content = hub.files[name]
        if name in hub.damaged:
            content = bytes([content[0] ^ 1]) + content[1:]
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        etag = hub.sha256(name) if name.endswith(LARGE) else hub.git_sha1(name)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        end = len(content) if hub.stop_after is None or not name.endswith(LARGE) else hub.stop_after
        hub.sent.append(Sent(name, start, end - start))  # before whoever reads it can ask what was sent
        self.wfile.write(content[start:end])
        self.wfile.flush()
        if end < len(content):
            hub.stalled.set()
            hub.go_on.wait(60)
            self.close_connection = True

    def _json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve a hub on a free port of this machine."""
    handler = type("Handler", (_Handler,), {"served": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
