"""Office files as packages: what is refused, what is mended, which title counts."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime

import docx
import openpyxl
import pptx
import pytest

from ingest.loaders.extract import LoadOptions
from ingest.loaders.office.open_xml import core_properties, open_package, parse_part
from ingest.loaders.office.presentation import load_pptx
from ingest.loaders.office.spreadsheet import load_xlsx
from ingest.loaders.office.word import load_docx
from rag_app.errors import DocumentError


def word(title: str = "") -> bytes:
    document = docx.Document()
    document.core_properties.title = title
    document.add_paragraph("text")
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def presentation() -> bytes:
    document = pptx.Presentation()
    document.slides.add_slide(document.slide_layouts[5]).shapes.title.text = "text"
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def workbook() -> bytes:
    document = openpyxl.Workbook()
    document.active.append(["text"])
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def replaced(data: bytes, name: str, old: str, new: str) -> bytes:
    """Return a package in which an entry has `new` for `old`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w") as target:
        for member in source.namelist():
            content = source.read(member)
            if member == name:
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode())
            target.writestr(member, content)
    return stream.getvalue()


FORMATS = {
    "docx": (load_docx, word(), "word/document.xml", "Word document"),
    "pptx": (load_pptx, presentation(), "ppt/slides/slide1.xml", "PowerPoint presentation"),
    "xlsx": (load_xlsx, workbook(), "xl/workbook.xml", "Excel workbook"),
}
each_format = pytest.mark.parametrize(("load", "data", "part", "kind"), FORMATS.values(), ids=FORMATS)


@each_format
def test_the_file_that_the_others_are_made_from_is_read(load: object, data: bytes, part: str, kind: str) -> None:
    (extract,) = load(data, LoadOptions())  # type: ignore[operator]
    assert "text" in extract.text


@each_format
def test_a_document_type_declaration_is_refused(load: object, data: bytes, part: str, kind: str) -> None:
    bad = replaced(data, part, "</", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]></')
    with pytest.raises(DocumentError, match="declares a document type"):
        list(load(bad, LoadOptions()))  # type: ignore[operator]


@each_format
def test_a_file_that_expands_beyond_the_limit_is_refused(load: object, data: bytes, part: str, kind: str) -> None:
    bad = replaced(data, part, "</", f"<!--{' ' * 2_000_000}--></")
    with pytest.raises(DocumentError, match="expands beyond 1 MB"):
        list(load(bad, LoadOptions(max_expanded_bytes=1_000_000)))  # type: ignore[operator]


@each_format
@pytest.mark.parametrize("content", [b"", b"PK\3\4 nonsense"], ids=["empty", "no zip"])
def test_what_is_no_archive_is_refused_by_its_kind(
    load: object, data: bytes, part: str, kind: str, content: bytes
) -> None:
    with pytest.raises(DocumentError, match=rf"not a readable {kind} \(File is not a zip file\)"):
        list(load(content, LoadOptions()))  # type: ignore[operator]


@each_format
def test_broken_xml_is_refused_with_what_to_do(load: object, data: bytes, part: str, kind: str) -> None:
    bad = replaced(data, part, "</", "<")
    with pytest.raises(
        DocumentError, match=rf"not a readable {kind} .* If {kind.split(maxsplit=1)[0]} can open it, save it again"
    ):
        list(load(bad, LoadOptions()))  # type: ignore[operator]


@each_format
def test_the_strict_variant_is_refused_with_what_to_do(load: object, data: bytes, part: str, kind: str) -> None:
    old = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    bad = replaced(data, "_rels/.rels", old, "http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument")
    with pytest.raises(DocumentError, match=rf"Strict Open XML, which is not read\. Save it as an ordinary {kind}\."):
        list(load(bad, LoadOptions()))  # type: ignore[operator]


def test_a_reference_to_nothing_does_not_make_a_document_unreadable() -> None:
    picture = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"
    dangling = f'<Relationship Id="rId99" Type="{picture}" Target="NULL"/></Relationships>'
    data = replaced(word(), "word/_rels/document.xml.rels", "</Relationships>", dangling)
    (extract,) = load_docx(data, LoadOptions())
    assert extract.text == "text"


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ("Handbook", "Handbook"),
        (" Two\n lines ", "Two lines"),
        ("PowerPoint Presentation", ""),
        ("PowerPoint 演示文稿", ""),
        ("", ""),
    ],
)
def test_the_title_of_a_package_is_the_one_that_somebody_wrote(stated: str, title: str) -> None:
    assert core_properties(open_package(word(stated), LoadOptions(), "Word document")).title == title


def test_of_alternatives_the_first_is_kept_at_every_depth() -> None:
    inner = "<m:AlternateContent><m:Choice>a</m:Choice><m:Choice>b</m:Choice><m:Fallback>c</m:Fallback></m:AlternateContent>"
    outer = f"<m:AlternateContent><m:Choice>{inner}</m:Choice><m:Fallback>{inner}</m:Fallback></m:AlternateContent>"
    root = parse_part(f'<x xmlns:m="http://schemas.openxmlformats.org/markup-compatibility/2006">{outer}</x>'.encode())
    assert "".join(root.itertext()) == "a"


@pytest.mark.parametrize(
    ("modified", "created", "day"),
    [
        ("2024-05-01T23:30:00Z", "2020-01-01T00:00:00Z", "2024-05-01"),
        ("", "2020-02-03T00:00:00Z", "2020-02-03"),
        ("yesterday", "2020-02-03", "2020-02-03"),
        ("2013-12-23T23:15:00Z", "2013-12-23T23:15:00Z", ""),  # that of python-docx, not of the document
        ("0000-00-00T00:00:00Z", "99999-01-01", ""),
    ],
)
def test_the_date_of_a_package_is_that_of_its_last_change(modified: str, created: str, day: str) -> None:
    template = "2013-12-23T23:15:00Z</dcterms:"
    data = replaced(word(), "docProps/core.xml", f"{template}modified", f"{modified}</dcterms:modified")
    data = replaced(data, "docProps/core.xml", f"{template}created", f"{created}</dcterms:created")
    assert core_properties(open_package(data, LoadOptions(), "Word document")).date == day
    (extract,) = load_docx(data, LoadOptions())
    assert extract.date == day


def test_presentations_and_workbooks_have_a_date_as_well() -> None:
    slides = pptx.Presentation()
    slides.core_properties.modified = datetime(2024, 5, 1, 12)  # noqa: DTZ001 - as the library takes it
    stream = io.BytesIO()
    slides.save(stream)
    assert [extract.date for extract in load_pptx(stream.getvalue(), LoadOptions())] == ["2024-05-01"]
    assert [extract.date for extract in load_pptx(presentation(), LoadOptions())] == [""]  # that of python-pptx
    with zipfile.ZipFile(io.BytesIO(workbook())) as archive:
        stated = re.findall("modified[^>]*>([^<]*)<", archive.read("docProps/core.xml").decode())[0]
    dated = replaced(workbook(), "docProps/core.xml", stated[:10], "2024-05-01")
    assert [extract.date for extract in load_xlsx(dated, LoadOptions())] == ["2024-05-01"]
