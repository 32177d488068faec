"""Builds a knowledge base by starting `python -m ingest` as a child: how everything but a person builds.

The child's progress comes as events (docs/events.md). Whoever stops listening stops the child, and a killed build changes
nothing that is answered from. It can be cancelled at any moment, also while the child says nothing.
This module knows nothing of how a build works.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from rag_app.build_events import Event, EventHandler
from rag_app.config import DeviceName
from rag_app.errors import BuildCancelled, BuildError, KnowledgeBaseBusy, RagAppError

_STOP_SECONDS = 10.0
_LOOKED_AT_SECONDS = 0.1
_KEPT_LINES = 20


def run_build(
    name: str,
    sources: Sequence[Path],
    indexes: Path,
    *,
    models: Sequence[str] = (),
    drop_models: Sequence[str] = (),
    drop_sources: Sequence[Path] = (),
    rebuild: bool = False,
    chunk_tokens: int | None = None,
    offline: bool = False,
    device: DeviceName | None = None,
    on_event: EventHandler = lambda _: None,
    cancelling: threading.Event | None = None,
) -> None:
    """Build a knowledge base, or bring one up to date, and return when it is live.

    Args:
        name: of the knowledge base.
        sources: files and folders to add to those that it has.
        indexes: the index root.
        models: embedding models to add.
        drop_models: embedding models to remove.
        drop_sources: files and folders to take off those that it has.
        rebuild: read every file again.
        chunk_tokens: size of its chunks; None: the default, or what it has.
        offline: never ask the model hub.
        device: where its models run; None: as the settings say.
        on_event: told what happens; what it raises ends the build.
        cancelling: ends the build when it is set.

    Raises:
        BuildError: the build failed, with what it said.
        BuildCancelled: it was ended by `cancelling`.
        KnowledgeBaseBusy: another build holds the lock.
    """
    command = _command(
        name,
        sources,
        indexes,
        models=models,
        drop_models=drop_models,
        drop_sources=drop_sources,
        rebuild=rebuild,
        chunk_tokens=chunk_tokens,
        offline=offline,
        device=device,
    )
    code, said = _run(command, on_event, cancelling)
    if code:
        is_cancelled = cancelling is not None and cancelling.is_set()
        raise _failure(name, code, said, command, is_cancelled=is_cancelled)


def _command(
    name: str,
    sources: Sequence[Path],
    indexes: Path,
    *,
    models: Sequence[str],
    drop_models: Sequence[str],
    drop_sources: Sequence[Path],
    rebuild: bool,
    chunk_tokens: int | None,
    offline: bool,
    device: DeviceName | None,
) -> list[str]:
    """Return what Python is given; a person can repeat it."""
    command = ["-m", "ingest", *(str(source.absolute()) for source in sources)]
    command += ["--kb", name, "--indexes", str(indexes.absolute())]
    command += [part for model in models for part in ("--embed-model", model)]
    command += [part for model in drop_models for part in ("--drop-model", model)]
    command += [part for source in drop_sources for part in ("--drop-source", str(source.absolute()))]
    command += ["--rebuild"] if rebuild else []
    command += [] if chunk_tokens is None else ["--chunk-tokens", str(chunk_tokens)]
    command += ["--offline"] if offline else []
    command += [] if device is None else ["--device", device]
    return command


def _run(command: Sequence[str], on_event: EventHandler, cancelling: threading.Event | None) -> tuple[int, str]:
    """Run a build to its end and return its code, and what it said beside its events."""
    with ExitStack() as ends:
        child = subprocess.Popen(
            [sys.executable, *command, "--events", "--json"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        ends.enter_context(child)
        ends.callback(_stop, child)
        if cancelling is not None:
            threading.Thread(target=_stop_when_set, args=(child, cancelling), daemon=True).start()
        assert child.stderr is not None
        said = _follow(child.stderr, on_event)
        return child.wait(), said


def _failure(name: str, code: int, said: str, command: Sequence[str], *, is_cancelled: bool) -> RagAppError:
    """Return the error of a build that has ended with this code; `command` is what Python was given, for a person to repeat."""
    if is_cancelled:
        return BuildCancelled(f"The build of '{name}' was cancelled.", "What was there before is as it was.")
    if code == KnowledgeBaseBusy.exit_code:
        return KnowledgeBaseBusy(
            f"Another build of the knowledge base '{name}' is running.", "Wait until it has ended, then try again."
        )
    return BuildError(
        f"The build of '{name}' ended with code {code}: {said or 'it said nothing'}",
        f"By hand: {shlex.join(['python', *command])}",
    )


def _follow(stream: IO[str], on_event: EventHandler) -> str:
    """Hand the events on; return what else was said, the last of it."""
    said: deque[str] = deque(maxlen=_KEPT_LINES)
    for line in stream:
        try:
            event = Event.from_json(line)
        except (LookupError, ValueError, TypeError):
            said.append(line.strip())
        else:
            on_event(event)
    return " ".join(said)[-1000:].removeprefix("error: ")


def _stop_when_set(child: subprocess.Popen[str], cancelling: threading.Event) -> None:
    while child.poll() is None:
        if cancelling.wait(_LOOKED_AT_SECONDS):
            _stop(child)


def _stop(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
