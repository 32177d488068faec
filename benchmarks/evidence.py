"""How often passages cover the evidence of the sample's questions: those found, and those that a generator is given.

    python -m ingest samples/helpdesk/handbook --kb sample --embed-model bundled
    python benchmarks/evidence.py --kb sample

A question counts where one of the first five passages covers a whole evidence span. The second table is of the default search
and of the prompt, in the tokens of a generator: the passages as they were found, and with their neighbours. Before them it says
how many questions are refused, because nothing was found as far as the percentiles tell.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from llama_index.core.schema import QueryBundle

from rag_app.answering.assembly import assemble_engine, choose_embedder
from rag_app.answering.neighbours import Neighbours
from rag_app.answering.prompting.prompt import Budget, build_prompt
from rag_app.answering.query_engine import Answered, CitedQueryEngine
from rag_app.config import load_settings
from rag_app.datatypes import Passage
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.generating.generator import load_generator
from rag_app.retrieval.nodes import passages_of
from rag_app.store.knowledge_base import KnowledgeBase

QUESTIONS = Path(__file__).parent.parent / "samples" / "helpdesk" / "questions.jsonl"
RETRIEVERS = ("dense", "keyword", "hybrid")


@dataclass(frozen=True)
class Prompted:
    """What a prompt holds for a question: whether the evidence, how many tokens of passages, and how long it took to widen."""

    covers: bool
    tokens: int
    seconds: float


def main() -> None:
    """Print two Markdown tables by stratum: what each retriever finds, and what the generator is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kb", default="sample")
    parser.add_argument("--indexes", type=Path)
    parser.add_argument("--generator", default="bundled", help="whose tokens are counted")
    arguments = parser.parse_args()
    settings = load_settings(indexes=arguments.indexes)
    knowledge_base = KnowledgeBase.open(settings.indexes, arguments.kb)
    embedder = CatalogueEmbedding(choose_embedder(knowledge_base, None, offline=True))
    questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    engines = {
        name: assemble_engine(
            knowledge_base,
            embedder,
            None,
            settings.model_copy(update={"retrieval": settings.retrieval.model_copy(update={"retriever": name})}),
        )
        for name in RETRIEVERS
    }
    _print_refused(questions, engines[settings.retrieval.retriever])
    questions = [question for question in questions if question["evidence"]]
    _print_found(questions, engines)
    generator = load_generator(
        arguments.generator,
        device="cpu",
        offline=True,
        answering=settings.answering,
        models=settings.models,
    )
    room = generator.metadata.context_window - settings.answering.max_new_tokens
    budget = Budget(generator.count_tokens, settings.answering.passage_tokens, room)  # type: ignore[attr-defined]
    _print_prompted(questions, engines[settings.retrieval.retriever], Neighbours(knowledge_base), budget)


def _print_refused(questions: Sequence[dict[str, Any]], engine: CitedQueryEngine) -> None:
    refused: dict[str, list[bool]] = defaultdict(list)
    for question in questions:
        *_, last = engine.ask(question["question"])
        assert isinstance(last, Answered)
        refused[question["stratum"]].append(last.answer.abstained)
    print("| stratum | questions | refused |\n| --- | --- | --- |")
    for stratum, values in refused.items():
        print(f"| {stratum} | {len(values)} | {sum(values)} |")
    print()


def _print_found(questions: Sequence[dict[str, Any]], engines: dict[str, CitedQueryEngine]) -> None:
    found: dict[str, dict[str, list[tuple[bool, bool]]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        for name, engine in engines.items():
            passages = passages_of(engine.retrieve(QueryBundle(question["question"])))
            covers = [_covers(passage, question["evidence"]) for passage in passages]
            found[question["stratum"]][name].append((any(covers[:1]), any(covers)))
    print(f"| stratum | questions | {' | '.join(f'{name}: first' + f' | {name}: first five' for name in RETRIEVERS)} |")
    print("| --- " * (2 + 2 * len(RETRIEVERS)) + "|")
    for stratum, by_name in found.items():
        cells = [str(sum(hit[i] for hit in by_name[name])) for name in RETRIEVERS for i in (0, 1)]
        print(f"| {stratum} | {len(by_name['dense'])} | {' | '.join(cells)} |")


def _print_prompted(
    questions: Sequence[dict[str, Any]], engine: CitedQueryEngine, neighbours: Neighbours, budget: Budget
) -> None:
    by_stratum: dict[str, list[tuple[Prompted, Prompted]]] = defaultdict(list)
    for question in questions:
        nodes = engine.retrieve(QueryBundle(question["question"]))
        started = time.perf_counter()
        joined = neighbours.joined(nodes, budget.size, budget.room(question["question"]))
        seconds = time.perf_counter() - started
        by_stratum[question["stratum"]].append(
            (_prompted(question, passages_of(nodes), budget), _prompted(question, passages_of(joined), budget, seconds))
        )
    print("\n| stratum | questions | as found | with neighbours | tokens as found | tokens with neighbours |")
    print("| --- " * 6 + "|")
    for stratum, pairs in by_stratum.items():
        covered = [sum(pair[i].covers for pair in pairs) for i in (0, 1)]
        tokens = [round(mean(pair[i].tokens for pair in pairs)) for i in (0, 1)]
        print(f"| {stratum} | {len(pairs)} | {' | '.join(map(str, covered + tokens))} |")
    times = sorted(pair[1].seconds * 1000 for pairs in by_stratum.values() for pair in pairs)
    print(f"\nFinding neighbours: {median(times):.1f} ms a question (median), {times[-1]:.1f} ms at most.")


def _prompted(question: dict[str, Any], passages: Sequence[Passage], budget: Budget, seconds: float = 0.0) -> Prompted:
    given = build_prompt(question["question"], passages, budget).passages
    covers = any(_covers(passage, question["evidence"]) for passage in given)
    return Prompted(covers, sum(map(budget.size, given)), seconds)


def _covers(passage: Passage, evidence: Sequence[dict[str, Any]]) -> bool:
    return any(
        passage.document.endswith(f"/{span['source']}")
        and passage.start <= span["start"]
        and span["end"] <= passage.end
        for span in evidence
    )


if __name__ == "__main__":
    main()
