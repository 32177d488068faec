"""What a disk may hold after a power cut, worked out from the journal of what a process did to a folder.

What was synced is there: the bytes of a file by its own sync, the entries of a folder by the folder's. Of the rest anything
may be there: of each folder any of the changes to its entries, of each file any of the writes, whole, cut or as zeros. That
is less than any file system in use promises.
This module knows nothing of knowledge bases.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.crash.shim import Kind, Step

# By path inside the folder: the bytes of a file, or None for a folder.
Image = Mapping[str, bytes | None]
# Entries of a folder that are set, or removed where None, at once.
Change = Mapping[str, "_File | _Folder | None"]


class Loss:
    """A power cut after which nothing is there that was not synced."""

    def changes(self, pending: Sequence[Change]) -> Sequence[Change]:
        """Return which of the changes to a folder's entries are on the disk, in order."""
        return ()

    def is_resized(self) -> bool:
        """Return whether a file has been emptied or cut."""
        return False

    def written(self, data: bytes) -> bytes:
        """Return what is on the disk in place of the data of a write."""
        return b""


class NoLoss(Loss):
    """No power cut: what the process itself sees."""

    def changes(self, pending: Sequence[Change]) -> Sequence[Change]:
        return pending

    def is_resized(self) -> bool:
        return True

    def written(self, data: bytes) -> bytes:
        return data


class TornLoss(Loss):
    """A power cut after which some of it is there."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def changes(self, pending: Sequence[Change]) -> Sequence[Change]:
        if self._chance.random() < 0.5:  # most file systems keep the order of names
            return pending[: self._chance.randint(0, len(pending))]
        return [change for change in pending if self._chance.random() < 0.5]

    def is_resized(self) -> bool:
        return self._chance.random() < 0.5

    def written(self, data: bytes) -> bytes:
        cut = data[: self._chance.randint(0, len(data))]
        return self._chance.choice((data, data, b"", bytes(len(data)), cut))


@dataclass(eq=False)
class _File:
    """The bytes that are on the disk, and the steps since then."""

    synced: bytes = b""
    pending: list[Step] = field(default_factory=list)

    def content(self, loss: Loss) -> bytes:
        content = bytearray(self.synced)
        for step in self.pending:
            if step.kind is Kind.WRITE:
                data = loss.written(step.data)
                if data:
                    _resize(content, max(len(content), step.offset + len(data)))
                    content[step.offset : step.offset + len(data)] = data
            elif loss.is_resized():
                _resize(content, step.offset)
        return bytes(content)


@dataclass(eq=False)
class _Folder:
    """The entries that are on the disk, those that a process sees, and the changes between the two, in order."""

    synced: dict[str, _Node] = field(default_factory=dict)
    seen: dict[str, _Node] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)

    def change(self, **entries: _Node | None) -> None:
        """Change several entries at once, as a rename does; None removes one."""
        self.pending.append(entries)
        _apply(self.seen, entries)

    def sync(self) -> None:
        self.synced = dict(self.seen)
        self.pending.clear()

    def entries(self, loss: Loss) -> dict[str, _Node]:
        entries = dict(self.synced)
        for change in loss.changes(self.pending):
            _apply(entries, change)
        return entries


_Node = _File | _Folder


def _apply(entries: dict[str, _Node], change: Change) -> None:
    for name, node in change.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


class Disk:
    """A folder on a disk while a process works on it."""

    def __init__(self, folder: Path) -> None:
        """Take what is there now as synced."""
        self._place = PurePosixPath(folder)
        self._by_inode: dict[int, _Node] = {}
        self._root = self._scan(folder)

    def _scan(self, path: Path) -> _Node:
        inode = path.stat().st_ino
        if inode in self._by_inode:  # a second link of a file
            return self._by_inode[inode]
        node: _Node = _Folder() if path.is_dir() else _File(path.read_bytes())
        self._by_inode[inode] = node
        if isinstance(node, _Folder):
            node.seen = {entry.name: self._scan(entry) for entry in path.iterdir()}
            node.sync()
        return node

    def take(self, step: Step) -> None:
        """Do what the process did."""
        match step.kind:
            case Kind.CREATE:
                self._create(step)
            case Kind.MAKE_FOLDER:
                self._new(step, _Folder())
            case Kind.WRITE | Kind.TRUNCATE:
                self._file(step).pending.append(step)
            case Kind.SYNC:
                self._sync(step)
            case Kind.RENAME:
                self._rename(step)
            case Kind.LINK:
                self._folder_of(step.other).change(**{_name(step.other): self._node(step.path)})
            case Kind.UNLINK | Kind.REMOVE_FOLDER:
                self._folder_of(step.path).change(**{_name(step.path): None})

    def image(self, loss: Loss) -> Image:
        """Return what the disk holds if the power is cut now."""
        return dict(self._contents(self._root, "", loss))

    def _contents(self, node: _Node, path: str, loss: Loss) -> Iterator[tuple[str, bytes | None]]:
        if isinstance(node, _File):
            yield path, node.content(loss)
            return
        if path:
            yield path, None
        for name, entry in sorted(node.entries(loss).items()):
            yield from self._contents(entry, f"{path}/{name}" if path else name, loss)

    def _create(self, step: Step) -> None:
        there = self._folder_of(step.path).seen.get(_name(step.path))
        if isinstance(there, _File):  # an inode may be used again, but not while its name is there
            there.pending.append(step)
        else:
            self._new(step, _File())

    def _new(self, step: Step, node: _Node) -> None:
        self._by_inode[step.file] = node
        self._folder_of(step.path).change(**{_name(step.path): node})

    def _sync(self, step: Step) -> None:
        node = self._by_inode[step.file]
        if isinstance(node, _Folder):
            node.sync()
        else:
            node.synced = step.data
            node.pending.clear()

    def _rename(self, step: Step) -> None:
        before, after, node = self._folder_of(step.path), self._folder_of(step.other), self._node(step.path)
        if before is after:
            before.change(**{_name(step.path): None, _name(step.other): node})
        else:
            after.change(**{_name(step.other): node})
            before.change(**{_name(step.path): None})

    def _file(self, step: Step) -> _File:
        node = self._by_inode[step.file]
        assert isinstance(node, _File)
        return node

    def _node(self, path: str) -> _Node:
        node = self._root
        for name in PurePosixPath(path).relative_to(self._place).parts:
            assert isinstance(node, _Folder)
            node = node.seen[name]
        return node

    def _folder_of(self, path: str) -> _Folder:
        node = self._node(str(PurePosixPath(path).parent))
        assert isinstance(node, _Folder)
        return node


def _name(path: str) -> str:
    return PurePosixPath(path).name


def folder_image(folder: Path) -> Image:
    """Return what a folder holds."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")
    }


def write_image(image: Image, folder: Path) -> None:
    """Make a folder that holds an image."""
    folder.mkdir(parents=True)
    for path, data in image.items():
        if data is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(data)
