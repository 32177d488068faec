"""Which loader reads which file: a table.

To add a format, write `load_x(data: bytes) -> Iterator[Extract]` and add its row (docs/adding-a-format.md).
This module knows nothing of how a format is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest.loaders.extract import Extract
from ingest.loaders.markup import load_html, load_markdown, load_text
from ingest.loaders.office import load_docx
from ingest.loaders.pdf import load_pdf
from ingest.loaders.records import load_beir_corpus, load_squad
from ingest.loaders.tables import load_csv, load_tsv

# Raise it when a loader or the chunker gives other text for the same file: documents are then read again.
PARSER_VERSION = 1


@dataclass(frozen=True)
class Loader:
    """A row of the table: how file names end (lower case), the media type, and the function that reads the bytes."""

    endings: tuple[str, ...]
    media_type: str
    load: Callable[[bytes], Iterator[Extract]]


LOADERS = (
    Loader(("corpus.jsonl",), "application/jsonl", load_beir_corpus),
    Loader((".md", ".markdown"), "text/markdown", load_markdown),
    Loader((".txt", ".text"), "text/plain", load_text),
    Loader((".html", ".htm"), "text/html", load_html),
    Loader((".pdf",), "application/pdf", load_pdf),
    Loader((".docx",), "application/vnd.openxmlformats-officedocument.wordprocessingml.document", load_docx),
    Loader((".csv",), "text/csv", load_csv),
    Loader((".tsv",), "text/tab-separated-values", load_tsv),
    Loader((".json",), "application/json", load_squad),
)


def loader_for(name: str) -> Loader | None:
    """Return the loader for a file name, or None where no format is known for it."""
    lower = name.lower()
    return next((loader for loader in LOADERS if lower.endswith(loader.endings)), None)
