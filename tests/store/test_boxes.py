"""Boxes: what is packed is what is unpacked, and only what a span asks for."""

from __future__ import annotations

from rag_app.datatypes import Box
from rag_app.store.boxes import pack_boxes, unpack_boxes

BOXES = [
    Box(0, 3, 1, 72.0, 700.0, 90.0, 712.0),
    Box(4, 8, 1, 94.0, 700.0, 118.0, 712.0),
    Box(9, 11, 2, 72.0, 80.0, 84.0, 92.0),
]


def test_boxes_come_back_as_they_were() -> None:
    assert list(unpack_boxes(pack_boxes(BOXES), 0, 100)) == BOXES


def test_only_the_boxes_of_the_span_come_back() -> None:
    assert list(unpack_boxes(pack_boxes(BOXES), 3, 9)) == [BOXES[1]]
    assert list(unpack_boxes(pack_boxes(BOXES), 3, 4)) == []


def test_a_box_at_the_edge_of_the_span_is_cut_evenly_among_its_characters() -> None:
    (box,) = unpack_boxes(pack_boxes(BOXES), 5, 7)
    assert box == Box(5, 7, 1, 100.0, 700.0, 112.0, 712.0)


def test_no_boxes_are_no_bytes() -> None:
    assert pack_boxes([]) == b""
    assert list(unpack_boxes(b"", 0, 10)) == []


def test_a_box_takes_few_bytes() -> None:
    many = [
        Box(6 * n, 6 * n + 5, n // 400, 72.0 + n % 12 * 36, 700.0 - n % 40, 100.0 + n % 12 * 36, 712.0)
        for n in range(4000)
    ]
    assert len(pack_boxes(many)) < 28 * len(many)
