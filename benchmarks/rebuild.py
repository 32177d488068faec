"""What a rebuild costs beside the first build: nothing changed, one file changed, a second model, a kill half-way.

    python benchmarks/rebuild.py PATH/TO/fastapi --embed-model bundled

Every build is the real command in a process of its own, so that start and loading of the model are counted. The folder is
copied first, and the file that is edited is the one of median size. The killed build gets SIGKILL once half of its passages
are embedded; what the next one makes is compared with the uninterrupted build, file by file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_app.store import layout
from rag_app.store.knowledge_base import KnowledgeBase


@dataclass(frozen=True)
class Build:
    """One run of the command: seconds by the clock, and its report."""

    seconds: float
    report: dict[str, Any]

    @property
    def embedded(self) -> int:
        """The passages that were embedded now."""
        return sum(model["embedded"] for model in self.report["models"])


def main() -> None:
    """Print a Markdown table of builds, and whether the resumed one is the uninterrupted one to the byte."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embed-model", default="bundled")
    parser.add_argument("--second-model", help="a model that is added: no file may be read again")
    parser.add_argument("--rounds", type=int, default=3, help="of the builds that take seconds; the median counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        documents = Path(shutil.copytree(arguments.folder, work / arguments.folder.name))
        indexes = work / "indexes"
        files = sorted((path for path in documents.rglob("*.md")), key=lambda path: path.stat().st_size)
        edited = files[len(files) // 2]
        first = _build(indexes, "kb", documents, "--embed-model", arguments.embed_model)
        print("| build | seconds | times as fast as the first | passages embedded |")
        print("| --- | --- | --- | --- |")
        _print_row("the first", [first], first)
        _print_row("nothing changed", [_build(indexes, "kb") for _ in range(arguments.rounds)], first)
        builds = []
        for number in range(arguments.rounds):
            edited.write_text(edited.read_text() + f"\n\nAn added sentence, the {number}th of its kind.\n")
            builds.append(_build(indexes, "kb"))
        _print_row("one file changed", builds, first)
        if arguments.second_model:
            second = _build(indexes, "kb", "--embed-model", arguments.second_model)
            _print_row("a second model added", [second], first)
        _compare_resumed(work, documents, arguments.embed_model)


def _print_row(name: str, builds: Sequence[Build], first: Build) -> None:
    seconds = statistics.median(build.seconds for build in builds)
    print(f"| {name} | {seconds:.2f} | {first.seconds / seconds:.0f} | {builds[-1].embedded} |", flush=True)


def _command(indexes: Path, kb: str, *words: object) -> list[str]:
    return [sys.executable, "-m", "ingest", *map(str, words), "--kb", kb, "--indexes", str(indexes), "--offline"]


def _build(indexes: Path, kb: str, *words: object) -> Build:
    started = time.perf_counter()
    done = subprocess.run([*_command(indexes, kb, *words), "--json"], stdout=subprocess.PIPE, check=True)
    return Build(time.perf_counter() - started, json.loads(done.stdout))


def _compare_resumed(work: Path, documents: Path, model: str) -> None:
    """Kill a build half-way, run it again, and compare what it made with an uninterrupted one."""
    whole, killed = work / "whole", work / "killed"
    _build(whole, "kb", documents, "--embed-model", model)
    process = subprocess.Popen(
        [*_command(killed, "kb", documents, "--embed-model", model), "--events"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        event = json.loads(line)
        if event["event"] == "embedding" and event["done"] >= event["total"] // 2:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    resumed = _build(killed, "kb", documents, "--embed-model", model)
    one, other = (KnowledgeBase.open(indexes, "kb").manifest.files for indexes in (whole, killed))
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    print(
        f"\nKilled half-way and run again: {resumed.embedded} passages embedded in {resumed.seconds:.1f} s; "
        f"{len(one)} files, {len(differing)} of them not the same to the byte as of a build that was not interrupted"
        f"{': ' + ', '.join(differing) if differing else ''} ({layout.MANIFEST} apart, which holds the time)."
    )


if __name__ == "__main__":
    main()
