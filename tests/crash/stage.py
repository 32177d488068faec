"""A process that has imported everything and forks a child for each build, in which the shim watches, kills or fails it.

    python -m tests.crash.stage     with the shim preloaded; `tests.crash.builds.Stage` starts it and talks to it

Requests are JSON lines on standard input, answers JSON lines on standard output.
This module knows nothing of what a build must leave behind.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from rag_app.errors import RagAppError
from rag_app.store.purging import purge
from tests.crash.stand_ins import put_models, put_reader

_SECONDS = 60  # a build that hangs is ended


def run(request: dict[str, Any], watch: dict[str, Any] | None) -> dict[str, Any]:
    """Run one build, or purge, in this process and say how it ended."""
    shim = ctypes.CDLL(None)
    if watch:
        journal = watch["journal"] and os.fsencode(watch["journal"])
        shim.crash_shim_watch(os.fsencode(watch["folder"]), watch["mode"], ctypes.c_long(watch["step"]), journal)
    outcome: dict[str, Any] = {}
    try:
        write(request)
    except RagAppError as error:
        outcome = {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    except Exception as error:  # noqa: BLE001 - the test is told of a defect
        outcome = {"error": type(error).__name__, "message": repr(error), "exit_code": 1}
    return outcome | {"steps": ctypes.c_long(shim.crash_shim_steps()).value}


def write(request: dict[str, Any]) -> None:
    """Do what is asked for with the knowledge base."""
    indexes = Path(request["indexes"])
    if request["purged"]:
        purge(indexes, request["kb"], request["purged"], announce=lambda message: None)
        return
    asked = BuildRequest(
        kb=request["kb"], sources=tuple(map(Path, request["sources"])), embed_models=tuple(request["embed_models"])
    )
    settings = load_settings(indexes=indexes, offline=True, device="cpu", sandbox={"workers": 1})
    build(asked, settings, lambda event: None)


def in_a_fork(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do the work in a child and return what it gave; where it was killed, the signal."""
    assert threading.active_count() == 1  # a fork of a process with threads may hang
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(_SECONDS)
        with os.fdopen(writer, "w") as answer:
            json.dump(work(), answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"signal": -status} | (json.loads(text) if status == 0 else {})


def warm_up(request: dict[str, Any]) -> dict[str, Any]:
    """Build once in this process: what is imported late is then imported once, and not in every child."""
    tqdm.monitor_interval = 0  # bm25s's progress bars would start a thread that stays
    outcome = run(request, None)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()
    return outcome


def main() -> None:
    """Answer requests until standard input ends."""
    put_models()
    put_reader()
    for line in sys.stdin:
        question = json.loads(line)
        request, watch = question["request"], question["watch"]
        answer = in_a_fork(partial(run, request, watch)) if watch else warm_up(request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
