"""How files are read and cut, as far as it decides what text comes of them.

This module reads no file, and knows nothing of which files there are.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from ingest.loaders.extract import LoadOptions
from ingest.loaders.pdf.ocr import how_to_read, installed_languages, tesseract_version
from ingest.loaders.registry import PARSER_VERSION
from rag_app.config import ChunkingSettings, SandboxSettings, Settings
from rag_app.store.keywords import K1, B
from rag_app.text import SEARCH_TEXT_VERSION

# The libraries whose versions decide what text comes out of a file.
_PARSERS = (
    "lxml", "markdown-it-py", "openpyxl", "pypdfium2", "python-docx", "python-pptx", "pyyaml", "regex", "trafilatura",
)  # fmt: skip


@dataclass(frozen=True)
class ParsingPlan:
    """Whatever decides how files become chunks. Where `as_manifest` is equal, so are the chunks."""

    chunking: ChunkingSettings
    options: LoadOptions
    sandbox: SandboxSettings
    ocr_page_seconds: int
    ocr_languages: str

    def as_manifest(self) -> dict[str, Any]:
        """Return it for the manifest: without what is spent on reading, which changes no text."""
        return {
            "parser_version": PARSER_VERSION,
            "parsers": {name: version(name) for name in _PARSERS},
            "normalisation": "NFC",
            "unicode": unicodedata.unidata_version,
            "ocr": f"tesseract {tesseract_version()}, {self.ocr_languages}" if self.ocr_languages else "",
            "search": {"text": SEARCH_TEXT_VERSION, "k1": K1, "b": B}
            | {name: version(name) for name in ("bm25s", "pystemmer")},
            "chunk_tokens": self.chunking.chunk_tokens,
            "overlap": self.chunking.overlap,
        }


def plan_parsing(settings: Settings, chunking: ChunkingSettings) -> ParsingPlan:
    """Settle how files are read: the limits, and which languages of scanned pages can be."""
    limits, reading = settings.limits, settings.reading
    options = LoadOptions(
        max_pages=limits.pdf_pages,
        max_expanded_bytes=limits.expanded_megabytes * 1_000_000,
        max_entries=limits.archive_files,
        ocr_remedy=how_to_read(reading.ocr_languages, is_wanted=reading.ocr),
    )
    ocr_languages = installed_languages(reading.ocr_languages) if reading.ocr else ""
    return ParsingPlan(chunking, options, settings.sandbox, reading.ocr_page_seconds, ocr_languages)
