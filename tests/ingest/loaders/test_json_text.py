"""JSON, JSON lines and notebooks as readable text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.json_text import load_json, load_json_lines, load_notebook
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError


def read(text: str) -> Extract:
    (extract,) = load_json(text.encode(), LoadOptions())
    return extract


def parts(extract: Extract) -> list[str]:
    return [extract.text[block.start : block.end] for block in extract.blocks]


# JSON


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        pytest.param('{"a": "one", "b": "二"}', ["a: one", "b: 二"], id="entries"),
        pytest.param('{"a": {"b": {"c": "x"}, "d": "y"}}', ["a.b.c: x\na.d: y"], id="objects in objects"),
        pytest.param('[{"a": 1, "b": 2}, {"a": 3}]', ["a: 1; b: 2", "a: 3"], id="a list of records"),
        pytest.param(
            '{"v": 1, "rows": [{"a": 1, "b": 2}, {"a": 3}]}',
            ["v: 1", "rows: a: 1; b: 2", "rows: a: 3"],
            id="records below",
        ),
        pytest.param(
            '{"r": {"n": 2, "rows": [{"a": 1}, {"a": 3}], "m": 4}}',
            ["r.n: 2", "r.rows: a: 1", "r.rows: a: 3", "r.m: 4"],
            id="records further below",
        ),
        pytest.param(
            '[{"a": {"b": 1}, "c": [{"d": 2}, {"d": 3}]}]', ["a.b: 1; c[0].d: 2; c[1].d: 3"], id="in a record"
        ),
        pytest.param('[{"c": [{"d": 2}]}]', ["c.d: 2"], id="no index where there is one"),
        pytest.param('{"a": [[1, 2], [3]], "b": ["x", "y"]}', ["a[0]: 1, 2\na[1]: 3", "b: x, y"], id="lists"),
        pytest.param('{"a": [1, {"b": 2}]}', ["a: 1", "a: b: 2"], id="a mixed list"),
        pytest.param('["one", ["two", "three"]]', ["one", "two, three"], id="a list of words and a list"),
        pytest.param(f'["one", 2, "{"w" * 70}"]', ["one", "2", "w" * 70], id="a list of long words"),
        pytest.param('["one", null, 2]', ["one, 2"], id="a list of short words"),
        pytest.param('"only words"', ["only words"], id="a string"),
        pytest.param(
            '{"a": true, "b": false, "c": null, "d": "", "e": [], "f": {}}', ["a: true", "b: false"], id="words"
        ),
        pytest.param('{"a": 1, "a": 2}', ["a: 1", "a: 2"], id="a key that stands twice"),
        pytest.param(
            f'{{"n": [1.10, 1e400, {"9" * 5000}, NaN, -0]}}',
            [f"n: 1.10\nn: 1e400\nn: {'9' * 5000}\nn: NaN\nn: -0"],
            id="numbers as they are written",
        ),
        pytest.param('[{"a": "one\\ntwo", "b": 1}]', ["a: one\ntwo\nb: 1"], id="a string of lines"),
        pytest.param('[{"a": "one\\n\\ntwo"}]', ["a: one", "two"], id="a string of paragraphs"),
        pytest.param('{"a": "tab\there"}', ["a: tab\there"], id="a control character in a string"),
        pytest.param("\ufeff{}", [], id="nothing"),
        pytest.param("", [], id="an empty file"),
    ],
)
def test_json_becomes_text_that_names_its_keys(text: str, paragraphs: list[str]) -> None:
    extract = read(text)
    assert parts(extract) == paragraphs
    assert extract.text == "\n\n".join(paragraphs)
    assert {block.kind for block in extract.blocks} <= {BlockKind.PARAGRAPH}
    assert extract.notes == ()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        pytest.param('{"name": "n", "title": " The\\ntitle "}', "The title", id="title"),
        pytest.param('{"a": 1, "name": "rag-app"}', "rag-app", id="name"),
        pytest.param('{"title": {"x": 1}, "a": {"name": "n"}}', "", id="neither at the top"),
        pytest.param('[{"title": "t"}]', "", id="a list"),
    ],
)
def test_the_title_of_json(text: str, title: str) -> None:
    assert read(text).title == title


def test_a_squad_file_gives_its_records() -> None:
    data = {"data": [{"title": "T", "paragraphs": [{"context": "One."}, {"context": "Two."}]}]}
    extracts = list(load_json(json.dumps(data).encode(), LoadOptions()))
    assert [(extract.record, extract.text) for extract in extracts] == [("T/0", "One."), ("T/1", "Two.")]


@pytest.mark.parametrize(
    ("data", "paragraphs"),
    [
        ({"data": [{"paragraphs": [{"text": "no context"}]}]}, ["data: paragraphs.text: no context"]),
        ({"data": [{"paragraphs": ["words"]}]}, ["data: paragraphs: words"]),
        ({"data": {"paragraphs": "words"}}, ["data.paragraphs: words"]),
        ({"data": []}, []),
    ],
)
def test_what_only_resembles_squad_is_text(data: object, paragraphs: list[str]) -> None:
    assert parts(read(json.dumps(data))) == paragraphs


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param('{"a": 1,\n "b" 2}', "It is not JSON: line 2, column 6: expected ':' delimiter", id="no colon"),
        pytest.param("{a: 1}", "line 1, column 2: expected property name enclosed in double quotes", id="no quotes"),
        pytest.param('["a', "line 1, column 2: Unterminated string", id="an open string"),
        pytest.param('{"a": 1}\n{"a": 2}\n', "line 2, column 1: Extra data.*name it .jsonl", id="JSON lines"),
        pytest.param("[" * 101 + "]" * 101, "It is nested more than 100 levels deep", id="101 levels"),
        pytest.param("[" * 100_000, "It is nested too deeply", id="levels without end"),
    ],
)
def test_other_text_is_refused_with_the_place(text: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        read(text)


def test_a_hundred_levels_are_read() -> None:
    assert read('{"a":' * 99 + "1" + "}" * 99).text == ".".join("a" * 99) + ": 1"


@pytest.mark.parametrize("text", ['{"a": "x \\ud800 y", "name": "\\udfff"}', '{"a": "x \\ud800 y", "b": "\\udfff"}'])
def test_half_a_surrogate_pair_is_replaced_and_said(text: str) -> None:
    extract = read(text)
    assert "a: x \ufffd y" in extract.text
    (extract.text + extract.title).encode()
    assert extract.notes == ("Characters that are half of a pair (\\ud800 and the like) were replaced by \ufffd.",)


# JSON lines


def test_each_line_of_json_lines_is_a_paragraph() -> None:
    (extract,) = load_json_lines(b'{"a": 1, "b": {"c": "x"}}\r\n\n[1, 2]\n"y\\u2028z"\nnull\n', LoadOptions())
    assert parts(extract) == ["a: 1; b.c: x", "1, 2", "y\u2028z"]
    assert extract.encoding == "utf-8"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("{'a': 1}", "Line 3 is not JSON: column 2: expected property name", id="no JSON"),
        pytest.param(
            "{} {}", r"Line 3 is not JSON: column 4: Extra data\. Correct it, then run again\.$", id="two objects"
        ),
        pytest.param("[" * 200 + "]" * 200, "Line 3 is nested more than 100 levels deep", id="nested"),
    ],
)
def test_a_line_that_is_no_json_is_named(line: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        list(load_json_lines(f'{{"a": 1}}\n\n{line}\n'.encode(), LoadOptions()))


# Notebooks


def notebook(*cells: dict[str, Any], **metadata: str) -> Extract:
    (extract,) = load_notebook(json.dumps({"metadata": metadata, "cells": cells}).encode(), LoadOptions())
    return extract


def markdown(source: str | Sequence[str], **more: object) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, **more}


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def shown(**forms: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {form.replace("_", "/"): value for form, value in forms.items()}}


def test_a_notebook_gives_its_markdown_its_code_and_what_was_printed() -> None:
    extract = notebook(
        markdown(["# 标题 *one*\n", "\n", "text"]),
        code("x = 1\n\nprint(x)\n", {"output_type": "stream", "text": ["1\n"]}, shown(text_plain="[1]")),
        {"cell_type": "raw", "source": "raw\n\ntext"},
        code("  \n"),
    )
    assert extract.text == "# 标题 *one*\n\ntext\n\nx = 1\n\nprint(x)\n\n1\n\n[1]\n\nraw\n\ntext"
    assert [(block.kind, extract.text[block.start : block.end]) for block in extract.blocks] == [
        (BlockKind.HEADING, "# 标题 *one*"),
        (BlockKind.PARAGRAPH, "text"),
        (BlockKind.CODE, "x = 1\n\nprint(x)"),
        (BlockKind.CODE, "1"),
        (BlockKind.CODE, "[1]"),
        (BlockKind.PARAGRAPH, "raw"),
        (BlockKind.PARAGRAPH, "text"),
    ]
    assert (extract.title, extract.notes, extract.encoding) == ("标题 one", (), "utf-8")


def test_the_title_of_a_notebook_is_the_stated_one() -> None:
    assert notebook(markdown("# Head"), title="Stated").title == "Stated"


@pytest.mark.parametrize(
    ("output", "text"),
    [
        pytest.param(
            {"output_type": "stream", "text": "10%\r20%\r\n\x1b[31mred\x1b[0m"}, "20%\nred", id="a terminal's signs"
        ),
        pytest.param({"output_type": "error", "ename": "ValueError", "evalue": "no"}, "ValueError: no", id="an error"),
        pytest.param(shown(text_plain="<Markdown>", text_markdown="**bold**"), "**bold**", id="Markdown"),
        pytest.param(shown(text_plain="  a  b\n0 1  2", text_html="<table>"), "  a  b\n0 1  2", id="a data frame"),
    ],
)
def test_what_a_cell_put_out(output: dict[str, Any], text: str) -> None:
    extract = notebook(code("x", output))
    assert extract.text == f"x\n\n{text}"
    assert extract.notes == ()


def test_pictures_and_other_forms_are_counted() -> None:
    extract = notebook(
        markdown("text ![](attachment:a.png)", attachments={"a.png": {}}),
        code("plot()", shown(text_plain="<Figure size 640x480 with 1 Axes>", image_png="aGk=")),
        code("show()", shown(text_plain="<IPython.core.display.HTML object>", text_html="<p>words</p>")),
    )
    assert extract.text == "text ![](attachment:a.png)\n\nplot()\n\nshow()"
    assert extract.notes == ("1 output was not read.", "2 pictures were not read.")


def test_a_notebook_of_the_third_format() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Head"]},
        {"cell_type": "code", "input": "x", "outputs": [{"output_type": "pyout", "text": "1", "png": "aGk="}]},
    ]
    data = json.dumps({"worksheets": [{"cells": cells}]})
    (extract,) = load_notebook(data.encode(), LoadOptions())
    assert extract.text == "## Head\n\nx\n\n1"
    assert extract.notes == ("1 picture was not read.",)


@pytest.mark.parametrize(
    "data", ["{", "[]", "{}", '{"cells": [1]}', '{"cells": [{"source": []}]}', "[" * 100_000], ids=range(6)
)
def test_what_is_no_notebook_is_refused(data: str) -> None:
    with pytest.raises(DocumentError, match="not a Jupyter notebook: expected JSON with cells"):
        list(load_notebook(data.encode(), LoadOptions()))


def test_an_empty_notebook_file_is_an_empty_text() -> None:
    (extract,) = load_notebook(b"", LoadOptions())
    assert extract.text == ""
