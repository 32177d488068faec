"""The recall that an index says it has is the recall it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag_app.datatypes import IndexDescription, IndexKind, VectorCode
from rag_app.store.vector_recall import measure_recall
from rag_app.store.vectors import VectorIndex
from tests.store.clusters import clustered
from tests.store.vector_kinds import Numbers, Vectors, nearest, written


def test_the_recall_it_says_is_the_recall_it_has(tmp_path: Path) -> None:
    vectors, rows = clustered(3000, seed=1), np.arange(3000)
    index = written(tmp_path / "vectors", vectors, rows, "ivf")
    said = index.description
    worse = replace(said, parameters={"lists": 32, "probes": 1})
    poor = VectorIndex(tmp_path / "vectors", index.fingerprint, worse)
    shares = {}
    for name, asked in {"good": index, "poor": poor}.items():
        found = []
        for row in range(0, 3000, 10):
            expected, _ = nearest(vectors, rows, vectors[row], 11)
            found.append(len(set(asked.search(vectors[row], 11)[0].tolist()) & set(expected) - {row}) / 10)
        shares[name] = float(np.mean(found))
    assert said.recall == pytest.approx(shares["good"], abs=0.01)
    assert measure_recall(poor.search, worse, vectors, rows).recall == pytest.approx(shares["poor"], abs=0.03)
    assert shares["poor"] < shares["good"] - 0.1


DESCRIPTION = IndexDescription(IndexKind.IVF, VectorCode.FLOAT32, {"lists": 2, "probes": 1}, recall=0, sample=0)


@pytest.mark.parametrize("chunks", [1, 2, 5, 30, 200])
def test_an_exact_search_finds_everything_however_many_rows_a_chunk_has(chunks: int) -> None:
    vectors = clustered(200, seed=1)
    rows = np.random.default_rng(0).integers(chunks, size=200)

    def search(question: Vectors, count: int) -> tuple[Numbers, Vectors]:
        numbers, cosines = nearest(vectors, rows, question, count)
        return np.array(numbers, dtype=np.int64), np.array(cosines, dtype=np.float32)

    described = measure_recall(search, DESCRIPTION, vectors, rows)
    assert (described.recall, described.sample) == (1.0, 200)


def test_a_search_that_finds_only_the_question_itself_finds_nothing() -> None:
    vectors, rows = clustered(200, seed=1), np.arange(200)

    def search(question: Vectors, count: int) -> tuple[Numbers, Vectors]:
        numbers, cosines = nearest(vectors, rows, question, 1)
        return np.array(numbers, dtype=np.int64), np.array(cosines, dtype=np.float32)

    assert measure_recall(search, DESCRIPTION, vectors, rows).recall == 0
