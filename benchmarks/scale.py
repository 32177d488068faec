"""Search at size: time, memory and recall of the vector index with the text of what is found, beside FAISS and LlamaIndex.

    python benchmarks/scale.py
    python benchmarks/scale.py --sizes 1000000x384 --memory-gb 1
    pip install --no-deps --target PATH llama-index-vector-stores-faiss
    python benchmarks/scale.py --sizes 10000x384 100000x384 --llama-index PATH

The vectors are synthetic (`synthetic.py` says of what kind); the questions are no rows of the index, and it never saw them.
Building and searching have a process each, so that memory is that of searching. What is timed is a search for ten passages and
reading them from SQLite. The files are dropped from the system's cache before the index is opened; "ready" is when the first
question has been answered. The questions have been asked once before they are timed. FAISS's own exact index takes turns with
it, question by question, and fetches no text. LlamaIndex is what its users have: FaissVectorStore over the same exact index and
SimpleDocumentStore, built, saved, loaded and asked.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import scale_llama_index
from machine import machine
from measuring import COUNT, Case, drop_from_cache, memory, taking_turns
from synthetic import QUESTIONS_SEED, SETS, VECTORS_SEED, documents_of, filters_of, vectors_of

from rag_app.datatypes import Fingerprint, IndexDescription, IndexKind, VectorCode
from rag_app.store.chunks import ChunkStore, write_chunks
from rag_app.store.vectors import VectorIndex, write_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = ("10000x384", "100000x384", "1000000x384", "200000x1024")
QUESTIONS = 500
ASKED_OF_FAISS = 100
LLAMA_INDEX_MOST = 200_000  # passages; it holds them all as Python objects, and saves them as one JSON text


def main() -> None:
    """Print Markdown tables: what an index costs, how fast and how well it is searched, and LlamaIndex beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="passages x dimension")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--memory-gb", type=float)
    parser.add_argument("--llama-index", type=Path, help="where llama-index-vector-stores-faiss was installed")
    parser.add_argument("--folder", type=Path, help="where files are put and removed again; else a temporary folder")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON, not as tables")
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        _run_stage(*arguments.stage, arguments)
        return
    measured = []
    for size in arguments.sizes:
        for name in arguments.sets:
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                measured.append({stage: _start_stage(stage, folder, size, name, arguments) for stage in STAGES})
    if arguments.json:
        print(json.dumps({"machine": machine(), "measured": measured}))
    else:
        print(machine())
        _print_tables(measured)


def _start_stage(stage: str, folder: str, size: str, name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one stage in a process of its own and return what it measured; empty where it is left out."""
    command = [sys.executable, __file__, "--stage", stage, folder, "--sizes", size, "--sets", name]
    command += ["--memory-gb", str(arguments.memory_gb)] if arguments.memory_gb else []
    if stage.startswith("llama_index"):
        if arguments.llama_index is None or int(size.partition("x")[0]) > LLAMA_INDEX_MOST or arguments.memory_gb:
            return {}
        command += ["--llama-index", str(arguments.llama_index)]
    print(f"{name} {size}: {stage}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _run_stage(stage: str, folder: str, arguments: argparse.Namespace) -> None:
    count, dimension = (int(part) for part in arguments.sizes[0].split("x"))
    if arguments.llama_index:
        sys.path.append(str(arguments.llama_index))
    case = Case(Path(folder), arguments.sets[0], count, dimension, arguments.memory_gb)
    print(json.dumps({"case": case.name} | STAGES[stage](case)))


def _build(case: Case) -> dict[str, Any]:
    vectors = vectors_of(case.set, case.count, case.dimension, VECTORS_SEED)
    before = memory("VmRSS")
    started = time.perf_counter()
    description = write_vectors(
        case.folder / "vectors", vectors, np.arange(case.count), _fingerprint(case.dimension), memory_gb=case.memory_gb
    )
    seconds = time.perf_counter() - started
    peak = memory("VmHWM")
    (case.folder / "description.json").write_text(json.dumps(asdict(description)))
    _save_truth(case.folder, vectors, vectors_of(case.set, QUESTIONS, case.dimension, QUESTIONS_SEED))
    stored = vectors.nbytes
    del vectors
    write_chunks(case.folder / "chunks.sqlite", list(documents_of(case.count)))
    files = {path.name: path.stat().st_size / 1e6 for path in (case.folder / "vectors").iterdir()}
    return asdict(description) | {
        "seconds": seconds,
        "peak_beyond_vectors": peak - before,
        "stored": stored / 1e6,
        "files": files,
    }


def _save_truth(folder: Path, vectors: NDArray[np.float32], questions: NDArray[np.float32]) -> None:
    """Save the questions, the filters, and what an exact search finds."""
    kept = {"all": np.arange(len(vectors))} | filters_of(vectors)
    np.save(folder / "questions.npy", questions)
    for place, (name, numbers) in enumerate(kept.items()):
        part = vectors if name == "all" else vectors[numbers]
        _, found = faiss.knn(questions, part, min(COUNT, len(numbers)), metric=faiss.METRIC_INNER_PRODUCT)
        np.savez(folder / f"filter-{place}.npz", name=name, allowed=numbers, nearest=numbers[found])


def _search(case: Case) -> dict[str, Any]:
    questions = np.load(case.folder / "questions.npy")
    values = json.loads((case.folder / "description.json").read_text())
    kinds = {"kind": IndexKind(values["kind"]), "code": VectorCode(values["code"])}
    drop_from_cache([*(case.folder / "vectors").iterdir(), case.folder / "chunks.sqlite"])
    started = time.perf_counter()
    index = VectorIndex(case.folder / "vectors", _fingerprint(case.dimension), IndexDescription(**values | kinds))
    store = ChunkStore(case.folder / "chunks.sqlite")
    opened = time.perf_counter() - started

    def ask(question: NDArray[np.float32], allowed: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        numbers, _ = index.search(question, COUNT, allowed)
        assert len(store.chunks(numbers.tolist())) == len(numbers)
        return numbers

    ask(questions[0])
    ready = time.perf_counter() - started
    filters = []
    for path in sorted(case.folder.glob("filter-*.npz")):
        one = np.load(path)
        allowed = None if one["name"] == "all" else one["allowed"]
        filters.append(
            _ask_all(str(one["name"]), lambda question, allowed=allowed: ask(question, allowed), questions, one)
        )
        if allowed is None:
            resident = memory("VmRSS")
    plain = faiss.IndexFlatIP(case.dimension)
    plain.add(index.vectors(slice(None)))
    beside = taking_turns([ask, lambda question: plain.search(question[np.newaxis], COUNT)], questions[:ASKED_OF_FAISS])
    return {"open": opened, "ready": ready, "resident": resident, "filters": filters, "beside_faiss": beside}


def _ask_all(
    name: str, ask: Callable[[NDArray[np.float32]], NDArray[np.int64]], questions: NDArray[np.float32], truth: Any
) -> dict[str, Any]:
    """Ask every question twice; the second time counts."""
    found = [ask(question) for question in questions]
    (times,) = taking_turns([ask], questions)
    nearest = truth["nearest"]
    hits = sum(len(np.intersect1d(numbers, expected)) for numbers, expected in zip(found, nearest, strict=True))
    return {
        "name": name,
        "recall": hits / nearest.size,
        "too_few": sum(len(numbers) < nearest.shape[1] for numbers in found),
        "leaked": sum(not np.isin(numbers, truth["allowed"]).all() for numbers in found),
        **times,
    }


def _fingerprint(dimension: int) -> Fingerprint:
    return Fingerprint("synthetic", "", "0" * 64, dimension, "mean", True, "", "", 256, "float32")


STAGES: dict[str, Callable[[Case], dict[str, Any]]] = {
    "build": _build,
    "search": _search,
    "llama_index_build": scale_llama_index.build,
    "llama_index_search": scale_llama_index.search,
}


def _print_tables(rows: Sequence[dict[str, dict[str, Any]]]) -> None:
    _print_header(
        "set, passages x dimension",
        "index",
        "built in",
        "and so much memory",
        "files",
        "ready",
        "resident",
        "resident / vectors",
        "recall it says",
    )
    for row in rows:
        build, search = row["build"], row["search"]
        parameters = "".join(f", {value} {key}" for key, value in build["parameters"].items())
        _print_row(
            build["case"],
            f"{build['kind']}, {build['code']}{parameters}",
            f"{build['seconds']:.1f} s",
            f"{build['peak_beyond_vectors']:.0f} MB",
            f"{sum(build['files'].values()):.0f} MB",
            f"{search['ready'] * 1000:.0f} ms",
            f"{search['resident']:.0f} MB",
            f"{search['resident'] / build['stored']:.2f}",
            f"{build['recall']:.4f}" if build["sample"] else "exact",
        )
    _print_header(
        "set, passages x dimension", "filter keeps", "p50", "p95", "recall@10", "fewer than asked", "not allowed"
    )
    for row in rows:
        for one in row["search"]["filters"]:
            times = f"{one['p50']:.2f} ms", f"{one['p95']:.2f} ms"
            _print_row(row["build"]["case"], one["name"], *times, f"{one['recall']:.4f}", one["too_few"], one["leaked"])
    _print_header(
        "set, passages x dimension",
        "ours with text: p50",
        "FAISS, exact, without: p50",
        "ours / FAISS",
        "LlamaIndex: built in",
        "files",
        "ready",
        "resident",
        "p50",
        "p95",
    )
    for row in rows:
        ours, plain = row["search"]["beside_faiss"]
        build, search = row["llama_index_build"], row["llama_index_search"]
        theirs = ["", "", "", "", "", ""]
        if search:
            theirs = [f"{build['seconds']:.1f} s", f"{build['megabytes']:.0f} MB", f"{search['ready']:.1f} s"]
            theirs += [f"{search['resident']:.0f} MB", f"{search['p50']:.2f} ms", f"{search['p95']:.2f} ms"]
        _print_row(
            row["build"]["case"],
            f"{ours['p50']:.2f} ms",
            f"{plain['p50']:.2f} ms",
            f"{ours['p50'] / plain['p50']:.2f}",
            *theirs,
        )


def _print_header(*cells: str) -> None:
    print()
    _print_row(*cells)
    _print_row(*("---" for _ in cells))


def _print_row(*cells: object) -> None:
    print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()
