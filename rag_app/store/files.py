"""Files that are on the disk when they are said to be: written, synced, read back and compared.

A full disk is not always an error at the call that wrote: it may come with the sync, the close, or (FAISS's own writer) never.
This module knows nothing of what is in a file or of knowledge bases.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from rag_app.errors import StorageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READ_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class FileSum:
    """Size in bytes and sha256 of one file of a generation."""

    bytes: int
    sha256: str


class CheckedFile:
    """A new file whose bytes are counted and hashed on their way to the disk. Use `checked_file`."""

    def __init__(self, file: BinaryIO) -> None:
        """Write through to `file`."""
        self._file = file
        self._digest = hashlib.sha256()
        self._bytes = 0

    def write(self, data: bytes | memoryview) -> int:
        """Write all of the data and return its length in bytes."""
        self._file.write(data)
        self._digest.update(data)
        size = memoryview(data).nbytes
        self._bytes += size
        return size

    @property
    def sum(self) -> FileSum:
        """The sum of what was written so far."""
        return FileSum(self._bytes, self._digest.hexdigest())


@contextmanager
def checked_file(path: Path) -> Iterator[CheckedFile]:
    """Create a file to be written; on leaving it is synced, read back and compared with what was written.

    Raises:
        OSError: a write or the sync failed, or the file is there already.
        StorageError: what was read back is not what was written.
    """
    with path.open("xb") as file:
        checked = CheckedFile(file)
        yield checked
        file.flush()
        os.fsync(file.fileno())
    if file_sum(path) != checked.sum:
        raise StorageError(
            f"{path} could not be written whole: what was read back is not what was written.",
            "Check the disk, make room, then run again.",
        )


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 and make sure that it is on the disk."""
    with checked_file(path) as file:
        file.write(text.encode())


def write_array(path: Path, array: NDArray[np.generic]) -> None:
    """Write an array in NumPy's own format and make sure that it is on the disk."""
    with checked_file(path) as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")


def file_sum(path: Path) -> FileSum:
    """Return size and sha256 of a file as it is on the disk."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileSum(file.tell(), digest)


def storage_error(error: OSError, folder: Path) -> StorageError:
    """Return what a person is told of a disk that is full or cannot be written.

    Args:
        error: what the system said.
        folder: where it was to be written.
    """
    # NumPy gives no number where fewer bytes were written than it wanted.
    if error.errno in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(
            f"The disk with {folder} is full ({error.strerror or error}). What was live before still is.",
            "Make room, then run the same command again: what was embedded is kept.",
        )
    return StorageError(
        f"{error.filename or folder} cannot be written: {error.strerror}. What was live before still is.",
        "Make room on the disk, or make the folder writable; or choose another: --indexes FOLDER",
    )
