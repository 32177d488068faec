"""Answers, by a generator and by quotes: how right they are, and whether their citations hold.

    python benchmarks/answers.py PATH/TO/data [--sets squad clapnq xquad.zh handbook] [--writers quote bundled] [--limit 300]

PATH holds qa/ and rag/clapnq/. Paragraphs are the passages of SQuAD (2.0 dev, even-numbered articles), CLAPNQ and XQuAD; the
handbook is cut as usual. `--limit` questions are drawn of each kind with a fixed seed.
"exact", "F1": as the data set counts them. "holds it": a known answer stands in the written one (CLAPNQ: a sentence that its
annotators chose). "right passage": the share of citations to a passage that holds the answer; "cited": the share of answered
questions with such a citation; "right span": the share of citations whose span holds the answer. "unsupported": the share
of sentences marked so. "refused": nothing was found, or the answer says that nothing is there.
All but "refused" are of the answered questions with an answer; "exact", "F1" and "holds it" count the refused ones as wrong.
`--texts FILE` keeps what generators write: a run that is broken off goes on from there, and another way of citing is measured
on the same texts. Seconds are without the texts that were kept.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any, Literal

from kept_texts import KeptTexts
from llama_index.core.llms import LLM
from machine import machine

from ingest.build import BuildRequest, build
from rag_app.answering.assembly import assemble_engine, choose_embedder
from rag_app.answering.query_engine import Answered, CitedQueryEngine
from rag_app.answering.writers import Written
from rag_app.config import Settings, load_settings
from rag_app.datatypes import Answer, Citation, Passage
from rag_app.errors import GenerationError
from rag_app.evaluation.answer_metrics import contains, exact_match, f1
from rag_app.evaluation.datasets import read_questions
from rag_app.evaluation.labels import holds_answer, touches_answer
from rag_app.evaluation.questions import LabelledQuestion
from rag_app.models.catalogue import QUOTE
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.generating.generator import load_generator
from rag_app.store.knowledge_base import KnowledgeBase

SEED = 20261129
SAMPLE = Path(__file__).parent.parent / "samples" / "helpdesk"
SETS = ("squad", "clapnq", "xquad.zh", "handbook")
COLUMNS = (
    "exact",
    "F1",
    "holds it",
    "right passage",
    "cited",
    "right span",
    "unsupported",
    "refused",
    "refused, no answer",
)


@dataclass(frozen=True)
class Asked:
    """A question with what is known of its answer; `references` are the answers that it is scored by."""

    question: LabelledQuestion
    references: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a question. `seconds` are those to the first text and in all, None of a text that was kept.

    `failure` is what the generator died of.
    """

    asked: Asked
    answer: Answer | None
    seconds: tuple[float, float] | None
    failure: str = ""


def main() -> None:
    """Print a Markdown table for each writer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--writers", nargs="+", default=[QUOTE, "bundled"], help="quote, or generators")
    parser.add_argument("--limit", type=int, default=300, help="questions of each kind")
    parser.add_argument("--embed-model", default="bundled")
    parser.add_argument("--texts", type=Path, help="a file for what generators write")
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as temporary:
        settings = load_settings(indexes=Path(temporary))
        asked = {name: _questions(name, arguments.data, arguments.limit) for name in arguments.sets}
        for writer in arguments.writers:
            llm = _load(writer, settings, arguments.texts)
            print(f"**{writer}**\n")
            print(
                f"| set | questions | {' | '.join(COLUMNS)} | first text, s | in all, s |\n|{' --- |' * (len(COLUMNS) + 4)}"
            )
            for name in arguments.sets:
                engine = _engine(name, arguments.data, arguments.embed_model, llm, settings)
                _print_row(name, [_outcome(engine, llm, one) for one in asked[name]])
            print(flush=True)


def _load(writer: str, settings: Settings, texts: Path | None) -> Any:
    if writer == QUOTE:
        return "quote"
    llm = load_generator(writer, device="auto", offline=True, answering=settings.answering, models=settings.models)
    return KeptTexts(llm, texts) if texts is not None else llm


def _questions(name: str, data: Path, limit: int) -> list[Asked]:
    """Return at most `limit` questions with an answer and as many without, in a fixed order."""
    if name == "clapnq":
        found = _clapnq_questions(data)
    else:
        path = {"squad": data / "qa/squad-v2.0-dev-en-reconstructed.json", "xquad.zh": data / "qa/xquad.zh.json"}
        questions = read_questions(path.get(name, SAMPLE / "questions.jsonl")).questions
        if name == "squad":
            articles = list(dict.fromkeys(question.article for question in questions))
            even = set(articles[1::2])
            questions = tuple(question for question in questions if question.article in even)
        # A question that is answerable by its file, but whose answer the file does not have, cannot be scored.
        scored = [question for question in questions if question.answers or not question.is_answerable]
        found = [Asked(question, question.answers) for question in scored]
    drawn = []
    for answerable in (True, False):
        kind = [asked for asked in found if asked.question.is_answerable is answerable]
        drawn += random.Random(SEED).sample(kind, min(limit, len(kind)))
    return drawn


def _clapnq_records(data: Path) -> list[dict[str, object]]:
    files = [data / "rag" / "clapnq" / f"{kind}.jsonl" for kind in ("answerable", "unanswerable")]
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def _clapnq_questions(data: Path) -> list[Asked]:
    asked = []
    for record in _clapnq_records(data):
        (passage,), output = record["passages"], record["output"]  # type: ignore[misc]
        sentences = tuple(dict.fromkeys(text for one in output for text in one["selected_sentences"]))  # type: ignore[attr-defined]
        references = tuple(one["answer"] for one in output if one["answer"])  # type: ignore[attr-defined]
        question = LabelledQuestion(str(record["input"]), answers=sentences, context=passage["text"])
        asked.append(Asked(question, references))
    return asked


def _source(name: str, data: Path, folder: Path) -> tuple[Path, int | None]:
    """Return what a base is built from, and the size of its chunks."""
    if name == "handbook":
        return SAMPLE / "handbook", None
    if name != "clapnq":
        return data / "qa" / {"squad": "squad-v2.0-dev-en-reconstructed.json"}.get(name, f"{name}.json"), 0
    corpus = folder / "clapnq"
    corpus.mkdir(exist_ok=True)
    records = [
        {"_id": str(number), "title": record["passages"][0]["title"], "text": record["passages"][0]["text"]}  # type: ignore[index]
        for number, record in enumerate(_clapnq_records(data))
    ]
    (corpus / "corpus.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return corpus, 0


def _engine(name: str, data: Path, model: str, llm: LLM | Literal["quote"], settings: Settings) -> CitedQueryEngine:
    source, chunk_tokens = _source(name, data, settings.indexes.parent)
    build(BuildRequest(name, (source,), (model,), chunk_tokens=chunk_tokens), settings, lambda event: None)
    knowledge_base = KnowledgeBase.open(settings.indexes, name)
    embedder = CatalogueEmbedding(choose_embedder(knowledge_base, None, offline=True))
    return assemble_engine(knowledge_base, embedder, llm, settings)


def _outcome(engine: CitedQueryEngine, llm: object, asked: Asked) -> Outcome:
    started = time.perf_counter()
    first = 0.0
    answer = None
    if isinstance(llm, KeptTexts):
        llm.was_written = True  # nothing that it wrote before, so far
    try:
        for event in engine.ask(asked.question.question):
            if isinstance(event, Written) and not first:
                first = time.perf_counter() - started
            if isinstance(event, Answered):
                answer = event.answer
    except GenerationError as error:  # counted, not dropped
        return Outcome(asked, None, None, str(error))
    is_kept = isinstance(llm, KeptTexts) and not llm.was_written
    return Outcome(asked, answer, None if is_kept else (first, time.perf_counter() - started))


def _print_row(name: str, outcomes: Sequence[Outcome]) -> None:
    answerable = [outcome for outcome in outcomes if outcome.asked.question.is_answerable]
    others = [outcome for outcome in outcomes if not outcome.asked.question.is_answerable]
    texts = [(outcome.answer.text or "" if outcome.answer else "", outcome.asked.references) for outcome in answerable]
    plain = [
        (_without_markers(outcome), references) for outcome, (_, references) in zip(answerable, texts, strict=True)
    ]
    written = [outcome for outcome in answerable if outcome.answer is not None and outcome.answer.text]
    cited = [[(citation, outcome) for citation in _citations(outcome)] for outcome in written]
    citations = [one for some in cited for one in some]
    right = [_is_right_passage(citation, outcome) for citation, outcome in citations]
    held = [(text, outcome.asked.question.answers) for (text, _), outcome in zip(plain, answerable, strict=True)]
    sentences = [sentence for outcome in written if outcome.answer for sentence in outcome.answer.sentences]
    values = {
        "exact": [exact_match(*one) for one in plain],
        "F1": [f1(*one) for one in plain],
        "holds it": [contains(*one) for one in held],
        "right passage": right,
        "cited": [any(_is_right_passage(*one) for one in some) for some in cited],
        "right span": [_is_right_span(citation, outcome) for citation, outcome in citations],
        "unsupported": [not sentence.supported for sentence in sentences],
        "refused": [_is_refused(outcome) for outcome in answerable],
        "refused, no answer": [_is_refused(outcome) for outcome in others],
    }
    cells = " | ".join(f"{mean(values[column]):.3f}" if values[column] else "" for column in COLUMNS)
    timed = [outcome.seconds for outcome in written if outcome.seconds is not None]
    times = " | ".join(f"{median(seconds):.2f}" for seconds in zip(*timed, strict=True)) if timed else " | "
    print(f"| {name} | {len(answerable)} + {len(others)} | {cells} | {times} |", flush=True)
    failed = [outcome.failure for outcome in outcomes if outcome.failure]
    if failed:
        print(f"\n{len(failed)} failed; the first: {failed[0]}\n")


def _citations(outcome: Outcome) -> list[Citation]:
    answer = outcome.answer
    return [citation for sentence in answer.sentences for citation in sentence.citations] if answer else []


def _without_markers(outcome: Outcome) -> str:
    return " ".join(sentence.text for sentence in outcome.answer.sentences) if outcome.answer else ""


def _is_refused(outcome: Outcome) -> bool:
    return outcome.answer is None or outcome.answer.abstained or not outcome.answer.text


def _passage(citation: Citation, outcome: Outcome) -> Passage:
    assert outcome.answer is not None
    return next(passage for passage in outcome.answer.passages if passage.n == citation.n)


def _is_right_passage(citation: Citation, outcome: Outcome) -> bool:
    return holds_answer(_passage(citation, outcome), outcome.asked.question)


def _is_right_span(citation: Citation, outcome: Outcome) -> bool:
    passage = _passage(citation, outcome)
    text = passage.text[citation.start - passage.start : citation.end - passage.start]
    span = replace(passage, start=citation.start, end=citation.end, text=text, also_in=())
    question = outcome.asked.question
    if question.spans:
        return touches_answer(span, question)
    return contains(text, question.answers) and holds_answer(passage, question)


if __name__ == "__main__":
    main()
