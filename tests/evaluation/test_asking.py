"""What an evaluation takes its models from: its own, one at a time, or those that others hold; and how it asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_app.config import load_settings
from rag_app.evaluation.asking import SharedModels, Workbench, make_system, outcomes_of
from rag_app.evaluation.outcome_cache import OutcomeCache
from rag_app.evaluation.questions import LabelledQuestion
from rag_app.evaluation.systems import SystemSpec
from rag_app.models.held_embedders import HeldEmbedders
from rag_app.models.hub import quietly
from rag_app.retrieval.nodes import passages_of
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.knowledge_base import KnowledgeBase
from tests.real_bases import build_small


@pytest.fixture
def base(tmp_path: Path, tiny_embedder: Path) -> KnowledgeBase:
    """A small base, open."""
    return KnowledgeBase.open(build_small(tmp_path, tiny_embedder), "small")


def test_models_that_are_held_already_are_not_loaded_again(base: KnowledgeBase, tiny_embedder: Path) -> None:
    settings, held, llm = load_settings(offline=True), HeldEmbedders(1), object()
    shared = SharedModels(held, lambda model: (model, llm))  # type: ignore[arg-type, return-value]
    benches = [Workbench(base, settings, quietly, shared) for _ in range(2)]
    first, second = (bench.embedder(str(tiny_embedder)) for bench in benches)
    assert first is second
    assert held.get(f"{first.fingerprint.digest} {settings.device}", pytest.fail) is first
    writer = benches[0].writer("some/generator", None)
    assert writer is not None
    assert writer.llm == ("some/generator", llm)


def test_an_evaluation_of_its_own_keeps_the_model_that_it_asks_twice(base: KnowledgeBase, tiny_embedder: Path) -> None:
    bench = Workbench(base, load_settings(offline=True), quietly)
    assert bench.embedder(str(tiny_embedder)) is bench.embedder(str(tiny_embedder))


@pytest.mark.parametrize("generator", [None, "quote"])
def test_a_question_is_retrieved_for_once_also_where_an_answer_is_written(
    base: KnowledgeBase,
    tiny_embedder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    generator: str | None,
) -> None:
    asked: list[str] = []
    real = KnowledgeBaseRetriever._retrieve

    def counted(self: KnowledgeBaseRetriever, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asked.append(query_bundle.query_str)
        return real(self, query_bundle)

    monkeypatch.setattr(KnowledgeBaseRetriever, "_retrieve", counted)
    bench = Workbench(base, load_settings(offline=True), quietly)
    system = make_system(SystemSpec(name="s", embed_model=str(tiny_embedder), generator=generator), bench)
    question = LabelledQuestion(
        key="1", question="How long is an account locked?", answers=("30 minutes",), sources=("passwords.md",)
    )
    (outcome,) = outcomes_of(system, [question], bench, OutcomeCache(tmp_path / "cache"), lambda *_: None)
    assert asked == [question.question]
    assert not outcome.failure
    assert (outcome.answer is not None) is (generator is not None)
    ranked = passages_of(system.engine.retrieve(QueryBundle(question.question)))
    assert [(one.document, one.start, one.text) for one in outcome.found] == [
        (one.document, one.start, one.text) for one in ranked
    ]
    assert outcome.values["hit@1"] is not None
