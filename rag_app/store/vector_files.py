"""The files of a vector index: made so that a full disk is an error, and opened so that a damaged one is.

    vectors.faiss       what is searched: the exact vectors, or 8-bit codes of them
    rows.npy            row -> chunk number
    fingerprint.json    of the model
    centroids.npy, bounds.npy    the inverted lists, where there are any
    floats.npy          the exact vectors, where only their codes are searched

This module knows nothing of questions.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from rag_app.datatypes import Fingerprint, IndexDescription, IndexKind, VectorCode
from rag_app.errors import KnowledgeBaseDamaged
from rag_app.store.files import checked_file, write_array, write_text
from rag_app.store.layout import rebuild_command
from rag_app.store.read_ahead import ReadAhead
from rag_app.store.vector_codes import FloatFile, make_codes, write_floats
from rag_app.store.vector_lists import VectorLists

if TYPE_CHECKING:
    from numpy.typing import NDArray

INDEX_FILE = "vectors.faiss"
ROWS_FILE = "rows.npy"
FINGERPRINT_FILE = "fingerprint.json"
CENTROIDS_FILE = "centroids.npy"
BOUNDS_FILE = "bounds.npy"
FLOATS_FILE = "floats.npy"
_ROWS_AT_ONCE = 65536
_MOST_CHUNKS = 1 << 31  # a higher number is damage, and would ask for absurd memory
_opening = threading.Lock()  # the limits are those of the process, whoever else uses FAISS in it


@dataclass(frozen=True)
class VectorFiles:
    """The open files of an index. `mapped` are the exact vectors, shape (rows, dimension), None where `floats` has them.

    `index` owns the memory of `mapped`; where it is of codes, `lists` and `floats` are there, and `ahead` is not. The parts of
    `ahead` are the lists in `mapped`; without lists there is one part.
    """

    rows: NDArray[np.int64]
    index: faiss.Index
    mapped: NDArray[np.float32] | None
    floats: FloatFile | None
    lists: VectorLists | None
    ahead: ReadAhead | None


def write_files(
    folder: Path,
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    fingerprint: Fingerprint,
    code: VectorCode,
    lists: VectorLists | None,
    order: NDArray[np.int64],
) -> None:
    """Write the files of an index into a new folder.

    Args:
        folder: the folder to create.
        vectors: shape (rows, dimension), unit length.
        rows: shape (rows,), the chunk of each vector.
        fingerprint: of the model that made them.
        code: what is searched.
        lists: of these vectors, or None.
        order: row i of the index is `vectors[order[i]]`.

    Raises:
        OSError: a write failed.
        StorageError: what was read back is not what was written.
    """
    folder.mkdir(parents=True)
    if lists is not None:
        write_array(folder / CENTROIDS_FILE, lists.centroids)
        write_array(folder / BOUNDS_FILE, lists.bounds)
    if code is VectorCode.BYTE:
        assert lists is not None
        write_floats(folder / FLOATS_FILE, vectors, order)
        index = make_codes(vectors, lists, order)
    else:
        index = _flat_index(vectors, order)
    with checked_file(folder / INDEX_FILE) as file:  # FAISS's own writer loses data on a full disk without an error
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))
    write_array(folder / ROWS_FILE, rows[order])
    write_text(folder / FINGERPRINT_FILE, json.dumps(asdict(fingerprint), ensure_ascii=False, indent=1) + "\n")


def _flat_index(vectors: NDArray[np.float32], order: NDArray[np.int64]) -> faiss.IndexFlatIP:
    """Return an index of `vectors[order]` that takes no more memory than they do; `add` would want a sorted copy."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.codes.resize(vectors.nbytes)
    index.ntotal = len(vectors)
    content = _content(index)
    for start in range(0, len(order), _ROWS_AT_ONCE):
        content[start : start + _ROWS_AT_ONCE] = vectors[order[start : start + _ROWS_AT_ONCE]]
    return index


def _content(index: faiss.IndexFlatIP) -> NDArray[np.float32]:
    if not index.ntotal:
        return np.empty((0, index.d), dtype=np.float32)
    content: NDArray[np.float32] = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return content.reshape(index.ntotal, index.d)


def open_files(folder: Path, fingerprint: Fingerprint, description: IndexDescription) -> VectorFiles:
    """Open an index, memory-mapped, and hold its files against one another, the fingerprint and the description.

    Raises:
        KnowledgeBaseDamaged: a file is missing, damaged, or another than is expected, by name.
    """
    dimension = fingerprint.dimension
    rows = _open_array(folder / ROWS_FILE, np.int64, (None,))
    with _naming(folder / ROWS_FILE):
        outside = (rows < 0) | (rows >= _MOST_CHUNKS)
        _expect(f"Numbers below 0 or above {_MOST_CHUNKS - 1}", int(np.count_nonzero(outside)), 0)
    lists = _open_lists(folder, description, len(rows), dimension) if description.kind is IndexKind.IVF else None
    index = _open_index(folder / INDEX_FILE, description.code, lists, len(rows), dimension)
    if description.code is VectorCode.FLOAT32:
        bounds = lists.bounds if lists is not None else np.array([0, len(rows)])
        path = folder / INDEX_FILE
        with _naming(path):
            vectors_start = path.stat().st_size - index.codes.size()  # they are the end of the file
            ahead = ReadAhead(path, vectors_start + bounds * index.code_size)
        return VectorFiles(rows, index, _content(index), None, lists, ahead)
    with _naming(folder / FLOATS_FILE):
        floats = FloatFile(folder / FLOATS_FILE)
        _expect("Its shape", floats.shape, (len(rows), dimension))
    return VectorFiles(rows, index, None, floats, lists, None)


def _open_lists(folder: Path, description: IndexDescription, count: int, dimension: int) -> VectorLists:
    lists = description.parameters.get("lists", 0)
    centroids = _open_array(folder / CENTROIDS_FILE, np.float32, (lists, dimension))
    bounds = _open_array(folder / BOUNDS_FILE, np.int64, (lists + 1,))
    with _naming(folder / BOUNDS_FILE):
        _expect("First and last bound", (int(bounds[0]), int(bounds[-1])), (0, count))
        _expect("Lists that end before they begin", int(np.count_nonzero(np.diff(bounds) < 0)), 0)
    return VectorLists(centroids, bounds)


def _open_array(path: Path, dtype: type[np.generic], shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Map an array; None in the shape stands for any length."""
    with _naming(path):
        array = np.asarray(np.load(path, mmap_mode="r"))
        lengths = tuple(
            length if length is not None else found for length, found in zip(shape, array.shape, strict=True)
        )
        _expect("Its numbers", (array.dtype, array.shape), (np.dtype(dtype), lengths))
        return array


def _open_index(path: Path, code: VectorCode, lists: VectorLists | None, count: int, dimension: int) -> faiss.Index:
    expected = faiss.IndexFlatIP if code is VectorCode.FLOAT32 else faiss.IndexIVFScalarQuantizer
    with _naming(path):
        with _limits(path.stat().st_size, len(lists) if lists else 1):
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        found = type(index).__name__, index.metric_type, index.d, index.ntotal
        _expect(
            "Class, metric, dimension and count",
            found,
            (expected.__name__, faiss.METRIC_INNER_PRODUCT, dimension, count),
        )
        if code is VectorCode.BYTE:
            assert lists is not None
            _expect("Its lists are those of the files beside it", _has_lists(index, lists), True)
        return index


@contextmanager
def _limits(size: int, lists: int) -> Iterator[None]:
    """Refuse a header that asks for more bytes than the file has, or for other lists than there are."""
    with _opening:
        before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
        faiss.set_deserialization_vector_byte_limit(size)
        faiss.set_deserialization_loop_limit(lists)
        try:
            yield
        finally:
            faiss.set_deserialization_vector_byte_limit(before[0])
            faiss.set_deserialization_loop_limit(before[1])


def _has_lists(index: faiss.IndexIVF, lists: VectorLists) -> bool:
    """Return whether each list of an index holds just the rows that it should."""
    if index.nlist != len(lists):
        return False
    for number, (start, end) in enumerate(zip(lists.bounds[:-1].tolist(), lists.bounds[1:].tolist(), strict=True)):
        size = index.invlists.list_size(number)
        ids = faiss.rev_swig_ptr(index.invlists.get_ids(number), size) if size else np.empty(0, dtype=np.int64)
        if not np.array_equal(ids, np.arange(start, end)):
            return False
    return True


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"{what}: {found}; expected {expected}")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file is opened into damage that names it."""
    try:
        yield
    except Exception as error:  # there is nothing that a damaged file could not make a library raise
        raise KnowledgeBaseDamaged(
            f"{path} is missing."
            if isinstance(error, FileNotFoundError)
            else f"{path} is damaged: {str(error)[:200]}.",
            rebuild_command(path.parent.parent.parent.parent),
        ) from error
