"""Static models distilled from an embedding model, beside it: how good, how fast, how large.

    python benchmarks/distilled.py PATH/TO/squad.json PATH/TO/scifact [--embed-model bundled] [--dimensions 256]
    python benchmarks/distilled.py PATH/TO/squad.json --ablation

SQuAD's documents are split in two by title, every second one: choices were made on the first half, the second is judged
(the answerable questions; which of the half's paragraphs is nearest). SciFact is judged by nDCG@10, as ir-measures counts
it, each abstract whole. For speeds, models take turns. All on the CPU, nothing kept. Linux: the user data folder is a
temporary one.
`--ablation` says, on the first half, what each step is worth that is done otherwise than in model2vec.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import ir_measures
import numpy as np
from ir_measures import nDCG
from machine import machine

from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.static import distillation
from rag_app.models.static.distillation import distil
from rag_app.models.static.token_vectors import guessed, outputs_of_tokens, whitened

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Half:
    """One half of SQuAD: paragraphs, questions, and which paragraph answers each."""

    paragraphs: list[str]
    questions: list[str]
    answers: NDArray[np.int64]


def main() -> None:
    """Distil, ask, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("squad", type=Path)
    parser.add_argument("scifact", type=Path, nargs="?")
    parser.add_argument("--embed-model", default="bundled")
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--ablation", action="store_true")
    arguments = parser.parse_args()
    if arguments.scifact is None and not arguments.ablation:
        parser.error("the folder of SciFact is missing")
    other, judged = halves(arguments.squad)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_DATA_HOME"] = temporary
        if arguments.ablation:
            without_each(arguments.embed_model, arguments.dimensions, other)
        else:
            beside_the_other(arguments, other, judged)


def beside_the_other(arguments: argparse.Namespace, other: Half, judged: Half) -> None:
    """Distil by reading nothing, either half of SQuAD, or SciFact, and judge each beside the model it is made from."""
    abstracts = [json.loads(line) for line in (arguments.scifact / "corpus.jsonl").read_text("utf-8").splitlines()]
    texts = {one["_id"]: f"{one['title']}\n{one['text']}" for one in abstracts}
    spec = resolve_embedder(arguments.embed_model, offline=True)
    sources: dict[str, Sequence[str]] = {
        "no-passages": (),
        "other-half": other.paragraphs,
        "same-half": judged.paragraphs,
        "scifact": list(texts.values()),
    }
    for name, passages in sources.items():
        made = distil(spec, name=name, passages=passages, dimension=arguments.dimensions, device="cpu")
        print(f"own/{name}: {made.tokens} tokens, {made.passages} passages read, {made.seconds:.0f} s", flush=True)
    for what, some in (("SQuAD", judged.paragraphs), ("SciFact", list(texts.values()))):
        speeds(what, some, (arguments.embed_model, "own/no-passages"))
    print("\nSQuAD, judged half\n| model | MB | load s | first | in five |", flush=True)
    for name in (arguments.embed_model, "own/no-passages", "own/other-half", "own/same-half"):
        print(on_squad(name, judged), flush=True)
    print("\nSciFact\n| model | nDCG@10 |", flush=True)
    for name in ("own/no-passages", "own/other-half", "own/scifact", arguments.embed_model):
        print(on_scifact(name, arguments.scifact, texts), flush=True)


def without_each(model_id: str, dimension: int, half: Half) -> None:
    """Distil without each step that model2vec does not have, and without all of them; read and ask the same half."""
    variance = {"whitened": partial(components, whiten=False)}
    weighted = {"whitened": partial(components, weigh=False)}
    places = {"_sample": lambda _: []}
    counted = {
        "counted": lambda tokenizer, _, size: guessed(tokenizer, size),
        "SMOOTHING_COUNTED": distillation.SMOOTHING_GUESSED,
    }
    nothing = {"whitened": partial(components, whiten=False, weigh=False), **places, **counted}
    ways: dict[str, dict[str, Any]] = {
        "as it is": {},
        "components keep their variance": variance,
        "components of tokens that all count the same": weighted,
        "outputs of tokens alone": places,
        "frequencies guessed": counted,
        "all four, as in model2vec": nothing,
    }
    spec = resolve_embedder(model_id, offline=True)
    with patch.object(distillation, "outputs_of_tokens", remembered(outputs_of_tokens)):
        print("\n| way | first | in five |", flush=True)
        for number, (way, changes) in enumerate(ways.items()):
            with patch.dict(vars(distillation), changes):
                distil(spec, name=f"way-{number}", passages=half.paragraphs, dimension=dimension, device="cpu")
            embedder = CatalogueEmbedding(resolve_embedder(f"own/way-{number}", offline=True), device="cpu")
            first, in_five = found(embedder, embedder.embed_passages(half.paragraphs), half)
            print(f"| {way} | {first:.3f} | {in_five:.3f} |", flush=True)


def remembered(outputs: Callable[..., NDArray[np.float32]]) -> Callable[..., NDArray[np.float32]]:
    """Return a function that runs the other model once for so many passages: it is what takes the time."""
    known: dict[int, NDArray[np.float32]] = {}

    def once(model: object, tokenizer: object, read: Sequence[str], on_progress: object) -> NDArray[np.float32]:
        if len(read) not in known:
            known[len(read)] = outputs(model, tokenizer, read, on_progress)
        return known[len(read)]

    return once


def components(
    vectors: NDArray[np.float32],
    shares: NDArray[np.float64],
    dimension: int,
    *,
    whiten: bool = True,
    weigh: bool = True,
) -> NDArray[np.float32]:
    """Return the principal components of tokens, with their own variance or with that of one, weighted or not."""
    if not weigh:
        shares = np.full(len(vectors), 1 / len(vectors))
    made = whitened(vectors, shares, dimension)
    if whiten:
        return made
    centred = vectors - shares @ vectors
    variances = np.linalg.eigvalsh((centred * shares[:, None]).T @ centred)[::-1]
    return made * np.sqrt(variances[:dimension]).astype(np.float32)


def halves(path: Path) -> tuple[Half, Half]:
    """Return both halves, split by document."""
    documents = sorted(json.loads(path.read_text("utf-8"))["data"], key=lambda document: str(document["title"]))
    first, second = (_half([part for one in documents[start::2] for part in one["paragraphs"]]) for start in (0, 1))
    return first, second


def _half(paragraphs: list[dict[str, object]]) -> Half:
    asked = [
        (str(question["question"]), number)
        for number, paragraph in enumerate(paragraphs)
        for question in paragraph["qas"]  # type: ignore[attr-defined]
        if not question["is_impossible"]
    ]
    return Half(
        [str(paragraph["context"]) for paragraph in paragraphs],
        [question for question, _ in asked],
        np.array([number for _, number in asked]),
    )


def speeds(what: str, texts: Sequence[str], model_ids: Sequence[str]) -> None:
    """Print how many passages a second models embed: 320 spread over the texts, models taking turns after 32."""
    some = [texts[number * len(texts) // 320] for number in range(320)]
    embedders = [CatalogueEmbedding(resolve_embedder(one, offline=True), device="cpu") for one in model_ids]
    seconds = np.zeros(len(embedders))
    for first in range(-32, len(some), 32):  # the first turn is to get warm
        for place, embedder in enumerate(embedders):
            started = time.perf_counter()
            embedder.embed_passages(some[max(first, 0) : max(first, 0) + 32])
            seconds[place] += (time.perf_counter() - started) * (first >= 0)
    print(f"\n{what}\n| model | passages/s | ratio |", flush=True)
    for embedder, spent in zip(embedders, seconds, strict=True):
        rate, ratio = len(some) / spent, seconds[0] / spent
        print(f"| {embedder.fingerprint.model} | {rate:,.0f} | {ratio:.1f} |", flush=True)


def on_squad(model_id: str, half: Half) -> str:
    """Return a model's line of the first table."""
    spec = resolve_embedder(model_id, offline=True)
    assert spec.path is not None
    megabytes = sum(path.stat().st_size for path in spec.path.rglob("*.safetensors")) / 1e6
    started = time.perf_counter()
    embedder = CatalogueEmbedding(spec, device="cpu")
    loaded = time.perf_counter() - started
    first, in_five = found(embedder, embedder.embed_passages(half.paragraphs), half)
    return f"| {spec.model_id} | {megabytes:.0f} | {loaded:.2f} | {first:.3f} | {in_five:.3f} |"


def found(embedder: CatalogueEmbedding, passages: NDArray[np.float32], half: Half) -> tuple[float, float]:
    """Return for which share of the questions the right paragraph is the nearest, and is among the nearest five."""
    questions = np.stack([embedder.embed_question(question) for question in half.questions])
    best = np.argsort(-(questions @ passages.T), axis=1, kind="stable")[:, :5] == half.answers[:, None]
    return float(best[:, 0].mean()), float(best.any(axis=1).mean())


def on_scifact(model_id: str, folder: Path, texts: dict[str, str]) -> str:
    """Return a model's line of the second table."""
    embedder = CatalogueEmbedding(resolve_embedder(model_id, offline=True), device="cpu")
    passages = embedder.embed_passages(list(texts.values()))
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
        judgements = [
            ir_measures.Qrel(row["query-id"], row["corpus-id"], int(row["score"]))
            for row in csv.DictReader(file, delimiter="\t")
        ]
    judged, ids = {judgement.query_id for judgement in judgements}, list(texts)
    run = []
    for line in (folder / "queries.jsonl").read_text("utf-8").splitlines():
        question = json.loads(line)
        if question["_id"] in judged:
            scores = passages @ embedder.embed_question(question["text"])
            best = np.argsort(-scores, kind="stable")[:10]
            run += [ir_measures.ScoredDoc(question["_id"], ids[number], float(scores[number])) for number in best]
    gain = ir_measures.calc_aggregate([nDCG @ 10], judgements, run)[nDCG @ 10]
    return f"| {embedder.fingerprint.model} | {gain:.4f} |"


if __name__ == "__main__":
    main()
