"""PowerPoint presentations: each slide is a page, and every shape on it is read."""

from __future__ import annotations

import io
from typing import Any

import docx
import pptx
import pytest
from lxml import etree
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.util import Cm

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.office.presentation import load_pptx
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError

NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "p": "http://schemas.openxmlformats.org/presentationml/2006/main",
        "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
        "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
        "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "a14": "http://schemas.microsoft.com/office/drawing/2010/main",
        "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
        "p188": "http://schemas.microsoft.com/office/powerpoint/2018/8/main",
    }.items()
)
RELATIONSHIP = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TITLE_ONLY, BLANK, TITLE_AND_CONTENT = 5, 6, 1
# The smallest picture there is: one pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "e221bc330000000049454e44ae426082"
)


class Deck:
    """A presentation in the making."""

    def __init__(self, title: str = "") -> None:
        self.document = pptx.Presentation()
        self.document.core_properties.title = title

    def slide(self, title: str = "", layout: int = TITLE_ONLY) -> Any:
        slide = self.document.slides.add_slide(self.document.slide_layouts[layout if title else BLANK])
        if title:
            slide.shapes.title.text = title
        return slide

    def part(self, owner: Any, kind: str, xml: str) -> str:
        """Add a part that `owner` refers to by a relationship of this kind, and return its id."""
        name = PackURI(f"/ppt/own/{kind}.xml")
        part = Part(name, "application/xml", self.document.part.package, xml.encode())
        return str(owner.part.relate_to(part, f"{RELATIONSHIP}/{kind}"))

    def saved(self) -> bytes:
        stream = io.BytesIO()
        self.document.save(stream)
        return stream.getvalue()

    def read(self) -> Extract:
        (extract,) = load_pptx(self.saved(), LoadOptions())
        return extract


def box(shapes: Any, text: str, left: float = 1, top: float = 5) -> Any:
    shape = shapes.add_textbox(Cm(left), Cm(top), Cm(4), Cm(1))
    shape.text_frame.text = text
    return shape


def add(slide: Any, xml: str) -> None:
    slide.shapes._spTree.append(etree.fromstring(xml))


def test_each_slide_is_a_page_with_its_title_as_a_heading() -> None:
    deck = Deck()
    box(deck.slide("Welcome").shapes, "First words")
    deck.slide("Second")
    extract = deck.read()
    assert extract.text == "## Welcome\n\nFirst words\n\n## Second"
    assert [extract.text[start : start + 9] for start in extract.page_starts] == ["## Welcom", "## Second"]
    assert [block.level for block in extract.blocks if block.kind is BlockKind.HEADING] == [2, 2]
    assert extract.title == "Welcome"


@pytest.mark.parametrize(("stated", "title"), [("Year 2025", "Year 2025"), ("PowerPoint Presentation", "Welcome")])
def test_the_title_is_the_one_stated_or_that_of_the_first_slide(stated: str, title: str) -> None:
    deck = Deck(stated)
    deck.slide("Welcome")
    assert deck.read().title == title


def test_a_slide_without_a_title_does_not_continue_the_one_before() -> None:
    deck = Deck()
    deck.slide("Welcome")
    box(deck.slide().shapes, "alone")
    deck.slide()
    extract = deck.read()
    assert extract.text == "## Welcome\n\n## Slide 2\n\nalone"
    assert len(extract.page_starts) == 3


def test_paragraphs_of_the_content_are_items_by_their_level_and_text_boxes_are_not() -> None:
    slide = (deck := Deck()).slide("T", TITLE_AND_CONTENT)
    frame = slide.placeholders[1].text_frame
    frame.text = "one"
    for text, level in (("deeper", 1), ("two", 0), ("plain", 0)):
        paragraph = frame.add_paragraph()
        paragraph.text, paragraph.level = text, level
    etree.SubElement(frame.paragraphs[-1]._p.get_or_add_pPr(), f"{{{frame._txBody.nsmap['a']}}}buNone")
    bulleted = box(slide.shapes, "box", top=18).text_frame
    properties = bulleted.add_paragraph()._p
    properties.get_or_add_pPr().append(etree.fromstring(f'<a:buChar {NAMESPACES} char="*"/>'))
    bulleted.paragraphs[1].add_run().text = "marked"
    assert deck.read().text == "## T\n\n- one\n  - deeper\n- two\n\nplain\n\nbox\n\n- marked"


def test_shapes_are_read_from_the_top_and_from_the_left_with_the_title_first() -> None:
    slide = (deck := Deck()).slide("Title")
    for text, left, top in (("low", 1, 15), ("right", 12, 6.9), ("left", 1, 7), ("high", 12, 1)):
        box(slide.shapes, text, left, top)
    slide.shapes.title.top = Cm(10)
    assert deck.read().text == "## Title\n\nhigh\n\nleft\n\nright\n\nlow"


def test_groups_in_groups_are_read_where_they_stand() -> None:
    slide = (deck := Deck()).slide("T")
    box(slide.shapes, "after", top=15)
    outer = slide.shapes.add_group_shape()
    inner = outer.shapes.add_group_shape()
    box(inner.shapes, "inside", top=6)
    box(outer.shapes, "beside", top=8)
    assert deck.read().text == "## T\n\ninside\n\nbeside\n\nafter"


def test_line_breaks_and_fields_are_kept_but_not_the_number_of_the_slide() -> None:
    slide = (deck := Deck()).slide("T")
    text = '<a:r><a:t>a</a:t></a:r><a:br/><a:fld id="{1}" type="datetime"><a:t>2025</a:t></a:fld>'
    for placeholder in ("", '<p:ph type="sldNum"/>'):
        add(
            slide,
            f'<p:sp {NAMESPACES}><p:nvSpPr><p:cNvPr id="9" name="x"/><p:cNvSpPr/><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr>'
            f"<p:spPr/><p:txBody><a:bodyPr/><a:p>{text}</a:p></p:txBody></p:sp>",
        )
    assert deck.read().text == "## T\n\na\n2025"


def test_a_shape_with_an_alternative_is_read_once() -> None:
    slide = (deck := Deck()).slide("T")

    def shape(content: str) -> str:
        return (
            '<p:sp><p:nvSpPr><p:cNvPr id="9" name="x"/><p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr/>'
            f"<p:txBody><a:bodyPr/><a:p>{content}</a:p></p:txBody></p:sp>"
        )

    formula = (
        "<a14:m><m:oMath><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
    )
    add(
        slide,
        f'<mc:AlternateContent {NAMESPACES}><mc:Choice Requires="a14">{shape(formula + "</m:oMath></a14:m>")}</mc:Choice>'
        f"<mc:Fallback>{shape('<a:r><a:t>instead</a:t></a:r>')}</mc:Fallback></mc:AlternateContent>",
    )
    assert deck.read().text == "## T\n\nx^2"


def test_a_table_gives_merged_cells_once_in_a_row_and_in_each_row() -> None:
    slide = (deck := Deck()).slide("T")
    table = slide.shapes.add_table(3, 3, Cm(1), Cm(5), Cm(9), Cm(3)).table
    for number in range(9):
        table.cell(number // 3, number % 3).text = f"c{number}"
    table.cell(0, 0).merge(table.cell(0, 1))
    table.cell(1, 0).merge(table.cell(2, 0))
    for row, column, text in ((0, 0, "wide"), (1, 0, "tall"), (2, 0, "")):
        table.cell(row, column).text = text
    extract = deck.read()
    assert extract.text == "## T\n\nwide | c2\ntall | c4 | c5\ntall | c7 | c8"
    assert extract.blocks[1].kind is BlockKind.TABLE


def test_a_chart_is_read_with_its_title_series_and_categories() -> None:
    slide = (deck := Deck()).slide("T")
    data = CategoryChartData()
    data.categories = ["一月", "二月"]
    data.add_series("East", (1.5, None))
    data.add_series("West", (3, 4))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Cm(1), Cm(5), Cm(9), Cm(9), data).chart
    chart.chart_title.text_frame.text = "Sales"
    assert deck.read().text == "## T\n\nChart: Sales\n\n | East | West\n一月 | 1.5 | 3\n二月 |  | 4"
    assert deck.read().notes == ()


def test_series_with_categories_of_their_own_get_a_table_each() -> None:
    slide = (deck := Deck()).slide("T")
    data = XyChartData()
    for name, points in (("A", ((1, 2), (3, 4))), ("B", ((5, 6),))):
        series = data.add_series(name)
        for x, y in points:
            series.add_data_point(x, y)
    slide.shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, Cm(1), Cm(5), Cm(9), Cm(9), data)
    assert deck.read().text == "## T\n\n | A\n1 | 2\n3 | 4\n\n | B\n5 | 6"


def test_the_words_of_a_diagram_are_read() -> None:
    slide = (deck := Deck()).slide("T")
    points = "".join(
        f"<dgm:pt><dgm:t><a:p><a:r><a:t>{word}</a:t></a:r></a:p></dgm:t></dgm:pt>" for word in ("Plan", "Do")
    )
    reference = deck.part(slide, "diagramData", f"<dgm:dataModel {NAMESPACES}>{points}</dgm:dataModel>")
    add(
        slide,
        f'<p:graphicFrame {NAMESPACES}><p:nvGraphicFramePr><p:cNvPr id="9" name="x"/></p:nvGraphicFramePr><p:xfrm/>'
        f'<a:graphic><a:graphicData><dgm:relIds r:dm="{reference}"/></a:graphicData></a:graphic></p:graphicFrame>',
    )
    assert deck.read().text == "## T\n\n- Plan\n- Do"


def test_notes_of_the_speaker_follow_the_slide() -> None:
    slide = (deck := Deck()).slide("T")
    slide.notes_slide.notes_text_frame.text = "Say hello.\n\nThen wait."
    number = next(
        each for each in slide.notes_slide.placeholders if each.placeholder_format.type.name == "SLIDE_NUMBER"
    )
    number.text_frame.text = "17"
    deck.slide("U")
    assert deck.read().text == "## T\n\nNotes: Say hello.\nThen wait.\n\n## U"


def test_a_hidden_slide_is_read() -> None:
    slide = (deck := Deck()).slide("T")
    slide.element.set("show", "0")
    assert deck.read().text == "## T"


def test_a_footer_is_said_once() -> None:
    deck = Deck()
    for title in ("T", "U"):
        add(
            deck.slide(title),
            f'<p:sp {NAMESPACES}><p:nvSpPr><p:cNvPr id="9" name="x"/><p:cNvSpPr/><p:nvPr><p:ph type="ftr"/></p:nvPr></p:nvSpPr>'
            "<p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>ACME</a:t></a:r></a:p></p:txBody></p:sp>",
        )
    assert deck.read().text == "## T\n\nACME\n\n## U"


@pytest.mark.parametrize(
    ("authors_kind", "authors", "comments"),
    [
        pytest.param(
            "commentAuthors",
            '<p:cmAuthorLst {0}><p:cmAuthor id="3" name="吴"/></p:cmAuthorLst>',
            '<p:cmLst {0}><p:cm authorId="3"><p:text>Really?</p:text></p:cm></p:cmLst>',
            id="old",
        ),
        pytest.param(
            "authors",
            '<p188:authorLst {0}><p188:author id="{{3}}" name="吴"/></p188:authorLst>',
            '<p188:cmLst {0}><p188:cm authorId="{{3}}"><p188:txBody><a:p><a:r><a:t>Really?</a:t></a:r></a:p></p188:txBody>'
            "</p188:cm></p188:cmLst>",
            id="new",
        ),
    ],
)
def test_comments_are_read_with_their_author(authors_kind: str, authors: str, comments: str) -> None:
    slide = (deck := Deck()).slide("T")
    deck.part(deck.document, authors_kind, authors.format(NAMESPACES))
    deck.part(slide, "comments", comments.format(NAMESPACES))
    assert deck.read().text == "## T\n\nComment by 吴: Really?"


def test_pictures_are_counted_and_their_descriptions_read() -> None:
    slide = (deck := Deck()).slide("T")
    for description in ("A door with a red lamp", "door.png"):
        picture = slide.shapes.add_picture(io.BytesIO(PIXEL), Cm(1), Cm(5))
        picture._element.nvPicPr.cNvPr.set("descr", description)
    extract = deck.read()
    assert extract.text == "## T\n\nPicture: A door with a red lamp"
    assert extract.notes == ("2 pictures were not read.",)


def test_embedded_objects_and_recordings_are_counted() -> None:
    slide = (deck := Deck()).slide("T")
    slide.shapes.add_ole_object(io.BytesIO(b"x"), "Excel.Sheet.12", Cm(1), Cm(5), icon_file=io.BytesIO(PIXEL))
    slide.shapes.add_movie(io.BytesIO(b"x"), Cm(1), Cm(9), Cm(2), Cm(2), io.BytesIO(PIXEL))
    extract = deck.read()
    assert extract.notes == ("1 embedded object was not read.", "1 recording was not read.")
    assert extract.remedy == "Save what is embedded as files of their own."


def test_a_deck_of_pictures_has_pages_but_no_text() -> None:
    deck = Deck()
    for _ in range(2):
        deck.slide().shapes.add_picture(io.BytesIO(PIXEL), Cm(1), Cm(5))
    extract = deck.read()
    assert extract.text == ""
    assert len(extract.page_starts) == 2
    assert extract.notes == ("2 pictures were not read.",)


def word() -> bytes:
    stream = io.BytesIO()
    docx.Document().save(stream)
    return stream.getvalue()


@pytest.mark.parametrize("data", [word(), Deck().saved()[:9000]], ids=["a Word document", "cut"])
def test_what_is_no_presentation_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not a readable PowerPoint presentation"):
        list(load_pptx(data, LoadOptions()))
