"""Files that are on the disk when they are said to be, and what is said of a disk that is full."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from rag_app.errors import StorageError
from rag_app.store import files


def test_what_is_written_is_on_the_disk_with_its_sum(tmp_path: Path) -> None:
    with files.checked_file(tmp_path / "data") as file:
        file.write(b"one")
        file.write(memoryview(np.arange(2, dtype="<i4")))
    assert (tmp_path / "data").read_bytes() == b"one\0\0\0\0\1\0\0\0"
    assert file.sum == files.file_sum(tmp_path / "data")
    assert file.sum.bytes == 11


def test_every_file_is_synced_before_it_counts_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    files.write_text(tmp_path / "text", "手册")
    assert synced == [6]


def test_what_a_disk_lost_without_a_word_is_found_by_reading_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data"
    monkeypatch.setattr(os, "fsync", lambda _: os.truncate(path, 2))
    with pytest.raises(StorageError, match="not what was written"), files.checked_file(path) as file:
        file.write(b"four")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("wb")  # noqa: SIM115 - checked_file closes it
    monkeypatch.setattr(Path, "open", lambda *_: full)
    with pytest.raises(OSError, match="No space left"), files.checked_file(tmp_path / "data") as file:
        file.write(b"x")


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("before")
    with pytest.raises(FileExistsError):
        files.write_text(tmp_path / "data", "after")
    assert (tmp_path / "data").read_text() == "before"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(5),
        np.zeros((0, 3), dtype=np.float32),
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.arange(12).reshape(3, 4)[:, ::2],
    ],
    ids=["numbers", "nothing", "rows", "a view"],
)
def test_an_array_is_read_back_as_it_was(array, tmp_path: Path) -> None:
    files.write_array(tmp_path / "a.npy", array)
    read = np.load(tmp_path / "a.npy")
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said(number: int, tmp_path: Path) -> None:
    error = files.storage_error(OSError(number, os.strerror(number)), tmp_path)
    assert f"The disk with {tmp_path} is full" in error.found
    assert "Make room" in error.remedy


def test_a_write_that_came_short_without_a_number_is_a_full_disk(tmp_path: Path) -> None:
    """So NumPy says it: `3 requested and 0 written`."""
    error = files.storage_error(OSError("3 requested and 0 written"), tmp_path)
    assert f"The disk with {tmp_path} is full (3 requested and 0 written)" in error.found


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    error = files.storage_error(PermissionError(errno.EACCES, "Permission denied", "indexes/kb"), tmp_path)
    assert error.found.startswith("indexes/kb cannot be written: Permission denied")
    assert "--indexes" in error.remedy
