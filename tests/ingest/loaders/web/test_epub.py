"""E-books, packed here as reading programs expect them."""

from __future__ import annotations

import io
import zipfile

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.web.epub import load_epub
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="{}" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
XHTML = (
    '<?xml version="1.0" encoding="{encoding}"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml">'
    "<head><title>File name</title><style>p {{}}</style></head><body>{body}</body></html>"
)


def item(name: str, href: str, *, media_type: str = "application/xhtml+xml", properties: str = "") -> str:
    return f'<item id="{name}" href="{href}" media-type="{media_type}" properties="{properties}"/>'


def package(items: str, spine: str, *, metadata: str = "<dc:title>手册</dc:title>") -> str:
    references = "".join(
        f'<itemref idref="{name.strip("!")}" linear="{"no" if name.endswith("!") else "yes"}"/>'
        for name in spine.split()
    )
    return (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{metadata}</metadata>'
        f"<manifest>{items}</manifest><spine>{references}</spine></package>"
    )


def epub(opf: str, documents: dict[str, str | bytes], *, opf_path: str = "OEBPS/content.opf") -> bytes:
    """Return a book: documents by their path in the archive, `str` being what stands in the body."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER.format(opf_path))
        archive.writestr(opf_path, opf)
        for path, content in documents.items():
            text = XHTML.format(encoding="utf-8", body=content) if isinstance(content, str) else content
            archive.writestr(path, text)
    return stream.getvalue()


def load(data: bytes) -> Extract:
    (extract,) = load_epub(data, LoadOptions())
    return extract


def book(**bodies: str) -> bytes:
    items = "".join(item(name, f"{name}.xhtml") for name in bodies)
    return epub(package(items, " ".join(bodies)), {f"OEBPS/{name}.xhtml": body for name, body in bodies.items()})


def test_documents_are_read_in_the_order_of_the_spine() -> None:
    items = (
        item("b", "text/b.xhtml") + item("a", "text/a.xhtml") + item("x", "text/x.xhtml") + item("n", "text/n.xhtml")
    )
    documents = {
        "OEBPS/text/a.xhtml": "<h1>第一章</h1><p>忘记密码时，\n请打开页面。</p>",
        "OEBPS/text/b.xhtml": "<h1>Two</h1><ul><li>one</li></ul><pre>x\n  y</pre>",
        "OEBPS/text/n.xhtml": "<p>A note that is not part of the way.</p>",
        "OEBPS/text/x.xhtml": "<p>In no spine.</p>",
    }
    extract = load(epub(package(items, "a n! b a"), documents))
    assert extract.text == (
        "# 第一章\n\n忘记密码时，请打开页面。\n\nA note that is not part of the way.\n\n# Two\n\n- one\n\nx\n  y"
    )
    assert extract.title == "手册"
    assert [block.kind for block in extract.blocks][-1] is BlockKind.CODE
    assert extract.notes == ()


def test_all_of_a_document_is_read_even_what_a_page_has_beside_its_text() -> None:
    body = "<header><p>a</p></header><nav><p>b</p></nav><aside><p>c</p></aside><main>d</main><footer>e</footer><p hidden>no</p>"
    assert load(book(one=body)).text.split("\n\n") == list("abcde")


def test_the_table_of_contents_is_left_out() -> None:
    items = item("toc", "toc.xhtml", properties="scripted nav") + item("a", "a.xhtml")
    data = epub(package(items, "toc a"), {"OEBPS/toc.xhtml": "<nav>Contents</nav>", "OEBPS/a.xhtml": "Text."})
    assert load(data).text == "Text."


@pytest.mark.parametrize(
    ("metadata", "body", "text", "title"),
    [
        pytest.param("<dc:creator>Wu Li</dc:creator>", "Text.", "By Wu Li\n\nText.", "", id="an author"),
        pytest.param(
            "<dc:title> A\n B </dc:title><dc:title>C</dc:title><dc:creator>吴</dc:creator><dc:creator>Jo</dc:creator>",
            "<h1>Head</h1>by Jo",
            "By 吴\n\n# Head\n\nby Jo",
            "A B",
            id="two, one in the text",
        ),
        pytest.param("", "<h1>Head</h1>", "# Head", "Head", id="nothing is said"),
    ],
)
def test_title_and_authors(metadata: str, body: str, text: str, title: str) -> None:
    extract = load(epub(package(item("a", "a.xhtml"), "a", metadata=metadata), {"OEBPS/a.xhtml": body}))
    assert (extract.text, extract.title) == (text, title)


@pytest.mark.parametrize(
    ("opf_path", "href", "path"),
    [
        pytest.param("content.opf", "a.xhtml", "a.xhtml", id="beside"),
        pytest.param("OEBPS/content.opf", "../text/./a.xhtml#start", "text/a.xhtml", id="dots and a fragment"),
        pytest.param("OEBPS/content.opf", "%E7%AC%AC%20one.xhtml", "OEBPS/第 one.xhtml", id="percent signs"),
        pytest.param("a/content.opf", "../../../a.xhtml", "a.xhtml", id="above the root is the root"),
        pytest.param("a/content.opf", "/b/a.xhtml", "b/a.xhtml", id="from the root"),
    ],
)
def test_documents_are_found_by_their_path_in_the_archive(opf_path: str, href: str, path: str) -> None:
    assert load(epub(package(item("a", href), "a"), {path: "Text."}, opf_path=opf_path)).text == "Text."


def test_a_path_never_leads_out_of_the_archive() -> None:
    items = item("a", "a.xhtml") + item("b", "../../../../../../etc/passwd") + item("c", "file:///etc/hostname")
    extract = load(epub(package(items, "a b c"), {"OEBPS/a.xhtml": "Text."}))
    assert extract.text == "Text."
    assert extract.notes == ("2 of its documents are missing or cannot be read: etc/passwd, OEBPS/file:/etc/hostname.",)


def test_of_many_documents_that_are_missing_some_are_named() -> None:
    items = "".join(item(f"m{number}", f"{number}.xhtml") for number in range(12)) + item("a", "a.xhtml")
    missing = " ".join(f"m{number}" for number in range(12))
    (note,) = load(epub(package(items, f"{missing} a"), {"OEBPS/a.xhtml": "Text."})).notes
    assert note.startswith("12 of its documents are missing or cannot be read: OEBPS/0.xhtml, ")
    assert note.endswith("OEBPS/9.xhtml and 2 more.")
    (note,) = load(epub(package(items, "m0 a"), {"OEBPS/a.xhtml": "Text."})).notes
    assert note == "1 of its documents is missing or cannot be read: OEBPS/0.xhtml."


def test_documents_that_cannot_be_read_are_named_and_the_others_read() -> None:
    items = (
        item("a", "a.xhtml") + item("b", "b.xhtml") + item("c", "c.xhtml") + item("d", "d.jpg", media_type="image/jpeg")
    )
    documents: dict[str, str | bytes] = {
        "OEBPS/a.xhtml": "Text.",
        "OEBPS/c.xhtml": b"<p>\xff\xfe\xfa\x81 \xfd",
        "OEBPS/d.jpg": b"\xff\xd8\xff\0",
    }
    extract = load(epub(package(items, "a b c d gone"), documents))
    assert extract.text == "Text."
    assert extract.notes[0] == (
        "4 of its documents are missing or cannot be read: OEBPS/b.xhtml, OEBPS/c.xhtml, OEBPS/d.jpg, gone."
    )
    assert extract.remedy


def test_pictures_and_recordings_are_counted_the_cover_is_not() -> None:
    items = (
        item("a", "a.xhtml")
        + item("cover", "c.png", media_type="image/png", properties="cover-image")
        + item("p", "p.png", media_type="image/png")
        + item("q", "q.svg", media_type="image/svg+xml")
        + item("s", "s.mp3", media_type="audio/mpeg")
    )
    extract = load(epub(package(items, "a"), {"OEBPS/a.xhtml": "Text."}))
    assert extract.notes == ("Pictures in it were not read: 2.", "Recordings in it were not read: 1.")


def test_a_document_in_another_encoding_and_with_entities_of_its_own() -> None:
    text = XHTML.format(encoding="gb2312", body="<p>密码镕&nbsp;&#x4f60;</p>").replace(
        "html>", 'html [<!ENTITY a "b">]>', 1
    )
    items = item("a", "a.xhtml")
    assert load(epub(package(items, "a"), {"OEBPS/a.xhtml": text.encode("gb18030")})).text == "密码镕 你"


def test_a_book_without_text_is_empty() -> None:
    assert load(book(one="")).text == ""


def encryption(*paths: str) -> bytes:
    references = "".join(
        "<enc:EncryptedData><enc:EncryptionMethod Algorithm='x'/><enc:CipherData>"
        f"<enc:CipherReference URI='{path}'/></enc:CipherData></enc:EncryptedData>"
        for path in paths
    )
    return (
        "<encryption xmlns='urn:oasis:names:tc:opendocument:xmlns:container' "
        f"xmlns:enc='http://www.w3.org/2001/04/xmlenc#'>{references}</encryption>"
    ).encode()


def test_a_protected_book_is_refused_one_with_scrambled_fonts_is_not() -> None:
    opf = package(item("a", "the%20text.xhtml"), "a")
    fonts = {"META-INF/encryption.xml": encryption("OEBPS/fonts/f.otf")}
    assert load(epub(opf, {"OEBPS/the text.xhtml": "Text.", **fonts})).text == "Text."
    protected = {"META-INF/encryption.xml": encryption("OEBPS/fonts/f.otf", "OEBPS/the%20text.xhtml")}
    with pytest.raises(DocumentError, match=r"protected \(DRM\).*copy without protection"):
        load(epub(opf, {"OEBPS/the text.xhtml": b"\x8f\1\2", **protected}))


DOCTYPE = '<!DOCTYPE package [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"PK no archive", "damaged", id="no archive"),
        pytest.param(b"", "damaged", id="nothing"),
        pytest.param(epub("<package", {}), "content.opf in it is not XML", id="a broken package document"),
        pytest.param(epub(package("", ""), {}), "none of its documents", id="no spine"),
        pytest.param(epub(DOCTYPE + package("", "a"), {}), "document type", id="entities"),
        pytest.param(
            epub(DOCTYPE + package("", "a"), {}, opf_path="x.xhtml"), "x.xhtml in it is not XML", id="under a name"
        ),
        pytest.param(
            epub(package(item("a", "a.xhtml"), "a b"), {}), "None of its documents.*a.xhtml, b", id="all missing"
        ),
    ],
)
def test_what_is_no_readable_book_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        load(data)


def test_an_archive_that_is_no_book_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    with pytest.raises(DocumentError, match=r"META-INF/container.xml is missing"):
        load(stream.getvalue())


def test_a_bomb_is_refused() -> None:
    with pytest.raises(DocumentError, match="expands beyond"):
        list(load_epub(book(one="a" * 2_000_000), LoadOptions(max_expanded_bytes=1_000_000)))


@pytest.mark.parametrize(
    ("metadata", "day"),
    [
        ("<dc:date>2024-05-01T00:00:00+00:00</dc:date>", "2024-05-01"),
        ("<dc:date>1813</dc:date><dc:date> 2024-05-01 </dc:date>", "2024-05-01"),  # a year alone is no day
        ("<dc:date>unknown</dc:date>", ""),
        ("", ""),
    ],
)
def test_the_date_is_the_first_that_is_a_day(metadata: str, day: str) -> None:
    opf = package(item("a", "a.xhtml"), "a", metadata=metadata)
    assert load(epub(opf, {"OEBPS/a.xhtml": "<p>x</p>"})).date == day
