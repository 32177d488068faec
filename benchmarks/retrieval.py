"""Retrieval on collections with known answers: the hybrid search, each of its parts alone, and reciprocal rank fusion.

    python benchmarks/retrieval.py PATH/TO/data [--collections squad xquad.zh] [--questions 500] [--embed-model bundled]

PATH holds qa/ and ir/ (`collections_of_questions.py`). Paragraphs or documents are the chunks. What is tuned was tuned on the
odd-numbered articles of SQuAD; "squad, even" is what counts (`--articles even`). So that thousands of questions take minutes,
the vectors of sentences are remembered from one question to the next; times are those of searches that remember nothing, of
the first questions, the question's embedding included, each question asked of all systems before the next. "p" is that of a
paired randomisation test of the hybrid against the better of its parts, by right passage.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from collections_of_questions import PLACES, Collection, Question, load_collection, reciprocal_rank_order
from machine import machine
from numpy.typing import NDArray

from rag_app.config import RetrievalSettings, RetrieverName, Settings
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.retrieval.second_stage import SentenceEmbedder

SEED = 20261129
DEPTH = 100  # passages of each part that reciprocal ranks are fused of
SHOWN = 10
SYSTEMS = ("dense", "keyword", "reciprocal rank", "hybrid, first stage", "hybrid")
_FLIPS = 10_000
TIMED = 60  # questions

Order = NDArray[np.int64]


def main() -> None:
    """Print a Markdown table for each collection, and one line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--collections", nargs="+", default=list(PLACES), choices=list(PLACES))
    parser.add_argument("--questions", type=int, help="of each collection, drawn with a fixed seed; else all")
    parser.add_argument(
        "--articles", default="all", choices=("all", "even", "odd"), help="of SQuAD; the rest has one kind"
    )
    parser.add_argument("--embed-model", default="bundled")
    parser.add_argument("--indexes", type=Path, help="keep the indexes here; else they are built in a temporary folder")
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    embedder = CatalogueEmbedding(resolve_embedder(arguments.embed_model, offline=True))
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(indexes=arguments.indexes or Path(temporary))
        for name in arguments.collections:
            collection = load_collection(name, arguments.data, settings, arguments.embed_model)
            _report(collection, embedder, arguments.questions, arguments.articles)


def _report(collection: Collection, embedder: CatalogueEmbedding, count: int | None, articles: str) -> None:
    asked: Sequence[Question] = collection.questions
    if collection.name == "squad" and articles != "all":
        asked = [question for question in asked if question.article % 2 == (articles == "odd")]
    if count is not None and count < len(asked):
        asked = random.Random(SEED).sample(asked, count)
    orders, milliseconds = _ask(collection, asked, embedder)
    groups: dict[str, Callable[[Question], bool]] = {collection.name: lambda question: True}
    if collection.name == "squad":
        groups = {
            "squad, even": lambda question: question.article % 2 == 0,
            "squad, odd": lambda question: question.article % 2 == 1,
            "squad": lambda question: True,
        }
    for group, belongs in groups.items():
        rows = [row for row, question in enumerate(asked) if belongs(question)]
        if not rows:
            continue
        _print_group(
            group,
            collection,
            [asked[row] for row in rows],
            {system: [orders[system][row] for row in rows] for system in SYSTEMS},
            milliseconds,
        )
    if collection.name == "squad":
        _print_first_hundred(collection, embedder)


class RememberedSentences:
    """Embeds a sentence once, however many questions look at it."""

    def __init__(self, embedder: CatalogueEmbedding) -> None:
        """Remember nothing yet."""
        self._embedder = embedder
        self._known: dict[str, NDArray[np.float32]] = {}

    def reads(self, text: str) -> bool:
        """Whether the model was made for the language of a text."""
        return self._embedder.reads(text)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (texts, dimension)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embedder.embed_passages(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def _ask(
    collection: Collection, asked: Sequence[Question], embedder: CatalogueEmbedding
) -> tuple[dict[str, list[Order]], dict[str, float]]:
    """Return what each system finds for each question, best first, and the median milliseconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    systems = _systems(collection, embedder, embedder if embedder.is_quick else None)
    for question in asked[:TIMED]:
        for name, ask in systems.items():
            started = time.perf_counter()
            ask(question.text)
            seconds[name].append(time.perf_counter() - started)
    systems = _systems(collection, embedder, RememberedSentences(embedder) if embedder.is_quick else None)
    orders = {name: [ask(question.text) for question in asked] for name, ask in systems.items()}
    return orders, {name: float(np.median(values)) * 1000 for name, values in seconds.items()}


def _systems(
    collection: Collection, embedder: CatalogueEmbedding, sentence_embedder: SentenceEmbedder | None
) -> dict[str, Callable[[str], Order]]:
    knowledge_base = collection.knowledge_base
    numbers = {chunk.id: number for number, chunk in enumerate(knowledge_base.chunks.all_chunks())}

    def system(name: RetrieverName, count: int, evidence_depth: int) -> Callable[[str], Order]:
        retriever = KnowledgeBaseRetriever(
            knowledge_base,
            knowledge_base.vectors(embedder.fingerprint),
            embedder,
            RetrievalSettings(retriever=name, top_k=count, evidence_depth=evidence_depth),
            sentence_embedder=sentence_embedder,
        )
        return lambda text: np.array([numbers[node.node_id] for node in retriever.retrieve(text)], dtype=np.int64)

    dense, keyword = system("dense", DEPTH, 0), system("keyword", DEPTH, 0)
    usual = RetrievalSettings().evidence_depth
    return {
        "dense": system("dense", SHOWN, 0),
        "keyword": system("keyword", SHOWN, 0),
        "reciprocal rank": lambda text: reciprocal_rank_order([dense(text), keyword(text)]),
        "hybrid, first stage": system("hybrid", SHOWN, 0),
        "hybrid": system("hybrid", SHOWN, usual),
    }


def _gains(order: Order, question: Question, measure: str) -> float:
    """Return the measure of one ranking: whether a right passage is among the first, or nDCG@10 as trec_eval has it."""
    if measure.startswith("hit"):
        return float(any(number in question.right for number in order[: int(measure.partition("@")[2])].tolist()))
    discount = 1 / np.log2(np.arange(2, SHOWN + 2))
    found = [question.right.get(number, 0) for number in order[:SHOWN].tolist()]
    ideal = sorted(question.right.values(), reverse=True)[:SHOWN]
    return float(np.dot(found, discount[: len(found)]) / np.dot(ideal, discount[: len(ideal)]))


def _print_group(
    group: str,
    collection: Collection,
    asked: Sequence[Question],
    orders: dict[str, list[Order]],
    milliseconds: dict[str, float],
) -> None:
    measures = ("nDCG@10", "hit@1") if collection.name == "scifact" else ("hit@1", "hit@5")
    values = {
        system: np.array(
            [
                [_gains(order, question, measure) for measure in measures]
                for order, question in zip(orders[system], asked, strict=True)
            ]
        )
        for system in SYSTEMS
    }
    print(f"**{group}**: {collection.knowledge_base.chunk_count:,} passages, {len(asked):,} questions\n")
    print(f"| system | {' | '.join(measures)} | p50, ms |\n| --- | --- | --- | --- |")
    for system in SYSTEMS:
        means = " | ".join(f"{mean:.3f}" for mean in values[system].mean(axis=0))
        print(f"| {system} | {means} | {milliseconds[system]:.0f} |")
    better = max(("dense", "keyword"), key=lambda system: values[system][:, 0].mean())
    difference = values["hybrid"][:, 0] - values[better][:, 0]
    p = _randomisation_p(difference, [min(question.right) for question in asked])
    print(f"\nhybrid - {better}: {difference.mean():+.4f} {measures[0]}, p {p:.4f}\n", flush=True)


def _randomisation_p(differences: NDArray[np.float64], groups: Sequence[int]) -> float:
    """Return how often a difference as large comes by chance, were both systems alike: signs flipped by group, two-sided."""
    _, places = np.unique(groups, return_inverse=True)
    sums = np.bincount(places, weights=differences)
    signs = np.random.default_rng(SEED).choice([-1.0, 1.0], size=(_FLIPS, len(sums)))
    as_large = np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9
    return float((as_large.sum() + 1) / (_FLIPS + 1))


def _print_first_hundred(collection: Collection, embedder: CatalogueEmbedding) -> None:
    """Print how often the first passage holds an answer, of the first 100 answerable questions, as published for others."""
    texts = [chunk.text for chunk in collection.knowledge_base.chunks.all_chunks()]
    systems = _systems(collection, embedder, embedder if embedder.is_quick else None)
    asked = collection.questions[:100]
    print("The first 100 answerable questions, an answer stands in the first passage:")
    for name, ask in systems.items():
        first = [int(ask(question.text)[0]) for question in asked]
        held = sum(any(answer in texts[n] for answer in q.answers) for n, q in zip(first, asked, strict=True))
        print(f"- {name}: {held / len(asked):.2f}")
    print(flush=True)


if __name__ == "__main__":
    main()
