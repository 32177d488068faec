"""Plain text and source code."""

from __future__ import annotations

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.plain_text import load_code, load_text
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError

TEXT = "  One line\nand another.\n\n \n# 不是标题\n\n- no item\n"


def parts(extract: Extract) -> list[str]:
    return [extract.text[block.start : block.end] for block in extract.blocks]


def test_a_text_stays_as_it_is_and_its_paragraphs_are_blocks() -> None:
    (extract,) = load_text(TEXT.replace("\n", "\r\n").encode(), LoadOptions())
    assert extract.text == TEXT
    assert parts(extract) == ["  One line\nand another.", "# 不是标题", "- no item\n"]
    assert {block.kind for block in extract.blocks} == {BlockKind.PARAGRAPH}
    assert (extract.title, extract.encoding) == ("", "utf-8")


def test_the_blocks_of_code_are_what_stands_between_blank_lines() -> None:
    (extract,) = load_code(b'<?xml version="1.0"?>\n<a>\n\n  <b>&amp;</b>\n</a>', LoadOptions())
    assert parts(extract) == ['<?xml version="1.0"?>\n<a>', "  <b>&amp;</b>\n</a>"]
    assert {block.kind for block in extract.blocks} == {BlockKind.CODE}


@pytest.mark.parametrize("load", [load_text, load_code])
def test_an_empty_file_is_an_empty_text(load: object) -> None:
    (extract,) = load(b"", LoadOptions())  # type: ignore[operator]
    assert (extract.text, extract.blocks) == ("", ())


@pytest.mark.parametrize("load", [load_text, load_code])
def test_binary_data_is_refused(load: object) -> None:
    with pytest.raises(DocumentError, match="binary data"):
        list(load(b"\x7fELF\0\0\1", LoadOptions()))  # type: ignore[operator]
