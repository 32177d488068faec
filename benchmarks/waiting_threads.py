"""What it costs that threads sleep while they wait for one another, and what it saves beside other programs.

    python benchmarks/waiting_threads.py

A question is embedded, and 64 passages, by the bundled model, with threads that spin, as OpenMP has it by itself, and with
threads that sleep (`rag_app/waiting_threads.py`), alone and beside busy programs, one for each core. Medians of 30 questions
and of five times 64 passages; each line is a process of its own, and the kinds take turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from statistics import median

ROUNDS = 3
_BUSY = "while True: pass"


def main() -> None:
    """Print a Markdown table; with an argument, be one of the processes."""
    if len(sys.argv) > 1:
        print(json.dumps(_measured()))
        return
    from machine import machine  # has this process's threads sleep: the children decide for themselves

    print(f"{machine()}\n")
    found: dict[tuple[int, str], list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for busy in (0, os.cpu_count() or 1):
            for policy in ("", "PASSIVE"):
                found.setdefault((busy, policy), []).append(_run(busy, policy))
    print("| busy programs | threads | a question, ms | 64 passages, ms |\n| --- | --- | --- | --- |")
    for (busy, policy), values in found.items():
        question, passages = (median(value[name] for value in values) for name in ("question", "passages"))
        print(f"| {busy} | {'sleep' if policy else 'spin'} | {question:.1f} | {passages:.0f} |")


def _run(busy: int, policy: str) -> dict[str, float]:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if policy:
        environment["OMP_WAIT_POLICY"] = policy
    with ExitStack() as others:
        for _ in range(busy):
            other = others.enter_context(subprocess.Popen([sys.executable, "-c", _BUSY]))
            others.callback(other.kill)
        command = [sys.executable, __file__, "measure"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def _measured() -> dict[str, float]:
    from rag_app.models.embedder import CatalogueEmbedding
    from rag_app.models.embedder_spec import resolve_embedder

    embedder = CatalogueEmbedding(resolve_embedder("bundled", offline=True))
    passages = [f"Passage {number}: " + "the account is locked after failed sign-ins. " * 12 for number in range(64)]
    embedder.embed_passages(passages)

    def milliseconds(texts: list[str]) -> float:
        started = time.perf_counter()
        embedder.embed_passages(texts)
        return (time.perf_counter() - started) * 1000

    questions = [[f"How long is an account locked after {number} failed sign-ins?"] for number in range(30)]
    return {
        "question": median(milliseconds(question) for question in questions),
        "passages": median(milliseconds(passages) for _ in range(5)),
    }


if __name__ == "__main__":
    main()
