"""Passages a second by batch size, beside the stock HuggingFaceEmbedding, in one run over the same texts.

    python benchmarks/embedding_speed.py PATH/TO/folder [--texts 512]

The ways take turns, text window by text window, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from ingest.parsing import ParsedDocument, parse, plan_parsing
from ingest.sources import discover, resolve_sources
from rag_app.config import ChunkingSettings, load_settings
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder

ROUND = 128


def main() -> None:
    """Print a Markdown table: way, passages a second, ratio to the stock class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=int, default=512)
    arguments = parser.parse_args()
    entries = list(discover(resolve_sources([arguments.folder], [], replace=False), max_bytes=25_000_000))
    outcomes = parse(entries, plan_parsing(load_settings(), ChunkingSettings()), None, lambda path: None)
    parsed = [outcome for outcome in outcomes if isinstance(outcome, ParsedDocument)]
    texts = [chunk.embedded_text for item in parsed for chunk in item.chunks][: arguments.texts]
    spec = resolve_embedder("bundled", offline=True)
    stock = HuggingFaceEmbedding(model_name=str(spec.path), device="cpu")
    ways: dict[str, Callable[[list[str]], object]] = {"stock HuggingFaceEmbedding": stock.get_text_embedding_batch}
    for size in (8, 16, 32, 64):
        ways[f"CatalogueEmbedding, batches of {size}"] = CatalogueEmbedding(
            spec, device="cpu", batch_size=size
        ).embed_passages
    for way in ways.values():
        way(texts[:8])  # the first call of each is slower
    seconds = dict.fromkeys(ways, 0.0)
    for first in range(0, len(texts), ROUND):
        part = sorted(texts[first : first + ROUND], key=len)  # as a build hands them over
        for name, way in ways.items():
            started = time.perf_counter()
            way(part)
            seconds[name] += time.perf_counter() - started
    slowest = seconds["stock HuggingFaceEmbedding"]
    print("| way | passages a second | ratio to stock |\n| --- | --- | --- |")
    for name, spent in seconds.items():
        print(f"| {name} | {len(texts) / spent:.1f} | {slowest / spent:.2f} |")


if __name__ == "__main__":
    main()
