"""PDFs for tests: drawn with reportlab, or written object by object where reportlab would not write them so."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pypdfium2
from PIL.Image import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

CHINESE_FONT = "STSong-Light"
PAGE = (595.0, 842.0)
TOP = 760  # of the first line, in points
LEADING = 14

pdfmetrics.registerFont(UnicodeCIDFont(CHINESE_FONT))


def pdf(
    *pages: Sequence[str], title: str = "", encrypt: StandardEncryption | None = None, font: str = "Helvetica"
) -> bytes:
    """Return a PDF with these lines on its pages, in letters of 11 points."""

    def lines(canvas: Canvas, page: Sequence[str]) -> None:
        canvas.setFont(font, 11)
        for number, line in enumerate(page):
            canvas.drawString(72, TOP - LEADING * number, line)

    return drawn(*(lambda canvas, page=page: lines(canvas, page) for page in pages), title=title, encrypt=encrypt)


def drawn(*pages: Callable[[Canvas], None], title: str = "", encrypt: StandardEncryption | None = None) -> bytes:
    """Return a PDF whose pages these functions draw."""
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=PAGE, encrypt=encrypt)
    canvas.setTitle(title)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def picture_of(data: bytes, number: int = 1, *, dots_per_inch: int = 200) -> Image:
    """Return what a page of a PDF looks like, in grey."""
    with pypdfium2.PdfDocument(data) as document:
        bitmap = document[number - 1].render(scale=dots_per_inch / 72, grayscale=True)
        return bitmap.to_pil().copy()


def show_picture(image: Image) -> Callable[[Canvas], None]:
    """Return the function that draws a picture over a whole page."""
    return lambda canvas: canvas.drawImage(ImageReader(image), 0, 0, *PAGE)


def scanned(data: bytes) -> bytes:
    """Return a PDF with the pages of another one as pictures, without a text layer."""
    with pypdfium2.PdfDocument(data) as document:
        pages = len(document)
    return drawn(*(show_picture(picture_of(data, number)) for number in range(1, pages + 1)))


def written(*objects: str, **streams: str) -> bytes:
    """Return a PDF with these objects, numbered from 1; the first is the catalogue.

    `{name}` in an object stands for a stream's dictionary and content.
    """
    body = b"%PDF-1.7\n"
    offsets = []
    for number, text in enumerate(objects, start=1):
        offsets.append(len(body))
        for name, content in streams.items():
            text = text.replace(f"{{{name}}}", f"<</Length {len(content)}>>stream\n{content}\nendstream")  # noqa: PLW2901
        body += f"{number} 0 obj\n{text}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    end = (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF"
    )
    return body + end.encode()


def in_font_without_unicode(text: str, mapping: Mapping[str, str] | None = None) -> bytes:
    """Return a PDF of one page whose font only numbers its glyphs; a /ToUnicode `mapping` may say what they are."""
    codes = text.encode("utf-16-be").hex()
    entries = [
        f"<{glyph.encode('utf-16-be').hex()}> <{letters.encode('utf-16-be').hex()}>"
        for glyph, letters in (mapping or {}).items()
    ]
    map_text = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        "1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        f"{len(entries)} beginbfchar\n{' '.join(entries)}\nendbfchar endcmap end end"
    )
    return written(
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 5 0 R>>>>/Contents 4 0 R>>",
        "{content}",
        "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[6 0 R]"
        + ("/ToUnicode 8 0 R" if mapping else "")
        + ">>",
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/X/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
        "/FontDescriptor 7 0 R/DW 1000>>",
        "<</Type/FontDescriptor/FontName/X/Flags 4/FontBBox[0 0 1000 1000]/ItalicAngle 0/Ascent 800/Descent -200"
        "/CapHeight 700/StemV 80>>",
        "{map}",
        content=f"BT /F 20 Tf 72 700 Td <{codes}> Tj ET",
        map=map_text,
    )


def changed(data: bytes, change: Callable[[Any], None]) -> bytes:
    """Return a PDF after a function did something with it as a `pypdfium2.PdfDocument`."""
    stream = io.BytesIO()
    with pypdfium2.PdfDocument(data) as document:
        change(document)
        document.save(stream)
    return stream.getvalue()
