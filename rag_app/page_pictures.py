"""Pictures of pages of indexed PDFs, with what was found on them marked.

    picture = page_picture(knowledge_base, "docs/manual.pdf", 3, [(1024, 1170)])

The picture is of the bytes that were indexed or it is not made: of a file that has changed since, the marks would be lies.
The file is read here and drawn in a child process (`rag_app.page_drawing`). This module knows nothing of screens.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rag_app.config import SandboxSettings
from rag_app.datatypes import Box
from rag_app.errors import DocumentError, PagePictureError, StorageError
from rag_app.sandbox import SandboxLimits, SandboxPool
from rag_app.store.uploads import files_of

if TYPE_CHECKING:
    from rag_app.store.knowledge_base import KnowledgeBase

PDF = "application/pdf"
_DRAWN_BY = "rag_app.page_drawing:draw_page"
_MOST_BOXES = 20_000
_SAME_LINE = 0.5  # of a box's height: two that share so much of it stand on one line
_WORD_GAP = 1.2  # of a box's height: words that are farther apart are in two columns
# Each child may take as much memory as the sandbox allows.
_drawing = threading.BoundedSemaphore(2)


class PictureProblem(StrEnum):
    """Why there is no picture: `problem` of a `PagePictureError`."""

    NOT_PAGED = "not_paged"  # the document is no PDF
    GONE = "gone"  # its file is no longer there
    CHANGED = "changed"  # its file is not the one that was indexed
    NOT_DRAWN = "not_drawn"  # no such page, or it cannot be drawn


@dataclass(frozen=True)
class PagePicture:
    """The picture of a page as PNG. `is_marked`: something of the spans stands on it."""

    png: bytes
    page: int
    is_marked: bool


def page_picture(
    knowledge_base: KnowledgeBase,
    document_path: str,
    page: int,
    spans: Sequence[tuple[int, int]],
    *,
    width: int = 1000,
    sandbox: SandboxSettings | None = None,
) -> PagePicture:
    """Return the picture of a page of a document with spans of its text marked.

    Args:
        knowledge_base: that the document is in.
        document_path: as the knowledge base names it.
        page: from 1.
        spans: `[start, end)` in the document's text; what lies on other pages is passed over.
        width: of the picture, in pixels; less for a page that would become too large.
        sandbox: what drawing may spend; None: the defaults.

    Raises:
        PagePictureError: it has no page pictures, its file is gone or has changed since, or the page cannot be drawn.
        KnowledgeBaseDamaged: what is known of the document cannot be read.
    """
    facts = knowledge_base.chunks.facts([document_path]).get(document_path)
    if facts is None or facts.media_type != PDF:
        raise _no_picture(PictureProblem.NOT_PAGED, f"{document_path} has no pages that could be shown.")
    data = _indexed_bytes(knowledge_base, document_path)
    argument = {"page": page, "width": width, "boxes": _marks(knowledge_base, document_path, page, spans)}
    spent = sandbox or SandboxSettings()
    limits = SandboxLimits(spent.seconds, spent.cpu_seconds, spent.memory_megabytes, spent.output_megabytes)
    try:
        with _drawing, SandboxPool(_DRAWN_BY, limits, workers=1) as pool:
            drawn = pool.call(argument, data)
        return PagePicture(base64.b64decode(drawn["png"], validate=True), page, bool(drawn["is_marked"]))
    except (DocumentError, StorageError) as error:
        found = f"Page {page} of {document_path} cannot be drawn: {error.found}"
        raise _no_picture(PictureProblem.NOT_DRAWN, found) from error
    except (LookupError, ValueError, TypeError) as error:  # a child that was taken over says what it likes
        found = f"Page {page} of {document_path} cannot be drawn."
        raise _no_picture(PictureProblem.NOT_DRAWN, found) from error


def _marks(
    knowledge_base: KnowledgeBase, path: str, page: int, spans: Sequence[tuple[int, int]]
) -> list[tuple[float, float, float, float]]:
    """Return what is to be marked on a page: left, bottom, right, top of each."""
    boxes = [box for start, end in spans for box in knowledge_base.chunks.boxes(path, start, end) if box.page == page]
    return [(box.left, box.bottom, box.right, box.top) for box in joined_boxes(boxes[:_MOST_BOXES])]


def joined_boxes(boxes: Iterable[Box]) -> list[Box]:
    """Return boxes, in the order of their characters, with those of words that stand side by side on a line made one."""
    joined: list[Box] = []
    for box in boxes:
        if joined and (whole := _side_by_side(joined[-1], box)) is not None:
            joined[-1] = whole
        else:
            joined.append(box)
    return joined


def _side_by_side(before: Box, box: Box) -> Box | None:
    """Return the box around two words of one line, None where they are not."""
    height = min(before.top - before.bottom, box.top - box.bottom)
    shared = min(before.top, box.top) - max(before.bottom, box.bottom)
    gap = max(before.left, box.left) - min(before.right, box.right)
    if before.page != box.page or shared < _SAME_LINE * height or gap > _WORD_GAP * height:
        return None
    return Box(
        before.start,
        box.end,
        box.page,
        min(before.left, box.left),
        min(before.bottom, box.bottom),
        max(before.right, box.right),
        max(before.top, box.top),
    )


def _indexed_bytes(knowledge_base: KnowledgeBase, document_path: str) -> bytes:
    """Return the bytes that a document was read from.

    Raises:
        PagePictureError: they are no longer there.
    """
    sha256 = knowledge_base.chunks.document_sums()[document_path]
    was_there = False
    for file in files_of(knowledge_base.folder.parent, knowledge_base.manifest, document_path):
        data, is_there = _bytes_with_sum(file, sha256)
        if data is not None:
            return data
        was_there = was_there or is_there
    if was_there:
        found = f"The file of {document_path} has changed since it was indexed."
        raise _no_picture(PictureProblem.CHANGED, found, knowledge_base.name)
    found = f"The file of {document_path} is no longer where it was indexed."
    raise _no_picture(PictureProblem.GONE, found, knowledge_base.name)


def _bytes_with_sum(file: Path, sha256: str) -> tuple[bytes | None, bool]:
    """Return the bytes of a file if they have this sum, and whether there is a file at all.

    A file that became another is hashed and not kept: it may be larger than memory. A pipe is not waited for.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None, True
            if hashlib.file_digest(opened, "sha256").hexdigest() != sha256:
                return None, True
            size = opened.tell()
            opened.seek(0)
            return opened.read(size), True
    except (OSError, ValueError):
        return None, False


def _no_picture(problem: PictureProblem, found: str, name: str = "") -> PagePictureError:
    remedies = ["The text that was indexed is shown instead."]
    if name:
        remedies.append(f"To bring the knowledge base up to date: python -m ingest --kb {name}")
    return PagePictureError(found, " ".join(remedies), problem=problem)
