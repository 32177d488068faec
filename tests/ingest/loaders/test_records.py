"""Data sets: SQuAD and the corpus of a BEIR folder."""

from __future__ import annotations

import json

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.records import load_beir_corpus, load_squad
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError


def squad(*articles: object) -> bytes:
    return json.dumps({"version": "2.0", "data": articles}).encode()


def squad_records(data: bytes) -> list[Extract]:
    return list(load_squad(data, LoadOptions()))


def beir_records(data: str) -> list[Extract]:
    return list(load_beir_corpus(data.encode(), LoadOptions()))


def test_squad_gives_a_document_a_paragraph() -> None:
    article = {"title": "Old_Normans", "paragraphs": [{"context": "One.", "qas": []}, {"context": "二。", "qas": []}]}
    extracts = squad_records(squad(article, {"paragraphs": [{"context": "Three."}]}))
    assert [(extract.record, extract.text) for extract in extracts] == [
        ("Old_Normans/0", "One."),
        ("Old_Normans/1", "二。"),
        ("1/0", "Three."),
    ]
    assert (extracts[0].title, extracts[0].encoding) == ("Old Normans", "utf-8")


def test_a_record_has_its_paragraphs_as_blocks() -> None:
    (extract,) = squad_records(squad({"title": "x", "paragraphs": [{"context": "One.\n\nTwo."}]}))
    assert [extract.text[block.start : block.end] for block in extract.blocks] == ["One.", "Two."]
    (extract,) = beir_records('{"_id": "d1", "text": "One.\\r\\n\\r\\nTwo."}')
    assert [extract.text[block.start : block.end] for block in extract.blocks] == ["One.", "Two."]
    assert {block.kind for block in extract.blocks} == {BlockKind.PARAGRAPH}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[1, 2]", id="a list"),
        pytest.param(b'{"data": [{"title": "x"}]}', id="no paragraphs"),
        pytest.param(squad({"title": "x", "paragraphs": [{"context": None}]}), id="a context that is null"),
        pytest.param(squad({"title": 5, "paragraphs": [{"context": "x"}]}), id="a title that is a number"),
        pytest.param(squad({"title": "x", "paragraphs": [{"context": "\ud800"}]}), id="half a surrogate pair"),
        pytest.param(b"[" * 100_000, id="nested without end"),
    ],
)
def test_other_json_is_refused_with_what_was_expected(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"expected JSON with data\[\]\.paragraphs\[\]\.context"):
        squad_records(data)


def test_a_beir_corpus_gives_a_document_a_line_named_by_its_id() -> None:
    data = '{"_id": "d1", "title": "密码", "text": "One."}\n\n{"_id": 2, "text": "Two.", "metadata": {}}\n'
    assert [(extract.record, extract.title, extract.text) for extract in beir_records(data)] == [
        ("d1", "密码", "One."),
        ("2", "", "Two."),
    ]


@pytest.mark.parametrize(
    "line",
    ["not json", "[1]", '{"_id": "x"}', '{"_id": "x", "text": null}', '{"_id": "x", "text": "\\ud800"}'],
    ids=["no JSON", "a list", "no text", "a text that is null", "half a surrogate pair"],
)
def test_a_wrong_line_of_a_beir_corpus_is_named_by_its_number(line: str) -> None:
    with pytest.raises(DocumentError, match="Line 3 is not a BEIR document: expected JSON with _id, title and text"):
        beir_records(f'{{"_id": "1", "text": "a"}}\n\n{line}\n')


@pytest.mark.parametrize("name", ['""', '"  "'])
def test_a_beir_document_without_an_id_is_refused(name: str) -> None:
    with pytest.raises(DocumentError, match="Line 1 is not a BEIR document"):
        beir_records(f'{{"_id": {name}, "title": "t", "text": "x"}}')
