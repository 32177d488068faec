"""Word documents: nothing a reader sees is lost, in the order in which it is read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import docx
import pytest
from docx.document import Document as WordDocument

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.office.word import load_docx
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError

NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
        "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
        "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
        "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
        "pic": "http://schemas.openxmlformats.org/drawingml/2006/picture",
        "c": "http://schemas.openxmlformats.org/drawingml/2006/chart",
        "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
        "v": "urn:schemas-microsoft-com:vml",
        "o": "urn:schemas-microsoft-com:office:office",
    }.items()
)
DOCUMENT_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def saved(document: WordDocument) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def rewritten(data: bytes, changes: Mapping[str, str | bytes]) -> bytes:
    """Return a package with entries replaced or added."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w") as target:
        for member in source.namelist():
            if member not in changes:
                target.writestr(member, source.read(member))
        for member, content in changes.items():
            target.writestr(member, content)
    return stream.getvalue()


def entry(data: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name).decode()


def word(body: str, **parts: str) -> bytes:
    """Return a document of this body; a part is named by the kind of its relationship, and has that as its id."""
    base = saved(docx.Document())
    changes = {"word/document.xml": f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>"}
    relationships, types = entry(base, "word/_rels/document.xml.rels"), entry(base, "[Content_Types].xml")
    for kind, content in parts.items():
        changes[f"word/own_{kind}.xml"] = content
        new = f'<Relationship Id="{kind}" Type="{DOCUMENT_TYPE}/{kind}" Target="own_{kind}.xml"/>'
        if kind == "numbering":  # python-docx's own document has one
            relationships = relationships.replace('Target="numbering.xml"', 'Target="own_numbering.xml"')
        else:
            relationships = relationships.replace("</Relationships>", f"{new}</Relationships>")
        override = f'<Override PartName="/word/own_{kind}.xml" ContentType="application/xml"/>'
        types = types.replace("</Types>", f"{override}</Types>")
    changes |= {"word/_rels/document.xml.rels": relationships, "[Content_Types].xml": types}
    return rewritten(base, changes)


def paragraph(content: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{content}</w:p>"


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def read(data: bytes) -> Extract:
    (extract,) = load_docx(data, LoadOptions())
    return extract


def text_of(body: str, **parts: str) -> str:
    return read(word(body, **parts)).text


def headings(extract: Extract) -> list[tuple[int, str]]:
    return [(block.level, block.label) for block in extract.blocks if block.kind is BlockKind.HEADING]


# Structure


def test_docx_gives_headings_lists_and_tables_in_their_order() -> None:
    document = docx.Document()
    document.add_heading("设备", 1)
    document.add_paragraph("Every laptop has a number.")
    document.add_heading("Printers", 2)
    document.add_paragraph("Second floor", style="List Bullet")
    document.add_paragraph("")
    table = document.add_table(rows=2, cols=2)
    for cell, words in zip(table._cells, ("Model", "Price", "L14", "900\nEUR"), strict=True):
        cell.text = words
    document.add_paragraph("# The end.")
    extract = read(saved(document))
    assert extract.text == (
        "# 设备\n\nEvery laptop has a number.\n\n## Printers\n\n- Second floor\n\nModel | Price\nL14 | 900 EUR\n\n# The end."
    )
    assert headings(extract) == [(1, "设备"), (2, "Printers")]
    assert extract.title == "设备"
    assert extract.notes == ()


def test_the_title_of_a_docx_is_its_property_if_it_has_one() -> None:
    document = docx.Document()
    document.core_properties.title = "Handbook"
    document.add_paragraph("On the cover", style="Title")
    extract = read(saved(document))
    assert extract.title == "Handbook"
    assert headings(extract) == [(1, "On the cover")]


def test_a_title_that_a_program_wrote_is_none() -> None:
    document = docx.Document()
    document.core_properties.title = "Word Document"
    document.add_heading("Devices", 1)
    assert read(saved(document)).title == "Devices"


def test_a_deep_heading_of_a_docx_is_still_a_heading() -> None:
    document = docx.Document()
    document.add_heading("Deep", 8)
    assert headings(read(saved(document))) == [(6, "Deep")]


@pytest.mark.parametrize(
    ("style", "own", "expected"),
    [
        pytest.param('<w:basedOn w:val="Heading2"/>', "", [(2, "Head")], id="based on a heading style"),
        pytest.param('<w:pPr><w:outlineLvl w:val="2"/></w:pPr>', "", [(3, "Head")], id="a style with an outline level"),
        pytest.param("", '<w:outlineLvl w:val="0"/>', [(1, "Head")], id="its own outline level"),
        pytest.param('<w:basedOn w:val="Heading1"/>', '<w:outlineLvl w:val="9"/>', [], id="said to be body text"),
        pytest.param(
            '<w:basedOn w:val="Heading1"/><w:pPr><w:outlineLvl w:val="9"/></w:pPr>', "", [], id="a style of body text"
        ),
        pytest.param('<w:basedOn w:val="Own"/>', "", [], id="a style based on itself"),
    ],
)
def test_a_heading_is_told_by_its_style_or_outline_level(style: str, own: str, expected: list[tuple[int, str]]) -> None:
    data = word(paragraph(run("Head"), f'<w:pStyle w:val="Own"/>{own}'))
    styles = entry(data, "word/styles.xml").replace(
        "</w:styles>",
        f'<w:style w:type="paragraph" w:styleId="Own"><w:name w:val="Own"/>{style}</w:style></w:styles>',
    )
    extract = read(rewritten(data, {"word/styles.xml": styles}))
    assert headings(extract) == expected
    assert "Head" in extract.text


NUMBERING = (
    f'<w:numbering {NAMESPACES}><w:abstractNum w:abstractNumId="7">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="chineseCounting"/><w:lvlText w:val="第%1条"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%2)"/></w:lvl>'
    '<w:lvl w:ilvl="2"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="3"><w:abstractNumId w:val="7"/></w:num></w:numbering>'
)


def item(text: str, depth: int, style: str = "") -> str:
    return paragraph(run(text), f'{style}<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="3"/></w:numPr>')


def test_items_and_headings_have_the_numbers_that_word_counts() -> None:
    body = item("保密", 0, '<w:pStyle w:val="Heading1"/>') + item("one", 1) + item("two", 1) + item("a dot", 2)
    body += item("期限", 0) + item("new", 1) + paragraph(run("no item"), '<w:numPr><w:numId w:val="0"/></w:numPr>')
    assert text_of(body, numbering=NUMBERING) == (
        "# 第一条 保密\n\n  - (a) one\n  - (b) two\n    - a dot\n- 第二条 期限\n  - (a) new\n\nno item"
    )


def test_an_empty_item_and_one_in_a_table_are_counted() -> None:
    table = f"<w:tbl><w:tr><w:tc>{item('in a cell', 0)}</w:tc><w:tc>{paragraph(run('x'))}</w:tc></w:tr></w:tbl>"
    body = item("", 0) + table + item("last", 0)
    assert text_of(body, numbering=NUMBERING) == "第二条 in a cell | x\n\n- 第三条 last"


# Text that python-docx leaves out


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(f"<w:sdt><w:sdtContent>{run('control')}</w:sdtContent></w:sdt>", "control", id="content control"),
        pytest.param(f"<w:ins w:id='1'>{run('added')}</w:ins>", "added", id="tracked insertion"),
        pytest.param(f"<w:moveTo w:id='1'>{run('moved')}</w:moveTo>", "moved", id="moved to here"),
        pytest.param(f"<w:smartTag><w:smartTag>{run('tag')}</w:smartTag></w:smartTag>", "tag", id="smart tags"),
        pytest.param(f"<w:customXml>{run('custom')}</w:customXml>", "custom", id="custom XML"),
        pytest.param(f"<w:hyperlink r:id='x'>{run('link')}</w:hyperlink>", "link", id="hyperlink"),
        pytest.param(f"<w:fldSimple w:instr='REF'>{run('field')}</w:fldSimple>", "field", id="field"),
        pytest.param(
            f"{run('a')}<w:del><w:r><w:delText>x</w:delText></w:r></w:del><w:moveFrom>{run('y')}</w:moveFrom>",
            "a",
            id="deleted and moved away",
        ),
        pytest.param(f"<w:r><w:instrText>PAGEREF x</w:instrText></w:r>{run('7')}", "7", id="field code"),
        pytest.param(
            "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>", "a\tb\nc", id="tab and line break"
        ),
        pytest.param("<w:r><w:t>e</w:t><w:noBreakHyphen/><w:t>mail</w:t></w:r>", "e-mail", id="hyphen"),
        pytest.param("<w:r><w:t>a</w:t><w:softHyphen/><w:t>b</w:t></w:r>", "ab", id="soft hyphen"),
        pytest.param("<w:r><w:t>5 </w:t><w:sym w:font='Symbol' w:char='F06D'/><w:t>m</w:t></w:r>", "5 μm", id="Greek"),
        pytest.param("<w:r><w:sym w:font='Wingdings' w:char='F0FE'/><w:t> yes</w:t></w:r>", "☑ yes", id="tick box"),
        pytest.param("<w:r><w:sym w:font='Webdings' w:char='F041'/></w:r>", "\ufffd", id="a sign nobody knows"),
        pytest.param(
            f"<w:ruby><w:rt>{run('mì')}</w:rt><w:rubyBase>{run('密')}</w:rubyBase></w:ruby>{run('码')}",
            "密码",
            id="ruby",
        ),
    ],
)
def test_text_is_found_wherever_it_is_wrapped(content: str, text: str) -> None:
    assert text_of(paragraph(content)) == text


def test_blocks_are_found_wherever_they_are_wrapped() -> None:
    row = f"<w:sdt><w:sdtContent><w:tr><w:tc>{paragraph(run('a'))}</w:tc><w:tc>{paragraph(run('b'))}</w:tc></w:tr>"
    body = (
        f"<w:sdt><w:sdtPr><w:tag w:val='t'/></w:sdtPr><w:sdtContent>{paragraph(run('one'))}</w:sdtContent></w:sdt>"
        f"<w:customXml>{paragraph(run('two'))}</w:customXml><w:tbl>{row}</w:sdtContent></w:sdt></w:tbl>"
    )
    assert text_of(body) == "one\n\ntwo\n\na | b"


@pytest.mark.parametrize("name", ["del", "moveFrom"])
def test_whole_paragraphs_that_were_deleted_or_moved_away_are_left_out(name: str) -> None:
    assert text_of(f"<w:{name}>{paragraph(run('gone'))}</w:{name}>{paragraph(run('here'))}") == "here"


def formula(content: str) -> str:
    return paragraph(f"<m:oMath>{content}</m:oMath>")


def symbol(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(
            f"<m:f><m:num>{symbol('a+b')}</m:num><m:den>{symbol('2')}</m:den></m:f>", "(a+b)/2", id="fraction"
        ),
        pytest.param(f"<m:sSup><m:e>{symbol('x')}</m:e><m:sup>{symbol('2')}</m:sup></m:sSup>", "x^2", id="power"),
        pytest.param(f"<m:sSub><m:e>{symbol('x')}</m:e><m:sub>{symbol('ij')}</m:sub></m:sSub>", "x_(ij)", id="index"),
        pytest.param(f"<m:rad><m:deg/><m:e>{symbol('x')}</m:e></m:rad>", "√(x)", id="root"),
        pytest.param(
            "<m:d><m:dPr><m:begChr m:val='['/><m:endChr m:val=']'/></m:dPr>"
            f"<m:e>{symbol('x')}</m:e></m:d><m:d><m:e>{symbol('y')}</m:e></m:d>",
            "[x](y)",
            id="brackets",
        ),
        pytest.param(
            f"<m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr><m:sub>{symbol('1')}</m:sub><m:e>{symbol('x')}</m:e></m:nary>",
            "∑_1x",
            id="sum",
        ),
    ],
)
def test_formulas_are_written_in_a_line(content: str, text: str) -> None:
    assert text_of(formula(content)) == text


def text_box(words: str) -> str:
    content = f"<w:txbxContent>{paragraph(run(words))}</w:txbxContent>"
    return (
        f"<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wp:inline><wps:txbx>{content}</wps:txbx>"
        f"</wp:inline></w:drawing></mc:Choice><mc:Fallback><w:pict><v:textbox>{content}</v:textbox></w:pict>"
        "</mc:Fallback></mc:AlternateContent></w:r>"
    )


def test_a_text_box_is_read_once_after_its_paragraph() -> None:
    body = paragraph(run("before") + text_box("boxed") + run(" and on")) + paragraph(run("after"))
    assert text_of(body) == "before and on\n\nboxed\n\nafter"


def test_text_boxes_of_a_paragraph_are_read_in_their_order() -> None:
    assert text_of(paragraph(text_box("one") + text_box("two"))) == "one\n\ntwo"


def test_an_old_text_box_is_read() -> None:
    box = f"<w:r><w:pict><v:textbox><w:txbxContent>{paragraph(run('boxed'))}</w:txbxContent></v:textbox></w:pict></w:r>"
    assert text_of(paragraph(box)) == "boxed"


# Tables


def test_a_merged_table_cell_is_given_once_in_its_row() -> None:
    document = docx.Document()
    table = document.add_table(rows=2, cols=3)
    for number, cell in enumerate(table._cells):
        cell.text = f"c{number}"
    merged = table.cell(0, 0).merge(table.cell(0, 1))
    merged.text = "wide"
    assert read(saved(document)).text == "wide | c2\nc3 | c4 | c5"


def test_a_cell_over_several_rows_is_given_in_each() -> None:
    document = docx.Document()
    table = document.add_table(rows=3, cols=2)
    for number, cell in enumerate(table._cells):
        cell.text = f"c{number}"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "tall"
    assert read(saved(document)).text == "c0 | c1\ntall | c3\ntall | c5"


def test_a_cell_over_several_rows_is_found_beside_one_over_several_columns() -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(run(text))}</w:tc>"

    first = cell("wide", '<w:gridSpan w:val="2"/>') + cell("tall", '<w:vMerge w:val="restart"/>')
    second = cell("a") + cell("b") + cell("", "<w:vMerge/>")
    assert text_of(f"<w:tbl><w:tr>{first}</w:tr><w:tr>{second}</w:tr></w:tbl>") == "wide | tall\na | b | tall"


def test_a_long_cell_over_several_rows_is_given_once() -> None:
    document = docx.Document()
    table = document.add_table(rows=2, cols=2)
    table.cell(0, 1).text, table.cell(1, 1).text = "x", "y"
    table.cell(0, 0).merge(table.cell(1, 0)).text = "long " * 100
    assert read(saved(document)).text.count("long") == 100


def test_the_text_of_a_table_in_a_table_is_kept() -> None:
    document = docx.Document()
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text = "outer"
    inner = table.cell(0, 1).add_table(rows=1, cols=2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "in", "ner"
    assert read(saved(document)).text == "outer | in ner"


def test_a_table_of_one_cell_is_a_frame_around_what_it_holds() -> None:
    document = docx.Document()
    cell = document.add_table(rows=1, cols=1).cell(0, 0)
    cell.text = "Framed"
    cell.paragraphs[0].style = "Heading 1"
    cell.add_paragraph("Text")
    assert read(saved(document)).text == "# Framed\n\nText"


def test_a_deleted_row_is_left_out() -> None:
    cells = f"<w:tc>{paragraph(run('a'))}</w:tc><w:tc>{paragraph(run('b'))}</w:tc>"
    body = f"<w:tbl><w:tr><w:trPr><w:del/></w:trPr>{cells}</w:tr><w:tr>{cells}</w:tr></w:tbl>"
    assert text_of(body) == "a | b"


def test_tables_nested_to_the_limit_of_xml_do_not_overflow() -> None:
    cell = paragraph(run("deep"))
    for _ in range(60):
        cell = f"<w:tbl><w:tr><w:tc>{cell}</w:tc><w:tc>{paragraph(run('x'))}</w:tc></w:tr></w:tbl>"
    assert text_of(cell).startswith("deep x")


# Notes, comments, margins


def note(kind: str, words: str, attributes: str = "") -> str:
    return f'<w:{kind}s {NAMESPACES}><w:{kind} w:id="5" {attributes}>{paragraph(run(words))}</w:{kind}></w:{kind}s>'


def reference(kind: str) -> str:
    return f'<w:r><w:{kind}Reference w:id="5"/></w:r>'


@pytest.mark.parametrize("kind", ["footnote", "endnote"])
def test_a_note_follows_the_paragraph_that_refers_to_it(kind: str) -> None:
    body = paragraph(run("text") + reference(kind)) + paragraph(run("next"))
    text = text_of(body, **{f"{kind}s": note(kind, "See below.")})
    assert text == f"text\n\n{kind.capitalize()}: See below.\n\nnext"


def test_a_comment_follows_its_paragraph_with_its_author() -> None:
    body = paragraph(run("text") + reference("comment")) + paragraph(run("next"))
    comments = note("comment", "Really?", 'w:author="吴"')
    assert text_of(body, comments=comments) == "text\n\nComment by 吴: Really?\n\nnext"


def test_a_comment_that_nothing_refers_to_is_kept() -> None:
    assert text_of(paragraph(run("text")), comments=note("comment", "Really?")) == "text\n\nComment: Really?"


def test_a_note_in_a_table_follows_the_table() -> None:
    table = f"<w:tbl><w:tr><w:tc>{paragraph(run('a') + reference('footnote'))}</w:tc><w:tc>{paragraph(run('b'))}</w:tc>"
    assert text_of(f"{table}</w:tr></w:tbl>", footnotes=note("footnote", "why")) == "a | b\n\nFootnote: why"


def test_headers_and_footers_are_given_once_unless_they_only_number_pages() -> None:
    document = docx.Document()
    document.add_paragraph("text")
    document.sections[0].header.paragraphs[0].text = "ACME\tinternal"
    document.sections[0].footer.paragraphs[0].text = "第 3 页 共 10 页"
    section = document.add_section()
    section.header.is_linked_to_previous = False
    section.header.paragraphs[0].text = "ACME\tinternal"
    section.footer.is_linked_to_previous = False
    section.footer.paragraphs[0].text = "Page 4 of 10"
    assert read(saved(document)).text == "text\n\nHeader: ACME internal"


# Drawings


def drawing(content: str, description: str = "") -> str:
    properties = f'<wp:docPr id="1" name="P" descr="{description}"/>'
    return f"<w:r><w:drawing><wp:inline>{properties}{content}</wp:inline></w:drawing></w:r>"


PICTURE = "<a:graphic><a:graphicData><pic:pic><pic:nvPicPr/></pic:pic></a:graphicData></a:graphic>"


@pytest.mark.parametrize(
    ("description", "text"),
    [
        ("A door with a red lamp", "Picture: A door with a red lamp"),
        ("一扇红色的门", "Picture: 一扇红色的门"),
        ("A lamp&#10;&#10;Description automatically generated", "Picture: A lamp"),
        ("C:\\pictures\\door 1.PNG", ""),
        ("Picture 3", ""),
        ("图片 3", ""),
        ("", ""),
    ],
)
def test_a_picture_is_counted_and_its_description_read_if_it_is_one(description: str, text: str) -> None:
    extract = read(word(paragraph(drawing(PICTURE, description)) + paragraph(drawing(PICTURE))))
    assert extract.text == text
    assert extract.notes == ("2 pictures were not read.",)


def test_embedded_objects_and_documents_are_counted() -> None:
    embedded = "<w:r><w:object><v:shape><v:imagedata/></v:shape><o:OLEObject ProgID='Excel.Sheet'/></w:object></w:r>"
    extract = read(word(paragraph(run("x") + embedded) + "<w:altChunk r:id='y'/>"))
    assert extract.notes == ("1 embedded document was not read.", "1 embedded object was not read.")
    assert extract.remedy == "Save what is embedded as files of their own."


CHART = (
    f"<c:chartSpace {NAMESPACES}><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:rich></c:tx>"
    "</c:title><c:plotArea><c:barChart><c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>East</c:v></c:pt></c:strCache>"
    "</c:strRef></c:tx><c:cat><c:strRef><c:strCache><c:pt idx='0'><c:v>Q1</c:v></c:pt><c:pt idx='1'><c:v>Q2</c:v></c:pt>"
    "</c:strCache></c:strRef></c:cat><c:val><c:numRef><c:numCache><c:pt idx='1'><c:v>8</c:v></c:pt></c:numCache></c:numRef>"
    "</c:val></c:ser></c:barChart></c:plotArea></c:chart></c:chartSpace>"
)


def test_a_chart_is_a_table_of_its_values() -> None:
    body = paragraph(drawing("<a:graphic><a:graphicData><c:chart r:id='chart'/></a:graphicData></a:graphic>"))
    extract = read(word(body, chart=CHART))
    assert extract.text == "Chart: Sales\n\n | East\nQ1 | \nQ2 | 8"
    assert extract.blocks[1].kind is BlockKind.TABLE


def test_the_words_of_a_diagram_are_a_list() -> None:
    body = paragraph(drawing("<a:graphic><a:graphicData><dgm:relIds r:dm='diagramData'/></a:graphicData></a:graphic>"))
    points = "".join(
        f"<dgm:pt><dgm:t><a:p><a:r><a:t>{word}</a:t></a:r></a:p></dgm:t></dgm:pt>" for word in ("Plan", "Do")
    )
    assert text_of(body, diagramData=f"<dgm:dataModel {NAMESPACES}>{points}</dgm:dataModel>") == "- Plan\n- Do"


# Packages


def test_a_document_with_macros_is_read() -> None:
    data = word(paragraph(run("macro")))
    types = entry(data, "[Content_Types].xml").replace(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        "application/vnd.ms-word.document.macroEnabled.main+xml",
    )
    assert read(rewritten(data, {"[Content_Types].xml": types})).text == "macro"


def test_an_empty_document_has_no_text() -> None:
    assert read(saved(docx.Document())) == Extract("")


def damaged_docx() -> dict[str, bytes]:
    good = saved(docx.Document())
    packed = good.index(b"word/document.xml") + 40
    return {
        "empty": b"",
        "no zip": b"PK\3\4 nonsense",
        "cut": good[: len(good) // 2],
        "another zip": rewritten(good, {"[Content_Types].xml": b"<Types/>"}),
        "a workbook": rewritten(
            good,
            {"[Content_Types].xml": entry(good, "[Content_Types].xml").replace("wordprocessingml.document.main", "x")},
        ),
        "broken XML": rewritten(good, {"word/document.xml": b"<w:document"}),
        "no body": rewritten(good, {"word/document.xml": f"<w:document {NAMESPACES}/>"}),
        "broken compression": good[:packed] + b"\xff" * 160 + good[packed + 160 :],
    }


@pytest.mark.parametrize("data", damaged_docx().values(), ids=damaged_docx())
def test_a_damaged_docx_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not a readable Word document"):
        read(data)
