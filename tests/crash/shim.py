"""Compiles shim.c, and reads the journal of steps that it writes. This module knows nothing of builds."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path

COMPILER = shutil.which("cc")
IS_COMPILER_REQUIRED = os.environ.get("RAG_APP_REQUIRE_COMPILER") == "1"
SOURCE = Path(__file__).with_name("shim.c")
# `struct record` of shim.c: kind, number, inode, offset, and the sizes of both paths and the data, which follow.
_RECORD = struct.Struct("<cIQqIIQ")


class Mode(IntEnum):
    """What happens at the chosen step (`enum mode` of shim.c)."""

    WATCH = 0
    KILL_BEFORE = 1
    KILL_HALFWAY = 2  # half of the bytes of a write are written
    DISK_FULL = 3  # half of the bytes are written; from then on nothing can be written or made
    SYNC_FAILS = 4  # once, as the kernel tells of a lost write only once
    FILE_LIMIT = 5  # no file may have more bytes than the number given as the step


class Kind(StrEnum):
    """What a step does (`enum kind` of shim.c)."""

    CREATE = "c"
    WRITE = "w"
    TRUNCATE = "t"
    SYNC = "s"
    RENAME = "r"
    LINK = "l"
    UNLINK = "u"
    MAKE_FOLDER = "m"
    REMOVE_FOLDER = "d"


@dataclass(frozen=True)
class Step:
    """One call that changed the watched folder, or asked for a part of it to be on the disk.

    `file` is an inode. `offset` is the new size where a file was cut. `data` is what was written; for the sync of a file, the
    whole of it. The sync of a folder has `other` set to "folder".
    """

    kind: Kind
    number: int
    file: int
    offset: int
    path: str
    other: str
    data: bytes


def compile_shim(folder: Path) -> Path:
    """Compile the shim into a folder and return its path."""
    assert COMPILER is not None
    library = folder / "shim.so"
    command = [
        COMPILER,
        "-shared",
        "-fPIC",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        library,
        SOURCE,
        "-ldl",
        "-lpthread",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return library


def read_journal(path: Path) -> Iterator[Step]:
    """Yield the steps that a watched process took, in order."""
    content = path.read_bytes()
    place = 0
    while place < len(content):
        kind, number, file, offset, *sizes = _RECORD.unpack_from(content, place)
        place += _RECORD.size
        parts = []
        for size in sizes:
            parts.append(content[place : place + size])
            place += size
        yield Step(Kind(kind.decode()), number, file, offset, os.fsdecode(parts[0]), os.fsdecode(parts[1]), parts[2])
