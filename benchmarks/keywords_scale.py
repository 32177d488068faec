"""The keyword index at size: seconds and memory of a build, of one again after a few passages changed, and of a question.

    python benchmarks/keywords_scale.py
    python benchmarks/keywords_scale.py --sizes 100000

The passages are synthetic: 130 words each, drawn from half a million made-up words as often as a natural language uses its
own (Zipf's law with Mandelbrot's shift). A question is eight words, drawn alike. Every stage has a process of its own, so that
its peak of memory is its own; that of making the passages, one by one, is in it, and has a row to be compared with.
The questions have been asked once before they are timed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import machine
from measuring import COUNT, memory

from rag_app.retrieval.fusion import best
from rag_app.store.keywords import KeywordIndex, write_keywords

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = (100_000, 1_000_000)
QUESTIONS = 500
CHANGED = 100  # in a build again, one passage of so many is another
_WORDS_A_PASSAGE = 130
_WORDS_A_QUESTION = 8
_VOCABULARY = 500_000
_SHIFT = 2.7
_PASSAGES_AT_ONCE = 10_000
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvz", "aeiou"
_SYLLABLES = len(_CONSONANTS) * len(_VOWELS)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="passages")
    parser.add_argument("--folder", type=Path, help="where files are put and removed again; else a temporary folder")
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        name, folder = arguments.stage
        print(json.dumps(STAGES[name](Path(folder), arguments.sizes[0])))
        return
    print(machine())
    print("\n| passages | stage | seconds | of a core | peak MB | files MB | p50 ms | p95 ms | best ten too: p50 ms |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            for name in STAGES:
                command = [sys.executable, __file__, "--stage", name, folder, "--sizes", str(size)]
                found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
                cells = (found.get(key, "") for key in ("seconds", "core", "peak", "files", "p50", "p95", "with_best"))
                print(f"| {size:,} | {name} | {' | '.join(map(str, cells))} |", flush=True)


def _build(folder: Path, count: int) -> dict[str, Any]:
    started = time.perf_counter()
    write_keywords(folder / "first", passages(count))
    return _cost_of(folder / "first", started)


def _build_again(folder: Path, count: int) -> dict[str, Any]:
    started = time.perf_counter()
    texts = (f"{text} changed" if number % CHANGED == 0 else text for number, text in enumerate(passages(count)))
    write_keywords(folder / "second", texts, folder / "first")
    return _cost_of(folder / "second", started)


def _only_the_passages(_folder: Path, count: int) -> dict[str, Any]:
    """What making the passages takes, which is in the other figures."""
    started = time.perf_counter()
    for _ in passages(count):
        pass
    return _cost_since(started)


def _cost_of(folder: Path, started: float) -> dict[str, Any]:
    return _cost_since(started) | {"files": round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6)}


def _cost_since(started: float) -> dict[str, Any]:
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "core": round(time.process_time(), 1),  # of this stage's process, however busy the machine is
        "peak": round(memory("VmHWM")),
    }


def _ask(folder: Path, _count: int) -> dict[str, Any]:
    started = time.perf_counter()
    index = KeywordIndex(folder / "first")
    opened = time.perf_counter() - started
    questions = list(islice(texts_of(QUESTIONS, _WORDS_A_QUESTION, seed=2), QUESTIONS))
    for question in questions:
        index.scores(question)
    seconds = np.empty((QUESTIONS, 2))
    for number, question in enumerate(questions):
        before = time.perf_counter()
        scores = index.scores(question)
        seconds[number, 0] = time.perf_counter() - before
        best(scores, COUNT)
        seconds[number, 1] = time.perf_counter() - before
    p50, p95 = np.percentile(seconds[:, 0] * 1000, [50, 95])
    return {
        "seconds": round(opened, 2),
        "peak": round(memory("VmHWM")),
        "p50": round(p50, 2),
        "p95": round(p95, 2),
        "with_best": round(np.percentile(seconds[:, 1] * 1000, 50), 2),
    }


def passages(count: int) -> Iterator[str]:
    """Yield the passages, the same ones every time."""
    return texts_of(count, _WORDS_A_PASSAGE, seed=1)


def texts_of(count: int, words: int, seed: int) -> Iterator[str]:
    """Yield texts of so many words each, the same ones for a seed every time."""
    shares = 1 / (np.arange(_VOCABULARY) + 1 + _SHIFT)
    edges = np.cumsum(shares / shares.sum())
    vocabulary = [_word(number) for number in range(_VOCABULARY)]
    for block in range(0, count, _PASSAGES_AT_ONCE):
        size = min(_PASSAGES_AT_ONCE, count - block)
        drawn: NDArray[np.float64] = np.random.default_rng((seed, block)).random((size, words))
        for row in np.searchsorted(edges, drawn).clip(max=_VOCABULARY - 1).tolist():
            yield " ".join([vocabulary[number] for number in row])


def _word(number: int) -> str:
    """Return the word of a rank: syllables of two letters, frequent words short."""
    syllables = []
    number += _SYLLABLES
    while number:
        number, syllable = divmod(number, _SYLLABLES)
        syllables.append(_CONSONANTS[syllable // len(_VOWELS)] + _VOWELS[syllable % len(_VOWELS)])
    return "".join(syllables) + "k"  # an ending that the stemmer leaves alone


STAGES: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "only the passages": _only_the_passages,
    "build": _build,
    "build again, one in a hundred changed": _build_again,
    "open and ask": _ask,
}


if __name__ == "__main__":
    main()
