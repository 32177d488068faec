"""The inside of a sandbox's child process: gives up what it will not need, then answers requests.

It imports nothing heavy: a child starts in about a tenth of a second. This module knows nothing of documents.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import re
import resource
import select
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import IO, Any

from rag_app.errors import DocumentError
from rag_app.sandbox import LENGTH, MEBIBYTE, SandboxLimits

Function = Callable[[Any, bytes], Any]

_MEMORY = re.compile(rb"Vm(?:HWM|RSS):\s*(\d+)")  # kB; the peak, then what is used now

# CLONE_NEWUSER and CLONE_NEWNET in linux/sched.h
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000


def main() -> None:
    """Answer requests until the parent closes the pipe. Its settings are the second argument of the command."""
    settings = json.loads(sys.argv[2])
    limits = SandboxLimits(**settings["limits"] | {"programs": tuple(settings["limits"]["programs"])})
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # what a library prints must not end up in an answer
        os.dup2(nothing, descriptor)
    sys.dont_write_bytecode = True
    _leave_the_network()
    memory = limits.memory_megabytes * MEBIBYTE
    if sys.platform == "linux":  # elsewhere the kernel does not count a process's addresses reliably
        _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_FSIZE, memory)
    _limit(resource.RLIMIT_NOFILE, 128)
    _limit(resource.RLIMIT_CORE, 0)
    module, _, name = settings["function"].partition(":")
    function: Function = getattr(importlib.import_module(module), name)
    watching = threading.Thread(target=_end_with_the_parent, args=(requests.fileno(), settings["folder"]), daemon=True)
    watching.start()
    sys.addaudithook(_Guard(settings["folder"], limits.programs))
    _send(replies, b"{}")
    while header := _frame(requests):
        calls, seconds, cpu_seconds = json.loads(header)
        # A child whose parent was killed must end by itself, even inside a library.
        signal.setitimer(signal.ITIMER_REAL, seconds + 5)
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds)
        outcomes = [_outcome(function, argument, requests.read(length)) for argument, length in calls]
        _send(replies, _answer(outcomes, limits.output_megabytes * MEBIBYTE))
        signal.setitimer(signal.ITIMER_REAL, 0)
    watching.join()  # it ends this process


def _end_with_the_parent(descriptor: int, folder: str) -> None:
    """Wait until the parent's end of the pipe is closed, which its death does as well; then leave nothing behind."""
    hang_up = select.poll()
    hang_up.register(descriptor, 0)  # told of nothing but that
    hang_up.poll()
    shutil.rmtree(folder, ignore_errors=True)
    ctypes.CDLL(None).killpg(0, signal.SIGKILL)  # with what this process has started


def _limit(kind: int, value: int) -> None:
    """Set a soft limit, not above the hard one."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def _frame(stream: IO[bytes]) -> bytes:
    """Return the next length-prefixed bytes of a stream; none at its end."""
    head = stream.read(LENGTH.size)
    return stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""


def _outcome(function: Function, argument: object, data: bytes) -> dict[str, Any]:
    """Run the function and return its value, or what it ended with."""
    try:
        return {"value": function(argument, data)}
    except DocumentError as refusal:
        return {"error": {"kind": "document", "found": refusal.found, "remedy": refusal.remedy}}
    except MemoryError:
        return {"error": {"kind": "memory"}}
    except Exception as defect:  # noqa: BLE001 - a damaged file makes a library raise what it likes; the parent is told
        return {"error": {"kind": "unexpected", "found": f"{type(defect).__name__}: {str(defect)[:200]}"}}


def _answer(outcomes: Sequence[dict[str, Any]], most: int) -> bytes:
    """Return the outcomes as JSON bytes. What is too large is refused here: the parent would kill this process for it."""
    used, peak = _memory_megabytes()
    refusal = {
        "kind": "document",
        "found": f"Its text, with its structure, comes to more than {most // MEBIBYTE} MB.",
        "remedy": "Cut it into several files, or raise RAG_APP_SANDBOX__OUTPUT_MEGABYTES.",
    }
    try:
        encoded = _encoded(outcomes)
        if len(encoded) > most:
            share = most // len(outcomes)
            encoded = _encoded([part if len(_encoded(part)) <= share else {"error": refusal} for part in outcomes])
    except MemoryError:
        encoded, used = _encoded([{"error": {"kind": "memory"}}] * len(outcomes)), peak
    return b'{"used": %d, "peak": %d, "outcomes": %s}' % (used, peak, encoded)


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")  # half a surrogate pair in an error message


def _memory_megabytes() -> tuple[int, int]:
    """Return how much memory this process uses, and used at most.

    Not by getrusage on Linux: its maximum begins with that of the parent, whatever the parent is.
    """
    if sys.platform != "linux":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MEBIBYTE
        return peak, peak
    with open("/proc/self/status", "rb", buffering=0) as status:  # noqa: PTH123 - after every call: Path takes as long again
        peak, used = (int(value) // 1024 for value in _MEMORY.findall(status.read(4096)))
    return used, peak


def _leave_the_network() -> None:
    """Move into a network of its own with nothing in it, where the kernel allows that; `_Guard` holds everywhere."""
    library = ctypes.CDLL(None)
    if hasattr(library, "unshare") and library.unshare(_NEW_NETWORK):
        library.unshare(_NEW_USER | _NEW_NETWORK)


class _Guard:
    """A Python audit hook that refuses what reading a document never needs. It cannot be taken out again.

    It stops what libraries do in Python's name, not machine code that an attacker smuggled in: against that stand the
    kernel's limits and the empty network.
    """

    _EVERY = (
        "socket.",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "os.fork",
        "os.kill",
        "pty.",
        "webbrowser.",
    )
    _PATHS = (
        "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate",
        "os.utime", "sqlite3.connect",
    )  # fmt: skip
    _WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def __init__(self, folder: str, programs: Sequence[str]) -> None:
        self._folder = folder + os.sep
        places = (shutil.which(program) for program in programs)
        self._programs = frozenset(programs) | {place for place in places if place}

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & self._WRITING:
                self._check(event, path)
        elif event == "subprocess.Popen":
            if os.fsdecode(arguments[0]) not in self._programs:
                raise PermissionError(f"the sandbox does not start {arguments[0]!r}")
        elif event in self._PATHS:
            for path in arguments[:2]:
                self._check(event, path)
        elif event.startswith(self._EVERY) and event != "socket.gethostname":
            raise PermissionError(f"the sandbox does not allow {event}")

    def _check(self, event: str, path: object) -> None:
        if isinstance(path, str | bytes):
            name = os.path.abspath(os.fsdecode(path))
            if name != os.devnull and not (name + os.sep).startswith(self._folder):
                raise PermissionError(f"the sandbox does not allow {event} of {name}")
