"""Which of many byte strings stand in data of any size: all of them are looked for in one pass.

A window of each string is looked up at every position of the data, and only where it stands is the string itself compared.
The time hardly depends on how many strings there are.
This module knows nothing of documents or knowledge bases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHORTEST = 8  # bytes; the smallest window must fit into a string

_WIDE = 2 * SHORTEST  # the window of strings that are long enough: fewer places look like it
_AT_ONCE = 1 << 19  # bytes: what is computed of so many stays in the processor's cache
_READ_AT_ONCE = 1 << 22
_STEP = 4  # bytes between the windows of a string that are compared for which says most
# Odd numbers without a pattern (of the golden ratio and of xxHash): multiplying by them spreads windows over all bits.
_SPREADING = np.uint64(0x9E3779B97F4A7C15)
_SPREADING_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
# Places of the table for each string: one position of random data in so many is looked at more closely.
_PLACES_PER_STRING = 64
_FEWEST_BITS, _MOST_BITS = 12, 24


class ByteSearch:
    """A fixed sequence of byte strings to be looked for; each is known by its number in it."""

    def __init__(self, strings: Sequence[bytes]) -> None:
        """Prepare the search.

        Raises:
            ValueError: a string has less than `SHORTEST` bytes.
        """
        self._overlap = max(map(len, strings), default=1) - 1
        groups: dict[int, dict[int, bytes]] = {SHORTEST: {}, _WIDE: {}}
        for number, string in enumerate(strings):
            if len(string) < SHORTEST:
                raise ValueError(f"a string of {len(string)} bytes cannot be looked for; expected {SHORTEST} or more")
            groups[_WIDE if len(string) >= _WIDE else SHORTEST][number] = string
        self._tables = [_Table(width, group) for width, group in groups.items() if group]

    def find(self, data: bytes, known: Collection[int] = ()) -> set[int]:
        """Return the numbers of the strings that stand in the data, but for those that are known to."""
        found: set[int] = set()
        for start in range(0, len(data) if self._tables else 0, _AT_ONCE):
            part = data[start : start + _AT_ONCE + self._overlap]
            for table in self._tables:
                found.update(number for number in table.find(part) if number not in known)
        return found

    def find_in_file(self, path: Path) -> set[int]:
        """Return the numbers of the strings that stand in a file, however large.

        Raises:
            OSError: it cannot be read.
        """
        found: set[int] = set()
        data = b""
        with path.open("rb") as file:
            while block := file.read(_READ_AT_ONCE):
                data = data[max(len(data) - self._overlap, 0) :] + block
                found |= self.find(data, found)
        return found


class _Table:
    """Looks for strings of at least `width` bytes by one window of each."""

    def __init__(self, width: int, strings: dict[int, bytes]) -> None:
        self._width = width
        self._strings = list(strings.values())
        self._numbers = list(strings)
        offsets = _telling_offsets(self._strings, width)
        windows = (string[start : start + width] for string, start in zip(self._strings, offsets, strict=True))
        keys = self._keys_of(b"".join(windows))[::width]
        self._offsets = np.array(offsets, dtype=np.int64)
        self._by_key = np.argsort(keys, kind="stable")
        self._keys = keys[self._by_key]
        bits = min(max((_PLACES_PER_STRING * len(strings)).bit_length(), _FEWEST_BITS), _MOST_BITS)
        self._shift = np.uint64(64 - bits)
        self._is_taken = np.zeros(1 << bits, dtype=np.bool_)
        self._is_taken[self._places_of(keys)] = True

    def find(self, data: bytes) -> Iterator[int]:
        """Yield the numbers of the strings that stand in the data."""
        keys = self._keys_of(data)
        positions = np.flatnonzero(self._is_taken[self._places_of(keys)])
        keys = keys[positions]
        low = np.searchsorted(self._keys, keys, side="left")
        counts = np.searchsorted(self._keys, keys, side="right") - low
        # One row for each position and each string that may stand there.
        steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = self._by_key[np.repeat(low, counts) + steps]
        starts = np.repeat(positions, counts) - self._offsets[rows]
        for row, start in zip(rows.tolist(), starts.tolist(), strict=True):
            if start >= 0 and data.startswith(self._strings[row], start):
                yield self._numbers[row]

    def _keys_of(self, data: bytes) -> NDArray[np.uint64]:
        """Return a number for the window that begins at each position of the data."""
        count = max(len(data) - SHORTEST + 1, 0)
        words: NDArray[np.uint64] = np.ndarray((count,), dtype="<u8", buffer=data, strides=(1,))
        if self._width == _WIDE:
            return words[:-SHORTEST] * _SPREADING + words[SHORTEST:] * _SPREADING_SECOND
        return words * _SPREADING

    def _places_of(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        return (keys >> self._shift).view(np.int64)  # unsigned numbers are slow indices


def _telling_offsets(strings: Sequence[bytes], width: int) -> list[int]:
    """Return where the window of each string begins that says most: shared with few others, not `--------`."""
    counts = Counter(
        string[start : start + width] for string in strings for start in range(0, len(string) - width + 1, _STEP)
    )

    def commonness(window: bytes) -> tuple[int, int]:
        return counts[window], -len(set(window))

    return [
        min(range(0, len(string) - width + 1, _STEP), key=lambda start: commonness(string[start : start + width]))
        for string in strings
    ]
