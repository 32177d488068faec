"""Dense retrieval on SciFact (BEIR) through the real ingest, against the published figure of the bundled model.

    python benchmarks/scifact.py PATH/TO/scifact [--embed-model bundled] [--retriever dense]

PATH holds corpus.jsonl, queries.jsonl and qrels/test.tsv. Each document is one chunk (title and text). Prints nDCG@10 and
recall@10 over the test questions as ir-measures counts them, and the seconds of the build.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from pathlib import Path

import ir_measures
from ir_measures import R, nDCG

from ingest.build import BuildRequest, build
from rag_app.answering.assembly import choose_embedder
from rag_app.config import RetrievalSettings, Settings
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.knowledge_base import KnowledgeBase


def main() -> None:
    """Build, ask every test question, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embed-model", default="bundled")
    parser.add_argument("--retriever", nargs="+", default=["dense"], choices=["dense", "keyword", "hybrid"])
    parser.add_argument("--indexes", type=Path, help="keep the index here; else it is built in a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(indexes=arguments.indexes or Path(temporary))
        request = BuildRequest(
            kb="scifact", sources=(arguments.folder,), embed_models=(arguments.embed_model,), chunk_tokens=0
        )
        report = build(request, settings, lambda event: None)
        model = report.models[0]
        print(
            f"{model.model}: {report.chunks} documents in {report.seconds:.0f} s, {model.truncated} cut at the window"
        )
        knowledge_base = KnowledgeBase.open(settings.indexes, "scifact")
        spec = choose_embedder(knowledge_base, arguments.embed_model, offline=True)
        embedder = CatalogueEmbedding(spec)
        for name in arguments.retriever:
            retriever = KnowledgeBaseRetriever(
                knowledge_base,
                knowledge_base.vectors(spec.fingerprint),
                embedder,
                RetrievalSettings(retriever=name, top_k=100),
            )
            print(f"{name:>8}  {_figures(arguments.folder, retriever)}")


def _figures(folder: Path, retriever: KnowledgeBaseRetriever) -> str:
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
        judgements = [
            ir_measures.Qrel(row["query-id"], row["corpus-id"], int(row["score"]))
            for row in csv.DictReader(file, delimiter="\t")
        ]
    judged = {judgement.query_id for judgement in judgements}
    questions = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    run = [
        ir_measures.ScoredDoc(question["_id"], node.metadata["document"].partition("#")[2], node.score or 0.0)
        for question in questions
        if question["_id"] in judged
        for node in retriever.retrieve(question["text"])
    ]
    figures = ir_measures.calc_aggregate([nDCG @ 10, R @ 10], judgements, run)
    return f"questions {len(judged)}  " + "  ".join(f"{measure} {value:.4f}" for measure, value in figures.items())


if __name__ == "__main__":
    main()
