"""Child processes for what a hostile file could break: they can be killed, and they can do nothing but compute.

A child runs one named function, again and again: a JSON argument and bytes in, a JSON value out. It has limits on memory,
processor time, output and open files; no sockets; no programs but those named; it writes nowhere but in a folder of its
own. Past its time, or its memory, it is killed and the next call gets a new one. What comes back is JSON and never pickled
objects, so that a child that was taken over cannot take over its parent.
What happens inside a child is in `rag_app.sandbox_child`. This module knows nothing of documents.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag_app.errors import DocumentError, SandboxError, StorageError

LENGTH = struct.Struct(">Q")  # goes before every message
_PIECE = 1 << 16  # what a pipe holds
MEBIBYTE = 1 << 20
# A child that has used this share of its memory is replaced before the next call, so that leaks do not add up.
_WORN_SHARE = 0.5
_STARTUP_SECONDS = 30
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from rag_app.sandbox_child import main; main()"


@dataclass(frozen=True)
class SandboxLimits:
    """What one call in a child may spend; defaults and reasons are in `rag_app.config.SandboxSettings`.

    `programs` are the names of programs that the child may start; they share its limits.
    """

    seconds: float
    cpu_seconds: int
    memory_megabytes: int
    output_megabytes: int
    programs: tuple[str, ...] = ()


class SandboxPool:
    """Several children for calls from several threads. Use it as a context manager, or close it."""

    def __init__(self, function: str, limits: SandboxLimits, *, workers: int) -> None:
        """Start nothing yet: a child is started by the first call that needs it.

        Args:
            function: `package.module:name` of what the children run, `(argument, data) -> JSON value`.
            limits: of every call.
            workers: how many calls may run at once.
        """
        self._children = [_Child(function, limits) for _ in range(workers)]
        self._idle: queue.LifoQueue[_Child] = queue.LifoQueue()
        for child in self._children:
            self._idle.put(child)

    def call(self, argument: object, data: bytes = b"", *, seconds: float | None = None) -> Any:
        """Run the function in a child and return its value.

        Args:
            argument: anything that JSON can hold.
            data: bytes, given as they are.
            seconds: instead of the limit's, both on the clock and of processor time.

        Raises:
            DocumentError: raised by the function itself, or an error that it did not foresee.
            SandboxError: killed at a limit, or crashed.
            StorageError: no child can be started here, whatever the call.
        """
        (outcome,) = self._in_a_child([(argument, data)], seconds)
        if isinstance(outcome, DocumentError):
            raise outcome
        return outcome

    def call_each(self, calls: Sequence[tuple[object, bytes]]) -> list[Any]:
        """Run several small calls in one trip to a child; the limits are those of one call.

        Returns:
            For each call the value, or the DocumentError that `call` would raise. Where the child was killed or crashed, each
            is run again by itself: one bad call costs the others nothing but time.

        Raises:
            StorageError: no child can be started here, whatever the calls.
        """
        try:
            return self._in_a_child(calls, None)
        except SandboxError as error:
            return [error] if len(calls) == 1 else [outcome for call in calls for outcome in self.call_each([call])]

    def _in_a_child(self, calls: Sequence[tuple[object, bytes]], seconds: float | None) -> list[Any]:
        child = self._idle.get()
        try:
            return child.call(calls, seconds)
        finally:
            self._idle.put(child)

    @property
    def peak_megabytes(self) -> int:
        """The most memory that a child used in a call that it survived."""
        return max(child.peak_megabytes for child in self._children)

    def close(self) -> None:
        """End all children."""
        for child in self._children:
            child.stop()

    def __enter__(self) -> SandboxPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Child:
    """One child process as its parent sees it, for one call at a time."""

    def __init__(self, function: str, limits: SandboxLimits) -> None:
        self._function = function
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""
        self._calling = threading.Lock()  # held for as long as a call lasts
        self._starting = threading.Lock()  # so that no process is started behind the back of `stop`
        self._is_stopped = False
        self.peak_megabytes = 0

    def call(self, calls: Sequence[tuple[object, bytes]], seconds: float | None) -> list[Any]:
        with self._calling:
            seconds = self._limits.seconds if seconds is None else seconds
            cpu_seconds = max(self._limits.cpu_seconds, int(seconds) if seconds > self._limits.seconds else 0)
            header = json.dumps([[(argument, len(data)) for argument, data in calls], seconds, cpu_seconds]).encode()
            request = b"".join((LENGTH.pack(len(header)), header, *(data for _, data in calls)))
            used = self._limits.memory_megabytes  # until the child has answered, it may be worn
            try:
                process = self._running()
                answer = _exchange(process, request, seconds, self._limits.output_megabytes * MEBIBYTE)
                reply = json.loads(answer.decode())
                used = int(reply["used"])
                self.peak_megabytes = max(self.peak_megabytes, int(reply["peak"]))
                return [_outcome(outcome, self._limits) for _, outcome in zip(calls, reply["outcomes"], strict=True)]
            except _OverTimeError as error:
                raise SandboxError(f"It took longer than {seconds:.0f} s.", _raise_setting("SECONDS")) from error
            except _OverSizeError as error:
                raise SandboxError(
                    f"It gave more than {self._limits.output_megabytes} MB.", _raise_setting("OUTPUT_MEGABYTES")
                ) from error
            except _EndedError as error:
                raise self._death(cpu_seconds) from error
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
                raise SandboxError("The process that read it answered nonsense.") from error
            finally:
                if used >= _WORN_SHARE * self._limits.memory_megabytes:
                    self._end()

    def stop(self) -> None:
        """End the process for good, also in the middle of a call."""
        with self._starting:
            self._is_stopped = True
            if self._process is not None:
                _kill(self._process)
        with self._calling:  # the call, if there was one, has seen its process end
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            with self._starting:
                if self._is_stopped:
                    raise _EndedError
                self._process = self._start()
            try:
                _exchange(self._process, b"", _STARTUP_SECONDS, MEBIBYTE)  # its first words: it is ready
            except _OverTimeError as error:
                raise SandboxError(f"The process to read it in did not start within {_STARTUP_SECONDS} s.") from error
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        self._folder = _new_folder()
        settings = json.dumps({"function": self._function, "folder": self._folder, "limits": asdict(self._limits)})
        path = json.dumps([entry for entry in sys.path if entry] + [str(Path(__file__).parent.parent)])
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-c", _START, path, settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(self._folder),
                cwd=self._folder,
                start_new_session=True,  # so that what it starts is killed with it, and Ctrl-C is the parent's to answer
            )
        except OSError as error:
            raise StorageError(
                f"The process to read files in cannot be started: {error}.",
                "Close other programs, or have fewer files read at once: RAG_APP_SANDBOX__WORKERS=1",
            ) from error
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _kill(process)
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                with contextlib.suppress(OSError):  # what was not yet written to a dead process
                    stream.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    def _death(self, cpu_seconds: int) -> SandboxError:
        if self._is_stopped or self._process is None:
            return SandboxError("It was not read: the program is ending.")
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it has closed its pipe and lives on
            return SandboxError("The process that read it broke off.")
        if code == -signal.SIGXCPU:
            return SandboxError(f"It took more than {cpu_seconds} s of processor time.", _raise_setting("CPU_SECONDS"))
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return SandboxError(
            f"The process that read it crashed, or wanted more than {self._limits.memory_megabytes} MB of memory ({how})."
        )


def _new_folder() -> str:
    try:
        return tempfile.mkdtemp(prefix="rag-app-")
    except OSError as error:  # its text names the folder
        raise StorageError(
            f"No folder for temporary files can be made: {error}.",
            "Make room there and see that it can be written, or name another with room: export TMPDIR=FOLDER",
        ) from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class _OverTimeError(Exception):
    """No answer in time."""


class _OverSizeError(Exception):
    """An answer that is too large."""


class _EndedError(Exception):
    """The child has ended."""


def _raise_setting(name: str) -> str:
    return f"To have it read all the same, raise RAG_APP_SANDBOX__{name}."


def _environment(folder: str) -> dict[str, str]:
    """Return the child's environment: nothing of the parent's but where programs and their data are."""
    kept = {name: os.environ[name] for name in ("PATH", "TESSDATA_PREFIX") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"), "1")
    return kept | threads | {"LC_ALL": "C.UTF-8", "TMPDIR": folder, "HOME": folder}


def _outcome(outcome: dict[str, Any], limits: SandboxLimits) -> Any:
    """Return the value that a call gave, or the error that it ended with."""
    match outcome.get("error"):
        case None:
            return outcome["value"]
        case {"kind": "document", "found": str(found), "remedy": str(remedy)}:
            return DocumentError(found, remedy)
        case {"kind": "memory"}:
            return SandboxError(
                f"It wanted more than {limits.memory_megabytes} MB of memory.", _raise_setting("MEMORY_MEGABYTES")
            )
        case error:
            return DocumentError(f"It cannot be read: {error['found']}.")


def _exchange(process: subprocess.Popen[bytes], request: bytes, seconds: float, most: int) -> bytes:
    """Write a request while reading the answer, so that neither side waits for the other; return the answer.

    Raises:
        _OverTimeError: no answer within `seconds`.
        _OverSizeError: an answer of more than `most` bytes.
        _EndedError: the process has ended.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    writer, reader = process.stdin.fileno(), process.stdout.fileno()
    deadline = time.monotonic() + seconds
    pending = memoryview(request)
    waiting = select.poll()
    waiting.register(reader, select.POLLIN)
    if pending:
        waiting.register(writer, select.POLLOUT)
    answer = bytearray()
    while (length := _announced_length(answer)) is None or len(answer) < LENGTH.size + length:
        if length is not None and length > most:
            raise _OverSizeError
        events = waiting.poll(max(deadline - time.monotonic(), 0) * 1000)
        if not events:  # what is there is read, however late it is: it may be this process that was held up
            raise _OverTimeError
        for descriptor, _ in events:
            if descriptor == reader:
                piece = os.read(reader, _PIECE)
                if not piece:
                    raise _EndedError
                answer += piece
            else:
                pending = _write_some(writer, pending)
                if not pending:
                    waiting.unregister(writer)
    return bytes(answer[LENGTH.size :])


def _announced_length(answer: bytearray) -> int | None:
    """Return how long the answer says it is, once it has said so."""
    return int(LENGTH.unpack_from(answer)[0]) if len(answer) >= LENGTH.size else None


def _write_some(writer: int, pending: memoryview) -> memoryview:
    """Write what the pipe takes now and return the rest."""
    try:
        return pending[os.write(writer, pending[:_PIECE]) :]
    except BlockingIOError:
        return pending
    except BrokenPipeError as error:
        raise _EndedError from error
