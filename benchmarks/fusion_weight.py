"""How much the dense retriever should weigh in the fused score: right paragraph first, by weight, on SQuAD.

    python benchmarks/fusion_weight.py PATH/TO/squad-dev.json [--questions 1000] [--embed-model bundled]

Each paragraph is one chunk. The questions are drawn with a fixed seed from those that have an answer.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

import numpy as np

from ingest.build import BuildRequest, build
from rag_app.answering.assembly import choose_embedder
from rag_app.config import Settings
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.retrieval.fusion import best, fuse, spread_of
from rag_app.store.knowledge_base import KnowledgeBase

WEIGHTS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SEED = 0


def main() -> None:
    """Print a Markdown table: weight, share of questions with the right paragraph first and among the first five."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--embed-model", default="bundled")
    arguments = parser.parse_args()
    asked = random.Random(SEED).sample(_questions(arguments.file), arguments.questions)
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(indexes=Path(temporary))
        request = BuildRequest("squad", (arguments.file,), (arguments.embed_model,), chunk_tokens=0)
        build(request, settings, lambda event: None)
        knowledge_base = KnowledgeBase.open(settings.indexes, "squad")
        chunks = list(knowledge_base.chunks.all_chunks())
        spec = choose_embedder(knowledge_base, arguments.embed_model, offline=True)
        vectors, embedder = knowledge_base.vectors(spec.fingerprint), CatalogueEmbedding(spec)
        hits: dict[float, list[tuple[bool, bool]]] = {weight: [] for weight in WEIGHTS}
        for question, context in asked:
            cosines = vectors.cosines(embedder.embed_question(question), np.arange(len(chunks)))
            scores = [cosines, knowledge_base.keywords.scores(question)]
            spreads = [spread_of(one) for one in scores]
            for weight in WEIGHTS:
                ranked = [chunks[i].text == context for i in best(fuse(scores, spreads, [weight, 1 - weight]), 5)]
                hits[weight].append((ranked[0], any(ranked)))
    print(f"{len(chunks)} paragraphs, {len(asked)} questions\n")
    print("| weight of dense | first | in the first five |\n| --- | --- | --- |")
    for weight, found in hits.items():
        first, five = np.mean(found, axis=0)
        print(f"| {weight} | {first:.3f} | {five:.3f} |")


def _questions(file: Path) -> list[tuple[str, str]]:
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    return [
        (question["question"], paragraph["context"].strip())
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
        if not question.get("is_impossible")
    ]


if __name__ == "__main__":
    main()
