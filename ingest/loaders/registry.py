"""Which loader reads which file: a table.

To add a format, write `load_x(data: bytes, options: LoadOptions) -> Iterator[Extract]` and add its row
(docs/adding-a-format.md). This module knows nothing of how a format is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ingest.loaders.extract import Extract, LoadOptions
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
from ingest.loaders.tables import load_csv, load_tsv
from ingest.loaders.web.electronic_mail import load_eml
from ingest.loaders.web.epub import load_epub
from ingest.loaders.web.html import load_html

# Raise it when a loader or the chunker gives other text or another date for the same file: documents are then read again.
PARSER_VERSION = 3

_OPEN_XML = "application/vnd.openxmlformats-officedocument"
_CODE_ENDINGS = tuple(
    """
    .bash .bat .bib .c .cc .cfg .clj .cmake .conf .cpp .cs .css .cxx .dart .diff .ex .go .gradle .h .hpp .hs .ini .java
    .jl .js .jsx .kt .less .lua .m .mjs .patch .php .pl .proto .ps1 .py .r .rb .rs .scala .scss .sh .sql .svelte .swift
    .tex .tf .toml .ts .tsx .vue .xml .yaml .yml .zig
    """.split()  # noqa: SIM905 - a paragraph is read more easily than a list of sixty strings
)


@dataclass(frozen=True)
class Loader:
    """A row of the table: how file names end (lower case), the media type, and the function that reads the bytes.

    `signature` is what such a file holds within its first kilobyte, for formats that are not text: a file without it is
    something else under a wrong name.
    """

    endings: tuple[str, ...]
    media_type: str
    load: Callable[[bytes, LoadOptions], Iterator[Extract]]
    signature: bytes = b""


LOADERS = (
    Loader((".md", ".markdown"), "text/markdown", load_markdown),
    Loader((".txt", ".text", ".log", ".rst", ".org", ".adoc"), "text/plain", load_text),
    Loader((".html", ".htm", ".xhtml"), "text/html", load_html),
    Loader((".pdf",), "application/pdf", load_pdf, b"%PDF-"),
    Loader((".docx", ".docm"), f"{_OPEN_XML}.wordprocessingml.document", load_docx, b"PK"),
    Loader((".pptx", ".pptm"), f"{_OPEN_XML}.presentationml.presentation", load_pptx, b"PK"),
    Loader((".xlsx", ".xlsm"), f"{_OPEN_XML}.spreadsheetml.sheet", load_xlsx, b"PK"),
    Loader((".odt",), "application/vnd.oasis.opendocument.text", load_odt, b"PK"),
    Loader((".epub",), "application/epub+zip", load_epub, b"PK"),
    Loader((".rtf",), "application/rtf", load_rtf, b"{\\rtf"),
    Loader((".eml",), "message/rfc822", load_eml),
    Loader((".csv",), "text/csv", load_csv),
    Loader((".tsv",), "text/tab-separated-values", load_tsv),
    Loader((".json",), "application/json", load_json),
    Loader((".jsonl", ".ndjson"), "application/jsonl", load_json_lines),
    Loader((".ipynb",), "application/x-ipynb+json", load_notebook),
    Loader(_CODE_ENDINGS, "text/x-source", load_code),
)
# Files that their whole name tells.
_BY_NAME = {"corpus.jsonl": Loader((), "application/jsonl", load_beir_corpus)}
# What has no ending at all is text more often than not: README, LICENSE, Makefile.
WITHOUT_ENDING = Loader((), "text/plain", load_text)

# For messages; docs/documents.md has their endings.
FORMATS = "PDF, DOCX, PPTX, XLSX, ODT, RTF, HTML, EPUB, EML, Markdown, text, CSV, TSV, JSON, IPYNB and source code"
# Formats that people have and nothing here reads, with what can be done about each.
NOT_READ = {
    ".doc": "Save it as .docx.",
    ".xls": "Save it as .xlsx.",
    ".ppt": "Save it as .pptx.",
    ".msg": "Save it as .eml.",
    ".pages": "Export it as .docx or .pdf.",
    ".numbers": "Export it as .xlsx.",
    ".key": "Export it as .pptx or .pdf.",
    ".odp": "Save it as .pptx.",
    ".ods": "Save it as .xlsx.",
    ".mobi": "Convert it to .epub.",
    ".zip": "Unpack it.",
}


def loader_for(path: str) -> Loader | None:
    """Return the loader for a file by its name, or None where no format is known for it."""
    name = PurePosixPath(path).name.lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    if "." not in name.strip("."):
        return WITHOUT_ENDING
    return next((loader for loader in LOADERS if name.endswith(loader.endings)), None)
