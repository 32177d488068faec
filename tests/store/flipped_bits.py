"""Flips bits of the files of a vector index, one after another, opens it and asks it; run by test_vector_files.

    python tests/store/flipped_bits.py FOLDER KIND EVERY

KIND is one of `vector_kinds.PLANS`; of each file every EVERY-th bit is flipped, 0 for every one. Whatever is not refused
as damaged may answer anything, but the process must live.
"""

from __future__ import annotations

import resource
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from rag_app.datatypes import IndexDescription
from rag_app.errors import KnowledgeBaseDamaged
from rag_app.store.vectors import VectorIndex
from tests.fakes import fake_fingerprint
from tests.store.clusters import DIMENSION, clustered
from tests.store.vector_kinds import PLANS


def ask(folder: Path, description: IndexDescription) -> str:
    """Open the index and ask it everything there is to ask."""
    question = clustered(1, seed=7)[0]
    try:
        index = VectorIndex(folder, fake_fingerprint(dimension=DIMENSION), description)
        index.search(question, 5)
        index.search(question, 5, np.array([1, 5, 9]))
        index.cosines(question, np.arange(9))
        index.spread(question)
    except KnowledgeBaseDamaged:
        return "refused"
    return "answered"


def main(folder: Path, kind: str, every: int) -> None:
    """Flip, ask and put back; print what became of it."""
    plan = replace(PLANS[kind], lists=min(PLANS[kind].lists, 20))
    parameters = {"lists": plan.lists, "probes": 2} if plan.lists else {}
    description = IndexDescription(plan.kind, plan.code, parameters, 1.0, 0)
    assert ask(folder, description) == "answered"
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        outcomes = Counter[str]()
        for bit in range(0, 8 * len(content), every or 1):
            harmed = bytearray(content)
            harmed[bit // 8] ^= 1 << bit % 8
            replacement = folder.parent / "replacement"
            replacement.write_bytes(harmed)
            replacement.replace(file)
            print(f"\r{file.name} {bit}", end="", flush=True)  # the last words, should it die
            outcomes[ask(folder, description)] += 1
        replacement.write_bytes(content)
        replacement.replace(file)
        print(f"\r{file.name}: {dict(outcomes)}")


if __name__ == "__main__":
    resource.setrlimit(
        resource.RLIMIT_AS, (8 << 30, 8 << 30)
    )  # an absurd size in a header is an error, not the machine's end
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
