"""The main job with the real bundled models: ingest the sample, ask it, see passages, scores and citations."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from rag_app.config import RetrievalSettings
from rag_app.store.knowledge_base import KnowledgeBase
from tests.conftest import REPOSITORY
from tests.end_to_end.commands import Outcome, run

pytestmark = pytest.mark.slow

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
QUESTIONS = REPOSITORY / "samples" / "helpdesk" / "questions.jsonl"


def ask(indexes: Path, question: str, *flags: str) -> Outcome:
    return run("rag_app", "ask", question, "--kb", "sample", "--indexes", str(indexes), "--offline", *flags)


def test_ingest_indexes_every_document_of_the_sample(sample_build: Outcome) -> None:
    assert sample_build.code == 0, sample_build.messages
    report = sample_build.json
    assert {document["status"] for document in report["documents"]} == {"indexed"}
    assert len(report["documents"]) == 22
    assert {document["language"] for document in report["documents"]} >= {"en", "zh"}
    assert {document["path"]: document["pages"] for document in report["documents"]}[
        "handbook/en/leave-policy.pdf"
    ] == 4
    (model,) = report["models"]
    assert model["model"] == MINILM
    assert model["dimension"] == 384
    assert model["embedded"] == report["chunks"]
    assert model["truncated"] == 0
    assert model["chunks_per_second"] > 0


def test_ingest_warns_that_the_bundled_model_does_not_know_chinese(sample_build: Outcome) -> None:
    assert "10 of 22 documents are in 'zh'" in sample_build.messages
    advised = run("rag_app", "models", "advise", "--language", "zh", "--language", "en", "--json").json["recommended"]
    assert f"--embed-model {advised[0]['model']} " in sample_build.messages


def test_ask_answers_with_sources_and_named_scores(sample_build: Outcome, sample_indexes: Path) -> None:
    outcome = ask(
        sample_indexes,
        "How long is an account locked after 5 failed sign-ins in a row?",
        "--generator",
        "bundled",
        "--json",
    )
    assert outcome.code == 0, outcome.messages
    result = outcome.json
    assert result["answer"]
    assert result["models"] == {
        "embedder": MINILM,
        "reranker": None,
        "generator": "HuggingFaceTB/SmolLM2-135M-Instruct",
    }
    first = result["passages"][0]
    assert first["n"] == 1
    assert first["document"] == "handbook/en/passwords.md"
    assert "locked for 30 minutes" in first["text"]
    assert set(first["scores"]) == {"cosine", "bm25", "sentence", "fused", "percentile"}
    assert 0 < first["scores"]["cosine"] <= 1
    count = len(result["passages"])  # neighbours among the five are one
    assert 1 < count <= 5
    assert [passage["n"] for passage in result["passages"]] == list(range(1, count + 1))
    numbers = {number for sentence in result["sentences"] for number in sentence["citations"]}
    assert numbers <= {1, 2, 3, 4, 5}
    assert set(result["timings"]) >= {"retrieval", "first_text", "generation"}


def test_ask_prints_the_answer_then_the_sources(sample_build: Outcome, sample_indexes: Path) -> None:
    outcome = ask(sample_indexes, "What does the printer error E-4071 mean?", "--no-answer")
    assert outcome.code == 0, outcome.messages
    assert outcome.output.startswith("Sources\n[1] handbook/en/printers.md    cosine ")
    assert "bm25 " in outcome.output


def test_a_pdf_passage_names_its_page(sample_build: Outcome, sample_indexes: Path) -> None:
    outcome = ask(sample_indexes, "How many days of annual leave can be carried over?", "--no-answer", "--json")
    pages = {p["page"] for p in outcome.json["passages"] if p["document"] == "handbook/en/leave-policy.pdf"}
    assert pages
    assert pages <= {1, 2, 3, 4}


def test_the_generator_that_is_not_there_leaves_the_passages(sample_build: Outcome, sample_indexes: Path) -> None:
    outcome = ask(sample_indexes, "Where is the reset portal?")
    assert outcome.code == 1
    assert "[1] handbook/en/passwords.md" in outcome.output
    assert "Qwen/Qwen2.5-1.5B-Instruct" in outcome.messages
    assert "--generator bundled" in outcome.messages
    assert "Traceback" not in outcome.messages


def test_spans_are_the_passages_text(sample_build: Outcome, sample_indexes: Path) -> None:
    knowledge_base = KnowledgeBase.open(sample_indexes, "sample")
    for chunk in knowledge_base.chunks.all_chunks():
        document = knowledge_base.chunks.document(chunk.document_path)
        assert document is not None
        assert document.text[chunk.start : chunk.end] == chunk.text


def test_the_evidence_spans_of_the_question_file_are_right() -> None:
    outcome = run("samples.helpdesk.locate_evidence", "--check")
    assert outcome.code == 0, outcome.messages


def test_the_binary_documents_are_what_their_script_writes() -> None:
    outcome = run("samples.helpdesk.make_documents", "--check")
    assert outcome.code == 0, outcome.output


def test_the_question_file_has_the_strata_it_promises() -> None:
    questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    assert len(questions) >= 60
    assert len({question["id"] for question in questions}) == len(questions)
    strata = defaultdict(int)
    for question in questions:
        strata[question["stratum"]] += 1
        assert bool(question["evidence"]) == (question["stratum"] != "unanswerable")
    assert set(strata) == {"lexical", "paraphrased", "chinese", "cross-lingual", "unanswerable"}
    assert min(strata.values()) >= 12


# Right passage among the first five, with the English-only bundled model: what was measured (docs/benchmarks.md), less
# one question. Cross-lingual questions are beyond it, and say so here.
BARS = {"lexical": 18 / 19, "paraphrased": 10 / 17, "chinese": 13 / 17, "cross-lingual": 0.0}


def test_hybrid_search_finds_the_evidence_of_the_sample_questions(sample_build: Outcome, sample_indexes: Path) -> None:
    from rag_app.answering.assembly import choose_embedder
    from rag_app.models.embedder import CatalogueEmbedding
    from rag_app.retrieval.retrievers import KnowledgeBaseRetriever

    knowledge_base = KnowledgeBase.open(sample_indexes, "sample")
    spec = choose_embedder(knowledge_base, None, offline=True)
    vectors = knowledge_base.vectors(spec.fingerprint)
    embedder = CatalogueEmbedding(spec)
    retriever = KnowledgeBaseRetriever(knowledge_base, vectors, embedder, RetrievalSettings(), None, embedder)
    found: dict[str, list[bool]] = defaultdict(list)
    for line in QUESTIONS.read_text(encoding="utf-8").splitlines():
        question = json.loads(line)
        if question["evidence"]:
            passages = [node.metadata for node in retriever.retrieve(question["question"])]
            found[question["stratum"]].append(
                any(
                    passage["document"] == f"handbook/{evidence['source']}"
                    and passage["start"] <= evidence["start"]
                    and evidence["end"] <= passage["end"]
                    for passage in passages
                    for evidence in question["evidence"]
                )
            )
    shares = {stratum: sum(hits) / len(hits) for stratum, hits in found.items()}
    assert all(shares[stratum] >= bar for stratum, bar in BARS.items()), shares
