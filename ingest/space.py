"""Whether there is room for a build, asked before the hours of embedding and not after.

This module knows nothing of how anything is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rag_app.datatypes import Chunk, Fingerprint
from rag_app.errors import StorageError

# Bytes on the disk for each byte of text: the document, its passages, their tokens and the words of the keyword index.
_PER_TEXT_BYTE = 4
# And for what a character takes beyond one byte: of Chinese, every character and every pair is a token.
_PER_WIDE_BYTE = 9
# Bytes for each passage beside its text and vectors: rows, places, the index over them.
_PER_PASSAGE = 400
# A vector is written to the cache and to the index.
_COPIES = 2
_FLOAT = 4
_MARGIN = 1_000_000


def bytes_needed(passages: Sequence[Chunk], fingerprints: Sequence[Fingerprint]) -> int:
    """Return about how many bytes a build writes, rather too many than too few."""
    text = sum(len(passage.text.encode()) for passage in passages)
    wide = text - sum(len(passage.text) for passage in passages)
    vectors = sum(fingerprint.dimension for fingerprint in fingerprints) * len(passages) * _FLOAT * _COPIES
    return _MARGIN + _PER_TEXT_BYTE * text + _PER_WIDE_BYTE * wide + _PER_PASSAGE * len(passages) + vectors


@contextmanager
def space_for(base: Path, passages: Sequence[Chunk], fingerprints: Sequence[Fingerprint]) -> Iterator[None]:
    """Refuse a build for which there is no room; where the disk fills up meanwhile, say how much it takes.

    Args:
        base: the folder of the knowledge base.
        passages: of the generation to be.
        fingerprints: of the models that embed them.

    Raises:
        StorageError: with the bytes that are needed and those that are free.
    """
    needed = bytes_needed(passages, fingerprints)
    if _free(base) < needed:
        room = f"The disk with {base} has {_megabytes(_free(base))} MB free; the build needs about {_megabytes(needed)} MB."
        raise StorageError(" ".join((room, "Nothing was changed.")), "Make room, then run the command again.")
    try:
        yield
    except StorageError as error:
        if _free(base) >= needed:
            raise
        room = f"The disk has {_megabytes(_free(base))} MB free; the build needs about {_megabytes(needed)} MB."
        raise StorageError(f"{error.found} {room}", error.remedy) from error


def _free(base: Path) -> int:
    return shutil.disk_usage(base).free


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f}"
