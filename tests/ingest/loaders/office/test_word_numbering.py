"""The numbers that Word writes before headings and items."""

from __future__ import annotations

import pytest
from lxml import etree

from ingest.loaders.office.word_numbering import Numbering, formatted

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


@pytest.mark.parametrize(
    ("count", "number_format", "text"),
    [
        (7, "decimal", "7"),
        (7, "decimalZero", "07"),
        (0, "lowerLetter", "0"),
        (3, "lowerLetter", "c"),
        (28, "upperLetter", "BB"),
        (1999, "lowerRoman", "mcmxcix"),
        (4, "upperRoman", "IV"),
        (10, "chineseCounting", "十"),
        (15, "chineseCountingThousand", "十五"),
        (20, "japaneseCounting", "二十"),
        (105, "chineseCounting", "一百零五"),
        (110, "chineseCounting", "一百一十"),
        (1005, "taiwaneseCountingThousand", "一千零五"),
        (12, "chineseLegalSimplified", "壹拾贰"),
        (3, "decimalEnclosedCircleChinese", "③"),
        (21, "decimalEnclosedCircle", "21"),
        (10_000, "upperRoman", "10000"),
        (5, "of the future", "5"),
    ],
)
def test_a_number_in_each_format(count: int, number_format: str, text: str) -> None:
    assert formatted(count, number_format) == text


def level(depth: int, text: str, number_format: str = "decimal", more: str = "") -> str:
    return (
        f'<w:lvl w:ilvl="{depth}"><w:start w:val="1"/><w:numFmt w:val="{number_format}"/>{more}'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


def numbering(levels: str, *lists: str) -> Numbering:
    """Return the numbering of a document with one definition, and lists made from it, from 1 on, with these changes."""
    numbers = "".join(
        f'<w:num w:numId="{number}"><w:abstractNumId w:val="0"/>{changes}</w:num>'
        for number, changes in enumerate(lists or ("",), start=1)
    )
    definition = f'<w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>'
    return Numbering(etree.fromstring(f'<w:numbering xmlns:w="{WORD}">{definition}{numbers}</w:numbering>'))


def test_levels_count_within_the_one_above() -> None:
    counted = numbering(level(0, "%1.") + level(1, "%1.%2"))
    assert [counted.next_number("1", depth) for depth in (0, 1, 1, 0, 1)] == ["1.", "1.1", "1.2", "2.", "2.1"]


def test_a_level_without_one_above_is_written_with_its_beginning() -> None:
    counted = numbering(level(0, "%1.") + level(1, "%1.%2"))
    assert [counted.next_number("1", depth) for depth in (1, 0)] == ["1.1", "1."]


def test_levels_above_are_digits_where_the_level_is_legal() -> None:
    counted = numbering(level(0, "Article %1", "upperRoman") + level(1, "%1.%2", more="<w:isLgl/>"))
    assert [counted.next_number("1", depth) for depth in (0, 1)] == ["Article I", "1.1"]


def test_a_list_goes_on_counting_unless_it_states_a_beginning() -> None:
    begin = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride>'
    counted = numbering(level(0, "%1"), "", "", begin)
    assert [counted.next_number(number, 0) for number in ("1", "2", "3", "3")] == ["1", "2", "5", "6"]


def test_a_list_may_change_a_level_of_its_definition() -> None:
    change = f'<w:lvlOverride w:ilvl="0">{level(0, "Step %1:")}</w:lvlOverride>'
    counted = numbering(level(0, "%1"), "", change)
    assert [counted.next_number(number, 0) for number in ("1", "2")] == ["1", "Step 2:"]


def test_bullets_and_unknown_lists_have_no_number() -> None:
    counted = numbering(level(0, "*", "bullet"))
    assert [counted.next_number("1", 0), counted.next_number("1", 5), counted.next_number("9", 0)] == ["", "", ""]
    assert Numbering(None).next_number("1", 0) == ""


def test_a_level_is_found_by_the_style_it_is_tied_to() -> None:
    counted = numbering(level(0, "%1") + level(1, "%1.%2", more='<w:pStyle w:val="Heading2"/>'))
    assert counted.depth_of_style("1", "Heading2") == 1
    assert counted.depth_of_style("1", "Heading5") == 0


def test_what_a_damaged_file_states_as_numbers_is_not_believed() -> None:
    counted = numbering('<w:lvl w:ilvl="x"><w:start w:val="99999999999999"/><w:lvlText w:val="%1"/></w:lvl>')
    assert counted.next_number("1", 0) == "1"
