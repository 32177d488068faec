"""Tables of web pages: which hold data, and the rows of those that do."""

from __future__ import annotations

import time

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.web.html import load_html
from rag_app.datatypes import BlockKind


def load(body: str) -> Extract:
    (extract,) = load_html(f"<html><body><main>{body}</main></body></html>".encode(), LoadOptions())
    return extract


def rows(table: str) -> list[str]:
    extract = load(f"<table>{table}</table>")
    assert [block.kind for block in extract.blocks] == [BlockKind.TABLE]
    return extract.text.split("\n")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param(
            "<tr><td>a<br>b</td><td><p>c</p><p>d</p></td></tr><tr><td><ul><li>e<li>f</ul></td><td>g <b>h</b></td></tr>",
            ["a b | c d", "e f | g h"],
            id="blocks in cells",
        ),
        pytest.param(
            "<tr><th colspan=2>名称</th><th>Room</th></tr><tr><td>a</td><td>b</td><td>12</td></tr>",
            ["名称 |  | Room", "a | b | 12"],
            id="a cell of two columns",
        ),
        pytest.param(
            "<tr><td rowspan=2>HC-12</td><td>one</td></tr><tr><td>two</td></tr><tr><td>HC-13</td><td>three</td></tr>",
            ["HC-12 | one", "HC-12 | two", "HC-13 | three"],
            id="a cell of two rows is said in both",
        ),
        pytest.param(
            "<tr><td>a</td><td rowspan=3 colspan=2>b</td></tr><tr><td>c</td></tr><tr><td>d</td><td>e</td></tr>",
            ["a | b", "c | b", "d | b |  | e"],
            id="both",
        ),
        pytest.param(
            "<thead><tr><th>a<th>b</thead><tbody hidden><tr><td>x<td>y</tbody><tbody><tr><td>1<td>2<tfoot><tr><td>3<td>4",
            ["a | b", "1 | 2", "3 | 4"],
            id="head, hidden body and foot",
        ),
        pytest.param(
            "<tr><td colspan=many>a<td rowspan=-1>b<tr><td>c<td>d", ["a | b", "c | d"], id="spans that are none"
        ),
        pytest.param("<tr><th><h4>A</h4><th>B<tr><td><pre>x  y</pre><td>z", ["A | B", "x y | z"], id="marked-up cells"),
    ],
)
def test_the_rows_of_a_table(table: str, expected: list[str]) -> None:
    assert rows(table) == expected


def test_what_stands_in_a_table_outside_its_cells_is_not_lost() -> None:
    extract = load(
        "<table><caption>Codes</caption>loose<tr>before<td>a</td>after<td>b</td></tr><tr><td>c<td>d</tr></table>x"
    )
    assert extract.text == "Codes loose\n\nbefore | a after | b\nc | d\n\nx"


@pytest.mark.parametrize(
    ("table", "label"),
    [
        pytest.param("<tr><th>a<th>b<tr><td>1<td>2", "a | b", id="header cells"),
        pytest.param("<thead><tr><td>a<td>b<tbody><tr><td>1<td>2", "a | b", id="a head"),
        pytest.param("<tr><td>a<td>b<td>c<tr><td>1<td>2<td>3", "a | b | c", id="three columns, nothing marked"),
        pytest.param("<tr><td>name<td>Wu<tr><td>room<td>12", "", id="names and values"),
        pytest.param("<tr><th>name<td>Wu<td>Hart<tr><th>room<td>12<td>7", "", id="headers of rows"),
    ],
)
def test_the_first_row_is_the_header_where_it_names_columns(table: str, label: str) -> None:
    assert load(f"<table>{table}</table>").blocks[0].label == label


LONG = "The VPN lets you reach file shares when you are away from the office. " * 20


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param("<table><tr><td>a<td>b</table>", ["a", "b"], id="one row"),
        pytest.param("<table><tr><td>a<tr><td>b</table>", ["a", "b"], id="one column"),
        pytest.param(
            "<table><tr><td><h2>A</h2>b<td>c<tr><td>d<td>e</table>", ["## A", "b", "c", "d", "e"], id="a heading"
        ),
        pytest.param(
            "<table><tr><td>a<td><table><tr><td>1<td>2<tr><td>3<td>4</table><tr><td>b<td>c</table>",
            ["a", "1 | 2\n3 | 4", "b", "c"],
            id="a table in a table",
        ),
        pytest.param(
            "<table role=presentation><tr><td>a<td>b<tr><td>c<td>d</table>", list("abcd"), id="said by the author"
        ),
        pytest.param(
            f"<table><tr><td>menu<td><p>{LONG}</p><tr><td>c<td>d</table>", ["menu", LONG.strip(), "c", "d"], id="a text"
        ),
        pytest.param(
            "<table><tr><td>a<td><pre>x\n  y</pre><tr><td>c<td>d</table>", ["a", "x\n  y", "c", "d"], id="lines of code"
        ),
    ],
)
def test_a_table_that_places_things_is_read_like_any_text(table: str, expected: list[str]) -> None:
    extract = load(table)
    assert [extract.text[block.start : block.end] for block in extract.blocks] == expected


def test_spans_cannot_ask_for_more_than_is_there() -> None:
    begin = time.perf_counter()
    extract = load("<table><tr>" + "<td rowspan=60000 colspan=1000>x" * 2000 + "<tr><td>y" * 5000 + "</table>")
    assert len(extract.text) < 1_000_000
    assert extract.text.count("y") == 5000
    assert time.perf_counter() - begin < 20
