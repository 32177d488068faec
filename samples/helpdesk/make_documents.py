"""Write the PDF and DOCX documents of the sample helpdesk handbook from their text sources.

The texts lie in ``sources/`` beside this file, in a small markup: ``#``, ``##`` and ``###`` start a
heading, ``-`` starts a bullet, lines between ``|`` bars are the rows of a table (the first row is the
header), and every other line is a paragraph. Each output is named in ``OUTPUTS``.

The outputs are deterministic: with the same versions of reportlab and python-docx, running this twice
gives the same bytes. ``--check`` writes nothing and exits with 1 if a file under ``handbook/`` is
missing or differs from what would be written now.

    python make_documents.py            # write the documents
    python make_documents.py --check    # compare them with the sources
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from docx import Document
from docx.oxml.ns import qn
from docx.shared import Pt
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Table, TableStyle

HERE = Path(__file__).resolve().parent
CHINESE_FONT = "STSong-Light"
DOCX_DATE = datetime(2025, 3, 17, 9, 0, 0)  # noqa: DTZ001 - DOCX dates carry no zone
ZIP_DATE = (2025, 3, 17, 9, 0, 0)
KEPT_TABLE_STYLES = ("TableNormal", "TableGrid")


@dataclass(frozen=True)
class Block:
    """One piece of a source text: a heading, a paragraph, a bullet or a table."""

    kind: str
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Output:
    """One document to write: where its text is, where it goes, and its language."""

    source: str
    target: str
    language: str
    footer: str


OUTPUTS = (
    Output("en/leave-policy.txt", "en/leave-policy.pdf", "en", "Larkfield Instruments | Leave handbook | "),
    Output("zh/leave.txt", "zh/leave.pdf", "zh", "云雀仪器 | 休假手册 | "),
    Output("en/devices.txt", "en/devices.docx", "en", "Larkfield Instruments"),
    Output("zh/devices.txt", "zh/devices.docx", "zh", "云雀仪器"),
)


def parse(text: str) -> Iterator[Block]:
    """Yield the blocks of a source text, with the rows of a table gathered into one block."""
    rows: list[tuple[str, ...]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append(tuple(cell.strip() for cell in line.strip("| ").split("|")))
            continue
        if rows:
            yield Block("table", rows=tuple(rows))
            rows = []
        if line.startswith("#"):
            marks, _, heading = line.partition(" ")
            yield Block("heading", heading, level=len(marks))
        elif line.startswith("- "):
            yield Block("bullet", line[2:])
        elif line.strip():
            yield Block("paragraph", line.strip())


def pdf_styles(language: str) -> dict[str, ParagraphStyle]:
    """Return the paragraph styles of a PDF: ``body``, ``bullet``, and ``h1`` to ``h3``."""
    chinese = language == "zh"
    if chinese:
        pdfmetrics.registerFont(UnicodeCIDFont(CHINESE_FONT))
    font, bold = (CHINESE_FONT, CHINESE_FONT) if chinese else ("Helvetica", "Helvetica-Bold")
    wrap = "CJK" if chinese else None
    body = ParagraphStyle(
        "body", fontName=font, fontSize=11.5, leading=19 if chinese else 17, spaceAfter=7, wordWrap=wrap
    )
    styles = {
        "body": body,
        "bullet": ParagraphStyle("bullet", parent=body, leftIndent=16, bulletIndent=4),
    }
    for level, size, before in ((1, 21, 0), (2, 14.5, 13), (3, 12, 6)):
        styles[f"h{level}"] = ParagraphStyle(
            f"h{level}",
            parent=body,
            fontName=bold,
            fontSize=size,
            leading=size * 1.45,
            spaceBefore=before,
            spaceAfter=5,
        )
    return styles


def pdf_flowable(block: Block, styles: dict[str, ParagraphStyle]) -> Flowable:
    """Turn one block into reportlab's flowable."""
    if block.kind == "heading":
        return Paragraph(escape(block.text), styles[f"h{block.level}"])
    if block.kind == "bullet":
        return Paragraph(escape(block.text), styles["bullet"], bulletText="\u2022")
    if block.kind == "table":
        cells = [[Paragraph(escape(cell), styles["body"]) for cell in row] for row in block.rows]
        return Table(cells, style=TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.grey)]), repeatRows=1)
    return Paragraph(escape(block.text), styles["body"])


def pdf_story(blocks: list[Block], styles: dict[str, ParagraphStyle]) -> list[Flowable]:
    """Turn blocks into flowables, each kept whole on one page together with the headings before it.

    So no heading is left alone at the foot of a page, and no page footer falls into a sentence.
    """
    story: list[Flowable] = []
    group: list[Flowable] = []
    for block in blocks:
        group.append(pdf_flowable(block, styles))
        if block.kind != "heading":
            story.append(KeepTogether(group))
            group = []
    return [*story, *group]


def make_pdf(output: Output, blocks: list[Block]) -> bytes:
    """Return the bytes of a PDF, with a page number under each page."""
    styles = pdf_styles(output.language)
    footer_font = styles["body"].fontName

    def draw_footer(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setFont(footer_font, 8.5)
        canvas.drawCentredString(A4[0] / 2, 13 * mm, f"{output.footer}{document.page}")
        canvas.restoreState()

    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=25 * mm,
        rightMargin=25 * mm,
        topMargin=24 * mm,
        bottomMargin=24 * mm,
        title=blocks[0].text,
        author="Larkfield Instruments",
        lang="zh-CN" if output.language == "zh" else "en-GB",
        invariant=1,
        pageCompression=0,  # compressed bytes depend on the zlib that Python was built with
    )
    document.build(pdf_story(blocks, styles), onFirstPage=draw_footer, onLaterPages=draw_footer)
    return buffer.getvalue()


def set_docx_fonts(document: Any, language: str) -> None:
    """Set the fonts of a DOCX, with one that has Chinese characters for the Chinese document."""
    normal = document.styles["Normal"]
    normal.font.name = "Calibri"
    normal.font.size = Pt(11)
    if language == "zh":
        fonts = normal.element.get_or_add_rPr().get_or_add_rFonts()
        fonts.set(qn("w:eastAsia"), "SimSun")


def add_docx_table(document: Any, rows: tuple[tuple[str, ...], ...]) -> None:
    """Add a table whose first row is bold."""
    table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
    for row_index, row in enumerate(rows):
        for column, text in enumerate(row):
            run = table.cell(row_index, column).paragraphs[0].add_run(text)
            run.bold = row_index == 0


def slim_docx(document: Any) -> None:
    """Drop what python-docx's template brings and nobody needs: it is nine tenths of the file."""
    for style in list(document.styles.element.style_lst):
        if style.get(qn("w:type")) == "table" and style.get(qn("w:styleId")) not in KEPT_TABLE_STYLES:
            style.getparent().remove(style)
    for relations in (document.part.rels, document.part.package.rels):
        for key, relation in list(relations.items()):
            if relation.reltype.endswith(("/stylesWithEffects", "/thumbnail")):
                relations.pop(key)


def freeze_zip(data: bytes) -> bytes:
    """Rewrite a zip file so that nothing in it depends on the clock or the system."""
    frozen = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(frozen, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, date_time=ZIP_DATE)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED  # not compressed: see make_pdf
            new.writestr(entry, old.read(name))
    return frozen.getvalue()


def make_docx(output: Output, blocks: list[Block]) -> bytes:
    """Return the bytes of a DOCX with real heading styles and fixed properties."""
    document: Any = Document()
    set_docx_fonts(document, output.language)
    for block in blocks:
        if block.kind == "heading":
            document.add_heading(block.text, level=block.level)
        elif block.kind == "bullet":
            document.add_paragraph(block.text, style="List Bullet")
        elif block.kind == "table":
            add_docx_table(document, block.rows)
        else:
            document.add_paragraph(block.text)
    document.sections[0].footer.paragraphs[0].text = output.footer
    properties = document.core_properties
    properties.title = blocks[0].text
    properties.author = properties.last_modified_by = "Larkfield Instruments"
    properties.language = "zh-CN" if output.language == "zh" else "en-GB"
    properties.comments = ""
    properties.created = properties.modified = DOCX_DATE
    properties.revision = 1
    slim_docx(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return freeze_zip(buffer.getvalue())


MAKERS: dict[str, Callable[[Output, list[Block]], bytes]] = {".pdf": make_pdf, ".docx": make_docx}


def make(output: Output) -> bytes:
    """Return the bytes of one document."""
    text = (HERE / "sources" / output.source).read_text(encoding="utf-8")
    return MAKERS[Path(output.target).suffix](output, list(parse(text)))


def main(arguments: list[str] | None = None) -> int:
    """Write or check every document; return the exit status."""
    parser = argparse.ArgumentParser(description="Write the sample PDF and DOCX documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    check = parser.parse_args(arguments).check
    stale = 0
    for output in OUTPUTS:
        path = HERE / "handbook" / output.target
        data = make(output)
        if path.is_file() and path.read_bytes() == data:
            print(f"unchanged  handbook/{output.target}")
            continue
        stale += 1
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        print(f"{'differs' if check else 'written'}    handbook/{output.target}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
