"""Excel workbooks: each row says its columns, cells are as people see them, and nothing that a sheet holds is lost."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from openpyxl.comments import Comment

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.office.spreadsheet import load_xlsx
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError

DAY = datetime.datetime.fromisoformat("2025-03-01")  # in no time zone, as in a cell
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONSHIP = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def saved(workbook: Any) -> bytes:
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


def sheet(*rows: list[object]) -> bytes:
    """Return a workbook of one sheet with a default name."""
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    return saved(workbook)


def written(write: Callable[[Any], None]) -> bytes:
    """Return a workbook that `write` fills, by another program than the one that reads it."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream) as workbook:
        write(workbook)
    return stream.getvalue()


def rewritten(data: bytes, changes: Mapping[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w") as target:
        for member in source.namelist():
            if member not in changes:
                target.writestr(member, source.read(member))
        for member, content in changes.items():
            target.writestr(member, content)
    return stream.getvalue()


def with_rows(rows: str, before: str = "") -> bytes:
    """Return a workbook of one sheet with this XML as its rows."""
    xml = f'<worksheet xmlns="{MAIN}">{before}<sheetData>{rows}</sheetData></worksheet>'
    return rewritten(sheet(["x"]), {"xl/worksheets/sheet1.xml": xml})


def read(data: bytes) -> Extract:
    (extract,) = load_xlsx(data, LoadOptions())
    return extract


def lines(data: bytes) -> list[str]:
    return read(data).text.split("\n\n")


# Sheets


def test_each_sheet_stands_under_its_name() -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["name", "room"])
    workbook.active.append(["Wu", 12])
    workbook.create_sheet("空的")
    workbook.create_sheet("价格").append(["only a title"])
    extract = read(saved(workbook))
    assert extract.text == "## Sheet\n\nname: Wu; room: 12\n\n## 价格\n\nonly a title"
    assert [(block.level, block.label) for block in extract.blocks if block.kind is BlockKind.HEADING] == [
        (2, "Sheet"),
        (2, "价格"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [("Sheet1", "x"), ("工作表1", "x"), ("Prices", "## Prices\n\nx"), ("Sheet metal", "## Sheet metal\n\nx")],
)
def test_a_single_sheet_has_a_heading_if_its_name_says_something(name: str, text: str) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.title = name
    workbook.active.append(["x"])
    assert read(saved(workbook)).text == text


def test_hidden_sheets_rows_and_columns_are_read() -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["shown", "x"])
    hidden = workbook.create_sheet("Hidden")
    hidden.sheet_state = "veryHidden"
    hidden.append(["a", "b"])
    hidden.append([1, 2])
    hidden.row_dimensions[2].hidden = hidden.column_dimensions["B"].hidden = True
    assert read(saved(workbook)).text == "## Sheet\n\nshown; x\n\n## Hidden\n\na: 1; b: 2"


def test_the_title_is_that_of_the_properties() -> None:
    workbook = openpyxl.Workbook()
    workbook.properties.title = "Prices 2025"
    assert read(saved(workbook)).title == "Prices 2025"


def test_an_empty_workbook_has_no_text() -> None:
    assert replace(read(sheet()), date="") == Extract("")


# Rows


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([["a", "b"], [1, None], [None, 2]], ["a: 1", "b: 2"], id="empty cells"),
        pytest.param([[], ["Prices"], [], ["a", "b"], [1, 2]], ["Prices", "a: 1; b: 2"], id="a title above"),
        pytest.param(
            [["Prices"], ["in euros"], ["a", "b"], [1, 2]], ["Prices", "in euros", "a: 1; b: 2"], id="two titles"
        ),
        pytest.param([["a", "b"], [1, 2], [], [3, 4]], ["a: 1; b: 2", "a: 3; b: 4"], id="a gap"),
        pytest.param(
            [["a", "b"], [1, 2], [], ["c", "d"], [3, 4]], ["a: 1; b: 2", "c: 3; d: 4"], id="another table after a gap"
        ),
        pytest.param(
            [["a", "b"], ["x", "y"], [], ["c", "d", "e"], ["z", "z", "z"]],
            ["a: x; b: y", "c: z; d: z; e: z"],
            id="another table with more columns",
        ),
        pytest.param(
            [["a", "b"], ["x", "y"], [], ["Part two"], ["z", "z"]],
            ["a: x; b: y", "Part two", "a: z; b: z"],
            id="a title within a table",
        ),
        pytest.param([["a", "b"], ["Part one"], [1, 2]], ["a: Part one", "a: 1; b: 2"], id="a row of one cell"),
        pytest.param(
            [["Author", "Wu"], ["Pages", 7]], ["Author: Pages; Wu: 7"], id="names and values that look like names"
        ),
        pytest.param([["Pages", 7], ["Price", "€ 5"]], ["Pages: 7", "Price: € 5"], id="names and values"),
        pytest.param([["Price", "€ 5"], ["Sum", "90 %"]], ["Price: € 5", "Sum: 90 %"], id="values that are text"),
        pytest.param([[1, 2, 3], [4, None, 6]], ["1; 2; 3", "4; 6"], id="numbers alone"),
        pytest.param([["City", 2023, 2024], ["Bonn", 5, 6]], ["City: Bonn; 2023: 5; 2024: 6"], id="years as names"),
        pytest.param([["one"], ["two"], [3]], ["one", "two", "3"], id="a single column"),
        pytest.param([["a", "b"]], ["a; b"], id="names alone"),
    ],
)
def test_rows_are_read_with_the_names_of_their_columns(rows: list[list[object]], expected: list[str]) -> None:
    assert lines(sheet(*rows)) == expected


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        pytest.param(1.0, "General", "1", id="whole"),
        pytest.param(0.1 + 0.2, "General", "0.3", id="binary fraction"),
        pytest.param(-2.50, "0.00", "-2.5", id="decimals"),
        pytest.param(123456789012345678.0, "General", "123456789012346000", id="large"),
        pytest.param(0.00000025, "General", "0.00000025", id="small"),
        pytest.param(1.5e300, "General", "1.5e+300", id="enormous"),
        pytest.param(0.125, "0.0%", "12.5%", id="percent"),
        pytest.param(0.07, "0%", "7%", id="percent with a binary fraction"),
        pytest.param(12, '0" %"', "12", id="a percent sign that is only shown"),
        pytest.param(417, "00000", "00417", id="leading zeros"),
        pytest.param(True, "General", "TRUE", id="boolean"),
        pytest.param("#N/A", "General", "#N/A", id="error"),
        pytest.param(" two\nlines ", "General", "two lines", id="text"),
        pytest.param(DAY, "d.m.yyyy", "2025-03-01", id="date"),
        pytest.param(DAY.replace(hour=9, minute=5), "d.m.yyyy h:mm", "2025-03-01 09:05:00", id="date and time"),
        pytest.param(datetime.time(9, 5), "h:mm", "09:05:00", id="time"),
        pytest.param(datetime.timedelta(hours=30, minutes=5), "[h]:mm", "30:05:00", id="duration"),
    ],
)
def test_a_cell_is_written_as_people_see_it(value: object, number_format: str, text: str) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["name", "value"])
    workbook.active.append(["x", value])
    workbook.active["B2"].number_format = number_format
    assert read(saved(workbook)).text == f"name: x; value: {text}"


def test_dates_in_the_formats_of_chinese_excel_are_dates() -> None:
    data = sheet(["name", "date"], ["x", 45717], ["y", 45717.5])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        styles = archive.read("xl/styles.xml").decode().replace('<xf numFmtId="0"', '<xf numFmtId="31"')
    assert lines(rewritten(data, {"xl/styles.xml": styles})) == [
        "name: x; date: 2025-03-01",
        "name: y; date: 2025-03-01 12:00:00",
    ]


def test_a_date_that_no_calendar_has_is_kept_as_its_number() -> None:
    data = sheet(["name", "date"], ["x", 99999999])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        styles = archive.read("xl/styles.xml").decode().replace('<xf numFmtId="0"', '<xf numFmtId="31"')
    assert lines(rewritten(data, {"xl/styles.xml": styles})) == ["name: x; date: 99999999"]


# Formulas


def test_a_formula_gives_its_stored_result() -> None:
    def write(workbook: Any) -> None:
        own = workbook.add_worksheet()
        own.write_row(0, 0, ["a", "sum"])
        own.write(1, 0, 1)
        own.write_formula(1, 1, "=A2+1", value=2)

    extract = read(written(write))
    assert extract.text == "a: 1; sum: 2"
    assert extract.notes == ()


def test_an_empty_text_is_the_result_of_a_formula() -> None:
    names = "<row><c t='str'><v>a</v></c><c t='str'><v>b</v></c></row>"
    data = with_rows(names + "<row><c><v>5</v></c><c t='str'><f>IF(A2&gt;9,1,&quot;&quot;)</f><v></v></c></row>")
    assert read(data).text == "a: 5\n\nNo values: b"
    assert read(data).notes == ()


def test_a_formula_without_a_result_is_given_and_said() -> None:
    extract = read(sheet(["a", "sum"], [1, "=A2+1"], [2, "=A3+1"]))
    assert extract.text == "a: 1; sum: =A2+1\n\na: 2; sum: =A3+1"
    assert extract.notes == ("2 formulas have no stored result; they are given as formulas.",)
    assert extract.remedy == "Open it in Excel and save it: the results are then stored."


# Sizes that lie


@pytest.mark.parametrize("stated", ["A1:XFD1048576", "A1:A1", "nonsense"])
def test_what_a_sheet_states_of_its_size_is_not_believed(stated: str) -> None:
    rows = "<row r='1'><c r='A1' t='str'><v>a</v></c><c r='B1' t='str'><v>b</v></c></row>"
    rows += "<row r='2'><c r='B2'><v>5</v></c></row>"
    data = with_rows(rows, before="" if stated == "nonsense" else f'<dimension ref="{stated}"/>')
    assert read(data).text == "b: 5\n\nNo values: a"


def test_rows_beyond_the_last_of_excel_are_not_counted_up_to() -> None:
    rows = "<row r='1'><c r='A1' t='str'><v>a</v></c></row><row r='999999999999'><c t='str'><v>b</v></c></row>"
    assert read(with_rows(rows)).text == "a"


def test_empty_cells_with_a_format_are_dropped() -> None:
    rows = "<row r='1'><c r='A1' t='str'><v>a</v></c><c r='XFD1' s='0'/></row>" + "<row><c s='0'/></row>" * 1000
    assert read(with_rows(rows)).text == "a"


# What else a sheet has


def test_comments_are_read_with_author_and_cell() -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["a", "b"])
    workbook.active["B1"].comment = Comment("Really?", "吴")
    assert read(saved(workbook)).text == "a; b\n\nComment by 吴 on B1: Really?"


def test_a_discussion_is_read_and_not_the_note_that_repeats_it() -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["a", "b"])
    workbook.active["B1"].comment = Comment("[Threaded comment] Really?", "tc={1}")
    data = saved(workbook)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        of_sheet = archive.read("xl/worksheets/_rels/sheet1.xml.rels").decode()
        of_workbook = archive.read("xl/_rels/workbook.xml.rels").decode()
    threaded = "http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"
    relationship = (
        '<Relationship Id="own" Type="http://schemas.microsoft.com/office/2017/10/relationships/{}" Target="{}"/>'
    )
    changes = {
        "xl/worksheets/_rels/sheet1.xml.rels": of_sheet.replace(
            "</Rel", relationship.format("threadedComment", "/xl/own/threads.xml") + "</Rel"
        ),
        "xl/_rels/workbook.xml.rels": of_workbook.replace(
            "</Rel", relationship.format("person", "/xl/own/p.xml") + "</Rel"
        ),
        "xl/own/threads.xml": f'<ThreadedComments xmlns="{threaded}"><threadedComment ref="B1" personId="{{2}}">'
        "<text>Really?</text></threadedComment></ThreadedComments>",
        "xl/own/p.xml": f'<personList xmlns="{threaded}"><person displayName="吴" id="{{2}}"/></personList>',
    }
    assert read(rewritten(data, changes)).text == "a; b\n\nComment by 吴 on B1: Really?"


def test_text_boxes_and_charts_are_read_and_pictures_counted() -> None:
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
        "e221bc330000000049454e44ae426082"
    )

    def write(workbook: Any) -> None:
        own = workbook.add_worksheet()
        own.write_row(0, 0, ["a", "b"])
        own.insert_textbox(3, 0, "Boxed")
        own.insert_image(9, 0, "x.png", {"image_data": io.BytesIO(pixel), "description": "A red door"})
        chart = workbook.add_chart({"type": "line"})
        chart.add_series({"values": "=Sheet1!$A$1:$B$1", "name": "East"})
        chart.set_title({"name": "Sales"})
        own.insert_chart(20, 0, chart)

    extract = read(written(write))
    assert extract.text.startswith("a; b\n\nBoxed\n\nChart: Sales")
    assert "East" in extract.text
    assert extract.text.endswith("Picture: A red door")
    assert extract.notes == ("1 picture was not read.",)


def test_a_sheet_that_is_a_chart_is_read() -> None:
    def write(workbook: Any) -> None:
        workbook.add_worksheet("Data").write_row(0, 0, [1, 2])
        chart = workbook.add_chart({"type": "line"})
        chart.add_series({"values": "=Data!$A$1:$B$1"})
        chart.set_title({"name": "Sales"})
        workbook.add_chartsheet("Overview").set_chart(chart)

    text = read(written(write)).text
    assert "## Data\n\n1; 2" in text
    assert "## Overview\n\nChart: Sales" in text


# Damage


def damaged_xlsx() -> dict[str, bytes]:
    good = sheet(["a"])
    return {
        "cut": good[: len(good) // 2],
        "no workbook": rewritten(good, {"[Content_Types].xml": "<Types/>"}),
        "a text that is not there": with_rows("<row><c t='s'><v>99</v></c></row>"),
        "a number that is none": with_rows("<row><c><v>nonsense</v></c></row>"),
    }


@pytest.mark.parametrize("data", damaged_xlsx().values(), ids=damaged_xlsx())
def test_a_damaged_xlsx_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not a readable Excel workbook"):
        read(data)
