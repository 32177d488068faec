"""Where words stand on pages, packed: 28 bytes a box before compression, and there are as many boxes as words.

This module knows nothing of PDF or of pictures.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from rag_app.datatypes import Box

_ROW = struct.Struct("<IIIffff")  # start, end, page; left, bottom, right, top


def pack_boxes(boxes: Iterable[Box]) -> bytes:
    """Return boxes, in the order of their characters, as bytes; none as no bytes."""
    rows = [_ROW.pack(box.start, box.end, box.page, box.left, box.bottom, box.right, box.top) for box in boxes]
    return zlib.compress(b"".join(rows)) if rows else b""


def check_boxes(packed: bytes, length: int) -> bytes:
    """Return packed boxes if they are those of a text of this length: a child process that was taken over may have made them.

    Raises:
        ValueError: they are not.
    """
    if not packed:
        return packed
    unpacker = zlib.decompressobj()
    try:
        rows = unpacker.decompress(packed, _ROW.size * length + 1)  # there are no more boxes than characters
        are_whole = unpacker.eof and not len(rows) % _ROW.size
        if are_whole and all(0 <= start < end <= length for start, end, *_ in _ROW.iter_unpack(rows)):
            return packed
    except zlib.error as error:
        raise ValueError("the boxes cannot be unpacked") from error
    raise ValueError("the boxes are not those of this text")


def unpack_boxes(packed: bytes, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes that hold a character of `[start, end)`, cut to that span.

    Where a box is cut, its width is shared out evenly among its characters: exact for Chinese, close for the rest.
    """
    rows = _ROW.iter_unpack(zlib.decompress(packed)) if packed else ()
    for first, last, page, left, bottom, right, top in rows:
        if first < end and last > start:
            width = (right - left) / (last - first)
            yield Box(
                start=max(first, start),
                end=min(last, end),
                page=page,
                left=left + width * (max(first, start) - first),
                bottom=bottom,
                right=right - width * (last - min(last, end)),
                top=top,
            )
