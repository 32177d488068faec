"""The loaders of text, tables and records, and the registry. PDF and Word are in test_loaders_pdf_docx.py."""

from __future__ import annotations

import json

import pytest

from ingest.loaders.extract import Extract, decode, markdown_headings
from ingest.loaders.markup import load_html, load_markdown, load_text
from ingest.loaders.office import load_docx
from ingest.loaders.pdf import load_pdf
from ingest.loaders.records import load_beir_corpus, load_squad
from ingest.loaders.registry import LOADERS, loader_for
from ingest.loaders.tables import load_csv, load_tsv
from rag_app.errors import DocumentError

CHINESE = "忘记密码时，请打开重置页面设置新密码。"


def only(extracts: object) -> Extract:
    (extract,) = extracts  # type: ignore[misc]
    return extract


# Text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"plain\r\nlines", "plain\nlines", id="ASCII, Windows line ends"),
        pytest.param(CHINESE.encode(), CHINESE, id="UTF-8"),
        pytest.param(CHINESE.encode("utf-8-sig"), CHINESE, id="UTF-8 with a mark"),
        pytest.param(CHINESE.encode("utf-16"), CHINESE, id="UTF-16 with a mark"),
        pytest.param(b"\xfe\xff" + CHINESE.encode("utf-16-be"), CHINESE, id="UTF-16 big-endian with a mark"),
        pytest.param(CHINESE.encode("utf-32"), CHINESE, id="UTF-32 with a mark"),
        pytest.param(CHINESE.encode("gb18030"), CHINESE, id="GB18030"),
        pytest.param(
            "忘記密碼時，請打開重置頁面。".encode("gb18030"), "忘記密碼時，請打開重置頁面。", id="traditional"
        ),
        pytest.param(f"VPN 6.2: {CHINESE}".encode("gb18030"), f"VPN 6.2: {CHINESE}", id="GB18030 with Latin words"),
        pytest.param("cafe\u0301".encode(), "caf\u00e9", id="composed"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_bytes_become_the_text_that_was_written(data: bytes, text: str) -> None:
    assert decode(data) == text
    assert only(load_text(data)).text == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\x89PNG\r\n\0\0", "It holds binary data, expected text.", id="binary"),
        pytest.param("un café très serré".encode("latin-1"), "byte 6 is not UTF-8.*Save it as UTF-8", id="Latin-1"),
        pytest.param("Die Tür ist geöffnet.".encode("latin-1"), "byte 5 is not UTF-8", id="German in Latin-1"),
        pytest.param("비밀번호를 잊어버린 경우".encode("cp949"), "byte 0 is not UTF-8", id="Korean in CP949"),
        pytest.param("パスワードを忘れた場合は".encode("shift_jis"), "byte 0 is not UTF-8", id="Japanese in Shift JIS"),
        pytest.param("Привет, как дела".encode("cp1251"), "byte 0 is not UTF-8", id="Russian in CP1251"),
        pytest.param(
            "元（的）￥、，。；：".encode("gb18030"), "byte 2 is not UTF-8", id="hardly any Chinese character"
        ),
        pytest.param(b"good \xff\xff bad", "byte 5 is not UTF-8", id="invalid bytes"),
        pytest.param(b"\xff\xfea", "byte order mark says utf-16, but byte 2 is not", id="cut UTF-16"),
        pytest.param(b"\xef\xbb\xbf\xff", "byte order mark says utf-8", id="a UTF-8 mark that lies"),
    ],
)
def test_bytes_that_cannot_be_told_are_refused_with_the_place(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        decode(data)


# Markdown


def test_markdown_headings_are_found_with_their_place_level_and_words() -> None:
    text = "# Top\ntext\n\n## 忘记密码 ##\n   ### Three spaces\n#no space\n    # code\n"
    headings = markdown_headings(text)
    assert [(heading.level, heading.text) for heading in headings] == [(1, "Top"), (2, "忘记密码"), (3, "Three spaces")]
    assert text[headings[1].start : headings[1].end] == "## 忘记密码 ##"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("## Install { #install }", "Install", id="anchor"),
        pytest.param("## Install {#install .wide}", "Install", id="attributes"),
        pytest.param("# Using C#", "Using C#", id="a sign that belongs to the word"),
        pytest.param("## Closed ##", "Closed", id="closing signs"),
        pytest.param("# Set {a, b} here", "Set {a, b} here", id="braces in the middle"),
    ],
)
def test_the_words_of_a_heading(line: str, words: str) -> None:
    assert [heading.text for heading in markdown_headings(line)] == [words]


@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
def test_comments_in_a_code_block_are_no_headings(fence: str) -> None:
    text = f"# A\n{fence}sh\n# not one\n{fence}\n# B\n"
    assert [heading.text for heading in markdown_headings(text)] == ["A", "B"]


def test_a_shorter_or_other_fence_does_not_close_a_code_block() -> None:
    text = "````\n```\n# no\n~~~\n# no\n````\n# Yes\n"
    assert [heading.text for heading in markdown_headings(text)] == ["Yes"]


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
    ],
)
def test_the_title_of_a_markdown_file(text: str, title: str) -> None:
    extract = only(load_markdown(text.encode()))
    assert extract.title == title
    assert extract.text == text.replace("\r\n", "\n")


def test_comments_in_front_matter_are_no_headings() -> None:
    extract = only(load_markdown(b"---\n# a comment\ntitle: T\n---\n# Head\n"))
    assert [heading.text for heading in extract.headings] == ["Head"]


# HTML

PARAGRAPH = "The VPN lets you reach file shares and the drawing archive when you are away from the office. "


@pytest.fixture(scope="module")
def page() -> Extract:
    html = (
        "<!DOCTYPE html><html><head><title>VPN |\n Helpdesk</title><style>p {}</style><script>let secret</script></head>"
        "<body><nav><ul><li><a href='/'>Home page</a></li><li><a href='/c'>Contact</a></li></ul></nav>"
        f"<main><h1>Using the VPN</h1><p>{PARAGRAPH * 3}</p><h2>Steps</h2><ul><li>Open it</li><li>Sign in</li></ul>"
        f"<p>{PARAGRAPH}连接十小时后会断开。</p><table><tr><th>Code</th><th>Meaning</th></tr>"
        "<tr><td>HC-12</td><td>wrong clock</td></tr></table></main><footer>Imprint 2025</footer></body></html>"
    )
    return only(load_html(html.encode()))


def test_html_gives_the_main_text_and_no_navigation(page: Extract) -> None:
    assert PARAGRAPH.strip() in page.text
    assert "连接十小时后会断开。" in page.text
    for noise in ("Home page", "Contact", "Imprint", "secret", "p {}", "<"):
        assert noise not in page.text


def test_html_keeps_headings_lists_and_tables(page: Extract) -> None:
    assert [(heading.level, heading.text) for heading in page.headings] == [(1, "Using the VPN"), (2, "Steps")]
    assert "- Open it\n- Sign in" in page.text
    assert "| HC-12 | wrong clock |" in page.text
    assert page.title == "VPN | Helpdesk"


def test_html_in_a_declared_chinese_encoding() -> None:
    html = f"<html><head><meta charset='gb2312'><title>密码</title></head><body><p>{CHINESE * 3}</p></body></html>"
    extract = only(load_html(html.encode("gb18030")))
    assert CHINESE in extract.text
    assert extract.title == "密码"


@pytest.mark.parametrize("data", [b"", b"\0\1\2" * 20], ids=["empty", "binary"])
def test_what_is_no_html_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not readable HTML"):
        list(load_html(data))


# Tables


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param("name,room\nWu,12\nHart,7\n", "name: Wu; room: 12\n\nname: Hart; room: 7", id="commas"),
        pytest.param('name,note\n"Wu, Li","said ""no"""\n', 'name: Wu, Li; note: said "no"', id="quoted cells"),
        pytest.param('a,b\n"two\nlines",x\n', "a: two lines; b: x", id="a cell of two lines"),
        pytest.param("a;b\n1,5;2\n", "a: 1,5; b: 2", id="semicolons"),
        pytest.param("a,b,c\n1,,3\n,,\n", "a: 1; c: 3", id="empty cells"),
        pytest.param("a,\n1,2\n", "a: 1; 2", id="a column without a name"),
        pytest.param("a\n1,2\n", "a: 1; 2", id="more cells than columns"),
        pytest.param("姓名,房间\n吴,12\n", "姓名: 吴; 房间: 12", id="Chinese"),
        pytest.param("a,b\n", "a; b", id="only a header"),
        pytest.param("\n", "", id="nothing"),
    ],
)
def test_each_row_of_a_csv_names_its_columns(data: str, text: str) -> None:
    assert only(load_csv(data.encode("utf-8-sig"))).text == text


def test_tsv_is_cut_at_tabs_alone() -> None:
    assert only(load_tsv(b"a\tb\n1,5; x\t2\n")).text == "a: 1,5; x; b: 2"


@pytest.mark.parametrize("data", [b'a,b\n"open,1\n', b'a,b\n"x"y,1\n'], ids=["an open quote", "text after a quote"])
def test_a_broken_table_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not a readable table"):
        list(load_csv(data))


# Records


def squad(*articles: object) -> bytes:
    return json.dumps({"version": "2.0", "data": articles}).encode()


def test_squad_gives_a_document_a_paragraph() -> None:
    article = {"title": "Old_Normans", "paragraphs": [{"context": "One.", "qas": []}, {"context": "二。", "qas": []}]}
    extracts = list(load_squad(squad(article, {"paragraphs": [{"context": "Three."}]})))
    assert [(extract.record, extract.text) for extract in extracts] == [
        ("Old_Normans/0", "One."),
        ("Old_Normans/1", "二。"),
        ("1/0", "Three."),
    ]
    assert extracts[0].title == "Old Normans"


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
        list(load_squad(data))


def test_a_beir_corpus_gives_a_document_a_line_named_by_its_id() -> None:
    data = '{"_id": "d1", "title": "密码", "text": "One."}\n\n{"_id": 2, "text": "Two.", "metadata": {}}\n'
    assert [(extract.record, extract.title, extract.text) for extract in load_beir_corpus(data.encode())] == [
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
        list(load_beir_corpus(f'{{"_id": "1", "text": "a"}}\n\n{line}\n'.encode()))


# Registry


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("a.md", load_markdown),
        ("A.MARKDOWN", load_markdown),
        ("手册.txt", load_text),
        ("page.htm", load_html),
        ("Scan.PDF", load_pdf),
        ("x.docx", load_docx),
        ("x.csv", load_csv),
        ("x.tsv", load_tsv),
        ("train-v2.0.json", load_squad),
        ("corpus.jsonl", load_beir_corpus),
    ],
)
def test_a_file_name_chooses_its_loader(name: str, load: object) -> None:
    loader = loader_for(name)
    assert loader is not None
    assert loader.load is load


@pytest.mark.parametrize("name", ["x.jsonl", "x.exe", "README", "x.doc", "md", "x.pdf.part"])
def test_other_names_have_no_loader(name: str) -> None:
    assert loader_for(name) is None


def test_every_row_of_the_registry_can_be_chosen_and_no_ending_stands_twice() -> None:
    endings = [ending for loader in LOADERS for ending in loader.endings]
    assert len(endings) == len(set(endings))
    assert all(loader_for(f"x{ending}") is loader for loader in LOADERS for ending in loader.endings)


@pytest.mark.parametrize("name", ['""', '"  "'])
def test_a_beir_document_without_an_id_is_refused(name: str) -> None:
    with pytest.raises(DocumentError, match="Line 1 is not a BEIR document"):
        list(load_beir_corpus(f'{{"_id": {name}, "title": "t", "text": "x"}}'.encode()))
