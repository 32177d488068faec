"""Speaks to a running app as a foreign page would make a browser speak, header by header."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

_SECONDS = 60


def status(address: str, head: str, body: bytes = b"") -> int:
    """Send a request as it is written, and return the status of the answer."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=_SECONDS) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return int(connection.recv(4096).split(b" ", 2)[1])


def stream_status(address: str, *, host: str | None = None, origin: str | None = None) -> int:
    """Return what the app answers to a browser that opens the page's own connection: 101 where it may."""
    own = urlsplit(address).netloc
    return status(
        address,
        f"GET /_stcore/stream HTTP/1.1\nHost: {host or own}\nOrigin: {origin or f'http://{own}'}\nUpgrade: websocket\n"
        "Connection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )


def upload_status(address: str, *, token: str | None = None) -> int:
    """Return what the app answers to a file that a foreign page has the browser send, which has no token of the page's."""
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'
    cookie = "" if token is None else f"\nCookie: _streamlit_xsrf={token}\nX-Xsrftoken: {token}"
    head = (
        f"PUT /_stcore/upload_file/session/file HTTP/1.1\nHost: {urlsplit(address).netloc}\n"
        f"Content-Type: multipart/form-data; boundary=x\nContent-Length: {len(body)}{cookie}"
    )
    return status(address, head, body)


def check_refusals(address: str) -> None:
    """Assert that only the app's own page may speak to it, whatever name a foreign page has pointed at this machine."""
    port = urlsplit(address).port
    assert stream_status(address) == 101
    assert stream_status(address, host=f"localhost:{port}", origin=f"http://localhost:{port}") == 101
    rebound = f"evil.example:{port}"  # a name of the attacker's that leads here: Host and Origin are the same
    assert stream_status(address, host=rebound, origin=f"http://{rebound}") == 403
    assert stream_status(address, origin="http://evil.example") == 403
    assert upload_status(address) == 403
    assert upload_status(address, token="2|made|up|0") == 403
