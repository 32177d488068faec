"""Makes the bad inputs: damaged, hostile and odd files, by what is wrong with them. Nothing of them is stored."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import docx
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

SENTENCE = "An account is locked for thirty minutes after five failed sign-ins in a row."
CHINESE = "连续输错五次密码，账号会被锁定三十分钟。请打开重置页面，设置新的密码。"
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + bytes(17)
ELF = b"\x7fELF\x02\x01\x01" + bytes(60)


def good_pdf(pages: int = 1, *, encryption: StandardEncryption | None = None) -> bytes:
    stream = io.BytesIO()
    canvas = Canvas(stream, encrypt=encryption, invariant=True)
    for number in range(pages):
        canvas.drawString(72, 720, f"Page {number + 1}. {SENTENCE}")
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def scanned_pdf(pages: int) -> bytes:
    """Return a PDF whose pages are pictures alone."""
    from PIL import Image

    pictures = [Image.new("L", (600, 800), 255) for _ in range(pages)]
    for picture in pictures:
        picture.paste(0, (100, 100, 500, 120))
    stream = io.BytesIO()
    pictures[0].save(stream, "PDF", save_all=True, append_images=pictures[1:])
    return stream.getvalue()


def raw_pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """Return a PDF of these objects, numbered from 1; the first is the catalogue."""
    out = b"%PDF-1.7\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return out


CATALOGUE = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def page(content: str = "4 0 R") -> bytes:
    return (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %s "
        b"/Resources << /Font << /F1 5 0 R >> /XObject << /X1 6 0 R >> >> >>" % content.encode()
    )


def stream(content: bytes, extra: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), extra, content)


TEXT = b"BT /F1 12 Tf 72 720 Td (The text of a page.) Tj ET"


def circular_previous() -> bytes:
    """Return a PDF whose cross-reference table says that it comes before itself."""
    first = raw_pdf(CATALOGUE, PAGES, page(), stream(TEXT), FONT)
    return raw_pdf(CATALOGUE, PAGES, page(), stream(TEXT), FONT, trailer=b"/Prev %d" % first.rindex(b"xref\n0"))


def circular_outline() -> bytes:
    catalogue = b"<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>"
    outline = b"<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>"
    entry = b"<< /Title (Round) /Parent 6 0 R /Next 7 0 R /Prev 7 0 R /First 7 0 R >>"
    return raw_pdf(catalogue, PAGES, page(), stream(TEXT), FONT, outline, entry)


def fan_out(levels: int = 24) -> bytes:
    """Return a PDF in which each form draws the next one ten times: 10 to the power of `levels` drawings of a word."""
    forms = []
    for number in range(levels):
        inner = b"/X1 Do " * 10 if number < levels - 1 else TEXT
        resources = b"<< /XObject << /X1 %d 0 R >> /Font << /F1 5 0 R >> >>" % (7 + number)
        forms.append(stream(inner, b"/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources " + resources))
    return raw_pdf(CATALOGUE, PAGES, page(), stream(b"/X1 Do " * 10), FONT, *forms)


def huge_length() -> bytes:
    lying = b"<< /Length 99999999999 >>\nstream\n" + TEXT + b"\nendstream"
    return raw_pdf(CATALOGUE, PAGES, page(), lying, FONT)


def empty_widths() -> bytes:
    """Return a PDF whose cross-reference stream says that its entries have no width."""
    table = stream(bytes(24), b"/Type /XRef /W [0 0 0] /Size 2147483647 /Root 1 0 R")
    content = b"%PDF-1.7\n1 0 obj\n" + CATALOGUE + b"\nendobj\n"
    return content + b"9 0 obj\n" + table + b"\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(content)


def deflated_bomb(megabytes: int) -> bytes:
    """Return a PDF whose page unpacks into so many megabytes of drawing operators."""
    packer = zlib.compressobj(9)
    piece = b"BT /F1 12 Tf (x) Tj ET\n" * 45_000
    packed = b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()
    return raw_pdf(CATALOGUE, PAGES, page(), stream(packed, b"/Filter /FlateDecode"), FONT)


def laughing_metadata() -> bytes:
    """Return a PDF whose XMP metadata are ten entities of ten entities of ten ..."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    xmp = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "laugh">{entities}]><x:xmpmeta>&l11;</x:xmpmeta>'
    catalogue = b"<< /Type /Catalog /Pages 2 0 R /Metadata 6 0 R >>"
    metadata = stream(xmp.encode(), b"/Type /Metadata /Subtype /XML")
    return raw_pdf(catalogue, PAGES, page(), stream(TEXT), FONT, metadata)


def good_docx(text: str = SENTENCE) -> bytes:
    document = docx.Document()
    document.add_paragraph(text)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def repacked(data: bytes, changes: dict[str, bytes], additions: dict[str, bytes] | None = None) -> bytes:
    """Return a zip file with some of its entries replaced, and others added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, changes.get(name, source.read(name)))
        for name, content in (additions or {}).items():
            target.writestr(name, content)
    return out.getvalue()


def document_xml(body: str, before: str = "") -> bytes:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<w:document xmlns:w="{word}"><w:body>'
        f"<w:p><w:r><w:t>{body}</w:t></w:r></w:p></w:body></w:document>"
    ).encode()


def docx_bomb(megabytes: int = 300) -> bytes:
    """Return a Word file whose text unpacks into so many megabytes of the letter a."""
    return repacked(good_docx(), {"word/document.xml": document_xml("a" * (megabytes * 1_000_000))})


def docx_bomb_that_lies() -> bytes:
    """Return the same, with headers that say it is ten bytes."""
    bomb = bytearray(docx_bomb())
    name = b"word/document.xml"
    local = bomb.index(name) - 30
    central = bomb.rindex(name) - 46
    struct.pack_into("<I", bomb, local + 22, 10)
    struct.pack_into("<I", bomb, central + 24, 10)
    return bytes(bomb)


def docx_of_overlapping_entries() -> bytes:
    """Return a Word file with 1,500 entries that are all the same megabyte of packed data."""
    data = repacked(good_docx(), {}, {"word/media/kernel.bin": bytes(1_000_000)})
    end = data.rindex(b"PK\x05\x06")
    (count, _, size, start) = struct.unpack_from("<HHII", data, end + 8)
    directory = data[start : start + size]
    last = directory.rindex(b"PK\x01\x02")
    copies = 1500
    grown = directory + directory[last:] * copies
    tail = bytearray(data[end:])
    struct.pack_into("<HHII", tail, 8, count + copies, count + copies, len(grown), start)
    return data[:start] + grown + bytes(tail)


def docx_with_external_entity(target: Path) -> bytes:
    doctype = f'<!DOCTYPE x [<!ENTITY canary SYSTEM "{target.as_uri()}">]>'
    return repacked(good_docx(), {"word/document.xml": document_xml("Before &canary; after.", doctype)})


def docx_with_external_link() -> bytes:
    relation = (
        b'<Relationship Id="rId99" TargetMode="External" Target="http://127.0.0.1:9/picture.png" Type='
        b'"http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"/></Relationships>'
    )
    name = "word/_rels/document.xml.rels"
    with zipfile.ZipFile(io.BytesIO(good_docx())) as archive:
        relations = archive.read(name)
    return repacked(good_docx(), {name: relations.replace(b"</Relationships>", relation)})
