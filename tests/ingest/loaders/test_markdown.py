"""Markdown: the text stays, the blocks are those of CommonMark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.markdown import load_markdown, markdown_blocks
from rag_app.datatypes import Block, BlockKind
from rag_app.text import normalise


def load(text: str) -> Extract:
    (extract,) = load_markdown(text.encode(), LoadOptions())
    return extract


def headings(text: str) -> list[Block]:
    return [block for block in markdown_blocks(text) if block.kind is BlockKind.HEADING]


def parts(text: str, begin: int = 0) -> list[tuple[BlockKind, str]]:
    return [(block.kind, text[block.start : block.end]) for block in markdown_blocks(text, begin)]


# Headings


def test_headings_are_found_with_their_place_level_and_words() -> None:
    text = "# Top\ntext\n\n## 忘记密码 ##\n   ### Three spaces\n#no space\n\n    # code\n"
    found = headings(text)
    assert [(heading.level, heading.label) for heading in found] == [(1, "Top"), (2, "忘记密码"), (3, "Three spaces")]
    assert text[found[1].start : found[1].end] == "## 忘记密码 ##"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("## Install { #install }", "Install", id="anchor"),
        pytest.param("## Install {#install .wide}", "Install", id="attributes"),
        pytest.param("# Using C#", "Using C#", id="a sign that belongs to the word"),
        pytest.param("## Closed ##", "Closed", id="closing signs"),
        pytest.param("# Set {a, b} here", "Set {a, b} here", id="braces in the middle"),
        pytest.param("# The `max_length` of a *chunk*", "The max_length of a chunk", id="code and emphasis"),
        pytest.param("## [1.2.0](https://a.example/b) - 2020-01-01", "1.2.0 - 2020-01-01", id="a link"),
        pytest.param("## [1.2.0]\n\n[1.2.0]: https://a.example/b\n", "1.2.0", id="a link defined below"),
        pytest.param('## Install <a name="install"></a>', "Install", id="a tag"),
        pytest.param("# Q&amp;A \\# 2", "Q&A # 2", id="escapes"),
        pytest.param("Underlined\n==========\ntext", "Underlined", id="underlined"),
    ],
)
def test_the_words_of_a_heading(line: str, words: str) -> None:
    assert [heading.label for heading in headings(line)] == [words]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("two lines\nof text\n---\nmore", id="a paragraph that a rule follows"),
        pytest.param("#\ntext", id="no words"),
        pytest.param("- # in a list\n", id="in a list"),
        pytest.param("> # quoted\n", id="in a quotation"),
    ],
)
def test_what_is_no_heading_of_the_document(text: str) -> None:
    assert headings(text) == []


@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
def test_comments_in_a_code_block_are_no_headings(fence: str) -> None:
    text = f"# A\n{fence}sh\n# not one\n{fence}\n# B\n"
    assert [heading.label for heading in headings(text)] == ["A", "B"]


def test_a_shorter_or_other_fence_does_not_close_a_code_block() -> None:
    text = "````\n```\n# no\n~~~\n# no\n````\n# Yes\n"
    assert [heading.label for heading in headings(text)] == ["Yes"]


# Other blocks


def test_each_block_is_known_for_what_it_is() -> None:
    text = (
        "A paragraph\nof two lines.\n\n"
        "- first\n  goes on\n  - nested\n\n    second paragraph\n1. other\n\n"
        "```python\nx = 1\n\ny = 2\n```\n"
        "    indented\n\n"
        "> quoted\n>\n> > twice\n\n"
        "<div>\n<p>html</p>\n</div>\n"
    )
    assert parts(text) == [
        (BlockKind.PARAGRAPH, "A paragraph\nof two lines."),
        (BlockKind.LIST_ITEM, "- first\n  goes on"),
        (BlockKind.LIST_ITEM, "  - nested"),
        (BlockKind.LIST_ITEM, "    second paragraph"),
        (BlockKind.LIST_ITEM, "1. other"),
        (BlockKind.CODE, "```python\nx = 1\n\ny = 2\n```"),
        (BlockKind.CODE, "    indented"),
        (BlockKind.PARAGRAPH, "> quoted\n>\n> > twice"),
        (BlockKind.PARAGRAPH, "<div>\n<p>html</p>\n</div>"),
    ]


def test_a_table_is_labelled_by_its_header_row() -> None:
    text = "before\n\n| **Code** | Meaning |\n|---|:-:|\n| HC-12 | wrong \\| clock |\n\nafter\n"
    (table,) = (block for block in markdown_blocks(text) if block.kind is BlockKind.TABLE)
    assert table.label == "Code | Meaning"
    assert text[table.start : table.end] == "| **Code** | Meaning |\n|---|:-:|\n| HC-12 | wrong \\| clock |"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[a]: https://a.example 'title'", id="the definition of a link"),
        pytest.param("***", id="a rule"),
        pytest.param("-", id="an empty list item"),
        pytest.param("- " * 30 + "deep", id="lists nested beyond what is parsed"),
    ],
)
def test_what_a_page_would_not_show_is_a_paragraph(text: str) -> None:
    assert parts(f"before\n\n{text}\n\nafter") == [
        (BlockKind.PARAGRAPH, "before"),
        (BlockKind.PARAGRAPH, text),
        (BlockKind.PARAGRAPH, "after"),
    ]


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_a_line_feed_ends_a_line(sign: str) -> None:
    assert parts(f"a{sign}# b\n# c\n") == [(BlockKind.PARAGRAPH, f"a{sign}# b"), (BlockKind.HEADING, "# c")]


def test_blocks_can_begin_later_in_the_text() -> None:
    text = "# not read\n\n# Head\n\ntext\n"
    assert parts(text, 12) == [(BlockKind.HEADING, "# Head"), (BlockKind.PARAGRAPH, "text")]


LINES = st.one_of(
    st.sampled_from(
        [
            *(
                "",
                "  ",
                "word",
                "# Head",
                "#",
                "Head",
                "===",
                "---",
                "***",
                "- item",
                "  - nested",
                "1. one",
                "- ",
                "-",
            ),
            *("> quote", ">", "```", "~~~", "    code", "\tcode", "| a | b |", "|---|---|", "a | b", "<div>", "</div>"),
            *("[a]: /url", "[a]:", "'title", "<!--", "-->", "+++", "title: x", "- - - -", "  * > # x", "* * *", "\\"),
        ]
    ),
    st.text(st.sampled_from("#-*>` \t|:~[]<1.+=a密\x0b\x0c\u2028\u00a0"), max_size=12),
    st.text(max_size=8),
)


@given(st.lists(LINES, max_size=25).map("\n".join).map(normalise))
def test_blocks_hold_everything_in_order_in_whole_lines(text: str) -> None:
    position = 0
    for block in markdown_blocks(text):
        assert position <= block.start < block.end
        assert not text[position : block.start].strip()
        assert block.start == 0 or text[block.start - 1] == "\n"
        assert not text[block.end :].partition("\n")[0].strip()
        assert block.label == "" or block.kind in (BlockKind.HEADING, BlockKind.TABLE)
        assert bool(block.level) == (block.kind is BlockKind.HEADING)
        position = block.end
    assert not text[position:].strip()


# Title and front matter


@pytest.mark.parametrize(
    ("text", "title"),
    [
        pytest.param("intro\n\n# First\n\n# Second", "First", id="first heading"),
        pytest.param("## Only a second level", "", id="no heading of level 1"),
        pytest.param("---\ntitle: From above\n---\n# First\n", "From above", id="front matter"),
        pytest.param('---\nlayout: x\ntitle: "密码"\n---\n# First\n', "密码", id="front matter in quotes"),
        pytest.param("---\ntitle:\n---\n# First\n", "First", id="an empty title"),
        pytest.param("---\nlayout: x\n---\n# First\n", "First", id="front matter without a title"),
        pytest.param("# First\n\n---\ntitle: a rule\n---\n", "First", id="a rule is no front matter"),
        pytest.param("---\r\ntitle: Windows\r\n---\r\ntext", "Windows", id="Windows line ends"),
        pytest.param("---\ntitle: 1.10\n---\n", "1.10", id="a number, as it is written"),
        pytest.param("---\ntitle: >\n  folded\n  lines\n...\n", "folded lines", id="a folded title"),
        pytest.param("---\ntitle: [a, b]\n---\n# First\n", "First", id="a title that is a list"),
        pytest.param("---\ntitle: One: two\n---\n# First\n", "One: two", id="YAML that is broken"),
        pytest.param(f"---\ntitle: T\ndeep: {'[' * 5000}\n---\n", "T", id="YAML without end"),
        pytest.param("+++\ntitle = 'From TOML'\n+++\n# First\n", "From TOML", id="TOML"),
        pytest.param("+++\ntitle = \n+++\n# First\n", "First", id="TOML that is broken"),
        pytest.param("---\n\n# First\n\ntext\n\n---\nmore", "First", id="text between rules"),
    ],
)
def test_the_title_of_a_markdown_file(text: str, title: str) -> None:
    extract = load(text)
    assert extract.title == title
    assert extract.text == text.replace("\r\n", "\n")
    assert extract.encoding == "utf-8"


def test_front_matter_is_a_paragraph_and_its_comments_are_no_headings() -> None:
    extract = load("---\n# a comment\ntitle: T\n---\n# Head\n")
    assert [(block.kind, extract.text[block.start : block.end]) for block in extract.blocks] == [
        (BlockKind.PARAGRAPH, "---\n# a comment\ntitle: T\n---"),
        (BlockKind.HEADING, "# Head"),
    ]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_words_has_no_blocks(text: str) -> None:
    assert load(text).blocks == ()


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("---\ntitle: T\ndate: 2024-05-01\n---\ntext", "2024-05-01"),
        ("---\ndate: '2024-05-01 10:00:00 +0800'\n---\ntext", "2024-05-01"),
        ("+++\ndate = 2024-05-01T10:00:00Z\n+++\ntext", "2024-05-01"),
        ("---\ntitle: not: YAML\ndate: 2024-05-01\n---\ntext", "2024-05-01"),
        ("---\ndate: [2024-05-01]\n---\ntext", ""),
        ("---\ndate: soon\n---\ntext", ""),
        ("date: 2024-05-01\n\ntext", ""),
    ],
)
def test_the_date_is_that_of_the_front_matter(text: str, day: str) -> None:
    assert load(text).date == day
