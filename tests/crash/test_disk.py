"""The model of a disk: what was not synced is lost, or there in part; what was synced is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.disk import Disk, Image, Loss, NoLoss, TornLoss
from tests.crash.shim import Kind, Step

_FOLDER, _DRAFT, _OLD = 1, 2, 3  # inodes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file, "live", that holds "old"."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "live").write_bytes(b"old")
    return tmp_path / "base"


def taken(folder: Path, *steps: tuple[Kind, str, str, bytes]) -> Disk:
    """Return the disk after steps on the folder itself and on the file "draft", by kind, path, other path and data."""
    disk = Disk(folder)
    for number, (kind, path, other, data) in enumerate(steps):
        inode = folder.stat().st_ino if other == "folder" else _DRAFT
        paths = [str(folder / name) if name else "" for name in (path, other)]
        disk.take(Step(kind, number, inode, 0, paths[0], "folder" if other == "folder" else paths[1], data))
    return disk


CREATED = (Kind.CREATE, "draft", "", b"")
WRITTEN = (Kind.WRITE, "", "", b"new")
SYNCED = (Kind.SYNC, "draft", "", b"new")
RENAMED = (Kind.RENAME, "draft", "live", b"")
FOLDER_SYNCED = (Kind.SYNC, ".", "folder", b"")


def images(disk: Disk) -> list[Image]:
    return [disk.image(TornLoss(seed)) for seed in range(200)]


def test_what_was_written_and_named_but_not_synced_is_lost(folder: Path) -> None:
    assert taken(folder, CREATED, WRITTEN, RENAMED).image(Loss()) == {"live": b"old"}


def test_what_the_process_sees_is_all_of_it(folder: Path) -> None:
    assert taken(folder, CREATED, WRITTEN, RENAMED).image(NoLoss()) == {"live": b"new"}


def test_a_name_that_is_synced_before_its_bytes_may_stand_for_an_empty_or_torn_file(folder: Path) -> None:
    disk = taken(folder, CREATED, WRITTEN, RENAMED, FOLDER_SYNCED)
    assert disk.image(Loss()) == {"live": b""}
    assert {image["live"] for image in images(disk)} == {b"", b"n", b"ne", b"new", bytes(3)}


def test_bytes_that_are_synced_before_their_name_are_the_old_file_or_the_new(folder: Path) -> None:
    disk = taken(folder, CREATED, WRITTEN, SYNCED, RENAMED)
    assert {image["live"] for image in images(disk)} == {b"old", b"new"}


def test_what_was_synced_in_order_is_there(folder: Path) -> None:
    disk = taken(folder, CREATED, WRITTEN, SYNCED, RENAMED, FOLDER_SYNCED)
    assert all(image == {"live": b"new"} for image in [disk.image(Loss()), *images(disk)])


def test_a_file_that_is_emptied_in_place_may_be_lost(folder: Path) -> None:
    disk = Disk(folder)
    inode = (folder / "live").stat().st_ino
    disk.take(Step(Kind.CREATE, 1, inode, 0, str(folder / "live"), "", b""))
    disk.take(Step(Kind.WRITE, 2, inode, 0, "", "", b"new"))
    assert {b"", b"old", b"new"} <= {image["live"] for image in images(disk)}
