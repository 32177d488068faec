"""Which share of the chunks fits a window of 256 tokens, by chunk size, counted with the bundled model's own tokenizer.

    python benchmarks/chunk_size.py samples/helpdesk/handbook PATH/TO/fastapi [--sizes 160 200 240]

The heading path that is embedded with a chunk counts, and so do special tokens.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ingest.parsing import ParsedDocument, parse
from ingest.parsing_plan import plan_parsing
from ingest.sources import discover, resolve_sources
from rag_app.config import ChunkingSettings, load_settings
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.text import searchable

WINDOW = 256
OVERLAP_SHARE = 0.15


def main() -> None:
    """Print a Markdown table: folder, size, chunks, share that fits by language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--sizes", nargs="+", type=int, default=[160, 180, 200, 220, 240])
    arguments = parser.parse_args()
    counter = CatalogueEmbedding(resolve_embedder("bundled", offline=True))
    print("| folder | chunk-tokens | chunks | fit, English | fit, Chinese | fit, all | mean tokens |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for folder in arguments.folders:
        entries = list(discover(resolve_sources([folder], [], replace=False), max_bytes=25_000_000))
        for size in arguments.sizes:
            chunking = ChunkingSettings(chunk_tokens=size, overlap=int(size * OVERLAP_SHARE))
            outcomes = parse(entries, plan_parsing(load_settings(), chunking), None, lambda path: None)
            parsed = [outcome for outcome in outcomes if isinstance(outcome, ParsedDocument)]
            chunks = [
                (item.document.language, searchable(chunk.embedded_text)) for item in parsed for chunk in item.chunks
            ]
            tokens = np.array(counter.count_tokens([text for _, text in chunks]))
            languages = np.array([language for language, _ in chunks])
            shares = [_fitting(tokens[languages == language]) for language in ("en", "zh")] + [_fitting(tokens)]
            print(f"| {folder.name} | {size} | {len(chunks)} | {' | '.join(shares)} | {tokens.mean():.0f} |")


def _fitting(tokens: np.ndarray) -> str:
    return f"{(tokens <= WINDOW).mean():.2%}" if len(tokens) else "-"


if __name__ == "__main__":
    main()
