"""Ways to harm a knowledge base: bits and ends of its files, and contents that its sums are made to agree with."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from rag_app.datatypes import Fingerprint
from rag_app.errors import KnowledgeBaseError
from rag_app.store import layout
from rag_app.store.checks import Check, CheckState, ModelAtHand
from rag_app.store.files import FileSum, file_sum
from rag_app.store.layout import Manifest
from rag_app.store.live import LiveKnowledgeBase
from rag_app.store.verification import Verification
from tests.fakes import hash_vector

ROOMS = {
    f"docs/{number}.md": f"# Room {number}\n\nThe key of room {number} is kept at desk {number % 7}."
    for number in range(40)
}


def file_sums(folder: Path) -> dict[str, FileSum]:
    """Return size and sha256 of every file below a folder, by its path inside."""
    return {path.relative_to(folder).as_posix(): file_sum(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def live_folder(base: Path) -> Path:
    """Return the folder of the live generation."""
    return layout.read_current(base)[0]


def manifest_of(base: Path) -> Manifest:
    """Return the manifest of the live generation."""
    return layout.read_manifest(*layout.read_current(base))


def vectors_of(base: Path) -> Path:
    """Return the folder of the vectors of the first model."""
    return layout.vectors_folder(live_folder(base), manifest_of(base).models[0])


def files_of(base: Path) -> list[Path]:
    """Return every file that makes a knowledge base what it is: not its cache, nor its lock."""
    below = [path for folder in layout.generations(base) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [base / layout.CURRENT, *below]


def resign(base: Path, **changes: Any) -> None:
    """Make the manifest of the live generation and CURRENT agree with the files as they are now, and with `changes`."""
    folder = live_folder(base)
    manifest = Manifest.from_json((folder / layout.MANIFEST).read_bytes(), folder / layout.MANIFEST)
    sums = {name: entry for name, entry in file_sums(folder).items() if name != layout.MANIFEST}
    signed = replace(manifest, **{"files": sums} | changes)
    (folder / layout.MANIFEST).write_text(signed.to_json(), encoding="utf-8")
    (base / layout.CURRENT).write_text(layout.current_text(signed))


def with_format_version(manifest: Path, version: int) -> bytes:
    """Return a manifest's content with another format version and nothing else changed: no sum agrees with it."""
    return re.sub(rb'(?<="format_version": )\d+', str(version).encode(), manifest.read_bytes())


def check_named(verification: Verification, name: str) -> Check:
    """Return the one check with this name, or whose name begins so."""
    (check,) = [check for check in verification.checks if check.name == name or check.name.startswith(f"{name} of ")]
    return check


def flip_first_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)


def write_index(file: Path, vectors: NDArray[np.float32]) -> None:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(file))


@contextmanager
def harmed(file: Path, content: bytes) -> Iterator[None]:
    """Have other content in a file for a while."""
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)


def flips(content: bytes, count: int, seed: str) -> Iterator[tuple[str, bytes]]:
    """Yield the content with one bit flipped, at so many places."""
    bits = 8 * len(content)
    for bit in random.Random(seed).sample(range(bits), min(count, bits)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit}", bytes(flipped)


def cuts(content: bytes, count: int, seed: str) -> Iterator[tuple[str, bytes]]:
    """Yield the content cut to so many sizes: to nothing, by one byte, and others."""
    ends = {0, max(len(content) - 1, 0)}
    others = sorted(set(range(len(content))) - ends)
    for size in sorted(ends) + random.Random(seed).sample(others, min(count - len(ends), len(others))):
        yield f"cut to {size}", content[:size]


Harm = Callable[[bytes, int, str], Iterator[tuple[str, bytes]]]


def how_it_is_served(base: Path) -> str:
    """Return what a reader who reads all of the base meets: `unnoticed`, a `notice`, `refused`, or the wrong kind of error."""
    try:
        served = LiveKnowledgeBase(base.parent, base.name).verified()
    except KnowledgeBaseError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - it is what a reader must never meet
        return f"an error that is not ours: {type(error).__name__}: {error}"
    return "notice" if served.notice else "unnoticed"


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.stack([hash_vector(text) for text in texts])


def at_hand(fingerprint: Fingerprint) -> ModelAtHand:
    """The model of the tests' knowledge bases."""
    return ModelAtHand(fingerprint, embed)


def states(verification: Verification) -> dict[str, CheckState]:
    return {check.name: check.state for check in verification.checks}


def assert_damaged(verification: Verification, check: str, *files: str) -> str:
    """Assert that this one check failed, with these files to blame, and return what it says."""
    failed = [found for found in verification.checks if found.state is CheckState.DAMAGED]
    assert [found.name for found in failed] == [check_named(verification, check).name]
    assert verification.damaged == files
    assert not verification.ok
    return failed[0].detail
