"""What a percentile is worth: does it tell questions that a base answers from those it does not, and is it uniform on these?

    python benchmarks/null_scores.py PATH/TO/data [--plot FILE.svg] [--held-out]

PATH holds qa/, ir/ and rag/clapnq/. The questions of another collection are foreign to a base, and the build never saw them.
"Area" is that under the curve (ROC) of the best passage's percentile, the base's own questions against foreign ones; "distance"
is that of Kolmogorov and Smirnov between the percentiles of foreign questions and the uniform distribution; "kept" is the share
of own questions that are answered at the default rate of false alarms, "false" that of foreign ones. Each is told for the
bundled model and the static model that is distilled from it, by retriever. Linux: the user data folder is a temporary one.
With `--held-out` the builds are given the bundled questions of every other subject alone, and those of the others, in the
language of the base, are the foreign ones: the same kind of question, never seen.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from collections_of_questions import load_collection
from machine import machine
from numpy.typing import NDArray
from scipy.stats import kstest, rankdata

from ingest import calibrating
from rag_app.config import AnsweringSettings, RetrievalSettings, RetrieverName, Settings
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.static.distillation import distil
from rag_app.retrieval.foreign_questions import ForeignQuestion, foreign_questions
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.knowledge_base import KnowledgeBase

# Each base with the sets of questions that are foreign to it.
BASES = {"squad": ("clapnq", "scifact"), "xquad.zh": ("cmrc2018",), "xquad.en": ("clapnq", "scifact")}
RETRIEVERS: tuple[RetrieverName, ...] = ("dense", "keyword", "hybrid")
STATIC = "own/null-scores"
HELD_OUT = "held out"
SEED = 20261129
WANTED = 1 - AnsweringSettings().false_alarm_rate

Percentiles = NDArray[np.float64]


def main() -> None:
    """Print a Markdown table, and draw the distributions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--own", type=int, default=600, help="own questions of each base, drawn with a fixed seed")
    parser.add_argument("--plot", type=Path, help="where the distributions are drawn, SVG")
    parser.add_argument("--held-out", action="store_true", help="bundled questions that the build was not given")
    arguments = parser.parse_args()
    if arguments.held_out:
        given = tuple(one for one in foreign_questions() if not _is_held_out(one))
        calibrating.foreign_questions = lambda: given  # the build asks the questions that it is given there
    print(f"{machine()}\n")
    print("| base | model | retriever | nats a unit of cosine | foreign | area | distance | kept | false |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    drawn: dict[str, Percentiles] = {}
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_DATA_HOME"] = temporary
        distil(resolve_embedder("bundled", offline=True), name=STATIC.removeprefix("own/"), dimension=256, device="cpu")
        for model in ("bundled", STATIC):
            settings = Settings(indexes=Path(temporary) / model.replace("/", "-"))
            embedder = CatalogueEmbedding(resolve_embedder(model, offline=True), device="cpu")
            for base, foreign in BASES.items():
                collection = load_collection(base, arguments.data, settings, model)
                own = [question.text for question in collection.questions]
                own = random.Random(SEED).sample(own, min(arguments.own, len(own)))
                names = (f"{HELD_OUT}.{_language(base)}",) if arguments.held_out else foreign
                _report(collection.knowledge_base, embedder, own, names, arguments.data, drawn)
    if arguments.plot is not None:
        _plot(drawn, arguments.plot)


def _report(
    knowledge_base: KnowledgeBase,
    embedder: CatalogueEmbedding,
    own: Sequence[str],
    foreign: Sequence[str],
    data: Path,
    drawn: dict[str, Percentiles],
) -> None:
    model = "distilled" if embedder.fingerprint.model == STATIC else "MiniLM"
    values = knowledge_base.null_scores(embedder.fingerprint)
    assert values is not None
    for retriever in RETRIEVERS:
        answered = _best(knowledge_base, embedder, retriever, own)
        for name in foreign:
            other = _best(knowledge_base, embedder, retriever, _foreign_questions(name, data))
            drawn[f"{knowledge_base.name}, {model}, {retriever}: {name}"] = other
            print(
                f"| {knowledge_base.name} | {model} | {retriever} | {values['nats_per_cosine']:.1f} | {name} "
                f"| {_area(answered, other):.3f} | {kstest(other, 'uniform').statistic:.2f} "
                f"| {(answered >= WANTED).mean():.3f} | {(other >= WANTED).mean():.3f} |",
                flush=True,
            )


def _best(
    knowledge_base: KnowledgeBase, embedder: CatalogueEmbedding, retriever: RetrieverName, questions: Sequence[str]
) -> Percentiles:
    """Return the percentile of the best passage of each question; the second stage has no part in it."""
    search = KnowledgeBaseRetriever(
        knowledge_base,
        knowledge_base.vectors(embedder.fingerprint),
        embedder,
        RetrievalSettings(retriever=retriever, top_k=20, evidence_depth=0),
    )
    best = []
    for question in filter(str.strip, questions):  # one of CMRC's is empty: the app would not search for it
        found = [node.node.metadata["scores"]["percentile"] for node in search.retrieve(question)]
        best.append(max(found, default=0.0))
    return np.array(best)


def _language(base: str) -> str:
    return "zh" if base.endswith(".zh") else "en"


def _is_held_out(question: ForeignQuestion) -> bool:
    subjects = sorted({one.subject for one in foreign_questions()})
    return subjects.index(question.subject) % 2 == 1


def _foreign_questions(name: str, data: Path) -> list[str]:
    if name.startswith(HELD_OUT):
        language = name.rpartition(".")[2]
        return [one.text for one in foreign_questions() if _is_held_out(one) and one.language == language]
    if name == "clapnq":
        files = [data / "rag" / "clapnq" / f"{kind}.jsonl" for kind in ("answerable", "unanswerable")]
        return [json.loads(line)["input"] for file in files for line in file.read_text("utf-8").splitlines()]
    if name == "scifact":
        lines = (data / "ir" / "scifact" / "queries.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line)["text"] for line in lines]
    content = json.loads((data / "qa" / "cmrc2018_trial.json").read_text("utf-8"))["data"]
    return [question["question"] for one in content for part in one["paragraphs"] for question in part["qas"]]


def _area(higher: Percentiles, lower: Percentiles) -> float:
    """Return how often one of the first is above one of the second, ties counting half."""
    ranks = rankdata(np.concatenate([higher, lower]))
    return float((ranks[: len(higher)].mean() - (len(higher) + 1) / 2) / len(lower))


def _plot(drawn: dict[str, Percentiles], path: Path) -> None:
    """Draw, for each set of foreign questions, the share of them below each percentile: a uniform one is the diagonal."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "null-scores"
    from matplotlib import pyplot

    groups = sorted({name.partition(",")[0] + ":" + name.rpartition(":")[2] for name in drawn})
    figure, axes = pyplot.subplots(1, len(groups), figsize=(3.4 * len(groups), 3.4), sharey=True)
    for axis, group in zip(axes, groups, strict=True):
        base, _, foreign = group.partition(":")
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        for name, values in drawn.items():
            if name.startswith(f"{base},") and name.endswith(f":{foreign}"):
                label = name.partition(",")[2].rpartition(":")[0].strip()
                axis.plot(np.sort(values), np.arange(1, len(values) + 1) / len(values), linewidth=1, label=label)
        axis.set(title=f"{base}, asked{foreign}", xlabel="percentile", xlim=(0, 1), ylim=(0, 1))
    axes[0].set_ylabel("share of the foreign questions below")
    axes[-1].legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
