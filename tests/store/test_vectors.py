"""Vectors on disk: exact, tied to chunks by rows, and refused where they are not what the fingerprint says."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from rag_app.errors import EmbedderMismatch, KnowledgeBaseDamaged
from rag_app.store.vectors import VectorIndex, write_vectors
from tests.fakes import fake_fingerprint

FINGERPRINT = fake_fingerprint(dimension=4)
REPAIR = r"python -m ingest SOURCE --kb kb --rebuild"


def units(*rows: list[float]) -> NDArray[np.float32]:
    array = np.array(rows, dtype=np.float32).reshape(-1, 4)
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kb" / "gen-00000001" / "vectors" / "fake-0"


def written(folder: Path, vectors: NDArray[np.float32], rows: list[int]) -> VectorIndex:
    write_vectors(folder, vectors, np.array(rows, dtype=np.int64), FINGERPRINT)
    return VectorIndex(folder, FINGERPRINT)


def test_vectors_come_back_bit_for_bit(folder: Path) -> None:
    vectors = units(*np.random.default_rng(0).normal(size=(100, 4)).tolist())
    index = written(folder, vectors, list(range(100)))
    assert index.vectors.dtype == np.float32
    np.testing.assert_array_equal(index.vectors, vectors)
    np.testing.assert_array_equal(index.rows, np.arange(100))


def test_the_index_of_no_vectors_can_be_written_and_asked(folder: Path) -> None:
    index = written(folder, np.empty((0, 4), dtype=np.float32), [])
    assert index.cosines(units([1, 0, 0, 0])[0], 2).tolist() == [-1, -1]


def test_a_cosine_is_one_for_the_same_direction_and_minus_one_for_the_opposite(folder: Path) -> None:
    index = written(folder, units([1, 0, 0, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [1, 1, 0, 0]), [0, 1, 2, 3])
    cosines = index.cosines(units([1, 0, 0, 0])[0], 4)
    np.testing.assert_allclose(cosines, [1, 0, -1, np.sqrt(0.5)], atol=1e-6)
    assert cosines.dtype == np.float32


def test_a_chunk_with_several_rows_has_the_cosine_of_its_best(folder: Path) -> None:
    index = written(folder, units([1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]), [1, 1, 0])
    np.testing.assert_allclose(index.cosines(units([1, 0, 0, 0])[0], 2), [np.sqrt(0.5), 1], atol=1e-6)


def test_a_chunk_without_a_row_is_the_worst_there_can_be(folder: Path) -> None:
    index = written(folder, units([-1, 0, 0, 0]), [2])
    np.testing.assert_allclose(index.cosines(units([1, 1, 0, 0])[0], 4), [-1, -1, -np.sqrt(0.5), -1], atol=1e-6)


def test_a_question_of_another_length_is_refused_with_both(folder: Path) -> None:
    index = written(folder, units([1, 0, 0, 0]), [0])
    with pytest.raises(EmbedderMismatch, match="has 3 numbers; the index of fake/hash-embedding has 4"):
        index.cosines(np.ones(3, dtype=np.float32), 1)


def test_what_was_not_written_whole_is_noticed_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = faiss.write_index

    def lose_the_last(index: faiss.Index, path: str) -> None:
        kept = faiss.IndexFlatIP(index.d)
        kept.add(np.zeros((index.ntotal, index.d), dtype=np.float32))
        write(kept, path)

    monkeypatch.setattr(faiss, "write_index", lose_the_last)
    with pytest.raises(OSError, match=r"vectors\.faiss could not be written whole: is the disk full\?"):
        written(folder, units([1, 0, 0, 0]), [0])


@pytest.mark.parametrize("name", ["vectors.faiss", "rows.npy"])
@pytest.mark.parametrize("harm", ["missing", "cut", "nonsense"])
def test_a_damaged_file_is_refused_with_the_command_that_repairs_it(name: str, harm: str, folder: Path) -> None:
    written(folder, units([1, 0, 0, 0], [0, 1, 0, 0]), [0, 1])
    file = folder / name
    content = file.read_bytes()
    file.unlink()
    if harm != "missing":
        file.write_bytes(content[:-4] if harm == "cut" else b"\x93" * len(content))
    with pytest.raises(KnowledgeBaseDamaged, match=rf"fake-0 cannot be read.*{REPAIR}"):
        VectorIndex(folder, FINGERPRINT)


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(faiss.IndexFlatL2(4), id="another metric"),
        pytest.param(faiss.IndexFlatIP(8), id="another dimension"),
        pytest.param(faiss.IndexHNSWFlat(4, 8, faiss.METRIC_INNER_PRODUCT), id="not exact"),
    ],
)
def test_an_index_that_is_not_what_the_fingerprint_says_is_refused(index: faiss.Index, folder: Path) -> None:
    written(folder, units([1, 0, 0, 0]), [0])
    index.add(np.ones((1, index.d), dtype=np.float32))
    faiss.write_index(index, str(folder / "vectors.faiss"))
    with pytest.raises(KnowledgeBaseDamaged, match=rf"expected 1 of 4, compared by inner product.*{REPAIR}"):
        VectorIndex(folder, FINGERPRINT)


def test_rows_and_vectors_must_be_as_many(folder: Path) -> None:
    written(folder, units([1, 0, 0, 0]), [0])
    np.save(folder / "rows.npy", np.array([0, 1]))
    with pytest.raises(KnowledgeBaseDamaged, match="holds 1 vectors of 4 numbers; expected 2 of 4"):
        VectorIndex(folder, FINGERPRINT)


def test_rows_are_never_unpickled(folder: Path) -> None:
    written(folder, units([1, 0, 0, 0]), [0])
    np.save(folder / "rows.npy", np.array([{"code": "runs"}], dtype=object), allow_pickle=True)
    with pytest.raises(KnowledgeBaseDamaged):
        VectorIndex(folder, FINGERPRINT)
