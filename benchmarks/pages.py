"""Asks a knowledge base the questions of a file and tells at which rank the right page came.

    python -m ingest PATH/TO/fastapi --kb fastapi --embed-model bundled
    python benchmarks/pages.py benchmarks/questions/fastapi.jsonl --kb fastapi

A line of the file: {"question": ..., "pages": [the ends of the document paths that answer it]}.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rag_app.answering.assembly import choose_embedder
from rag_app.config import load_settings
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.knowledge_base import KnowledgeBase

SHOWN = 5


def main() -> None:
    """Print a Markdown table: question, rank of the right page among the first five passages, what came first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--kb", required=True)
    parser.add_argument("--indexes", type=Path)
    arguments = parser.parse_args()
    settings = load_settings(indexes=arguments.indexes, retrieval={"top_k": SHOWN})
    knowledge_base = KnowledgeBase.open(settings.indexes, arguments.kb)
    spec = choose_embedder(knowledge_base, None, offline=True)
    vectors = knowledge_base.vectors(spec.fingerprint)
    retriever = KnowledgeBaseRetriever(knowledge_base, vectors, CatalogueEmbedding(spec), settings.retrieval)
    rows = [json.loads(line) for line in arguments.questions.read_text(encoding="utf-8").splitlines()]
    right = 0
    print("| question | rank | first passage | cosine | bm25 |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        nodes = retriever.retrieve(row["question"])
        documents = [node.metadata["document"] for node in nodes]
        ranks = [i for i, path in enumerate(documents, start=1) if path.endswith(tuple(row["pages"]))]
        right += bool(ranks)
        scores = nodes[0].metadata["scores"]
        print(
            f"| {row['question']} | {ranks[0] if ranks else 'not found'} | `{documents[0]}` "
            f"| {scores['cosine']:.3f} | {scores['bm25']:.1f} |"
        )
    print(f"\n{right} of {len(rows)} among the first {SHOWN}")


if __name__ == "__main__":
    main()
