"""One file in, documents and chunks out: what a child answers, and what its parent makes of the answer."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zlib
from typing import Any

import pytest

from ingest.loaders.extract import LoadOptions
from ingest.worker import Job, Reading, documents_of, read_file
from rag_app.datatypes import BlockKind, Box
from rag_app.errors import DocumentError
from rag_app.store.boxes import pack_boxes
from tests.conftest import REPOSITORY
from tests.ingest.bad_files import good_docx, good_pdf


def answer_of(path: str, data: bytes, *, chunk_tokens: int = 100) -> list[dict[str, Any]]:
    """Return what a child would send, as it arrives."""
    job = Job(path, LoadOptions(), chunk_tokens, 20)
    return json.loads(json.dumps(read_file(json.loads(json.dumps(job.as_json())), data)))  # type: ignore[no-any-return]


def readings(path: str, data: bytes, **options: int) -> list[Reading]:
    return documents_of(answer_of(path, data, **options), path, hashlib.sha256(data).hexdigest())


def test_a_file_becomes_a_document_with_chunks() -> None:
    data = "# 密码\n\n连续输错五次密码，账号会被锁定三十分钟。".encode()
    (reading,) = readings("docs/密码.md", data)
    document = reading.document
    assert document is not None
    assert (document.path, document.sha256) == ("docs/密码.md", hashlib.sha256(data).hexdigest())
    assert (document.media_type, document.language, document.script) == ("text/markdown", "zh", "Hans")
    assert (document.encoding, document.title, document.name) == ("utf-8", "密码", "")
    assert [block.kind for block in document.blocks] == [BlockKind.HEADING, BlockKind.PARAGRAPH]
    (chunk,) = reading.chunks
    assert document.text[chunk.start : chunk.end] == chunk.text == data.decode()


def test_a_document_without_a_title_is_called_like_its_file() -> None:
    (reading,) = readings("docs/device prices.txt", b"Laptops cost 900 EUR.")
    assert reading.document is not None
    assert (reading.document.title, reading.document.name) == ("", "device prices")
    assert reading.chunks[0].embedded_text == "device prices\nLaptops cost 900 EUR."


def test_the_records_of_a_data_set_are_documents_of_their_own() -> None:
    data = b'{"_id": "d1", "title": "One", "text": "First."}\n{"_id": "d2", "text": "Second."}\n'
    first, second = readings("set/corpus.jsonl", data, chunk_tokens=0)
    assert first.document is not None
    assert second.document is not None
    assert [first.document.path, second.document.path] == ["set/corpus.jsonl#d1", "set/corpus.jsonl#d2"]
    assert first.document.sha256 == hashlib.sha256(b"First.").hexdigest()
    assert second.document.name == ""  # the file's name says nothing of a record


def test_the_date_is_the_stated_one_else_that_of_the_file() -> None:
    stated, silent = b"---\ndate: 2024-05-01\n---\nText.", b"Text."
    for data, day in ((stated, "2024-05-01"), (silent, "2020-02-03")):
        (reading,) = documents_of(answer_of("a.md", data), "a.md", "0" * 64, "2020-02-03")
        assert reading.document is not None
        assert reading.document.date == day
    records = b'{"_id": "d1", "text": "First."}\n{"_id": "d2", "text": "Second."}\n'
    found = documents_of(answer_of("corpus.jsonl", records), "corpus.jsonl", "0" * 64, "2020-02-03")
    assert [reading.document.date for reading in found if reading.document] == ["2020-02-03"] * 2


def test_pages_and_boxes_come_through() -> None:
    (reading,) = readings("a.pdf", good_pdf(3))
    assert reading.pages == 3
    assert reading.document is not None
    assert reading.document.boxes
    assert (reading.chunks[0].page, reading.chunks[-1].last_page) == (1, 3)


@pytest.mark.parametrize("data", [b"", b"  \n", b"\xef\xbb\xbf"], ids=["nothing", "white space", "a mark"])
def test_a_file_without_text_has_no_document(data: bytes) -> None:
    (reading,) = readings("a.txt", data)
    assert reading.document is None


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        pytest.param("a.pdf", b"\x89PNG\r\n\x1a\n", "it ends in .pdf, but it is no such file", id="a picture"),
        pytest.param("a.docx", b"<html></html>", "it ends in .docx, but it is no such file", id="a page"),
        pytest.param("a.xlsx", bytes.fromhex("d0cf11e0a1b11ae1"), "encrypted with a password, or an old", id="OLE2"),
        pytest.param("a.rtf", b"not rich text", "it ends in .rtf, but it is no such file", id="plain text"),
    ],
)
def test_content_under_a_wrong_name_is_refused(path: str, data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read_file(Job(path, LoadOptions(), 100, 0).as_json(), data)


def test_hidden_characters_and_endless_words_are_remarked_on() -> None:
    (reading,) = readings("a.txt", ("pass\u200bword " + "x" * 3000).encode())
    assert reading.notes == (
        "It has 1 invisible characters; search passes over them.",
        "It has a word of 3000 characters, which was cut.",
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"chunks": [[0, 9999, None, None, [], "", ""]]}, id="a chunk beyond the text"),
        pytest.param({"chunks": [[5, 2, None, None, [], "", ""]]}, id="a chunk that ends before it begins"),
        pytest.param({"blocks": [["no such kind", 0, 1, 0, ""]]}, id="a block of no known kind"),
        pytest.param({"boxes": "not base64!"}, id="boxes that are no base64"),
        pytest.param({"text": None}, id="no text"),
        pytest.param({"notes": None}, id="no notes"),
        pytest.param({"notes": [1]}, id="a note that is a number"),
        pytest.param({"title": None}, id="no title"),
        pytest.param({"date": None}, id="no date"),
        pytest.param({"date": 20240501}, id="a date that is a number"),
        pytest.param({"date": "2024-02-30"}, id="a date of no calendar"),
        pytest.param({"date": "2024-05-01'; DROP"}, id="a date and more"),
        pytest.param({"date": "9999-12-31"}, id="a date that nobody has"),
        pytest.param({"language": ["en"]}, id="a language that is a list"),
        pytest.param({"text": 5, "record": "r"}, id="a text that is a number"),
        pytest.param({"text": "half a pair \ud800"}, id="a text that cannot be stored"),
        pytest.param({"page_starts": ["0"]}, id="a page that is a text"),
        pytest.param({"scanned_pages": [99]}, id="a page that is not there"),
        pytest.param({"blocks": [["paragraph", 0, 10**9, 0, ""]]}, id="a block beyond the text"),
        pytest.param({"boxes": base64.b64encode(pack_boxes([Box(0, 0, 1, 1, 1, 2, 2)])).decode()}, id="an empty box"),
        pytest.param({"boxes": base64.b64encode(zlib.compress(bytes(28 * 10**6))).decode()}, id="boxes without end"),
        pytest.param({"boxes": base64.b64encode(b"not packed").decode()}, id="boxes that are not packed"),
    ],
)
def test_an_answer_that_contradicts_itself_is_not_believed(change: dict[str, Any]) -> None:
    (values,) = answer_of("a.docx", good_docx())
    with pytest.raises(DocumentError, match="answered nonsense"):
        documents_of([values | change], "a.docx", "0" * 64)


def test_what_a_child_runs_imports_nothing_heavy() -> None:
    code = "import ingest.worker, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    heavy = {"torch", "llama_index", "transformers", "streamlit", "faiss", "pydantic", "numpy", "trafilatura", "docx"}
    assert heavy.isdisjoint(done.stdout.split())
