"""How long a search takes: in real documents from question to passages, in a large base beyond the question's vector.

    python benchmarks/search_time.py FOLDER... [--large 100000]

FOLDERs hold documents (`docs/fastapi` and `docs/tldr` of the data are some ten thousand passages). Their questions are drawn
from the bundled foreign ones: what takes the time is the same whether they are answered. The large base is synthetic
(`keywords_scale.py`, `synthetic.py`), its questions are of eight words; what is timed is dense and keyword search, fused.
All ways take turns, question by question, after each was asked once.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from keywords_scale import passages, texts_of
from machine import machine
from synthetic import QUESTIONS_SEED, VECTORS_SEED, vectors_of

from ingest.build import BuildRequest, build
from rag_app.config import RetrievalSettings, RetrieverName, Settings
from rag_app.datatypes import Fingerprint
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.retrieval.first_stage import FirstStage
from rag_app.retrieval.foreign_questions import foreign_questions
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.keywords import KeywordIndex, write_keywords
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.vectors import VectorIndex, write_vectors

QUESTIONS = 100
DIMENSION = 384
_SEED = 20261129


def main() -> None:
    """Print a Markdown table for each base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--large", type=int, default=100_000, help="passages of the synthetic base; 0 leaves it out")
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.folders:
            _real(arguments.folders, Settings(indexes=Path(temporary)))
        if arguments.large:
            _large(Path(temporary), arguments.large)


def _real(folders: Sequence[Path], settings: Settings) -> None:
    build(BuildRequest("real", tuple(folders), ("bundled",)), settings, lambda event: None)
    knowledge_base = KnowledgeBase.open(settings.indexes, "real")
    embedder = CatalogueEmbedding(resolve_embedder("bundled", offline=True), device="cpu")

    def search(name: RetrieverName, evidence_depth: int = 0) -> Callable[[str], object]:
        chosen = RetrievalSettings(retriever=name, top_k=20, evidence_depth=evidence_depth)
        vectors = knowledge_base.vectors(embedder.fingerprint)
        return KnowledgeBaseRetriever(
            knowledge_base, vectors, embedder, chosen, sentence_embedder=embedder if embedder.is_quick else None
        ).retrieve

    texts = [question.text for question in random.Random(_SEED).sample(foreign_questions(), QUESTIONS)]
    print(f"{knowledge_base.chunk_count:,} passages of real documents, 20 found\n")
    _print_times(
        {
            "the question's vector alone": embedder.embed_question,
            "dense": search("dense"),
            "keyword": search("keyword"),
            "hybrid, first stage": search("hybrid"),
            "hybrid": search("hybrid", RetrievalSettings().evidence_depth),
        },
        [(text,) for text in texts],
    )


def _large(folder: Path, count: int) -> None:
    write_keywords(folder / "keywords", passages(count))
    fingerprint = Fingerprint("synthetic", "", "0" * 64, DIMENSION, "mean", True, "", "", 256, "float32")
    vectors = vectors_of("latent", count, DIMENSION, VECTORS_SEED)
    description = write_vectors(folder / "vectors", vectors, np.arange(count), fingerprint)
    index, keywords = VectorIndex(folder / "vectors", fingerprint, description), KeywordIndex(folder / "keywords")
    stage = FirstStage(keywords, index, 20.0)
    texts = list(islice(texts_of(QUESTIONS, 8, seed=2), QUESTIONS))
    asked = list(zip(texts, vectors_of("latent", QUESTIONS, DIMENSION, QUESTIONS_SEED), strict=True))
    print(f"{count:,} synthetic passages, beyond the question's vector\n")
    _print_times(
        {
            "dense": lambda text, vector: index.search(vector, 20),
            "keyword": lambda text, vector: keywords.scores(text),
            "dense and keyword, fused": lambda text, vector: stage.find(keywords.read(text), vector, "hybrid", 20),
        },
        asked,
    )


def _print_times(ways: dict[str, Callable[..., object]], asked: Sequence[tuple[object, ...]]) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(2):
        for question in asked:
            for name, ask in ways.items():
                started = time.perf_counter()
                ask(*question)
                if round_number:
                    seconds[name].append(time.perf_counter() - started)
    print("| way | p50, ms | p95, ms |\n| --- | --- | --- |")
    for name, values in seconds.items():
        p50, p95 = np.percentile(np.array(values) * 1000, [50, 95])
        print(f"| {name} | {p50:.1f} | {p95:.1f} |")
    print(flush=True)


if __name__ == "__main__":
    main()
