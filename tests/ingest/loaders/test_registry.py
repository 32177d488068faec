"""Which loader a file name chooses."""

from __future__ import annotations

import pytest

from ingest.loaders.json_text import load_json, load_json_lines, load_notebook
from ingest.loaders.markdown import load_markdown
from ingest.loaders.office.opendocument import load_odt
from ingest.loaders.office.presentation import load_pptx
from ingest.loaders.office.rich_text import load_rtf
from ingest.loaders.office.spreadsheet import load_xlsx
from ingest.loaders.office.word import load_docx
from ingest.loaders.pdf.document import load_pdf
from ingest.loaders.plain_text import load_code, load_text
from ingest.loaders.records import load_beir_corpus
from ingest.loaders.registry import FORMATS, LOADERS, NOT_READ, WITHOUT_ENDING, loader_for
from ingest.loaders.tables import load_csv, load_tsv
from ingest.loaders.web.electronic_mail import load_eml
from ingest.loaders.web.epub import load_epub
from ingest.loaders.web.html import load_html


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("a.md", load_markdown),
        ("A.MARKDOWN", load_markdown),
        ("手册.txt", load_text),
        ("server.log", load_text),
        ("page.htm", load_html),
        ("Scan.PDF", load_pdf),
        ("x.docx", load_docx),
        ("x.pptx", load_pptx),
        ("x.xlsm", load_xlsx),
        ("x.odt", load_odt),
        ("x.epub", load_epub),
        ("x.rtf", load_rtf),
        ("x.eml", load_eml),
        ("x.csv", load_csv),
        ("x.tsv", load_tsv),
        ("train-v2.0.json", load_json),
        ("corpus.jsonl", load_beir_corpus),
        ("log.jsonl", load_json_lines),
        ("x.ndjson", load_json_lines),
        ("x.ipynb", load_notebook),
        ("main.py", load_code),
        ("feed.xml", load_code),
        ("README", load_text),
        ("md", load_text),
        (".gitignore", load_text),
    ],
)
def test_a_file_name_chooses_its_loader(name: str, load: object) -> None:
    loader = loader_for(name)
    assert loader is not None
    assert loader.load is load


@pytest.mark.parametrize("name", ["x.exe", "x.png", "x.pdf.part", *(f"x{ending}" for ending in NOT_READ)])
def test_other_names_have_no_loader(name: str) -> None:
    assert loader_for(name) is None


def test_every_row_of_the_registry_can_be_chosen_and_no_ending_stands_twice() -> None:
    endings = [ending for loader in LOADERS for ending in loader.endings]
    assert len(endings) == len(set(endings))
    assert all(loader_for(f"x{ending}") is loader for loader in LOADERS for ending in loader.endings)
    assert loader_for("x") is WITHOUT_ENDING


def test_formats_that_are_not_text_are_told_by_a_signature() -> None:
    signed = {ending for loader in LOADERS if loader.signature for ending in loader.endings}
    assert signed >= {".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".epub", ".rtf"}
    assert not signed & {".txt", ".md", ".csv", ".json", ".html", ".eml", ".py"}


def test_a_format_that_is_not_read_has_a_remedy() -> None:
    assert all(remedy.endswith(".") for remedy in NOT_READ.values())


def test_the_formats_named_in_messages_are_those_of_the_table() -> None:
    endings = {ending.strip(".").upper() for loader in LOADERS for ending in loader.endings}
    named = set(FORMATS.removesuffix(" and source code").split(", ")) - {"Markdown", "text"}
    assert named <= endings
