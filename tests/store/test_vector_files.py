"""The files of a vector index: mapped, whole or refused by name, and never written in part without an error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from rag_app.datatypes import IndexKind, VectorCode
from rag_app.errors import KnowledgeBaseDamaged, StorageError
from rag_app.store import vector_files
from rag_app.store.vectors import VectorIndex
from tests.fakes import fake_fingerprint
from tests.store.clusters import clustered
from tests.store.vector_kinds import FILES, PLANS, units, written

FINGERPRINT = fake_fingerprint(dimension=4)
REPAIR = r"python -m ingest --kb kb --rebuild"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kb" / "gen-00000001" / "vectors" / "fake-0"


@pytest.fixture(params=PLANS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_kind_has_the_files_it_needs_and_no_others(folder: Path, kind: str) -> None:
    written(folder, clustered(100, seed=1), range(100), kind)
    assert sorted(path.name for path in folder.iterdir()) == FILES[kind]


@pytest.mark.parametrize("harm", ["missing", "cut", "empty", "nonsense"])
def test_a_damaged_file_is_refused_by_name_with_the_command_that_repairs_it(harm: str, kind: str, folder: Path) -> None:
    index = written(folder, clustered(100, seed=1), range(100), kind)
    for name in FILES[kind]:
        if name == "fingerprint.json":  # it is `kb verify` that reads it
            continue
        file = folder / name
        content = file.read_bytes()
        file.unlink()  # and not changed in place: it is mapped
        if harm != "missing":
            file.write_bytes({"cut": content[:-8], "empty": b"", "nonsense": b"\x93" * len(content)}[harm])
        state = "missing" if harm == "missing" else "damaged"
        with pytest.raises(KnowledgeBaseDamaged, match=rf"{name} is {state}.*{REPAIR}"):
            VectorIndex(folder, index.fingerprint, index.description)
        file.unlink(missing_ok=True)
        file.write_bytes(content)
    VectorIndex(folder, index.fingerprint, index.description)


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(faiss.IndexFlatL2(4), id="another metric"),
        pytest.param(faiss.IndexFlatIP(8), id="another dimension"),
        pytest.param(faiss.IndexHNSWFlat(4, 8, faiss.METRIC_INNER_PRODUCT), id="another class"),
    ],
)
def test_an_index_that_is_not_what_the_fingerprint_says_is_refused(index: faiss.Index, folder: Path) -> None:
    description = written(folder, units([1, 0, 0, 0]), [0]).description
    index.add(np.ones((1, index.d), dtype=np.float32))
    (folder / "vectors.faiss").unlink()
    faiss.write_index(index, str(folder / "vectors.faiss"))
    with pytest.raises(KnowledgeBaseDamaged, match=rf"vectors\.faiss is damaged: .*expected .*IndexFlatIP.*{REPAIR}"):
        VectorIndex(folder, FINGERPRINT, description)


def test_the_files_of_two_indexes_are_not_taken_for_one(tmp_path: Path, kind: str) -> None:
    one, other = tmp_path / "kb" / "gen" / "vectors" / "one", tmp_path / "other"
    index = written(one, clustered(100, seed=1), range(100), kind)
    written(other, clustered(101, seed=2), range(101), kind)
    for name in FILES[kind]:
        if name in {"fingerprint.json", "centroids.npy"}:  # of as many lists these fit; their sums tell them apart
            continue
        content = (one / name).read_bytes()
        (one / name).unlink()
        os.link(other / name, one / name)
        with pytest.raises(KnowledgeBaseDamaged, match=REPAIR):
            VectorIndex(one, index.fingerprint, index.description)
        (one / name).unlink()
        (one / name).write_bytes(content)


def test_an_index_is_not_opened_as_another_kind_than_it_is(folder: Path) -> None:
    index = written(folder, clustered(100, seed=1), range(100), "ivf 8-bit")
    for change in ({"code": VectorCode.FLOAT32}, {"kind": IndexKind.EXACT}, {"parameters": {"lists": 8, "probes": 2}}):
        with pytest.raises(KnowledgeBaseDamaged, match=REPAIR):
            VectorIndex(folder, index.fingerprint, replace(index.description, **change))


def test_rows_are_never_unpickled(folder: Path) -> None:
    description = written(folder, units([1, 0, 0, 0]), [0]).description
    (folder / "rows.npy").unlink()
    np.save(folder / "rows.npy", np.array([{"code": "runs"}], dtype=object), allow_pickle=True)
    with pytest.raises(KnowledgeBaseDamaged, match=r"rows\.npy is damaged"):
        VectorIndex(folder, FINGERPRINT, description)


@pytest.mark.parametrize("number", [np.nan, 1e30])
def test_a_vector_that_was_damaged_is_named_and_not_answered_from(number: float, kind: str, folder: Path) -> None:
    index = written(folder, clustered(100, seed=1), range(100), kind)
    file = folder / ("floats.npy" if kind == "ivf 8-bit" else "vectors.faiss")
    content = bytearray(file.read_bytes())
    content[-4:] = np.float32(number).tobytes()
    file.unlink()
    file.write_bytes(content)
    damaged = VectorIndex(folder, index.fingerprint, index.description)
    question = np.asarray(index.vectors(np.array([99]))[0])
    with pytest.raises(KnowledgeBaseDamaged, match=rf"{file.name} is damaged: it holds vectors that are not.*{REPAIR}"):
        damaged.search(question, 3)
    with pytest.raises(KnowledgeBaseDamaged, match=rf"{file.name} is damaged: it holds vectors that are not.*{REPAIR}"):
        damaged.cosines(question, np.asarray(index.rows[-1:]))


HARM = Path(__file__).with_name("flipped_bits.py")


@pytest.mark.parametrize("bits", [97, pytest.param(None, marks=pytest.mark.matrix)])
def test_no_flipped_bit_takes_the_process_down(bits: int | None, kind: str, folder: Path) -> None:
    written(folder, clustered(20, seed=1), range(20), kind)
    command = [sys.executable, str(HARM), str(folder), kind, str(bits or 0)]
    outcome = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False
    )
    assert outcome.returncode == 0, outcome.stdout[-200:] + outcome.stderr[-2000:]
    assert "refused" in outcome.stdout


@pytest.mark.parametrize("harm", [None, "cut"])
def test_the_limits_of_faiss_are_as_they_were_after_opening(harm: str | None, kind: str, folder: Path) -> None:
    index = written(folder, clustered(100, seed=1), range(100), kind)
    if harm:
        content = (folder / "vectors.faiss").read_bytes()
        (folder / "vectors.faiss").unlink()
        (folder / "vectors.faiss").write_bytes(content[:-8])
    before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
    try:
        faiss.set_deserialization_vector_byte_limit(12345)
        faiss.set_deserialization_loop_limit(678)
        if harm:
            with pytest.raises(KnowledgeBaseDamaged):
                VectorIndex(folder, index.fingerprint, index.description)
        else:
            VectorIndex(folder, index.fingerprint, index.description)
        assert faiss.get_deserialization_vector_byte_limit() == 12345
        assert faiss.get_deserialization_loop_limit() == 678
    finally:
        faiss.set_deserialization_vector_byte_limit(before[0])
        faiss.set_deserialization_loop_limit(before[1])


# A full disk


_FILL_DISKS = """
import resource, signal, sys
from pathlib import Path
from tests.store.clusters import clustered
from tests.store.vector_kinds import written
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
parent, kind = Path(sys.argv[1]), sys.argv[2]
vectors = clustered(400, seed=1)
for limit in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        written(parent / str(limit), vectors, range(400), kind)
        outcome = "no error"
    except OSError as error:
        outcome = error.errno
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(limit, outcome)
"""


def test_a_disk_that_fills_up_is_an_error_at_every_file(kind: str, folder: Path) -> None:
    """A limit on the size of files stands for the disk. FAISS's own writer was seen to lose the end of a file silently."""
    written(folder, clustered(400, seed=1), range(400), kind)
    sizes = [path.stat().st_size for path in folder.iterdir()]
    limits = sorted({int(size * share) for size in sizes for share in (0.02, 0.5, 0.98)} | {size - 1 for size in sizes})
    outcome = subprocess.run(
        [sys.executable, "-c", _FILL_DISKS, str(folder.parent), kind, *map(str, limits)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    expected = [f"{limit} {errno.EFBIG if limit < max(sizes) else 'no error'}" for limit in limits]
    assert outcome.stdout.splitlines() == expected, outcome.stderr[-2000:]


def test_what_was_not_written_whole_is_noticed_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = faiss.write_index

    def lose_the_last(index: faiss.Index, writer: faiss.IOWriter) -> None:
        kept = faiss.IndexFlatIP(index.d)
        kept.add(np.zeros((index.ntotal, index.d), dtype=np.float32))
        write(kept, writer)

    monkeypatch.setattr(vector_files.faiss, "write_index", lose_the_last)
    with pytest.raises(StorageError, match=r"was read back from .* is not what was written"):
        written(folder, units([1, 0, 0, 0]), [0])


# Memory


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="only Linux says what is mapped")
def test_an_index_is_mapped_and_not_read(folder: Path, kind: str) -> None:
    index = written(folder, clustered(400, seed=1), range(400), kind)
    index.search(clustered(1, seed=7)[0], 10)
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert str(folder / "vectors.faiss") in mapped
    assert str(folder / "rows.npy") in mapped
    assert str(folder / "floats.npy") not in mapped  # it is read, so that it takes no memory
