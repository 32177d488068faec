"""The text of a document from the lines of its pages: pages, blocks, headings, and the place of each word."""

from __future__ import annotations

import pytest

from ingest.loaders.extract import Extract
from ingest.loaders.pdf.lines import Line, make_line, words_of
from ingest.loaders.pdf.text import PagedText
from rag_app.datatypes import BlockKind

BODY = 11.0
SENTENCE = "A line of running text that is about as long as a line of a page can be."


def line(text: str, size: float = BODY) -> Line:
    """Return a line whose words all stand in one place."""
    place = (1.0, 2.0, 3.0, 4.0)
    return make_line(((separator, text[start:end], place) for separator, start, end in words_of(text)), size=size)


def document(*pages: list[Line]) -> Extract:
    text = PagedText()
    for page in pages:
        text.add_page(page)
    return text.build(Extract("", title="Title"))


def blocks(extract: Extract) -> list[tuple[BlockKind, str]]:
    return [(block.kind, extract.text[block.start : block.end]) for block in extract.blocks]


def headings(extract: Extract) -> list[tuple[int, str]]:
    return [(block.level, block.label) for block in extract.blocks if block.level]


def test_pages_are_parted_by_a_blank_line_and_an_empty_one_begins_where_the_next_does() -> None:
    extract = document([], [line("One.")], [], [Line("")], [line("Two.")], [])
    assert extract.text == "One.\n\nTwo."
    assert extract.page_starts == (0, 0, 6, 6, 6, 10)
    assert extract.title == "Title"


def test_a_document_without_text_still_has_its_pages() -> None:
    extract = document([], [])
    assert (extract.text, extract.page_starts, extract.blocks) == ("", (0, 0), ())


def test_blank_lines_part_a_page_once() -> None:
    assert document([Line(""), line("One."), Line(""), Line(""), line("Two."), Line("")]).text == "One.\n\nTwo."


def test_boxes_stand_at_their_words_on_every_page() -> None:
    extract = document([line("连续输错 five times")], [], [line("Page three.")])
    words = [(extract.text[box.start : box.end], box.page) for box in extract.boxes]
    assert words == [("连续输错", 1), ("five", 1), ("times", 1), ("Page", 3), ("three.", 3)]
    assert (extract.boxes[0].left, extract.boxes[0].bottom, extract.boxes[0].right, extract.boxes[0].top) == (
        1,
        2,
        3,
        4,
    )


def test_a_sentence_that_ends_at_the_margin_does_not_end_its_paragraph() -> None:
    extract = document(
        [line(SENTENCE), line("It goes on here."), line("Another paragraph."), Line(""), line("The last.")]
    )
    assert [text for _, text in blocks(extract)] == [
        f"{SENTENCE}\nIt goes on here.",
        "Another paragraph.",
        "The last.",
    ]


@pytest.mark.parametrize(
    "between", [[Line("")], [line("1. item")], [line("a footnote.", 8)]], ids=["blank line", "list item", "smaller"]
)
def test_a_paragraph_ends_where_something_else_begins(between: list[Line]) -> None:
    found = [text for _, text in blocks(document([line(SENTENCE), *between, line(SENTENCE)]))]
    assert found[0] == found[-1] == SENTENCE


@pytest.mark.parametrize(
    "item", ["- a card", "• a card", "\uf0b7 a card", "1. a card", "(2) a card", "3、门卡", "4.门卡"], ids=str
)
def test_a_line_that_begins_like_a_list_item_is_one(item: str) -> None:
    extract = document([line(f"{SENTENCE}"), line(item), line("- another one")])
    assert blocks(extract)[1:] == [(BlockKind.LIST_ITEM, item), (BlockKind.LIST_ITEM, "- another one")]


@pytest.mark.parametrize("text", ["1.5 kg of it", "-5 degrees", "1.1 Scope", "2024. A year"], ids=str)
def test_a_line_that_begins_with_a_number_is_no_list_item(text: str) -> None:
    assert blocks(document([line(text)])) == [(BlockKind.PARAGRAPH, text)]


def test_blocks_hold_all_of_the_text_in_order() -> None:
    extract = document(
        [line("Handbook", 20), line(SENTENCE), line("- item")], [line("密码 reset"), Line(""), line("x")]
    )
    ends = 0
    for block in extract.blocks:
        assert not extract.text[ends : block.start].strip()
        ends = block.end
    assert ends == len(extract.text)


# Headings

PARAGRAPH = [line(SENTENCE), line("It goes on here.")]


def test_short_lines_in_larger_letters_are_headings_and_the_text_stays_as_it_is() -> None:
    extract = document(
        [line("Handbook", 20), *PARAGRAPH, line("1. Leave", 14), *PARAGRAPH, *PARAGRAPH],
        [line("1.1 年假", 12.5), *PARAGRAPH, line("2. Travel", 14.1), *PARAGRAPH, line("2.1.1 Far", 12.0), *PARAGRAPH],
    )
    assert headings(extract) == [(1, "Handbook"), (2, "1. Leave"), (3, "1.1 年假"), (2, "2. Travel"), (3, "2.1.1 Far")]
    assert extract.text.startswith(f"Handbook\n{SENTENCE}\nIt goes on here.\n1. Leave\n")


def test_a_heading_of_two_lines_is_one() -> None:
    extract = document(
        [line("A heading that is set", 14), line("on two lines", 14), *PARAGRAPH, *PARAGRAPH, *PARAGRAPH]
    )
    assert headings(extract) == [(1, "A heading that is set on two lines")]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([line("Slightly larger", 11.5)], id="hardly larger"),
        pytest.param([line(f"{SENTENCE[:-1]} and {SENTENCE[:-1]}", 14)], id="long"),
        pytest.param([line("It is a sentence.", 14)], id="a sentence"),
        pytest.param([line("s1 s2 α", 14)], id="no word"),
        pytest.param([line(f"Street {number}", 14) for number in range(5)], id="many in a row"),
        pytest.param([line("Unknown", 0)], id="size unknown"),
    ],
)
def test_what_only_looks_like_a_heading_is_none(lines: list[Line]) -> None:
    assert headings(document([*lines, *PARAGRAPH * 9])) == []


def test_large_letters_that_most_of_a_text_is_set_in_mark_no_headings() -> None:
    crowded = [[line("Words", 24), line("small", 11)] for _ in range(4)]
    assert headings(document(*crowded)) == []


def test_a_size_that_paragraphs_are_set_in_is_not_that_of_headings() -> None:
    code = [line(f"{number} = compute({number})", 9) for number in range(40)]
    extract = document([line("1 Introduction", 14), *PARAGRAPH, line("As follows", BODY), *code, *PARAGRAPH])
    assert headings(extract) == [(1, "1 Introduction")]
