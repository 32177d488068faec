"""Pictures of pages: of the bytes that were indexed, marked where the text stands, and never made of another file."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from ingest.build import BuildRequest, build
from rag_app.config import SandboxSettings, load_settings
from rag_app.datatypes import Box
from rag_app.errors import DocumentError, PagePictureError
from rag_app.page_drawing import draw_page
from rag_app.page_pictures import PictureProblem, joined_boxes, page_picture
from rag_app.store import layout
from rag_app.store.knowledge_base import KnowledgeBase

FIRST = "An account is locked for 30 minutes."
SECOND = "A backup is made every night."


def upright(canvas: Canvas) -> None:
    canvas.setPageSize((595, 842))


def rotated(canvas: Canvas) -> None:
    canvas.setPageSize((842, 595))  # the size as it is seen
    canvas.setPageRotation(90)


def upside_down(canvas: Canvas) -> None:
    canvas.setPageSize((595, 842))
    canvas.setPageRotation(180)


def cropped(canvas: Canvas) -> None:
    canvas.setPageSize((595, 842))
    canvas.setCropBox((50, 400, 400, 800))


def cropped_and_rotated(canvas: Canvas) -> None:
    cropped(canvas)
    canvas.setPageSize((842, 595))
    canvas.setPageRotation(270)


def enormous(canvas: Canvas) -> None:
    canvas.setPageSize((14_000, 14_000))


SHAPES = {shape.__name__: shape for shape in (upright, rotated, upside_down, cropped, cropped_and_rotated, enormous)}


def pdf(*pages: str, shape: Callable[[Canvas], None] = upright, password: str = "") -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, encrypt=StandardEncryption(password) if password else None)
    for text in pages:
        shape(canvas)
        canvas.setFont("Helvetica", 14)
        canvas.drawString(72, 700, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    documents = folder / "docs"
    (documents / "deep").mkdir(parents=True)
    (documents / "deep" / "两页.pdf").write_bytes(pdf(FIRST, SECOND))
    (documents / "note.txt").write_text(FIRST, encoding="utf-8")
    for name, shape in SHAPES.items():
        (documents / f"{name}.pdf").write_bytes(pdf(f"{FIRST} {name}", shape=shape))
    settings = load_settings(indexes=folder / "indexes", offline=True)
    build(BuildRequest("base", (documents,), (str(tiny_embedder),)), settings, lambda _: None)
    return folder


@pytest.fixture
def base(folder: Path) -> Iterator[KnowledgeBase]:
    opened = KnowledgeBase.open(folder / "indexes", "base")
    yield opened
    opened.close()


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def whole_text(base: KnowledgeBase, path: str) -> list[tuple[int, int]]:
    document = base.chunks.document(path)
    assert document is not None
    return [(0, len(document.text))]


@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_mark_covers_the_text_and_little_else(base: KnowledgeBase, shape: str) -> None:
    path = f"docs/{shape}.pdf"
    bare, marked = page_picture(base, path, 1, []), page_picture(base, path, 1, whole_text(base, path))
    assert (bare.is_marked, marked.is_marked) == (False, True)
    before, after = pixels(bare.png), pixels(marked.png)
    changed = (before != after).any(axis=2)
    dark = before.sum(axis=2) < 200
    if shape != "enormous":  # there a letter is smaller than a pixel
        assert dark.sum() > 50
    assert changed[dark].all()
    assert 0 < changed.mean() < 0.1


def test_marked_text_can_still_be_read(base: KnowledgeBase) -> None:
    after = pixels(page_picture(base, "docs/upright.pdf", 1, whole_text(base, "docs/upright.pdf")).png)
    inside = after[(after[:, :, 2] < 180) | (after.sum(axis=2) < 700)]
    assert (inside.sum(axis=1) < 220).sum() > 50  # letters stay dark ...
    assert (inside[:, 0] > 240).sum() > 500  # ... on what is bright


def test_only_what_is_on_the_page_is_marked(base: KnowledgeBase) -> None:
    path = "docs/deep/两页.pdf"
    document = base.chunks.document(path)
    assert document is not None
    start = document.text.index("backup")
    assert not page_picture(base, path, 1, [(start, start + 6)]).is_marked
    second = page_picture(base, path, 2, [(start, start + 6)])
    assert second.is_marked
    assert second.page == 2
    changed = (pixels(second.png) != pixels(page_picture(base, path, 2, []).png)).any(axis=2)
    rows, columns = np.nonzero(changed)
    scale = 1000 / 595
    assert abs(columns.min() - 82 * scale) < 12 * scale  # after "A "
    assert abs(rows.max() - (842 - 700) * scale) < 8 * scale


def test_a_picture_has_the_width_that_was_asked_for(base: KnowledgeBase) -> None:
    assert pixels(page_picture(base, "docs/upright.pdf", 1, [], width=400).png).shape[1] == pytest.approx(400, abs=1)


def test_a_page_as_large_as_a_house_makes_no_picture_of_that_size() -> None:
    long = io.BytesIO()
    canvas = Canvas(long, pagesize=(20, 14_000))
    canvas.drawString(1, 1, "x")
    canvas.save()
    png = draw_page({"page": 1, "width": 1000, "boxes": []}, long.getvalue())["png"]
    height, width, _ = pixels(base64.b64decode(png)).shape
    assert height <= 10_001
    assert height * width <= 8_100_000


@pytest.mark.parametrize("page", [0, 3, -1])
def test_a_page_that_is_not_there_is_said(base: KnowledgeBase, page: int) -> None:
    with pytest.raises(PagePictureError, match=f"Page {page} of .*It has 2 pages") as caught:
        page_picture(base, "docs/deep/两页.pdf", page, [])
    assert caught.value.problem == PictureProblem.NOT_DRAWN


@pytest.mark.parametrize("path", ["docs/note.txt", "docs/gone.pdf", "../etc/passwd"])
def test_what_is_no_pdf_has_no_picture(base: KnowledgeBase, path: str) -> None:
    with pytest.raises(PagePictureError) as caught:
        page_picture(base, path, 1, [])
    assert caught.value.problem == PictureProblem.NOT_PAGED


def test_a_page_that_takes_too_long_is_given_up(base: KnowledgeBase) -> None:
    # Its start is not counted; the clock of a call is, and no page is drawn in so little.
    stingy = SandboxSettings(seconds=1, memory_megabytes=256).model_copy(update={"seconds": 0.001})
    with pytest.raises(PagePictureError, match="longer than") as caught:
        page_picture(base, "docs/upright.pdf", 1, [], sandbox=stingy)
    assert caught.value.problem == PictureProblem.NOT_DRAWN
    assert "text that was indexed is shown" in caught.value.remedy


def test_a_file_that_changed_is_not_shown_for_the_one_that_was_indexed(folder: Path, base: KnowledgeBase) -> None:
    file = folder / "docs" / "cropped.pdf"
    kept = file.read_bytes()
    try:
        file.write_bytes(pdf("Something else altogether."))
        with pytest.raises(PagePictureError, match="has changed since it was indexed") as caught:
            page_picture(base, "docs/cropped.pdf", 1, [])
        assert caught.value.problem == PictureProblem.CHANGED
        file.unlink()
        with pytest.raises(PagePictureError, match="no longer where it was") as caught:
            page_picture(base, "docs/cropped.pdf", 1, [])
        assert caught.value.problem == PictureProblem.GONE
        assert "python -m ingest --kb base" in caught.value.remedy
        os.mkfifo(file)
        with pytest.raises(PagePictureError, match="has changed"):  # and nobody waits for its writer
            page_picture(base, "docs/cropped.pdf", 1, [])
    finally:
        file.unlink(missing_ok=True)
        file.write_bytes(kept)


def test_an_upload_is_found_where_the_base_was_moved_to(
    tmp_path: Path, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = tmp_path / "indexes" / "base" / layout.SOURCES / f"upload-{'0' * 16}" / "report.pdf"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(pdf(FIRST))
    settings = load_settings(indexes=tmp_path / "indexes", offline=True)
    build(BuildRequest("base", (upload,), (str(tiny_embedder),)), settings, lambda _: None)
    (tmp_path / "indexes" / "base").rename(tmp_path / "indexes" / "renamed")
    moved = KnowledgeBase.open(tmp_path / "indexes", "renamed")
    assert page_picture(moved, "report.pdf", 1, whole_text(moved, "report.pdf")).is_marked
    moved.close()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(pdf(FIRST, password="secret"), "password", id="encrypted"),
        pytest.param(b"%PDF-1.7 nothing", "not a readable PDF", id="damaged"),
        pytest.param(b"", "not a readable PDF", id="empty"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, found: str) -> None:
    with pytest.raises(DocumentError, match=found):
        draw_page({"page": 1, "width": 500, "boxes": []}, data)


def test_boxes_without_a_place_are_not_marked() -> None:
    boxes = [[float("nan"), 0, 10, 10], [900, 900, 950, 950], [-50, -50, -10, -10]]
    assert not draw_page({"page": 1, "width": 500, "boxes": boxes}, pdf(FIRST))["is_marked"]


def test_words_of_a_line_are_marked_as_one() -> None:
    words = [
        Box(0, 2, 1, 72, 700, 80, 712),
        Box(3, 6, 1, 84, 700, 100, 711),
        Box(7, 9, 1, 72, 680, 80, 692),  # the next line
        Box(10, 12, 1, 300, 680, 320, 692),  # another column
        Box(13, 15, 2, 322, 680, 330, 692),  # another page
    ]
    assert [(box.start, box.end) for box in joined_boxes(words)] == [(0, 6), (7, 9), (10, 12), (13, 15)]
    assert joined_boxes(words)[0] == Box(0, 6, 1, 72, 700, 100, 712)
