"""OpenDocument texts, written as LibreOffice writes them."""

from __future__ import annotations

import io
import time
import zipfile

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.office.opendocument import load_odt
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError

NAMESPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "style": "style",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "form": "form",
        "chart": "chart",
        "svg": "svg-compatible",
        "manifest": "manifest",
    }.items()
)
NAMESPACES += ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'
IMAGE = '<draw:image xlink:href="Pictures/a.png"/>'


def odt(body: str, *, styles: str = "", **entries: str) -> bytes:
    """Return a document with this body; further entries are named by their path, `__` for `/` and `_` for `.`."""
    content = (
        f"<?xml version='1.0'?>\n<office:document-content {NAMESPACES}><office:automatic-styles>{styles}"
        f"</office:automatic-styles><office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    return package({"content.xml": content} | {name.replace("__", "/"): text for name, text in entries.items()})


def package(entries: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        for name, text in entries.items():
            archive.writestr(name, text)
    return stream.getvalue()


def load(data: bytes) -> Extract:
    (extract,) = load_odt(data, LoadOptions())
    return extract


def parts(extract: Extract) -> list[tuple[BlockKind, str]]:
    return [(block.kind, extract.text[block.start : block.end]) for block in extract.blocks]


def words(body: str) -> list[str]:
    return [text for _, text in parts(load(odt(body)))]


# Blocks


def test_headings_paragraphs_and_lists_are_known_for_what_they_are() -> None:
    extract = load(
        odt(
            '<text:p text:style-name="P1">密码手册</text:p><text:h text:outline-level="2">Head</text:h><text:p>Text</text:p>'
            "<text:section><text:p>In a section</text:p></text:section>"
            "<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>nested</text:p>"
            "</text:list-item></text:list></text:list-item></text:list><text:p># no heading</text:p>",
            styles='<style:style style:name="P1" style:parent-style-name="Title"/>',
        )
    )
    assert parts(extract) == [
        (BlockKind.HEADING, "# 密码手册"),
        (BlockKind.HEADING, "## Head"),
        (BlockKind.PARAGRAPH, "Text"),
        (BlockKind.PARAGRAPH, "In a section"),
        (BlockKind.LIST_ITEM, "- one"),
        (BlockKind.LIST_ITEM, "  - nested"),
        (BlockKind.PARAGRAPH, "# no heading"),
    ]
    assert (extract.title, extract.notes) == ("密码手册", ())


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        pytest.param("a<text:tab/>b<text:line-break/>c", "a\tb\nc", id="tab and line break"),
        pytest.param('a<text:s text:c="3"/>b<text:s/>c', "a   b c", id="spaces"),
        pytest.param(f'a<text:s text:c="{"9" * 9999}"/>b', f"a{' ' * 100}b", id="more spaces than can be counted"),
        pytest.param('a<text:s text:c="99999999"/>b', f"a{' ' * 100}b", id="spaces without end"),
        pytest.param("a\n   <text:span>b <text:a>c</text:a></text:span> d<!-- no -->e", "a b c de", id="spans"),
        pytest.param(
            "漢<text:ruby><text:ruby-base>字</text:ruby-base><text:ruby-text>ji</text:ruby-text></text:ruby>",
            "漢字",
            id="ruby",
        ),
    ],
)
def test_the_text_of_a_paragraph(inside: str, text: str) -> None:
    assert words(f"<text:p>{inside}</text:p>") == [text]


def test_what_was_deleted_is_not_text() -> None:
    deleted = "<text:deletion><text:p>gone</text:p></text:deletion>"
    changes = f"<text:tracked-changes><text:changed-region>{deleted}</text:changed-region></text:tracked-changes>"
    assert words(f"{changes}<text:p>kept<text:change/></text:p>") == ["kept"]


def test_notes_and_comments_follow_their_paragraph() -> None:
    body = "<text:note-citation>1</text:note-citation><text:note-body>{}</text:note-body>"
    note = f'<text:note text:note-class="{{}}">{body}</text:note>'
    comment = "<office:annotation><dc:creator>Ann</dc:creator><dc:date>2020</dc:date><text:p>Why?</text:p></office:annotation>"
    assert words(
        f"<text:p>One{note.format('footnote', '<text:p>Low.</text:p><text:p>Lower.</text:p>')} and "
        f"two{comment}.</text:p><text:p>Three{note.format('endnote', '<text:p>Last.</text:p>')}</text:p>"
    ) == ["One and two.", "Footnote: Low.\nLower.", "Comment by Ann: Why?", "Three", "Endnote: Last."]


# Tables


def cell(text: str, **attributes: str) -> str:
    named = "".join(f' table:{name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f"<table:table-cell{named}><text:p>{text}</text:p></table:table-cell>"


def row(*cells: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def test_a_table_gives_a_row_a_line_and_its_header() -> None:
    extract = load(
        odt(
            f"<table:table><table:table-column/><table:table-header-rows>{row(cell('Code'), cell('Meaning'), cell(''))}"
            f"</table:table-header-rows>{row(cell('HC-12'), cell('wrong</text:p><text:p>clock'))}"
            f"{row(cell('both', number_columns_spanned='2'), '<table:covered-table-cell/>', cell('x'))}"
            f"{row(cell('same', number_columns_repeated='2'), cell('', number_columns_repeated='16000'))}</table:table>"
        )
    )
    (table,) = extract.blocks
    assert (table.kind, table.label) == (BlockKind.TABLE, "Code | Meaning")
    assert extract.text == "Code | Meaning\nHC-12 | wrong clock\nboth |  | x\nsame | same"


def test_cells_repeated_without_end_are_bounded() -> None:
    started = time.process_time()
    rows = row(cell("x", number_columns_repeated="999999999"), cell("y")) * 10
    assert words(f"<table:table>{rows}</table:table>")[0].count("x") == 1000
    assert time.process_time() - started < 5


def test_a_table_in_a_cell_and_a_note_in_one() -> None:
    inner = f"<table:table>{row(cell('in'), cell('ner'))}</table:table>"
    note = "<text:note><text:note-body><text:p>Low.</text:p></text:note-body></text:note>"
    assert words(f"<table:table>{row(cell('a</text:p>' + inner + '<text:p>'), cell('b' + note))}</table:table>") == [
        "a in ner | b",
        "Footnote: Low.",
    ]


def test_a_table_of_one_cell_is_a_frame() -> None:
    inside = "<table:table-cell><text:h>Head</text:h><text:p>Text</text:p></table:table-cell>"
    body = f"<table:table>{row(inside)}</table:table>"
    assert [kind for kind, _ in parts(load(odt(body)))] == [BlockKind.HEADING, BlockKind.PARAGRAPH]


# Drawings, objects, forms


def test_text_boxes_are_read_and_pictures_described_and_counted() -> None:
    box = "<draw:frame><draw:text-box><text:p>In a box</text:p></draw:text-box></draw:frame>"
    words_in_shape = "<draw:custom-shape><text:p>In a shape</text:p></draw:custom-shape>"
    shape = f"<draw:g>{words_in_shape}<draw:frame>{IMAGE}</draw:frame></draw:g>"
    picture = f"<draw:a><draw:frame>{IMAGE}<svg:title>t</svg:title><svg:desc>A harbour</svg:desc></draw:frame></draw:a>"
    extract = load(odt(f"<text:p>Before{box} and{picture} after</text:p>{shape}"))
    assert [text for _, text in parts(extract)] == ["Before and after", "In a box", "Picture: A harbour", "In a shape"]
    assert extract.notes == ("2 pictures were not read.",)


def frame(name: str) -> str:
    return f'<draw:frame><draw:object xlink:href="./{name}"/>{IMAGE}</draw:frame>'


def test_formulas_and_charts_are_read_and_other_objects_counted() -> None:
    formula = "<math><semantics><mi>E</mi><annotation>E = m c^2</annotation></semantics></math>"
    chart = (
        f"<office:document-content {NAMESPACES}><office:body><office:chart><chart:title><text:p>Sales</text:p></chart:title>"
        f"<table:table>{row(cell('Year'), cell('Sum'))}{row(cell('2020'), cell('7'))}</table:table>{frame('Object 2')}"
        "</office:chart></office:body></office:document-content>"
    )
    body = f"<text:p>Einstein: {frame('Object 1')}.</text:p>{frame('Object 2')}{frame('Object 3')}"
    extract = load(odt(body, **{"Object 1__content.xml": formula, "Object 2__content.xml": chart}))
    assert [text for _, text in parts(extract)] == ["Einstein: E = m c^2.", "Sales", "Year | Sum\n2020 | 7"]
    assert extract.notes == ("2 embedded objects were not read.",)  # the third, and the second within itself


def test_what_is_filled_into_a_form_is_read() -> None:
    forms = (
        '<form:fixed-text form:id="c1" form:label="Name"/><form:text form:id="c2" form:current-value="Alice"/>'
        '<form:checkbox form:id="c3" form:label="Agreed" form:current-state="checked"/>'
        '<form:radio form:id="c4" form:label="Other"/><form:listbox form:id="c5"><form:option form:label="A"/>'
        '<form:option form:label="B" form:current-selected="true"/></form:listbox>'
    )
    fields = "".join(f'<draw:control draw:control="c{i}"/>' for i in range(1, 7))
    assert words(f"<office:forms><form:form>{forms}</form:form></office:forms><text:p>{fields}</text:p>") == [
        "Name Alice [x] Agreed [ ] Other B"
    ]


def test_headers_and_footers_come_last_and_once_and_page_numbers_not() -> None:
    box = "<draw:frame><draw:text-box><text:p>Boxed</text:p></draw:text-box></draw:frame>"
    margins = (
        f"<style:header><text:p>Harbour Ltd.{box}</text:p></style:header><style:header-left><text:p>Harbour Ltd.</text:p>"
        "</style:header-left><style:footer><text:p>Page <text:page-number>3</text:page-number> of 7</text:p></style:footer>"
        "<style:footer-first><text:p>Draft, <text:page-number>1</text:page-number>, confidential</text:p></style:footer-first>"
    )
    pages = f"<office:master-styles><style:master-page>{margins}</style:master-page></office:master-styles>"
    styles = f"<office:document-styles {NAMESPACES}>{pages}</office:document-styles>"
    extract = load(odt("<text:p>Text</text:p>", **{"styles.xml": styles}))
    assert [text for _, text in parts(extract)] == [
        "Text",
        "Header: Harbour Ltd.",
        "Footer: Draft, 1, confidential",
        "Boxed",
    ]


def test_the_title_is_the_stated_one() -> None:
    title = "<office:meta><dc:title> The\n title</dc:title></office:meta>"
    meta = f"<office:document-meta {NAMESPACES}>{title}</office:document-meta>"
    assert load(odt("<text:h>Head</text:h>", **{"meta.xml": meta})).title == "The title"
    assert load(odt("<text:h>Head</text:h>", **{"meta.xml": meta.replace(" The\n title", "")})).title == "Head"


# What cannot be read


def test_an_empty_document_is_an_empty_text() -> None:
    assert load(odt("<text:p/>")).text == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"PK no zip", "It is damaged: its contents cannot be unpacked", id="no zip file"),
        pytest.param(package({}), "not an OpenDocument text: expected content.xml", id="no content"),
        pytest.param(package({"content.xml": "<a/>"}), "not an OpenDocument text: expected content.xml", id="no text"),
        pytest.param(package({"content.xml": "<a>"}), "not a readable OpenDocument text", id="broken XML"),
        pytest.param(
            package({"content.xml": "<a>" * 10_000 + "</a>" * 10_000}),
            "not a readable OpenDocument text",
            id="deep XML",
        ),
        pytest.param(
            package({"content.xml": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'}),
            "declares a document type",
            id="an entity",
        ),
        pytest.param(
            odt("", **{"META-INF__manifest.xml": f"<manifest:encryption-data {NAMESPACES}/>"}),
            "It is encrypted: a password is needed. Save a copy without one.",
            id="encrypted",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        load(data)


def test_text_boxes_nested_as_deeply_as_xml_allows_are_read() -> None:
    depth = 60
    body = (
        "<text:p><draw:frame><draw:text-box>" * depth
        + "<text:p>x</text:p>"
        + "</draw:text-box></draw:frame></text:p>" * depth
    )
    assert words(body) == ["x"]


@pytest.mark.parametrize(("stated", "day"), [("2024-05-01T10:11:12.5", "2024-05-01"), ("long ago", ""), ("", "")])
def test_the_date_is_the_stated_one(stated: str, day: str) -> None:
    meta = f"<office:document-meta {NAMESPACES}><office:meta><dc:date>{stated}</dc:date></office:meta></office:document-meta>"
    assert load(odt("<text:p>x</text:p>", **{"meta.xml": meta})).date == day
