"""Reading and cutting files beside LlamaIndex's SimpleDirectoryReader and SentenceSplitter, in one run.

    python benchmarks/parsing_speed.py PATH/TO/tldr
    pip install pypdf
    python benchmarks/parsing_speed.py PATH/TO/tldr --pdf PATH/TO/*.pdf

Both sides read the same files, taking turns; the median of the rounds counts. Ours starts its child processes within the time
measured; theirs is one process, as it ships. Imports and tokenizers are loaded before. Scanned pages are not read (theirs
cannot). PDFs of theirs are read by pypdf, a document a page, as the PDFReader of llama-index-readers-file does.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from llama_index.core import SimpleDirectoryReader
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document

from ingest.parsing import ParsedDocument, parse
from ingest.parsing_plan import plan_parsing
from ingest.sources import discover, resolve_sources
from rag_app.config import load_settings


def main() -> None:
    """Print a Markdown table: files, chunks and seconds of each side, and how many times as fast ours is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pdf", nargs="+", type=Path, default=[])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    # Where readers for PDF and the like are not installed, theirs looks for them again at each file: that is not counted.
    SimpleDirectoryReader.supported_suffix_fn = staticmethod(dict)
    splitter = SentenceSplitter(chunk_size=200, chunk_overlap=30)
    splitter.split_text("The tokenizers are loaded when a text is split for the first time. " * 100)
    print("| files | ours: s | ours: chunks | theirs: s | theirs: chunks | times as fast |")
    print("| --- | --- | --- | --- | --- | --- |")
    files = sum(path.is_file() for path in arguments.folder.rglob("*"))
    theirs = partial(_theirs, splitter, input_dir=str(arguments.folder), recursive=True)
    _print_row(f"{arguments.folder.name}, {files} files", partial(_ours, [arguments.folder]), theirs, arguments.rounds)
    if arguments.pdf:
        logging.getLogger("pypdf").setLevel(logging.ERROR)  # thousands of warnings would be counted as time
        theirs = partial(_theirs, splitter, input_files=arguments.pdf, file_extractor={".pdf": PypdfReader()})
        name = arguments.pdf[0].name if len(arguments.pdf) == 1 else f"{len(arguments.pdf)} PDFs"
        _print_row(name, partial(_ours, arguments.pdf), theirs, arguments.rounds)


def _print_row(name: str, ours: Callable[[], int], theirs: Callable[[], int], rounds: int) -> None:
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    chunks = {}
    for _ in range(rounds):
        for side, read in (("ours", ours), ("theirs", theirs)):
            started = time.perf_counter()
            chunks[side] = read()
            seconds[side].append(time.perf_counter() - started)
    mine, their = statistics.median(seconds["ours"]), statistics.median(seconds["theirs"])
    cells = (name, f"{mine:.2f}", chunks["ours"], f"{their:.2f}", chunks["theirs"], f"{their / mine:.2f}")
    print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)


def _ours(paths: Sequence[Path]) -> int:
    settings = load_settings(reading={"ocr": False})
    entries = list(discover(resolve_sources(paths, [], replace=False), max_bytes=100_000_000))
    plan = plan_parsing(settings, settings.chunking)
    outcomes = parse(entries, plan, None, lambda path: None)
    return sum(len(outcome.chunks) for outcome in outcomes if isinstance(outcome, ParsedDocument))


def _theirs(splitter: SentenceSplitter, **source: Any) -> int:
    return len(splitter.get_nodes_from_documents(SimpleDirectoryReader(**source).load_data()))


class PypdfReader(BaseReader):
    """The PDFReader of llama-index-readers-file in small: that package does not go with the pandas pinned here."""

    def load_data(self, file: Path, extra_info: dict[str, Any] | None = None) -> list[Document]:
        """Return a document for each page."""
        from pypdf import PdfReader  # not a dependency: only this benchmark wants it

        pages = PdfReader(file).pages
        return [
            Document(text=page.extract_text(), metadata={"page_label": str(number), **(extra_info or {})})
            for number, page in enumerate(pages, start=1)
        ]


if __name__ == "__main__":
    main()
