"""What a title before each paragraph does to dense search on SQuAD 2.0 dev: the embedding model alone, without the app's index.

    python benchmarks/squad_dense.py PATH/TO/squad-dev.json

The published figure is of bare paragraphs. The app embeds a record under its title, as it embeds a chunk under its headings,
which is what `rag-app compare` measures. Told is how often the right paragraph is the nearest of all.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from machine import machine

from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="SQuAD JSON")
    parser.add_argument("--embed-model", default="bundled")
    arguments = parser.parse_args()
    paragraphs: list[tuple[str, str]] = []
    questions: list[tuple[str, int]] = []
    for article in json.loads(arguments.file.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            answerable = [one["question"] for one in paragraph["qas"] if not one.get("is_impossible")]
            questions += [(question, len(paragraphs)) for question in answerable]
            paragraphs.append((article["title"].replace("_", " "), paragraph["context"]))
    embedder = CatalogueEmbedding(resolve_embedder(arguments.embed_model, offline=True))
    right = np.array([number for _, number in questions])
    asked = embedder.embed_questions([question for question, _ in questions], lambda done: None)
    print(
        f"{machine()}\n\n| {len(paragraphs):,} passages, {len(questions):,} questions | right paragraph first |\n| --- | --- |"
    )
    for name, texts in (
        ("the paragraph", [context for _, context in paragraphs]),
        ("its title, then the paragraph", [f"{title}\n{context}" for title, context in paragraphs]),
    ):
        nearest = (asked @ embedder.embed_passages(texts).T).argmax(axis=1)
        print(f"| {name} | {(nearest == right).mean():.4f} |", flush=True)


if __name__ == "__main__":
    main()
