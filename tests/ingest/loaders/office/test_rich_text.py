r"""Rich Text: what Word, WordPad, LibreOffice and TextEdit write."""

from __future__ import annotations

import time

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.office.rich_text import load_rtf
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError

FONTS = (
    r"{\fonttbl{\f0\fnil\fcharset0 A;}{\f1\fnil\fcharset134 \'cb\'ce\'cc\'e5;}{\f2\fnil B;}{\f3\fnil\fcharset204 C;}}"
)


def rtf(body: str, head: str = r"\ansi\ansicpg1252\deff0" + FONTS) -> Extract:
    (extract,) = load_rtf(f"{{\\rtf1{head} {body}}}".encode("latin-1"), LoadOptions())
    return extract


def parts(extract: Extract) -> list[tuple[BlockKind, str]]:
    return [(block.kind, extract.text[block.start : block.end]) for block in extract.blocks]


def words(body: str) -> list[str]:
    return [text for _, text in parts(rtf(body))]


def hexadecimal(text: str, encoding: str) -> str:
    return "".join(f"\\'{byte:02x}" for byte in text.encode(encoding))


# Characters


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(r"caf\'e9", "café", id="a byte"),
        pytest.param(r"\f1 " + hexadecimal("忘记密码", "gbk"), "忘记密码", id="Chinese"),
        pytest.param(r"\f1 \'81@\'83\'5c", "丂僜", id="the second byte of a character may be a letter"),
        pytest.param(r"\f1 \'c3{\b\'dc}\'c2\'eb", "密码", id="bold in the middle of a character"),
        pytest.param(r"\f1 " + hexadecimal("密码", "gbk") + r"\f0  caf\'e9", "密码 café", id="two fonts"),
        pytest.param(r"{\f3 " + hexadecimal("Привет", "cp1251") + r"} caf\'e9", "Привет café", id="a font in a group"),
        pytest.param(r"\f1 \plain caf\'e9", "café", id="back to the default font"),
        pytest.param(r"\f2 caf\'e9", "café", id="a font without a character set"),
        pytest.param(r"\u24536?\u-29776?", "忘记", id="Unicode"),
        pytest.param(r"\uc2\u24536\'cd\'fc\u35760\'bc\'c7!", "忘记!", id="Unicode with two bytes for other programs"),
        pytest.param(r"\uc0\u24536\u35760 x", "忘记x", id="Unicode with nothing for other programs"),
        pytest.param(r"{\uc2\u24536 ??}\u35760 ?x", "忘记x", id="how many, in a group"),
        pytest.param(r"\u8226\bullet x", "•x", id="Unicode with a word for other programs"),
        pytest.param(r"it\u8217's", "it’s", id="an apostrophe for other programs"),
        pytest.param(r"\u-10179?\u-8704?", "😀", id="a surrogate pair"),
        pytest.param(r"\{a\} \\b\~c\_d\-e\line f\tab g\emdash\lquote", "{a} \\b\u00a0c-de\nf\tg—‘", id="signs"),
        pytest.param("wo\r\nrd", "word", id="line breaks of the file"),
    ],
)
def test_characters_are_those_that_were_written(body: str, text: str) -> None:
    extract = rtf(body + r"\par")
    assert extract.text == text
    assert extract.notes == ()


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        pytest.param(r"\ansi\ansicpg936", hexadecimal("密码", "gbk"), "密码", id="Chinese"),
        pytest.param(r"\ansi\ansicpg65001", hexadecimal("密码", "utf-8"), "密码", id="UTF-8"),
        pytest.param(r"\ansi\ansicpg99999", r"caf\'e9", "café", id="an unknown code page"),
        pytest.param(r"\mac", r"caf\'8e", "café", id="Macintosh"),
        pytest.param(r"\pc", r"caf\'82", "café", id="DOS"),
        pytest.param(r"\ansi{\fonttbl\f0\fcharset0 A;\f5\fcharset204 B;}\deff5", r"\'cf", "П", id="the default font"),
        pytest.param(r"\ansi{\fonttbl{\f0\cpg1251 A;}}\deff0", r"\'cf", "П", id="the code page of a font"),
    ],
)
def test_the_encoding_is_that_of_the_document_or_of_the_font(head: str, body: str, text: str) -> None:
    assert rtf(body, head).text == text


def test_bytes_of_no_character_are_replaced_and_said() -> None:
    extract = rtf(r"\f1 ok \'ff\'ff bad")
    assert extract.text == "ok \ufffd\ufffd bad"
    assert extract.notes == ("Characters that are none in their encoding were replaced by \ufffd: 2.",)


# Blocks


def test_paragraphs_headings_and_lists_are_known_for_what_they_are() -> None:
    styles = (
        r"{\stylesheet{\s1\outlinelevel1 x;}{\s2 heading 3;}{\s3\fs20 Heading text;}{\*\cs4 heading 4;}{\s5 Title;}}"
    )
    marker = r"{\listtext\f2 \'b7\tab}"
    extract = rtf(
        r"\pard\s5 Title\par\pard\outlinelevel0 One\par\pard\s1 Two\par\pard\s2 Three\par\pard\s3 Text\par\pard\s4 More\par"
        rf"\pard\ilvl0{marker}item\par\ilvl1{{\pntext 2.\tab}}numbered\par\pard\bullet\tab bullet\par"
        r"\pard # no heading\par{\*\unknown left out}Last\\ one\outlinelevel9\par",
        r"\ansi" + styles,
    )
    assert parts(extract) == [
        (BlockKind.HEADING, "# Title"),
        (BlockKind.HEADING, "# One"),
        (BlockKind.HEADING, "## Two"),
        (BlockKind.HEADING, "### Three"),
        (BlockKind.PARAGRAPH, "Text"),
        (BlockKind.PARAGRAPH, "More"),
        (BlockKind.LIST_ITEM, "- item"),
        (BlockKind.LIST_ITEM, "  - 2. numbered"),
        (BlockKind.LIST_ITEM, "- bullet"),
        (BlockKind.PARAGRAPH, "# no heading"),
        (BlockKind.PARAGRAPH, "Last\\ one"),
    ]
    assert (extract.title, extract.notes, extract.encoding) == ("Title", (), "")


def test_a_table_gives_a_row_a_line_and_its_header() -> None:
    extract = rtf(
        r"Before\par\trowd\cellx1\cellx2\pard\intbl Code\cell Meaning\cell\row\trowd\pard\intbl HC-12\cell "
        r"wrong\par clock\cell\row\pard After\par"
    )
    assert parts(extract) == [
        (BlockKind.PARAGRAPH, "Before"),
        (BlockKind.TABLE, "Code | Meaning\nHC-12 | wrong clock"),
        (BlockKind.PARAGRAPH, "After"),
    ]
    assert extract.blocks[1].label == "Code | Meaning"


def test_a_table_within_a_cell_and_a_table_of_one_cell() -> None:
    other = r"{\nonesttables\par}"  # for programs that know no tables in tables
    nested = rf"\itap2 a\nestcell{other}b\nestcell{other}{{\*\nesttableprops\trowd\nestrow}}{other}"
    assert words(rf"\pard\intbl {nested}\itap1\cell x\cell\row\pard\par") == ["a b | x"]
    assert words(r"\pard\intbl Framed\cell\row\pard\par") == ["Framed"]


def test_a_cell_that_is_not_closed_is_not_lost() -> None:
    assert words(r"\pard\intbl one\cell two") == ["one", "two"]


# What stands beside the text


def test_notes_and_comments_follow_their_paragraph() -> None:
    assert words(
        r"One{\super\chftn}{\footnote\pard {\super\chftn} Low.\par Lower.} and two{\*\atnid A}{\*\atnauthor Ann}\chatn"
        r"{\*\annotation{\*\atnref 1}\pard Why?\par}.\par Three{\footnote\ftnalt Last.}\par"
    ) == ["One and two.", "Footnote: Low.\nLower.", "Comment by Ann: Why?", "Three", "Endnote: Last."]


def test_a_note_in_a_table_follows_it() -> None:
    assert words(r"\pard\intbl a{\footnote Low.}\cell b\cell\row\pard After\par") == [
        "a | b",
        "Footnote: Low.",
        "After",
    ]


def test_a_link_is_its_words_and_a_text_box_is_read_once() -> None:
    link = r'{\field{\*\fldinst{HYPERLINK "https://a.example/b"}}{\fldrslt here}}'
    copy = r"{\shprslt{\*\do{\dptxbxtext\pard Box\par}}}"
    box = rf"{{\shp{{\*\shpinst\shpleft1{{\sp{{\sn wzName}}{{\sv No}}}}{{\shptxt\pard Box\par}}}}{copy}}}"
    assert words(rf"See {link}{box}.\par{{\*\do{{\dptxbxtext\pard Old box\par}}}}\par") == [
        "See here.",
        "Box",
        "Old box",
    ]


def test_headers_and_footers_come_last_and_once_and_page_numbers_not() -> None:
    page = r"{\field{\*\fldinst PAGE}{\fldrslt 3}}"
    assert words(
        rf"{{\header Harbour Ltd.\par}}{{\headerr\pard Harbour Ltd.}}{{\footer Page {page} of 7\par}}"
        rf"{{\footerf Draft, \chpgn, confidential}}Text\par"
    ) == ["Text", "Header: Harbour Ltd.", "Footer: Draft, , confidential"]


def test_pictures_and_objects_are_counted_and_are_no_text() -> None:
    picture = r"{\pict\pngblip\picw10 89504e470d0a}"
    extract = rtf(
        rf"Before{{\*\shppict{picture}}}{{\nonshppict{picture}}}{{\shp{{\*\shpinst{{\sp{{\sn pib}}{{\sv {picture}}}}}}}}}"
        r"{\object\objemb{\*\objclass Excel}{\*\objdata 0105}{\result{\pict 00}Shown}}{\pict\bin5 a}b{c} after\par"
    )
    assert extract.text == "BeforeShown after"
    assert extract.notes == ("1 embedded object was not read.", "3 pictures were not read.")


def test_hidden_and_deleted_text_is_left_out_and_said() -> None:
    extract = rtf(r"a{\v hidden}{\v0 b}{\deleted gone}{\xe{\v index}}\par")
    assert extract.text == "ab"
    assert extract.notes == ("Hidden or deleted text was not read.",)
    assert rtf(r"a{\v  }{\*\bkmkstart hidden}\par").notes == ()


def test_the_title_is_the_stated_one() -> None:
    info = r"{\info{\author Me}{\title The \u26631?\'e9}{\upr{\keywords x}{\*\ud{\keywords y}}}}"
    extract = rtf(info + r"\outlinelevel0 Head\par")
    assert (extract.title, extract.text) == ("The 标é", "# Head")


# Damage


@pytest.mark.parametrize("data", [b"", b"plain text", b"PK\3\4", b"{\\html}"], ids=["empty", "text", "zip", "another"])
def test_what_does_not_begin_as_rich_text_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"not a Rich Text file: expected it to begin with \{\\rtf"):
        list(load_rtf(data, LoadOptions()))


def test_a_document_without_words_is_an_empty_text() -> None:
    assert rtf(r"\par").text == ""


@pytest.mark.parametrize("body", [r"Words{\b more", r"Words{\footnote more", "Words{}more\\"])
def test_a_file_that_is_cut_off_is_read_as_far_as_it_goes(body: str) -> None:
    (extract,) = load_rtf(f"\n{{\\rtf1 {body}".encode(), LoadOptions())
    assert "Words" in extract.text
    assert "more" in extract.text
    assert extract.notes == ("Its end is missing: it may have been cut off.",)


def test_what_follows_the_document_is_no_part_of_it() -> None:
    (extract,) = load_rtf(b"{\\rtf1 in}{out}}}out", LoadOptions())
    assert (extract.text, extract.notes) == ("in", ())


def test_groups_and_notes_without_end_take_no_time() -> None:
    started = time.process_time()
    assert rtf("{" * 50_000 + "x" + "}" * 50_000).text == "x"
    assert rtf(r"{\footnote " * 50_000 + "x" + "}" * 50_000).text == "Footnote: x"
    assert rtf(r"{\field{\*\fldinst{ HYPERLINK " * 20_000).text == ""
    assert rtf(r"\bin9999999999 x").text == ""
    assert time.process_time() - started < 10
