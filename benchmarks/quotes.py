"""Where the weights of quotes come from: which sentence of the passages found holds the answer.

    python benchmarks/quotes.py PATH/TO/data [--questions 1000] [--indexes FOLDER]

Questions of SQuAD's odd-numbered articles, paragraphs as passages, the app's hybrid search, the bundled model. A softmax over
the sentences of the best three passages is fitted to pick one of the right paragraph that holds an answer, on the articles of
one half; on those of the other half it is told how often the first sentence, and the one or two that are quoted, hold an
answer, and how many of these are of the right paragraph: by the fitted weights and by those in use, with vectors and without.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from collections_of_questions import Question, load_collection
from llama_index.core.schema import NodeWithScore
from machine import machine
from numpy.typing import NDArray
from scipy.optimize import minimize

from rag_app.answering.quoting import (
    PASSAGES,
    SECOND_WITHIN,
    SENTENCES,
    WEIGHTS,
    WEIGHTS_BY_WORDS,
    candidates_of,
    evidence_of,
)
from rag_app.config import RetrievalSettings, Settings
from rag_app.evaluation.answer_metrics import contains
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.retrieval.nodes import passages_of
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever

SEED = 20261129


@dataclass(frozen=True)
class Sentences:
    """The sentences of a question's passages: evidence (cosine, words, rank), and what is known of each.

    `evidence` has shape (sentences, 3); `holds` says which have an answer in them, `right` which are of the right paragraph.
    """

    evidence: NDArray[np.float64]
    holds: NDArray[np.bool_]
    right: NDArray[np.bool_]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--indexes", type=Path, help="keep the index here; else it is built in a temporary folder")
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(indexes=arguments.indexes or Path(temporary))
        fitted_on, judged = _asked(arguments.data, settings, arguments.questions)
    print("| weights | cosine | words | rank | first holds it | quoted hold it | right paragraph | sentences |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, columns, kept in (
        ("fitted", [0, 1, 2], WEIGHTS),
        ("fitted, words alone", [1, 2], WEIGHTS_BY_WORDS),
    ):
        fitted = np.zeros(3)
        fitted[columns] = _fitted([one.evidence[:, columns] for one in fitted_on], fitted_on)
        for label, weights in ((name, fitted), (name.replace("fitted", "in use"), kept)):
            cells = " | ".join(f"{value:.2f}" for value in (*weights, *_judged(np.array(weights), judged)))
            print(f"| {label} | {cells} |")


def _asked(data: Path, settings: Settings, count: int) -> tuple[list[Sentences], list[Sentences]]:
    """Return the sentences for questions of every other odd-numbered article, and for those of the others."""
    collection = load_collection("squad", data, settings, "bundled")
    knowledge_base = collection.knowledge_base
    embedder = CatalogueEmbedding(resolve_embedder("bundled", offline=True))
    numbers = {chunk.id: number for number, chunk in enumerate(knowledge_base.chunks.all_chunks())}
    retriever = KnowledgeBaseRetriever(
        knowledge_base,
        knowledge_base.vectors(embedder.fingerprint),
        embedder,
        RetrievalSettings(top_k=PASSAGES),
        sentence_embedder=embedder,
    )
    odd = [question for question in collection.questions if question.article % 2 == 1 and question.answers]
    halves: tuple[list[Sentences], list[Sentences]] = ([], [])
    for question in random.Random(SEED).sample(odd, min(count, len(odd))):
        nodes = retriever.retrieve(question.text)
        right = [numbers[node.node_id] in question.right for node in nodes]
        halves[question.article % 4 // 2].append(_sentences(question, nodes, right, embedder))
    return halves


def _sentences(
    question: Question, nodes: Sequence[NodeWithScore], right: Sequence[bool], embedder: CatalogueEmbedding
) -> Sentences:
    candidates = candidates_of(passages_of(nodes))
    return Sentences(
        evidence_of(question.text, candidates, embedder),
        np.array([contains(candidate.text, question.answers) for candidate in candidates]),
        np.array([right[candidate.rank] for candidate in candidates]),
    )


def _fitted(evidence: list[NDArray[np.float64]], known: list[Sentences]) -> NDArray[np.float64]:
    """Return the weights under which the right sentences are likeliest, over the questions that have one."""
    wanted = [one.holds & one.right for one in known]
    rows = [number for number, right in enumerate(wanted) if right.any()]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, slope = 0.0, np.zeros_like(weights)
        for row in rows:
            scores = evidence[row] @ weights
            share = np.exp(scores - scores.max())
            right = np.where(wanted[row], share, 0.0)
            total -= float(np.log(right.sum() / share.sum()))
            slope += (share / share.sum() - right / right.sum()) @ evidence[row]
        return total / len(rows), slope / len(rows)

    found: NDArray[np.float64] = minimize(loss, np.zeros(evidence[0].shape[1]), jac=True, method="L-BFGS-B").x
    return found


def _judged(weights: NDArray[np.float64], known: list[Sentences]) -> tuple[float, float, float, float]:
    """Return how often the first sentence and those quoted hold an answer, the share of the right paragraph, and how many."""
    first, quoted, right, counts = [], [], [], []
    for one in known:
        scores = one.evidence @ weights
        order = np.argsort(-scores, kind="stable")
        kept = [place for place in order if scores[place] >= scores[order[0]] - SECOND_WITHIN]
        kept = kept[:SENTENCES]
        first.append(one.holds[order[0]])
        quoted.append(one.holds[kept].any())
        right.append(one.right[kept].mean())
        counts.append(len(kept))
    return float(np.mean(first)), float(np.mean(quoted)), float(np.mean(right)), float(np.mean(counts))


if __name__ == "__main__":
    main()
