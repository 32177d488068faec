"""Follow-ups: which are seen, which questions are taken for one, and whether the right passage is found for them.

    python -m ingest samples/helpdesk/handbook --kb sample --embed-model bundled
    python benchmarks/follow_ups.py [--squad FILE.json]... [--kb sample] [--indexes indexes]

The follow-ups are those of tests/data/follow_ups.jsonl, over the sample handbook: the rules were made by the half `tuning`,
the half `judging` was kept apart. Of each `--squad` file the odd articles (the first, the third ...) were looked at, the even
ones judge: no question has another before it, so each that is taken for a follow-up is a false alarm.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llama_index.core.schema import QueryBundle

from rag_app.answering.assembly import assemble_engine, choose_embedder
from rag_app.answering.conversation import Exchange, understood_by_rule
from rag_app.answering.follow_ups import is_follow_up
from rag_app.answering.query_engine import CitedQueryEngine
from rag_app.config import load_settings
from rag_app.evaluation.labels import is_source
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.store.live import LiveKnowledgeBase

REPOSITORY = Path(__file__).parent.parent
FOLLOW_UPS = REPOSITORY / "tests" / "data" / "follow_ups.jsonl"
HELPDESK = REPOSITORY / "samples" / "helpdesk" / "questions.jsonl"
HALVES = ("tuning", "judging")
Row = dict[str, Any]


def main() -> None:
    """Print three Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", action="append", default=[], type=Path)
    parser.add_argument("--kb", default="sample")
    parser.add_argument("--indexes", default="indexes", type=Path)
    arguments = parser.parse_args()
    rows = rows_of(FOLLOW_UPS)
    print_seen(rows)
    print_false_alarms(arguments.squad)
    print_found(rows, engine_over(arguments.indexes, arguments.kb))


def rows_of(path: Path) -> list[Row]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def groups_of(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield the follow-ups by half and language."""
    for half in HALVES:
        for language in ("en", "zh"):
            yield f"{half} {language}", [row for row in rows if (row["half"], row["language"]) == (half, language)]


def print_seen(rows: list[Row]) -> None:
    """Print how many follow-ups are seen, and how many of the same questions written out are taken for one."""
    print("| follow-ups | seen | the same by hand, taken for one |\n| --- | --- | --- |")
    for name, group in groups_of(rows):
        seen, taken = (sum(is_follow_up(row[key]) for row in group) for key in ("follow_up", "standalone"))
        print(f"| {name} | {seen} of {len(group)} | {taken} |")


def print_false_alarms(squad: list[Path]) -> None:
    """Print how many questions that stand alone are taken for a follow-up."""
    print("\n| questions that stand alone | taken for a follow-up |\n| --- | --- |")
    groups = {"helpdesk": [row["question"] for row in rows_of(HELPDESK)]}
    for path in squad:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        for name, part in (("odd", articles[0::2]), ("even", articles[1::2])):
            groups[f"{path.stem} {name}"] = [
                question["question"] for one in part for paragraph in one["paragraphs"] for question in paragraph["qas"]
            ]
    for name, questions in groups.items():
        taken = sum(map(is_follow_up, questions))
        print(f"| {name} | {taken} of {len(questions):,} ({taken / len(questions):.2%}) |")


def engine_over(indexes: Path, kb: str) -> CitedQueryEngine:
    """Return an engine that finds passages and writes nothing."""
    knowledge_base = LiveKnowledgeBase(indexes, kb).verified().knowledge_base
    embed_model = CatalogueEmbedding(choose_embedder(knowledge_base, None, offline=True))
    return assemble_engine(knowledge_base, embed_model, None, load_settings())


def by_rule(row: Row) -> str:
    """Return what is searched for without a generator."""
    history = [Exchange(one["question"], one["question"], one["answer"]) for one in row["history"]]
    return understood_by_rule(row["follow_up"], history)


WAYS: dict[str, Callable[[Row], str]] = {
    "as it was typed": lambda row: row["follow_up"],
    "by rule": by_rule,
    "by hand": lambda row: row["standalone"],
}


def print_found(rows: list[Row], engine: CitedQueryEngine) -> None:
    """Print how often the right passage is found, by what is searched for."""
    print("\n| follow-ups | searched for | right passage first | among five |\n| --- | --- | --- | --- |")
    for name, group in groups_of(rows):
        for way, question in WAYS.items():
            ranks = [rank_of(row, engine, question(row)) for row in group]
            first, five = sum(rank == 1 for rank in ranks), sum(0 < rank <= 5 for rank in ranks)
            print(f"| {name} | {way} | {first} of {len(group)} | {five} |", flush=True)


def rank_of(row: Row, engine: CitedQueryEngine, question: str) -> int:
    """Return the place, from 1, of the passage of the right document that holds the text; 0 where it is not found."""
    wanted = "".join(row["text"].split())
    for place, node in enumerate(engine.retrieve(QueryBundle(question)), 1):
        is_there = is_source(node.node.metadata["document"], row["source"])
        if is_there and wanted in "".join(node.node.get_content().split()):
            return place
    return 0


if __name__ == "__main__":
    main()
