"""Chunking: exact spans, nothing lost, nothing too large, cut where the text itself pauses."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking import chunk_document
from ingest.loaders.extract import TextBuilder
from ingest.loaders.markdown import markdown_blocks
from rag_app.datatypes import BlockKind, Chunk, Document
from rag_app.text import normalise, size_in_units
from tests.growth import assert_linear


def document(text: str, *, title: str = "", name: str = "", page_starts: tuple[int, ...] = ()) -> Document:
    return Document("d.md", "0" * 64, "text/markdown", "en", title, text, page_starts, markdown_blocks(text), name)


def cut(text: str, *, size: int = 40, overlap: int = 8, title: str = "") -> list[Chunk]:
    return chunk_document(document(text, title=title), chunk_tokens=size, overlap=overlap)


def size_of(chunk: Chunk) -> int:
    return size_in_units(chunk.embedded_text)


WORDS = st.sampled_from(
    ["The", "account", "is", "locked", "internationalisation", "e.g.", "10.0.2", "密码", "账号会被锁定", "a", "1,234.50",
     "https://example.org/a,b;c:8080/path?x=1&y=2", "12:30", "cafe\u0301s", "👩\u200d🔬", "क्षत्रिय", "🇩🇪🇫🇷"]
)  # fmt: skip
SENTENCES = st.builds(
    lambda words, stop: " ".join(words) + stop, st.lists(WORDS, max_size=25), st.sampled_from(".。!?； ")
)
LINES = st.one_of(
    SENTENCES,
    st.builds(lambda level, words: f"{'#' * level} {' '.join(words)}", st.integers(1, 4), st.lists(WORDS, max_size=12)),
    st.builds(lambda item: f"- {item}", SENTENCES),
    st.sampled_from(["", "", "   ", "```", "=" * 90, "x" * 300, "码" * 80, "| a | b |", "\u3000"]),
    st.text(max_size=30),
)
TEXTS = st.builds("\n".join, st.lists(LINES, max_size=30)).map(normalise)
TITLES = st.sampled_from(
    ["", "Handbook", "员工手册", "A title that is by far too long for the chunks that it is put before"]
)
SIZES = st.integers(1, 80)


NAMES = st.sampled_from(["", "devices", "a-file-name that is by far too long for the chunks it is put before 2025"])


@settings(deadline=None)
@given(TEXTS, TITLES, SIZES, st.integers(0, 50))
def test_the_span_of_a_chunk_is_its_text(text: str, title: str, size: int, overlap: int) -> None:
    for chunk in cut(text, title=title, size=size, overlap=overlap):
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()


@settings(deadline=None)
@given(TEXTS, SIZES, st.integers(0, 50))
def test_every_character_that_is_not_white_space_is_in_a_chunk(text: str, size: int, overlap: int) -> None:
    position = 0
    for chunk in cut(text, size=size, overlap=overlap):
        assert not text[position : chunk.start].strip()
        position = max(position, chunk.end)
    assert not text[position:].strip()


@settings(deadline=None)
@given(TEXTS, TITLES, NAMES, SIZES, st.integers(0, 50))
def test_no_chunk_is_larger_than_asked_with_all_that_is_embedded_before_it(
    text: str, title: str, name: str, size: int, overlap: int
) -> None:
    whole = document(text, title=title, name=name)
    assert all(size_of(chunk) <= size for chunk in chunk_document(whole, chunk_tokens=size, overlap=overlap))


def unbreakable(text: str) -> list[tuple[int, int]]:
    """Return the spans of what is never cut: addresses, numbers, words, and characters with all their marks."""
    addresses = [match.span() for match in re.finditer(r"https?://[!-~]+", text)]
    numbers = [match.span() for match in re.finditer(r"\d[\d.,:]*\d", text)]
    words = [match.span() for match in regex.finditer(r"[\p{L}\p{M}--\p{Han}]+", text, regex.VERSION1)]
    characters = [match.span() for match in regex.finditer(r"\X", text)]
    return addresses + numbers + words + characters


@settings(deadline=None)
@given(TEXTS, st.integers(20, 80), st.integers(0, 50))
def test_no_cut_falls_inside_a_word_an_address_a_number_or_a_character(text: str, size: int, overlap: int) -> None:
    chunks = cut(text, size=size, overlap=overlap)
    cuts = {position for chunk in chunks for position in (chunk.start, chunk.end)}
    for start, end in unbreakable(text):
        if size_in_units(text[start:end]) <= size // 2 - 1:  # what fits beside nothing else must be cut
            assert not [position for position in cuts if start < position < end], text[start:end]


@settings(deadline=None)
@given(TEXTS, SIZES, st.integers(0, 50))
def test_chunks_go_forward_and_share_no_more_than_asked(text: str, size: int, overlap: int) -> None:
    chunks = cut(text, size=size, overlap=overlap)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    for first, second in pairwise(chunks):
        assert first.start < second.start
        assert first.end < second.end
        assert size_in_units(text[second.start : first.end]) <= min(overlap, size // 2)


@settings(deadline=None)
@given(TEXTS, SIZES)
def test_the_same_document_gives_the_same_chunks(text: str, size: int) -> None:
    assert cut(text, size=size) == cut(text, size=size)


@settings(deadline=None)
@given(TEXTS, TITLES)
def test_size_zero_gives_the_whole_document_as_one_chunk(text: str, title: str) -> None:
    chunks = cut(text, size=0, title=title)
    assert [chunk.text for chunk in chunks] == ([text.strip()] if text.strip() else [])


def test_a_document_without_text_has_no_chunks() -> None:
    assert cut(" \n\n\t ") == []
    assert cut(" \n\n\t ", size=0) == []


def test_a_short_document_is_one_chunk() -> None:
    assert [chunk.text for chunk in cut("\n# VPN\n\nOpen the client.\n", size=200)] == ["# VPN\n\nOpen the client."]


def test_consecutive_chunks_share_their_last_sentences() -> None:
    text = " ".join(f"Sentence number {number} is here." for number in range(20))
    for first, second in pairwise(cut(text, size=40, overlap=10)):
        shared = text[second.start : first.end]
        assert shared.startswith("Sentence")
        assert shared.endswith("here.")


def test_without_an_overlap_nothing_is_shared() -> None:
    text = " ".join(f"Sentence number {number} is here." for number in range(20))
    assert all(first.end <= second.start for first, second in pairwise(cut(text, overlap=0)))


def test_a_chunk_ends_before_a_heading_where_it_can() -> None:
    section = "The account is locked for thirty minutes after five failed attempts to sign in."  # about 20 units
    text = f"# One\n\n{section}\n\n# Two\n\n{section}\n\n# Three\n\n{section}"
    assert [chunk.text.splitlines()[0] for chunk in cut(text, size=40)] == ["# One", "# Two", "# Three"]


def test_short_sections_are_kept_together() -> None:
    assert len(cut("# One\n\nYes.\n\n# Two\n\nNo.\n\n# Three\n\nMaybe.", size=100)) == 1


def test_sentences_are_not_cut_where_they_fit() -> None:
    text = " ".join(f"This is the sentence that has the number {number}." for number in range(30))
    for chunk in cut(text, size=50):
        assert chunk.text.startswith("This is")
        assert chunk.text.endswith(".")


def test_chinese_is_cut_at_its_sentences() -> None:
    text = "".join(f"第{number}句说明账号为什么会被锁定。" for number in "一二三四五六七八九十")
    chunks = cut(text, size=40, overlap=0)
    assert len(chunks) > 3
    assert all(chunk.text.startswith("第") and chunk.text.endswith("。") for chunk in chunks)


def test_a_chinese_sentence_without_end_is_cut_between_characters() -> None:
    chunks = cut("中文没有空格" * 50, size=40, overlap=0)
    assert max(size_of(chunk) for chunk in chunks) <= 40
    assert min(len(chunk.text) for chunk in chunks[:-1]) >= 25  # and not into crumbs


def test_a_long_sentence_is_cut_between_words() -> None:
    text = " ".join(f"word{number}" for number in range(200))
    for chunk in cut(text, size=40, overlap=0):
        assert set(chunk.text.split()) <= set(text.split())


@pytest.mark.parametrize("letter", ["x", "=", "码"], ids=["letters", "symbols", "Chinese"])
def test_a_word_of_100_kilobytes_is_cut_into_full_chunks_in_linear_time(letter: str) -> None:
    def check(length: int) -> None:
        chunks = cut(f"before {letter * length} after", size=200, overlap=30)
        assert sum(chunk.text.count(letter) for chunk in chunks) == length
        assert all(100 <= size_of(chunk) <= 200 for chunk in chunks[1:-1])

    assert_linear(check, 25_000, 100_000, times=4)


def test_a_document_of_thousands_of_headings_is_cut_in_linear_time() -> None:
    def changes(count: int) -> str:
        return "# Changes\n\n" + "".join(f"## Version {number}\n\n- one\n- two\n\n" for number in range(count))

    assert len(cut(changes(10_000), size=200)) > 500
    # Walking all headings for each sentence took minutes.
    assert_linear(lambda text: cut(text, size=200), changes(2_500), changes(10_000), times=4)


def test_the_heading_path_is_the_title_and_the_headings_above() -> None:
    text = "# VPN\n\nIntro.\n\n## Steps\n\n" + "Open the client and sign in. " * 8 + "\n\n## Errors\n\nHC-12.\n"
    paths = [chunk.heading_path for chunk in cut(text, size=40, title="Handbook")]
    assert paths[0] == ("Handbook",)  # its heading is in its text
    assert ("Handbook", "VPN", "Steps") in paths
    assert all("Errors" not in path for path in paths)


def test_a_running_head_before_a_heading_does_not_bring_the_section_before_with_it() -> None:
    paths = set()
    for count in range(1, 30):
        gloves = "Wear gloves at all times, please. " * count
        text = f"# Manual\n\n## Safety\n\n{gloves}\n\nPage 2\n\n## Errors\n\n{'E23 is low. ' * 14}"
        paths |= {
            chunk.heading_path for chunk in cut(text, size=60, overlap=0) if chunk.text.startswith("Page 2\n\n## E")
        }
    assert paths == {("Manual",)}


def test_a_heading_of_the_same_level_ends_the_one_before() -> None:
    text = "# A\n\n## B\n\n### C\n\ntext\n\n## D\n\n" + "A sentence of some words that goes on. " * 12
    assert cut(text, size=60, overlap=0)[-1].heading_path == ("A", "D")


def test_a_title_that_is_also_the_first_heading_stands_once() -> None:
    text = "# Passwords\n\n" + "Open the portal and choose a new one. " * 10
    assert {chunk.heading_path for chunk in cut(text, size=40, title="Passwords")[1:]} == {("Passwords",)}


def test_a_heading_path_is_shortened_to_a_quarter_of_the_chunk_from_its_middle() -> None:
    text = "# Alpha\n\n## A heading in the middle that is rather long\n\n### Omega\n\n" + "Some words in here. " * 30
    paths = {chunk.heading_path for chunk in cut(text, size=40)[2:]}
    assert paths == {("Alpha", "Omega")}


def test_the_heading_path_is_embedded_before_the_text() -> None:
    chunk = Chunk("d.md", 0, 0, 4, "Text", heading_path=("Handbook", "VPN"))
    assert chunk.embedded_text == "Handbook > VPN\nText"
    assert Chunk("d.md", 0, 0, 4, "Text").embedded_text == "Text"


# Tables and code


def table_document(rows: int, *, before: str = "") -> Document:
    builder = TextBuilder()
    builder.heading(1, "Devices")
    if before:
        builder.paragraph(before)
    builder.table([["Model", "Price"], *([f"L{number}", f"{900 + number} EUR"] for number in range(rows))])
    builder.paragraph("The end of it.")
    extract = builder.build()
    return Document("d.docx", "0" * 64, "x", "en", "", extract.text, blocks=extract.blocks)


def test_a_table_keeps_its_header_with_each_group_of_rows() -> None:
    chunks = chunk_document(table_document(60), chunk_tokens=60, overlap=20)
    assert len(chunks) > 4
    assert chunks[0].text.startswith("# Devices\n\nModel | Price\nL0 | 900 EUR")
    assert chunks[0].table_header == ""
    assert {chunk.table_header for chunk in chunks[1:]} == {"Model | Price"}
    assert all(chunk.embedded_text.startswith("Devices\nModel | Price\nL") for chunk in chunks[1:])
    rows = [line for chunk in chunks for line in chunk.text.splitlines() if line.startswith("L")]
    assert rows == [f"L{number} | {900 + number} EUR" for number in range(60)]  # none cut, none repeated


def test_a_table_that_fits_a_chunk_is_not_cut() -> None:
    words = "Some words before the table that take a good part of the room that there is. "
    chunks = chunk_document(table_document(6, before=words * 2), chunk_tokens=100, overlap=0)
    holding = [chunk for chunk in chunks if " | " in chunk.text]
    assert len(holding) == 1
    assert holding[0].text.count("EUR") == 6


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 60))
def test_what_fits_a_chunk_is_whole_whatever_comes_before_it(rows: int, sentences: int, overlap: int) -> None:
    before = "Some words before the table that take a part of the room. " * sentences
    whole = table_document(rows, before=before)
    (table,) = [block for block in whole.blocks if block.kind is BlockKind.TABLE]
    text = whole.text[table.start : table.end]
    chunks = chunk_document(whole, chunk_tokens=120, overlap=overlap)
    if size_in_units(text) + size_in_units("Devices") <= 120:
        assert any(text in chunk.text for chunk in chunks)


def test_the_header_of_a_wide_table_is_shortened() -> None:
    builder = TextBuilder()
    builder.table([[f"column {number}" for number in range(40)], *([str(number)] * 40 for number in range(30))])
    extract = builder.build()
    whole = Document("d.docx", "0" * 64, "x", "en", "", extract.text, blocks=extract.blocks)
    chunks = chunk_document(whole, chunk_tokens=100, overlap=0)
    assert all(size_of(chunk) <= 100 for chunk in chunks)
    assert chunks[-1].table_header.startswith("column 0 | column 1")


def test_code_that_fits_a_chunk_is_kept_whole() -> None:
    code = "```python\n" + "\n".join(f"value_{number} = {number}" for number in range(8)) + "\n\nprint(value_1)\n```"
    text = f"{'Words come before the code. ' * 6}\n\n{code}\n\nWords after."
    assert any(code in chunk.text for chunk in cut(text, size=80))


def test_code_that_does_not_fit_is_cut_between_lines_and_keeps_its_indentation() -> None:
    code = "```python\n" + "\n".join(f"    value_{number} = compute({number})" for number in range(60)) + "\n```"
    lines = [line for chunk in cut(code, size=80, overlap=40) for line in chunk.text.splitlines()]
    assert lines == code.splitlines()


def test_a_long_line_is_cut_at_line_breaks_before_anything_else() -> None:
    text = "\n".join(f"2025-03-{number:02} the server was started, then stopped" for number in range(1, 29))
    assert all(chunk.text.startswith("2025-03-") for chunk in cut(text, size=60, overlap=0))


# Names


def test_a_document_without_a_title_is_embedded_with_its_name_and_shown_without_it() -> None:
    (chunk,) = chunk_document(document("Short.", name="device-prices"), chunk_tokens=100, overlap=0)
    assert chunk.embedded_text == "device-prices\nShort."
    assert (chunk.heading_path, chunk.name) == ((), "device-prices")


def test_a_title_takes_the_place_of_the_name() -> None:
    (chunk,) = chunk_document(document("Short.", title="Prices", name="p1"), chunk_tokens=100, overlap=0)
    assert chunk.embedded_text == "Prices\nShort."


def test_two_names_for_the_same_text_give_the_same_cuts() -> None:
    text = "A sentence of some words that goes on. " * 40
    first, second = (
        chunk_document(document(text, name=name), chunk_tokens=60, overlap=10)
        for name in ("a", "a much longer name of a file")
    )
    assert [chunk.content for chunk in first] == [chunk.content for chunk in second]


# Pages


def test_a_passage_over_a_page_break_names_both_pages() -> None:
    text = "First page.\n\nSecond page."
    (chunk,) = chunk_document(document(text, page_starts=(0, 13)), chunk_tokens=100, overlap=0)
    assert (chunk.page, chunk.last_page) == (1, 2)


def test_a_chunk_is_on_the_page_where_it_begins() -> None:
    pages = ["First page. " * 10, "Second page. " * 10, "", "Fourth page. " * 10]
    starts = tuple(sum(len(page) + 2 for page in pages[:number]) for number in range(4))
    chunks = chunk_document(document("\n\n".join(pages), page_starts=starts), chunk_tokens=40, overlap=0)
    assert {chunk.page for chunk in chunks} == {1, 2, 4}
    assert all(chunk.text.startswith(("First", "Second", "", "Fourth")[chunk.page - 1]) for chunk in chunks)


def test_a_document_without_pages_has_chunks_without_a_page() -> None:
    assert [chunk.page for chunk in cut("Some text.")] == [None]
