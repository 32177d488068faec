"""How often the passages found cover the evidence of the sample's questions, by stratum and retriever.

    python -m ingest samples/helpdesk/handbook --kb sample --embed-model bundled
    python benchmarks/evidence.py --kb sample

A question counts where one of the first five passages covers a whole evidence span.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

from rag_app.answering.assembly import choose_embedder
from rag_app.config import RetrievalSettings, load_settings
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.knowledge_base import KnowledgeBase

QUESTIONS = Path(__file__).parent.parent / "samples" / "helpdesk" / "questions.jsonl"
RETRIEVERS = ("dense", "keyword", "hybrid")


def main() -> None:
    """Print a Markdown table: stratum, questions, found by each retriever (first, and in the first five)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kb", default="sample")
    parser.add_argument("--indexes", type=Path)
    arguments = parser.parse_args()
    knowledge_base = KnowledgeBase.open(load_settings(indexes=arguments.indexes).indexes, arguments.kb)
    spec = choose_embedder(knowledge_base, None, offline=True)
    vectors, embedder = knowledge_base.vectors(spec.fingerprint), CatalogueEmbedding(spec)
    questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    found: dict[str, dict[str, list[tuple[bool, bool]]]] = defaultdict(lambda: defaultdict(list))
    for name in RETRIEVERS:
        retriever = KnowledgeBaseRetriever(knowledge_base, vectors, embedder, RetrievalSettings(retriever=name))
        for question in questions:
            if question["evidence"]:
                covers = [
                    _covers(node.metadata, question["evidence"]) for node in retriever.retrieve(question["question"])
                ]
                found[question["stratum"]][name].append((any(covers[:1]), any(covers)))
    print(f"| stratum | questions | {' | '.join(f'{name}: first' + f' | {name}: first five' for name in RETRIEVERS)} |")
    print("| --- " * (2 + 2 * len(RETRIEVERS)) + "|")
    for stratum, by_name in found.items():
        cells = [str(sum(hit[i] for hit in by_name[name])) for name in RETRIEVERS for i in (0, 1)]
        print(f"| {stratum} | {len(by_name['dense'])} | {' | '.join(cells)} |")


def _covers(passage: dict[str, object], evidence: list[dict[str, object]]) -> bool:
    return any(
        str(passage["document"]).endswith(f"/{span['source']}")
        and int(str(passage["start"])) <= int(str(span["start"]))
        and int(str(span["end"])) <= int(str(passage["end"]))
        for span in evidence
    )


if __name__ == "__main__":
    main()
