"""How far the probability of a passage can be believed: cross-fitted on the even-numbered articles of SQuAD 2.0.

    python benchmarks/probability.py PATH/TO/squad-dev.json [--questions 1500] [--retrievers hybrid dense keyword]
        [--embed-model bundled] [--indexes FOLDER] [--diagrams FOLDER]

Each paragraph is one chunk. The features of the model were chosen on the odd-numbered articles. Both kinds of questions count:
those with an answer alone, and together with those that SQuAD 2.0 has no answer to, which are asked on purpose about a
paragraph that all but answers them. The questions are drawn with a fixed seed; all questions on one article are in one fold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from llama_index.core.schema import NodeWithScore, QueryBundle
from machine import machine

from ingest.build import BuildRequest, build
from rag_app.answering.assembly import assemble_engine
from rag_app.answering.query_engine import CitedQueryEngine
from rag_app.config import RetrievalSettings, Settings
from rag_app.evaluation.calibration import calibrate, label_passages
from rag_app.evaluation.datasets import read_questions
from rag_app.evaluation.questions import LabelledQuestion, QuestionSet
from rag_app.evaluation.reliability_diagram import reliability_svg
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.store.calibrations import Calibration
from rag_app.store.knowledge_base import KnowledgeBase

SEED = 20261129
MOST_ERROR = 0.05


class Remembering:
    """An engine that finds the passages of a question once, however often it is asked."""

    def __init__(self, engine: CitedQueryEngine) -> None:
        self._engine = engine
        self._found: dict[str, list[NodeWithScore]] = {}

    def retrieve(self, question: QueryBundle) -> list[NodeWithScore]:
        """Return the passages for a question."""
        if question.query_str not in self._found:
            self._found[question.query_str] = self._engine.retrieve(question)
        return self._found[question.query_str]


def main() -> None:
    """Print a Markdown table; exit with 1 where an error is too large or a Brier score no better than the base rate's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--questions", type=int, default=1500, help="drawn of the even-numbered articles; 0: all")
    parser.add_argument("--retrievers", nargs="+", default=["hybrid", "dense", "keyword"])
    parser.add_argument("--embed-model", default="bundled")
    parser.add_argument("--indexes", type=Path, help="keep the index here; else it is built in a temporary folder")
    parser.add_argument("--diagrams", type=Path, help="write the reliability diagrams here")
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    asked = _even_articles(read_questions(arguments.file), arguments.questions)
    answerable = replace(asked, questions=tuple(one for one in asked.questions if one.is_answerable))
    embedder = CatalogueEmbedding(resolve_embedder(arguments.embed_model, offline=True))
    rows: list[tuple[str, Calibration]] = []
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(indexes=arguments.indexes or Path(temporary))
        request = BuildRequest("squad", (arguments.file,), (arguments.embed_model,), chunk_tokens=0)
        build(request, settings, lambda event: None)
        knowledge_base = KnowledgeBase.open(settings.indexes, "squad")
        for name in arguments.retrievers:
            retrieval = RetrievalSettings(retriever=name)
            one = settings.model_copy(update={"retrieval": retrieval})
            engine = Remembering(assemble_engine(knowledge_base, embedder, None, one))
            for kind, questions in (("with an answer", answerable), ("all", asked)):
                pairs = label_passages(engine, questions, settings.limits, lambda told: print(told, file=sys.stderr))
                found = calibrate(pairs, questions, knowledge_base.generation, embedder.fingerprint, retrieval)
                rows.append((kind, found))
                if arguments.diagrams:
                    path = arguments.diagrams / f"probability-{name}-{kind.replace(' ', '-')}.svg"
                    path.write_text(reliability_svg(found), encoding="utf-8")
    _print_table(rows)
    sys.exit(not all(_passes(found) for _, found in rows))


def _even_articles(question_set: QuestionSet, count: int) -> QuestionSet:
    """Return questions on the even-numbered articles, counted from 1: so many drawn with the seed, or all."""
    articles = list(dict.fromkeys(question.article for question in question_set.questions))
    even = set(articles[1::2])
    questions: Sequence[LabelledQuestion] = [one for one in question_set.questions if one.article in even]
    if 0 < count < len(questions):
        questions = Random(SEED).sample(questions, count)
    return replace(question_set, name=f"{question_set.name}, even articles", questions=tuple(questions))


def _passes(calibration: Calibration) -> bool:
    found = calibration.reliability
    return max(found.error, found.error_equal_count) <= MOST_ERROR and found.brier < found.brier_base_rate


def _print_table(rows: Sequence[tuple[str, Calibration]]) -> None:
    print(
        "| retriever | questions | number | passages | hold the answer | error, equal width | error, equal count |",
        end="",
    )
    print(" Brier | Brier, base rate | |\n" + "| --- " * 10 + "|")
    for kind, found in rows:
        measured = found.reliability
        print(
            f"| {found.retriever} | {kind} | {found.questions:,} | {found.pairs:,} | {found.holding / found.pairs:.3f} "
            f"| {measured.error:.4f} | {measured.error_equal_count:.4f} | {measured.brier:.4f} "
            f"| {measured.brier_base_rate:.4f} | {'passes' if _passes(found) else 'FAILS'} |"
        )
    for kind, found in rows:
        print(f"\n{found.retriever}, {kind}: weights of {', '.join(found.model.features)}: ", end="")
        print(", ".join(f"{weight:.2f}" for weight in found.model.weights))


if __name__ == "__main__":
    main()
