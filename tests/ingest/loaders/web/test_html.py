"""Web pages: how bytes become a page, and how a page becomes blocks. Where its main text is: test_html_main_text.py."""

from __future__ import annotations

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.web.html import load_html
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError
from tests.growth import assert_linear

CHINESE = "忘记密码时，请打开重置页面设置新密码。"
PARAGRAPH = "The VPN lets you reach file shares and the drawing archive when you are away from the office. "


def load(html: str | bytes) -> Extract:
    (extract,) = load_html(html.encode() if isinstance(html, str) else html, LoadOptions())
    return extract


def parts(body: str) -> list[tuple[BlockKind, str]]:
    """The blocks of a page whose author says that all of it is the text."""
    extract = load(f"<html><body><main>{body}</main></body></html>")
    return [(block.kind, extract.text[block.start : block.end]) for block in extract.blocks]


def words(body: str) -> list[str]:
    return [text for _, text in parts(body)]


# Bytes


@pytest.fixture(scope="module")
def page() -> Extract:
    return load(
        "<!DOCTYPE html><html><head><title>VPN |\n Helpdesk</title><style>p {}</style><script>let secret</script></head>"
        "<body><nav><ul><li><a href='/'>Home page</a></li><li><a href='/c'>Contact</a></li></ul></nav>"
        f"<main><h1>Using the VPN</h1><p>{PARAGRAPH * 3}</p><h2>Steps</h2><ul><li>Open it</li><li>Sign in</li></ul>"
        f"<p>{PARAGRAPH}连接十小时后会断开。</p><table><tr><th>Code</th><th>Meaning</th></tr>"
        "<tr><td>HC-12</td><td>wrong clock</td></tr></table></main><footer>Imprint 2025</footer></body></html>"
    )


def test_html_gives_the_main_text_and_no_navigation(page: Extract) -> None:
    assert PARAGRAPH.strip() in page.text
    assert "连接十小时后会断开。" in page.text
    for noise in ("Home page", "Contact", "Imprint", "secret", "p {}", "<"):
        assert noise not in page.text


def test_html_keeps_headings_lists_and_tables(page: Extract) -> None:
    headings = [(block.level, block.label) for block in page.blocks if block.kind is BlockKind.HEADING]
    assert headings == [(1, "Using the VPN"), (2, "Steps")]
    assert "- Open it\n- Sign in" in page.text
    assert page.text.endswith("Code | Meaning\nHC-12 | wrong clock")
    assert page.blocks[-1].label == "Code | Meaning"
    assert page.title == "VPN | Helpdesk"
    assert page.encoding == "utf-8"


@pytest.mark.parametrize(
    "head",
    [
        "<meta charset='gb2312'>",
        '<meta http-equiv="Content-Type" content="text/html; charset=gb2312">',
        "<META  CHARSET = GB2312 >",
    ],
    ids=["charset", "http-equiv", "capitals"],
)
def test_html_in_a_declared_chinese_encoding(head: str) -> None:
    extract = load(f"<html><head>{head}<title>密码</title></head><body><p>密码镕</p></body></html>".encode("gb18030"))
    assert (extract.text, extract.title, extract.encoding) == ("密码镕", "密码", "gb18030")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("shift_jis", "パスワード"),
        ("big5", "密碼"),
        ("iso-8859-1", "geöffnet"),
        ("euc-kr", "비밀번호"),
        ("iso-2022-jp", "設定"),
    ],
)
def test_the_encoding_that_the_page_names_is_believed(encoding: str, text: str) -> None:
    html = f"<html><head><meta charset={encoding}></head><body><p>{text}</p></body></html>"
    assert load(html.encode(encoding)).text == text


def test_the_declaration_of_xhtml_names_the_encoding_and_is_no_text() -> None:
    xhtml = (
        '<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE html [ <!ENTITY x "expanded"> ]>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><script src="x"/><title>T</title></head>'
        "<body><p>geöffnet</p><p/><pre><![CDATA[a < b && c]]></pre></body></html>"
    )
    extract = load(xhtml.encode("iso-8859-1"))
    assert extract.text == "geöffnet\n\na < b && c"


def test_a_page_without_any_mark_that_is_evidently_chinese_is_read() -> None:
    assert load(f"<p>{CHINESE * 3}</p>".encode("gb18030")).text == CHINESE * 3


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\0\1\2" * 20, id="binary"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0<p>x</p>", id="a picture"),
        pytest.param(b"no element, a < b and b > c", id="plain text"),
        pytest.param(b"<!-- <p>only a comment</p> -->", id="a comment"),
        pytest.param(b"<p>\xff\xfe\xfa\x81 \xfd", id="no known encoding"),
    ],
)
def test_what_is_no_html_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not readable HTML"):
        load(data)


@pytest.mark.parametrize("data", [b"", b" \r\n", b"\xef\xbb\xbf", b"<p> </p>", b"<html><body></body></html>"])
def test_an_empty_page_is_empty_and_no_error(data: bytes) -> None:
    assert load(data).text == ""


@pytest.mark.parametrize(
    ("html", "title"),
    [
        pytest.param("<title> A \n B </title><h1>C</h1>", "A B", id="title"),
        pytest.param("<title></title><h1>密<b>码</b></h1>", "密码", id="an empty title"),
        pytest.param("<svg><title>icon</title></svg><h1>C</h1>", "C", id="the title of a drawing"),
        pytest.param("<h2>C</h2>", "", id="none"),
    ],
)
def test_the_title_of_a_page(html: str, title: str) -> None:
    assert load(html).title == title


# Text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param("<p>one\n  two\tthree</p>", "one two three", id="white space"),
        pytest.param("<p>a<b>b</b><i> c </i>d</p>", "ab c d", id="inline elements"),
        pytest.param("<p>one<br>two<br/>three</p>", "one\ntwo\nthree", id="line breaks"),
        pytest.param("<p>a&nbsp;b &#x4f60;&#22909; &lt;i&gt; &amp;c</p>", "a b 你好 <i> &c", id="entities"),
        pytest.param("<p>忘记密码时，\n    请打开\n页面。</p>", "忘记密码时，请打开页面。", id="lines of Chinese"),
        pytest.param("<p>忘记<b>密码</b>\nVPN\n断开</p>", "忘记密码 VPN 断开", id="Chinese and Latin"),
        pytest.param("<p>비밀번호를\n잊어버린</p>", "비밀번호를 잊어버린", id="Korean has spaces"),
        pytest.param("<p>a<!-- no -->b<?php no ?>c</p>", "abc", id="comments"),
        pytest.param("<p>a<script>no</script>b<style>no</style>c<template>no</template></p>", "abc", id="scripts"),
        pytest.param("<p><ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby></p>", "漢字", id="ruby"),
        pytest.param("<p>10<sup>6</sup> m<sup>-2</sup>, H<sub>2</sub>O</p>", "10⁶ m⁻², H2O", id="exponents"),
        pytest.param("<p>1<sup>st</sup><sup><a href=#f1>2</a></sup></p>", "1st2", id="other superscripts"),
        pytest.param("<p>super<wbr>califragilistic</p>", "supercalifragilistic", id="a chance to break"),
        pytest.param(
            "<form><label>Name</label> <input value=no><select><option>no</select></form>", "Name", id="controls"
        ),
        pytest.param("<p>Die T\u0075\u0308r</p>", "Die T\u00fcr", id="composed"),
    ],
)
def test_text_is_what_a_browser_shows(body: str, text: str) -> None:
    assert words(body) == [text]


@pytest.mark.parametrize(
    "attribute",
    ["hidden", "aria-hidden=true", 'style="color:red; DISPLAY : none"', "style=visibility:hidden"],
)
def test_hidden_elements_are_no_text_but_what_follows_them_is(attribute: str) -> None:
    assert words(f"<p>a<span {attribute}>no<b>no</b></span>b</p><div {attribute}><h1>no</h1></div>c") == ["ab", "c"]


def test_a_page_that_is_hidden_until_it_has_loaded_is_read() -> None:
    assert load("<html hidden><body style='visibility:hidden'><p>Text.</p></body></html>").text == "Text."


def test_what_a_click_shows_is_text() -> None:
    body = (
        "<details><summary>More</summary><p>unfolded</p></details><div role=tabpanel hidden>second tab</div>"
        "<h3><button>A question?</button></h3><p>The answer.</p><p><button>Copy</button></p>"
    )
    assert words(body) == ["More", "unfolded", "second tab", "### A question?", "The answer."]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(
            "<p>see<img alt='A map of all three rooms'>here</p>", ["see A map of all three rooms here"], id="inline"
        ),
        pytest.param("<img alt='三个房间的平面图'>", ["三个房间的平面图"], id="Chinese"),
        pytest.param("<img alt='screen shot of today.png'>x<img alt=logo><img alt=''><img>", ["x"], id="file names"),
        pytest.param(
            "<figure><img src=x><figcaption>The rooms</figcaption></figure>after", ["The rooms", "after"], id="caption"
        ),
    ],
)
def test_what_is_written_of_a_picture(body: str, text: list[str]) -> None:
    assert words(body) == text


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        pytest.param("<math><mi>x</mi><mo>=</mo><mn>2</mn></math>", "x = 2", id="signs"),
        pytest.param(
            "<math><semantics><mi>x</mi><annotation encoding='application/x-tex'>x^2</annotation></semantics></math>",
            "x^2",
            id="as it was typed",
        ),
        pytest.param(
            "<span style='display:none'><math alttext='E=mc^2'><mi>E</mi></math></span><img aria-hidden=true src=x>",
            "E=mc^2",
            id="hidden beside its picture",
        ),
    ],
)
def test_formulas_are_text(formula: str, text: str) -> None:
    assert words(f"<p>where {formula} holds</p>") == [f"where {text} holds"]


# Blocks


def test_text_between_blocks_is_not_lost() -> None:
    body = "a<div>b<p>c</p>d<section>e</section>f</div>g<blockquote>h<p>i</p></blockquote><address>j</address>k"
    assert words(body) == list("abcdefghijk")


def test_headings_have_their_levels_and_no_links_to_themselves() -> None:
    extract = load(
        "<main><h1>One <a class=headerlink href=#one>¶</a></h1><h3>Using<br>C#</h3><h6><div>Six</div></h6><h2> </h2></main>"
    )
    assert [(block.level, block.label) for block in extract.blocks] == [(1, "One"), (3, "Using C#"), (6, "Six")]


def test_two_line_breaks_part_paragraphs() -> None:
    assert words("one<br>two<br> <br>three") == ["one\ntwo", "three"]


@pytest.mark.parametrize(
    ("body", "items"),
    [
        pytest.param("<ol><li>a</li><li>b</li></ol>", ["1. a", "2. b"], id="from one"),
        pytest.param(
            "<ol start=4><li>a</li><li value=9>b</li><li>c</li></ol>", ["4. a", "9. b", "10. c"], id="as stated"
        ),
        pytest.param("<ol start=x><li value=''>a</li></ol>", ["1. a"], id="stated wrongly"),
        pytest.param(
            "<ol><li>a<ol><li>b</li></ol></li><li>c</li></ol>", ["1. a", "  1. b", "2. c"], id="in one another"
        ),
        pytest.param("<ul><li>a</li></ul>", ["- a"], id="without numbers"),
        pytest.param("<ol type=a><li>x</li></ol>", ["- x"], id="letters"),
        pytest.param("<ol reversed><li>x</li></ol>", ["- x"], id="counting down"),
        pytest.param("<ol style='list-style: none'><li>x</li></ol>", ["- x"], id="hidden numbers"),
        pytest.param("<li>a</li>", ["- a"], id="without a list"),
    ],
)
def test_items_have_the_numbers_that_a_browser_shows(body: str, items: list[str]) -> None:
    assert [text for kind, text in parts(body) if kind is BlockKind.LIST_ITEM] == items


def test_lists_keep_their_depth_and_each_item_its_own_text() -> None:
    body = (
        "<ul><li>one</li><li><p>two</p><p>still two</p><ol><li>inner</li><li>second<ul><li>deep</li></ul></li></ol>tail</li>"
        "<li>three</li></ul>"
    )
    assert parts(body) == [
        (BlockKind.LIST_ITEM, "- one"),
        (BlockKind.LIST_ITEM, "- two\nstill two"),
        (BlockKind.LIST_ITEM, "  1. inner"),
        (BlockKind.LIST_ITEM, "  2. second"),
        (BlockKind.LIST_ITEM, "    - deep"),
        (BlockKind.PARAGRAPH, "tail"),
        (BlockKind.LIST_ITEM, "- three"),
    ]


def test_terms_and_their_meanings() -> None:
    assert words("<dl><dt>VPN</dt><dd>A tunnel.<dd>虚拟专用网<dt>LAN</dt><dd><p>A net.</p></dd></dl>") == [
        "- VPN",
        "  - A tunnel.",
        "  - 虚拟专用网",
        "- LAN",
        "  - A net.",
    ]


def test_a_card_in_a_list_keeps_its_heading() -> None:
    assert words("<ul><li><h3>Card</h3>Its text</li></ul>") == ["### Card", "Its text"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(
            "<pre>\ndef f():\n    return 1\n\n\nx\t=  2\n</pre>", "def f():\n    return 1\n\n\nx\t=  2", id="lines"
        ),
        pytest.param("<pre><code class=x><span>a</span> <b>=</b> 1<br>b</code></pre>", "a = 1\nb", id="coloured"),
        pytest.param("<pre><div>one</div><div>two</div></pre>", "one\ntwo", id="a block a line"),
        pytest.param("<pre>a&nbsp;b # 密\n码</pre>", "a b # 密\n码", id="spaces that do not break"),
        pytest.param(
            "<table><tr><td class=linenos><pre>1\n2</pre></td><td><pre>a\nb</pre></td></tr></table>",
            "a\nb",
            id="numbered",
        ),
    ],
)
def test_preformatted_text_keeps_its_lines(body: str, code: str) -> None:
    assert parts(body) == [(BlockKind.CODE, code)]


def test_text_that_looks_like_markdown_is_no_structure() -> None:
    assert parts("<p># no heading</p><p>- no item</p><p>a | b</p>") == [
        (BlockKind.PARAGRAPH, "# no heading"),
        (BlockKind.PARAGRAPH, "- no item"),
        (BlockKind.PARAGRAPH, "a | b"),
    ]


# What is not read, and sizes


def test_what_stands_in_the_page_and_is_not_read_is_said() -> None:
    picture = f"<img src='data:image/png;base64,{'A' * 30_000}'>"
    extract = load(
        f"<main><p>Text.</p>{picture}{picture}<img src='data:image/png;base64,AA=='><iframe src=x></iframe></main>"
    )
    assert extract.text == "Text."
    assert extract.notes == (
        "Pictures in it were not read: 2.",
        "Pages that are shown inside it (frames) were not read.",
    )


def test_elements_may_nest_as_deep_as_the_parser_lets_them() -> None:
    depth = 1900
    extract = load("<main>" + "<div>a" * depth + "deep" + "</div>b" * depth + "<p>after</p></main>")
    assert extract.text.split() == ["a"] * (depth - 1) + ["adeep"] + ["b"] * depth + ["after"]
    assert extract.notes == ()


def test_deeper_ones_are_not_read_and_that_is_said() -> None:
    extract = load("<main><p>before</p>" + "<div>a" * 10_000 + "deep" + "</div>" * 10_000 + "</main>")
    assert extract.text.startswith("before")
    assert extract.notes == ("Its elements are nested too deeply: what follows the deepest was not read.",)
    assert extract.remedy


def test_lists_and_tables_may_nest_a_thousand_deep() -> None:
    extract = load("<main>" + "<ul><li>a<table><tr><td>b" * 400 + "deep</main>")
    assert extract.text.count("a") == 400
    assert extract.text.endswith("bdeep")
    assert len(extract.text) < 20_000  # indentation does not grow with the depth


@pytest.mark.parametrize("wrapper", ["main", "div"])
def test_a_page_of_five_megabytes_is_read_in_linear_time(wrapper: str) -> None:
    def read(count: int) -> None:
        rows = "".join(f"<h2>Head {i}</h2><p>{PARAGRAPH} {i} <a href=x>link</a></p><!-- {i} -->" for i in range(count))
        assert len(load(f"<body><{wrapper}>{rows}</{wrapper}></body>").blocks) == 2 * count

    assert_linear(read, 8_750, 35_000, times=4)


PUBLISHED = '<meta property="article:published_time" content="2022-01-01T10:00:00Z">'
MODIFIED = '<meta property="article:modified_time" content="2023-01-01T10:00:00Z">'


@pytest.mark.parametrize(
    ("head", "day"),
    [
        (f'<meta name="date" content="2021-01-01">{PUBLISHED}{MODIFIED}', "2023-01-01"),
        (
            '<meta property="article:modified_time" content="soon"><meta property="article:published_time" content="2022-1-2">',
            "2022-01-02",
        ),
        ('<META NAME="Date" CONTENT="2021-01-01">', "2021-01-01"),
        ('<meta name="date"><meta content="2021-01-01"><meta name="expires" content="2030-01-01">', ""),
    ],
)
def test_the_date_is_that_of_the_last_change_else_of_publication(head: str, day: str) -> None:
    assert load(f"<html><head>{head}</head><body><main><p>{PARAGRAPH}</p></main></body></html>").date == day
