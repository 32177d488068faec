"""The search tokens of every passage, as numbers: written while they are made, and taken over where a text has not changed.

    keywords/vocab.index.json    token -> number, by first occurrence; the index's own
             token_numbers.bin   the numbers of all passages one after the other, uint32, little-endian
             token_offsets.npy   where those of each passage begin, shape (passages + 1,)
             token_texts.npy     a sum of each passage's text, by which it is known again, shape (passages, 16)
             tokenizer.json      what made them: other tokens are not taken over

The files are the same whether tokens were taken over or made anew, and hold nothing of passages that are no more.
This module knows nothing of scores.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_app.store.files import checked_file, write_array, write_text
from rag_app.text import SEARCH_TEXT_VERSION, search_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOCABULARY = "vocab.index.json"
_NUMBERS = "token_numbers.bin"
_OFFSETS = "token_offsets.npy"
_TEXTS = "token_texts.npy"
_TOKENIZER = "tokenizer.json"

# What a text without a token has: no text can hold this one, so no question finds it.
_NO_TOKEN = "\0"  # noqa: S105 - a search token

_NUMBER = np.dtype("<u4")
_DIGEST_BYTES = 16
_BUFFERED = 1 << 20  # numbers


@dataclass(frozen=True)
class PassageTokens:
    """The tokens of all passages: of passage `i` those from `offsets[i]` to `offsets[i + 1]`; `vocabulary` numbers them."""

    file: Path
    offsets: NDArray[np.int64]
    vocabulary: dict[str, int]

    def numbers(self, first: int, last: int) -> NDArray[np.uint32]:
        """Return the numbers of the tokens of the passages from `first` to before `last`, one after the other."""
        start, end = int(self.offsets[first]), int(self.offsets[last])
        return np.fromfile(self.file, dtype=_NUMBER, count=end - start, offset=start * _NUMBER.itemsize)


def write_tokens(folder: Path, texts: Iterable[str], previous: Path | None) -> PassageTokens:
    """Write the tokens of texts, whose order gives their numbers.

    Args:
        folder: of the keyword index.
        texts: gone through once; only their tokens' numbers are kept.
        previous: the folder of an index whose tokens are taken over for the same texts, where the same tokenizer made them.

    Returns:
        What was written.

    Raises:
        StorageError: what was read back is not what was written.
    """
    vocabulary: dict[str, int] = {}
    known = _KnownTokens(previous, vocabulary) if previous and _tokenizer_of(previous) == _tokenizer() else None
    offsets, digests = [0], bytearray()
    with checked_file(folder / _NUMBERS) as file:
        for numbers, ends in _buffered(_numbered(texts, known, vocabulary, digests)):
            file.write(numbers.data.cast("B"))
            offsets.extend((ends + offsets[-1]).tolist())
    tokens = PassageTokens(folder / _NUMBERS, np.array(offsets, dtype=np.int64), vocabulary)
    write_array(folder / _OFFSETS, tokens.offsets)
    write_array(folder / _TEXTS, np.frombuffer(digests, dtype=np.uint8).reshape(-1, _DIGEST_BYTES))
    write_text(folder / _TOKENIZER, _tokenizer())
    return tokens


def _numbered(
    texts: Iterable[str], known: _KnownTokens | None, vocabulary: dict[str, int], digests: bytearray
) -> Iterator[NDArray[np.uint32]]:
    """Yield the numbers of each text's tokens, new ones numbered as they come; add the text's sum to `digests`."""
    for text in texts:
        digest = _digest(text)
        digests += digest
        numbers = known.of(digest) if known else None
        if numbers is None:
            tokens = search_tokens(text) or [_NO_TOKEN]
            numbers = np.array([vocabulary.setdefault(token, len(vocabulary)) for token in tokens], dtype=_NUMBER)
        yield numbers


def _buffered(passages: Iterator[NDArray[np.uint32]]) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.int64]]]:
    """Yield the numbers of several passages in one, and where each passage ends in it."""
    held: list[NDArray[np.uint32]] = []
    size = 0
    for numbers in passages:
        held.append(numbers)
        size += len(numbers)
        if size >= _BUFFERED:
            yield np.concatenate(held), np.cumsum([len(part) for part in held])
            held, size = [], 0
    if held:
        yield np.concatenate(held), np.cumsum([len(part) for part in held])


class _KnownTokens:
    """The tokens of an older index, renumbered for a new vocabulary as if they had been made anew."""

    def __init__(self, folder: Path, vocabulary: dict[str, int]) -> None:
        """Open those in a folder that was found whole. Tokens that are asked for are added to `vocabulary`."""
        self._numbers, self._offsets = _open_numbers(folder)
        self._words = list(
            json.loads((folder / VOCABULARY).read_bytes())
        )  # they are written in the order of their numbers
        self._renumbered = np.full(len(self._words), -1, dtype=np.int64)
        self._vocabulary = vocabulary
        texts = np.load(folder / _TEXTS, allow_pickle=False)
        self._places = {row.tobytes(): place for place, row in enumerate(texts)}

    def of(self, digest: bytes) -> NDArray[np.uint32] | None:
        """Return the new numbers of a text's tokens in order; None for a text that was not there."""
        place = self._places.get(digest)
        if place is None:
            return None
        old = self._numbers[self._offsets[place] : self._offsets[place + 1]]
        new = self._renumbered[old]
        if len(unnumbered := old[new < 0]):
            for number in unnumbered.tolist():
                self._renumbered[number] = self._vocabulary.setdefault(self._words[number], len(self._vocabulary))
            new = self._renumbered[old]
        return new.astype(_NUMBER)


def passages_with_tokens(folder: Path) -> int:
    """Return how many passages the tokens in a folder are of.

    Raises:
        ValueError: the files do not fit one another, or are none.
    """
    numbers, offsets = _open_numbers(folder)
    texts = np.load(folder / _TEXTS, mmap_mode="r", allow_pickle=False)
    words = len(json.loads((folder / VOCABULARY).read_bytes()))
    if offsets[0] != 0 or (np.diff(offsets) < 1).any() or offsets[-1] != len(numbers):
        raise ValueError(f"token_offsets.npy does not divide the {len(numbers)} numbers in token_numbers.bin")
    if numbers.max() >= words:
        raise ValueError(f"token_numbers.bin holds the number {numbers.max()}, and there are {words} tokens")
    if texts.shape != (len(offsets) - 1, _DIGEST_BYTES):
        raise ValueError(
            f"token_texts.npy has the shape {texts.shape}; there are tokens of {len(offsets) - 1} passages"
        )
    return len(texts)


def _open_numbers(folder: Path) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    return np.memmap(folder / _NUMBERS, dtype=_NUMBER, mode="r"), np.load(folder / _OFFSETS, allow_pickle=False)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def _tokenizer() -> str:
    """Return what a text's tokens depend on beside the text, as it stands in the file."""
    parts = {
        "search_text": SEARCH_TEXT_VERSION,
        "pystemmer": version("pystemmer"),
        "unicode": unicodedata.unidata_version,
    }
    return json.dumps(parts, indent=1) + "\n"


def _tokenizer_of(folder: Path) -> str:
    return (folder / _TOKENIZER).read_text(encoding="utf-8")
