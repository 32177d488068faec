"""Draws a page of a PDF as a picture with boxes marked on it. It runs in a child process: pdfium reads what anyone wrote.

This module knows nothing of files or of knowledge bases; it imports nothing that is slow to load.
"""

from __future__ import annotations

import base64
import contextlib
import io
import math
from typing import Any

from rag_app.errors import DocumentError

_PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD in pdfium's fpdfview.h
_MOST_PIXELS = 8_000_000
_LONGEST_SIDE = 10_000  # pixels
_MOST_SCALE = 8.0  # pixels a point: a page of the size of a stamp is not blown up to a wall
_MARK = (255, 190, 0, 90)  # a marker pen: black text on it keeps a contrast above 7:1
_EDGE = (176, 96, 0, 255)
_MARGIN = 1.5  # points around a mark


def draw_page(argument: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Return the picture of a page as PNG in base64, and whether a mark is on it.

    Args:
        argument: `page`, from 1; `width` of the picture in pixels, less where it would grow too large; `boxes` to be marked,
            each left, bottom, right, top in points from the lower left corner of the page as it is seen.
        data: the PDF.

    Raises:
        DocumentError: it cannot be read, or has no such page.
    """
    import pypdfium2

    document = _open(data)
    try:
        number, count = int(argument["page"]), len(document)
        if not 1 <= number <= count:
            raise DocumentError(f"It has {count} pages, and no page {number}.")
        with contextlib.suppress(pypdfium2.PdfiumError):
            document.init_forms()  # else what is written in fields is not drawn
        try:
            page = document[number - 1]
        except pypdfium2.PdfiumError as error:
            raise DocumentError(f"Its page {number} cannot be opened.") from error
        picture, drawn = _draw(page, int(argument["width"]), argument["boxes"])
    finally:
        document.close()
    return {"png": base64.b64encode(picture).decode(), "is_marked": drawn}


def _open(data: bytes) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_ERROR:
            raise DocumentError("It is encrypted: a password is needed.") from error
        raise DocumentError("It is not a readable PDF.") from error


def _draw(page: Any, width: int, boxes: list[list[float]]) -> tuple[bytes, bool]:
    page_width, page_height = page.get_size()
    if not (page_width > 0 and page_height > 0):
        raise DocumentError("The page has no size.")
    scale = min(
        width / page_width,
        math.sqrt(_MOST_PIXELS / (page_width * page_height)),
        _LONGEST_SIDE / max(page_width, page_height),
        _MOST_SCALE,
    )
    bitmap = page.render(scale=scale)
    try:
        image = bitmap.to_pil().convert("RGB")
    finally:
        bitmap.close()
    is_marked = _mark(image, boxes, scale, page_height)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue(), is_marked


def _mark(image: Any, boxes: list[list[float]], scale: float, page_height: float) -> bool:
    """Lay a mark on each box that lies on the picture, and say whether there was one."""
    from PIL import Image, ImageDraw

    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    is_marked = False
    for box in boxes:
        if not all(math.isfinite(edge) for edge in box):
            continue
        left, bottom, right, top = box
        x0, x1 = max((left - _MARGIN) * scale, 0), min((right + _MARGIN) * scale, image.width - 1)
        y0 = max((page_height - top - _MARGIN) * scale, 0)
        y1 = min((page_height - bottom + _MARGIN) * scale, image.height - 1)
        if x0 < x1 and y0 < y1:
            # Its edge is seen also where the page is dark, or by who does not see the colour.
            pen.rectangle((x0, y0, x1, y1), fill=_MARK, outline=_EDGE)
            is_marked = True
    if is_marked:
        image.paste(layer, mask=layer.getchannel("A"))
    return is_marked
