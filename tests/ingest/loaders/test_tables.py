"""CSV and TSV, and the lines that rows become."""

from __future__ import annotations

import time

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.tables import load_csv, load_tsv, row_sentences
from rag_app.datatypes import BlockKind


def csv(data: str, encoding: str = "utf-8") -> Extract:
    (extract,) = load_csv(data.encode(encoding), LoadOptions())
    return extract


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param("name,room\nWu,12\nHart,7\n", "name: Wu; room: 12\n\nname: Hart; room: 7", id="commas"),
        pytest.param('name,note\n"Wu, Li","said ""no"""\n', 'name: Wu, Li; note: said "no"', id="quoted cells"),
        pytest.param('a,b\n"two\nlines",x\n', "a: two lines; b: x", id="a cell of two lines"),
        pytest.param('"a\nb",c\n1,2\n', "a b: 1; c: 2", id="a name of two lines"),
        pytest.param("a;b\n1,5;2\n", "a: 1,5; b: 2", id="semicolons"),
        pytest.param("a\tb\n1,5\t2\n", "a: 1,5; b: 2", id="tabs"),
        pytest.param("a|b\n1,5;6|2\n", "a: 1,5;6; b: 2", id="bars"),
        pytest.param(
            "note,x\na;b;c;d,1\ne;f;g;h,2\n", "note: a;b;c;d; x: 1\n\nnote: e;f;g;h; x: 2", id="semicolons in cells"
        ),
        pytest.param("sep=;\na,b;c\n1,2;3\n", "a,b: 1,2; c: 3", id="the delimiter is stated"),
        pytest.param("a,b,c\n1,,3\n,,\n , ,\n", "a: 1; c: 3\n\nNo values: b", id="empty cells"),
        pytest.param("a,\n1,2\n", "a: 1; 2", id="a column without a name"),
        pytest.param("a\n1,2\n", "a: 1; 2", id="more cells than columns"),
        pytest.param("a,b,c\n1\n", "a: 1\n\nNo values: b; c", id="fewer cells than columns"),
        pytest.param(
            "Laptops 2024,,\n\nmodel,price\nX1,3\n", "Laptops 2024\n\nmodel: X1; price: 3", id="a title above the names"
        ),
        pytest.param("Laptops\nX1,3\nX2,4\n", "Laptops: X1; 3\n\nLaptops: X2; 4", id="a name above records"),
        pytest.param("姓名,房间\n吴,12\n", "姓名: 吴; 房间: 12", id="Chinese"),
        pytest.param("a,b\n", "a; b", id="only a header"),
        pytest.param("\n", "", id="nothing"),
    ],
)
def test_each_row_of_a_csv_names_its_columns(data: str, text: str) -> None:
    extract = csv(data, "utf-8-sig")
    assert extract.text == text
    assert [extract.text[block.start : block.end] for block in extract.blocks] == (text.split("\n\n") if text else [])
    assert {block.kind for block in extract.blocks} <= {BlockKind.PARAGRAPH}
    assert (extract.notes, extract.encoding) == ((), "utf-8")


def test_tsv_is_cut_at_tabs_alone() -> None:
    (extract,) = load_tsv(b"a\tb\n1,5; x\t2\n", LoadOptions())
    assert extract.text == "a: 1,5; x; b: 2"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param('a,b\n"open,1\nx,"y, z"\n', 'a: "open; b: 1\n\na: x; b: y, z', id="an open quote"),
        pytest.param('a,b\n"x"y,1\nx,"y, z"\n', 'a: "x"y; b: 1\n\na: x; b: y, z', id="text after a quote"),
    ],
)
def test_a_line_with_broken_quotes_is_read_without_them_and_named(data: str, text: str) -> None:
    extract = csv(data)
    assert extract.text == text
    assert extract.notes == ("Quotation marks do not match in line 2: cells there may be cut in the wrong places.",)


def test_many_broken_lines_are_not_all_named() -> None:
    extract = csv("a,b\n" + '"x"y,1\n' * 7)
    assert extract.text.count('a: "x"y; b: 1') == 7
    assert "line 2, 3, 4, 5, 6 and others:" in extract.notes[0]


def test_a_cell_may_be_a_megabyte() -> None:
    cell = "word " * 200_000
    assert csv(f'a,b\n1,"{cell}"\n').text == f"a: 1; b: {cell}".rstrip()


def test_a_hundred_thousand_rows_take_seconds() -> None:
    started = time.process_time()
    extract = csv("id,note\n" + "".join(f'{i},"row {i}, with a note"\n' for i in range(100_000)))
    assert len(extract.blocks) == 100_000
    assert time.process_time() - started < 10


def test_the_rows_of_any_table_become_sentences() -> None:
    rows = iter([["", " "], ("Code", "Valid\nuntil"), ["HC-12", "1 May"], [], ["", "2 May"]])
    assert list(row_sentences(rows)) == ["Code: HC-12; Valid until: 1 May", "Valid until: 2 May"]
