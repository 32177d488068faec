"""The collections of questions with known passages that the benchmarks of retrieval ask: SQuAD, XQuAD, CMRC 2018 and SciFact.

Each is built by the real ingest with one passage a document; a question's right passages are known by their texts or names.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.build import BuildRequest, build
from rag_app.config import Settings
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.text import normalise

# The name of each collection, and where it lies below the folder of data.
PLACES = {
    "squad": "qa/squad-v2.0-dev-en-reconstructed.json",
    "xquad.en": "qa/xquad.en.json",
    "xquad.zh": "qa/xquad.zh.json",
    "xquad.de": "qa/xquad.de.json",
    "xquad.es": "qa/xquad.es.json",
    "cmrc2018": "qa/cmrc2018_trial.json",
    "scifact": "ir/scifact",
}


@dataclass(frozen=True)
class Question:
    """A question, the numbers of its right passages with how right each is, the number of its article, and its answers."""

    text: str
    right: dict[int, int]
    article: int
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Collection:
    """A knowledge base and the questions asked of it; `unanswerable` are those that its authors say it does not answer."""

    name: str
    knowledge_base: KnowledgeBase
    questions: tuple[Question, ...]
    unanswerable: tuple[str, ...]


def load_collection(name: str, data: Path, settings: Settings, model: str) -> Collection:
    """Build a collection's knowledge base under a model, where it is not built yet, and read its questions."""
    source = data / PLACES[name]
    build(BuildRequest(name, (source,), (model,), chunk_tokens=0), settings, lambda event: None)
    knowledge_base = KnowledgeBase.open(settings.indexes, name)
    if source.is_dir():
        return Collection(name, knowledge_base, _beir_questions(source, knowledge_base), ())
    numbers: dict[str, int] = {}
    for number, chunk in enumerate(knowledge_base.chunks.all_chunks()):
        numbers.setdefault(chunk.text, number)
    asked, unanswerable = [], []
    data_set = json.loads(source.read_text(encoding="utf-8"))["data"]
    for article, content in enumerate(data_set, start=1):
        for paragraph in content["paragraphs"]:
            number = numbers[normalise(paragraph["context"]).strip()]
            for question in paragraph["qas"]:
                if question.get("is_impossible"):
                    unanswerable.append(question["question"])
                    continue
                answers = tuple(answer["text"] for answer in question["answers"])
                asked.append(Question(question["question"], {number: 1}, article, answers))
    return Collection(name, knowledge_base, tuple(asked), tuple(unanswerable))


def _beir_questions(folder: Path, knowledge_base: KnowledgeBase) -> tuple[Question, ...]:
    numbers = {
        chunk.document_path.partition("#")[2]: number for number, chunk in enumerate(knowledge_base.chunks.all_chunks())
    }
    texts = {}
    for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        texts[record["_id"]] = record["text"]
    right: dict[str, dict[int, int]] = {}
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            right.setdefault(row["query-id"], {})[numbers[row["corpus-id"]]] = int(row["score"])
    return tuple(Question(texts[name], passages, 0, ()) for name, passages in right.items())


def reciprocal_rank_order(orders: list[NDArray[np.int64]], constant: int = 60) -> NDArray[np.int64]:
    """Return the passages of several rankings in the order of reciprocal rank fusion (Cormack, Clarke, Buettcher 2009)."""
    scores: dict[int, float] = {}
    for order in orders:
        for rank, number in enumerate(order.tolist(), start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (constant + rank)
    ranked = sorted(scores, key=lambda number: (-scores[number], number))
    return np.array(ranked, dtype=np.int64)
