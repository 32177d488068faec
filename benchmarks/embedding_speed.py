"""Passages a second by every way tried, beside the stock HuggingFaceEmbedding, in one run over the same texts.

    python benchmarks/embedding_speed.py PATH/TO/folder [--texts 512] [--embed-model bundled]

The ways take turns, round by round of 256 texts, so that what else the machine does falls on all of them alike. Those of
OpenVINO are there where it is installed (`pip install openvino`; it is no dependency): converted without optimum.
"""

# ruff: noqa: SLF001 - the ways that were not taken are put together from parts of the class

from __future__ import annotations

import argparse
import atexit
import importlib.util
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from machine import machine
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from ingest.parsing import ParsedDocument, parse
from ingest.parsing_plan import plan_parsing
from ingest.sources import discover, resolve_sources
from rag_app.config import ChunkingSettings, load_settings
from rag_app.models import embedder_loading
from rag_app.models.batches import token_batches
from rag_app.models.embedder import CPU_BATCH_TOKENS, CatalogueEmbedding
from rag_app.models.embedder_spec import EmbedderSpec, resolve_embedder

ROUND = 256
TOKENS = (256, 512, 1024, 2048, 4096, 8192)
Way = Callable[[list[str]], object]


def main() -> None:
    """Print a Markdown table: way, passages a second, ratio to the stock class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--embed-model", default="bundled")
    arguments = parser.parse_args()
    texts = passages(arguments.folder)
    random.Random(0).shuffle(texts)
    texts = texts[: arguments.texts]
    spec = resolve_embedder(arguments.embed_model, offline=True)
    ways = all_ways(spec)
    expected = CatalogueEmbedding(spec, device="cpu").embed_passages(texts[:16])
    for name, way in ways.items():  # also because the first call of each is slower
        least = (np.asarray(way(texts[:16])) * expected).sum(axis=1).min()
        assert least > 0.9999, f"{name} gives other vectors: cosine {least}"
    seconds = dict.fromkeys(ways, 0.0)
    for first in range(0, len(texts), ROUND):
        for name, way in ways.items():
            started = time.perf_counter()
            way(texts[first : first + ROUND])
            seconds[name] += time.perf_counter() - started
    stock = seconds["stock HuggingFaceEmbedding"]
    print(machine())
    print("\n| way | passages a second | ratio to stock |\n| --- | --- | --- |")
    for name, spent in seconds.items():
        print(f"| {name} | {len(texts) / spent:.1f} | {stock / spent:.2f} |")


def passages(folder: Path) -> list[str]:
    """Return what is embedded of a folder, by the default settings."""
    entries = list(discover(resolve_sources([folder], [], replace=False), max_bytes=25_000_000))
    outcomes = parse(entries, plan_parsing(load_settings(), ChunkingSettings()), None, lambda _: None)
    parsed = [outcome for outcome in outcomes if isinstance(outcome, ParsedDocument)]
    return [chunk.embedded_text for item in parsed for chunk in item.chunks]


def all_ways(spec: EmbedderSpec) -> dict[str, Way]:
    """Return every way by its name; each gives unit vectors, shape (texts, dimension)."""
    stock = HuggingFaceEmbedding(model_name=str(spec.path), device="cpu")
    plain = without_packing(spec)
    ways: dict[str, Way] = {"stock HuggingFaceEmbedding": stock.get_text_embedding_batch}
    for size in (8, 16, 32, 64):
        ways[f"encode, batches of {size} texts by letters"] = by_encode(plain, size)
    ways["encode in a process a core, batches of 16"] = by_processes(spec)
    ways["batches by tokens, all threads in each"] = one_after_the_other(plain)
    ways["one thread a batch"] = plain.embed_passages
    packed = CatalogueEmbedding(spec, device="cpu")
    ways["oneDNN, all threads in each batch"] = one_after_the_other(packed)
    for tokens in TOKENS:
        name = f"oneDNN, one thread a batch of {tokens} tokens"
        name += " (CatalogueEmbedding)" if tokens == CPU_BATCH_TOKENS else ""
        ways[name] = CatalogueEmbedding(spec, device="cpu", batch_tokens=tokens).embed_passages
    return ways | by_openvino(plain)


def without_packing(spec: EmbedderSpec) -> CatalogueEmbedding:
    """Return our class with the linear layers as torch runs them."""
    pack, embedder_loading.pack_linear_layers = embedder_loading.pack_linear_layers, lambda _: None
    try:
        return CatalogueEmbedding(spec, device="cpu")
    finally:
        embedder_loading.pack_linear_layers = pack


def by_encode(embedder: CatalogueEmbedding, size: int) -> Way:
    """Return sentence-transformers' own loop."""
    return lambda texts: embedder._model.encode(texts, batch_size=size, normalize_embeddings=True)


def by_processes(spec: EmbedderSpec) -> Way:
    """Return sentence-transformers' pool of processes, one a core and with one thread each, started once."""
    model = SentenceTransformer(str(spec.path), device="cpu")
    cores = torch.get_num_threads()
    with patch.dict(os.environ, {"OMP_NUM_THREADS": "1"}):
        pool = model.start_multi_process_pool(["cpu"] * cores)
    atexit.register(model.stop_multi_process_pool, pool)
    return lambda texts: model.encode(texts, pool=pool, batch_size=16, chunk_size=64, normalize_embeddings=True)


def one_after_the_other(embedder: CatalogueEmbedding) -> Way:
    """Return our batches with torch's threads inside each operation."""

    def way(texts: list[str]) -> NDArray[np.float32]:
        lengths = [min(count, embedder.fingerprint.max_tokens) for count in embedder.count_tokens(texts)]
        vectors = np.empty((len(texts), embedder.fingerprint.dimension), dtype=np.float32)
        for batch in token_batches(lengths, CPU_BATCH_TOKENS):
            vectors[batch] = embedder._embed_batch([texts[row] for row in batch], embedder_loading.PASSAGE)
        return vectors

    return way


def by_openvino(embedder: CatalogueEmbedding) -> dict[str, Way]:
    """Return OpenVINO in float32, a batch with all threads, and a batch a core; nothing where it is not installed."""
    if not importlib.util.find_spec("openvino"):
        return {}
    import openvino

    model = embedder._model

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            vectors: torch.Tensor
            vectors = self.model({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]
            return vectors

    example = {name: torch.ones((2, 16), dtype=torch.long) for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        converted = openvino.convert_model(Network().eval(), example_input=example)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    latency = openvino.compile_model(converted, "CPU", settings | {"PERFORMANCE_HINT": "LATENCY"})
    streams = openvino.compile_model(
        converted, "CPU", settings | {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(torch.get_num_threads())}
    )

    def batches(texts: Sequence[str], tokens: int) -> Any:
        lengths = [min(count, embedder.fingerprint.max_tokens) for count in embedder.count_tokens(texts)]
        for batch in token_batches(lengths, tokens):
            features = embedder._features([texts[row] for row in batch], embedder_loading.PASSAGE)
            yield batch, [features["input_ids"].numpy(), features["attention_mask"].numpy()]

    def in_turn(texts: list[str], tokens: int) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), embedder.fingerprint.dimension), dtype=np.float32)
        for batch, features in batches(texts, tokens):
            vectors[batch] = latency(features)[0]
        return vectors

    def at_once(texts: list[str], tokens: int) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), embedder.fingerprint.dimension), dtype=np.float32)
        queue = openvino.AsyncInferQueue(streams)
        queue.set_callback(lambda request, batch: vectors.__setitem__(batch, request.get_output_tensor(0).data))
        for batch, features in batches(texts, tokens):
            queue.start_async(features, batch)
        queue.wait_all()
        return vectors

    return {
        "OpenVINO, all threads in each batch": lambda texts: in_turn(texts, 1024),
        "OpenVINO, one stream a core, 512 tokens": lambda texts: at_once(texts, 512),
        "OpenVINO, one stream a core, 1024 tokens": lambda texts: at_once(texts, 1024),
    }


if __name__ == "__main__":
    main()
