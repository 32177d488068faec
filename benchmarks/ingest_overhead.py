"""How long a build takes, from the command to its end, beside embedding the same passages and nothing else.

    python benchmarks/ingest_overhead.py PATH/TO/folder... [--rounds 2] [--embed-model bundled]

The build is `python -m ingest` on an empty folder of indexes, timed from outside: Python's start, reading, cutting, loading the
model, embedding, indexing, score statistics, writing to the disk. What it is compared with are calls in this process, model
loaded: the build's own way of embedding, and OpenVINO's where it is installed. They take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from embedding_speed import Way, by_openvino, passages, without_packing
from machine import machine

from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder


def main() -> None:
    """Print a Markdown table: folder, way, seconds of each round, the build's ratio to it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--embed-model", default="bundled")
    arguments = parser.parse_args()
    spec = resolve_embedder(arguments.embed_model, offline=True)
    ways: dict[str, Way] = {"embedding alone": CatalogueEmbedding(spec, device="cpu").embed_passages}
    openvino = by_openvino(without_packing(spec))
    if openvino:
        ways["embedding alone, OpenVINO"] = openvino["OpenVINO, one stream a core, 1024 tokens"]
    else:
        print("OpenVINO is not installed, and not compared with.")
    print(machine())
    print("\n| folder | passages | way | seconds | build to it |\n| --- | --- | --- | --- | --- |", flush=True)
    for folder in arguments.folders:
        texts = list(dict.fromkeys(passages(folder)))
        measure(folder, texts, ways, arguments.embed_model, arguments.rounds)


def measure(folder: Path, texts: list[str], ways: dict[str, Way], embed_model: str, rounds: int) -> None:
    """Print a folder's lines."""
    calls: dict[str, Callable[[], float]] = {"build": lambda: build(folder, embed_model, len(texts))}
    for name, way in ways.items():
        way(texts[:64])  # the first call is slower
        calls[name] = lambda way=way: timed(way, texts)  # type: ignore[misc]
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds):
        for name in list(calls) if turn % 2 == 0 else reversed(calls):
            seconds[name].append(calls[name]())
    whole = statistics.mean(seconds["build"])
    for name, found in seconds.items():
        each = ", ".join(f"{one:.1f}" for one in found)
        print(
            f"| {folder.name} | {len(texts):,} | {name} | {each} | {whole / statistics.mean(found):.3f} |", flush=True
        )


def timed(way: Way, texts: list[str]) -> float:
    """Return the seconds of embedding all texts."""
    started = time.perf_counter()
    way(texts)
    return time.perf_counter() - started


def build(folder: Path, embed_model: str, expected: int) -> float:
    """Return the seconds of a whole build, after a look that it embedded as many passages as expected."""
    with tempfile.TemporaryDirectory() as indexes:
        command = [sys.executable, "-m", "ingest", str(folder), "--embed-model", embed_model, "--offline", "--json"]
        started = time.perf_counter()
        done = subprocess.run([*command, "--indexes", indexes], check=False, capture_output=True)
        spent = time.perf_counter() - started
    report = json.loads(done.stdout)
    found = report["models"][0]["embedded"]
    assert found == expected, f"the build embedded {found} passages, expected {expected}"
    return spent


if __name__ == "__main__":
    main()
