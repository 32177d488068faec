"""What children of `tests/test_sandbox.py` run: a function that does what it is told, harmless or not."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rag_app.errors import DocumentError


def act(argument: Any, data: bytes) -> Any:
    """Do the deed that `argument` names; a list gives it something to work with."""
    name, *rest = argument if isinstance(argument, list) else [argument]
    return _DEEDS[name](data, *rest)


def _endless(data: bytes) -> None:
    while True:
        pass


def _refuse(data: bytes) -> None:
    raise DocumentError("It is not good.", "Make it good.")


def _defect(data: bytes) -> None:
    raise ZeroDivisionError("half a surrogate: \ud800")


def _connect(data: bytes, port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=2)


def _connect_past_python(data: bytes, port: int) -> int:
    """Connect with the C library, which no audit hook sees; return its error number."""
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    address = struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + bytes([127, 0, 0, 1]) + bytes(8)
    result = library.connect(descriptor, address, len(address))
    return ctypes.get_errno() if result else 0


def _write(data: bytes, path: str) -> None:
    Path(path).write_text("here I was")


def _write_own(data: bytes) -> str:
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("mine")
    return file.name


def _start(data: bytes, *command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _start_own(data: bytes) -> None:
    program = Path(tempfile.gettempdir()) / "echo"
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o700)
    subprocess.run([str(program)], check=True)


def _close_and_wait(data: bytes) -> None:
    """Close the pipe that answers go into, and live on."""
    for descriptor in range(3, 64):  # but not the one that is watched for the parent's end
        with contextlib.suppress(OSError):
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
                os.close(descriptor)
    time.sleep(60)


def _print(data: bytes) -> str:
    print("noise")
    os.write(1, b"more noise")
    sys.stdout.flush()
    return "answer"


_DEEDS = {
    "length": len,
    "echo": lambda data: data.decode(),
    "wait": lambda data: time.sleep(60),
    "endless": _endless,
    "memory": lambda data: len(bytearray(2_000_000_000)),
    "crash": lambda data: ctypes.string_at(0),
    "exit": lambda data: os._exit(7),
    "refuse": _refuse,
    "defect": _defect,
    "large": lambda data, size: "x" * size,
    "connect": _connect,
    "connect past Python": _connect_past_python,
    "write": _write,
    "write own": _write_own,
    "start": _start,
    "print": _print,
    "folder": lambda data: tempfile.gettempdir(),
    "start own": _start_own,
    "close and wait": _close_and_wait,
    "environment": lambda data: dict(os.environ),
    "process": lambda data: os.getpid(),
    "wait for": lambda data, seconds: time.sleep(seconds) or os.getpid(),
}
