"""What is asked of the disk before it is touched: each part once, whole, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from rag_app.store.read_ahead import ReadAhead
from rag_app.store.vectors import VectorIndex
from tests.store.clusters import DIMENSION, clustered
from tests.store.vector_kinds import written

EDGES = np.array([45, 45, 1000, 400_000, 400_001])
Asked = list[tuple[int, int]]

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system cannot be asked")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    ranges: Asked = []

    def note(descriptor: int, start: int, length: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_WILLNEED
        os.fstat(descriptor)
        ranges.append((start, start + length))

    monkeypatch.setattr(os, "posix_fadvise", note)
    return ranges


@pytest.fixture
def ahead(tmp_path: Path) -> ReadAhead:
    (tmp_path / "file").write_bytes(bytes(int(EDGES[-1])))
    return ReadAhead(tmp_path / "file", EDGES)


def joined(ranges: Asked) -> Asked:
    """Return ranges with those that touch put together, in order."""
    result: Asked = []
    for start, end in sorted(ranges):
        if result and result[-1][1] == start:
            result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result


def test_a_part_is_asked_for_whole_in_pieces_that_any_device_takes(ahead: ReadAhead, asked: Asked) -> None:
    ahead.ask_for(np.array([2]))
    assert joined(asked) == [(1000, 400_000)]
    assert max(end - start for start, end in asked) <= 128 * 1024


def test_a_part_is_asked_for_once(ahead: ReadAhead, asked: Asked) -> None:
    ahead.ask_for(np.array([3, 1]))
    assert joined(asked) == [(45, 1000), (400_000, 400_001)]
    ahead.ask_for(np.array([1, 2, 3]))
    assert joined(asked[2:]) == [(1000, 400_000)]
    before = len(asked)
    ahead.ask_for(np.array([0, 1, 2, 3]))
    ahead.ask_for(np.array([], dtype=np.int64))
    assert len(asked) == before


def test_the_file_is_closed_when_nobody_asks_any_more(ahead: ReadAhead, tmp_path: Path) -> None:
    other = ReadAhead(tmp_path / "file", EDGES)
    descriptor = other._descriptor
    os.fstat(descriptor)
    del other
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_a_search_asks_for_the_vectors_it_reads(kind: str, tmp_path: Path, asked: Asked) -> None:
    vectors = clustered(1000, seed=1)
    index = written(tmp_path / "vectors", vectors, range(1000), kind)
    index = VectorIndex(tmp_path / "vectors", index.fingerprint, index.description)
    asked.clear()
    numbers, _ = index.search(vectors[7], 1)
    assert numbers.tolist() == [7]
    content = (tmp_path / "vectors" / "vectors.faiss").read_bytes()
    row = content.find(vectors[7].tobytes())
    assert any(start <= row and row + 4 * DIMENSION <= end for start, end in joined(asked))
    index.search(vectors[7], 1000)
    assert joined(asked) == [(len(content) - vectors.nbytes, len(content))]


def test_where_the_system_cannot_be_asked_nothing_is(ahead: ReadAhead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    ahead.ask_for(np.array([0, 1, 2, 3]))
