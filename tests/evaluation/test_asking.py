"""What an evaluation takes its models from: its own, one at a time, or those that others hold; and how it asks."""

from __future__ import annotations

import os
import shutil
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
from tests.fakes import ScriptedLLM
from tests.models.checkpoints.rerankers import RERANKERS, publish_reranker
from tests.real_bases import build_small

QUESTION = LabelledQuestion(
    key="1", question="How long is an account locked?", answers=("30 minutes",), sources=("passwords.md",)
)


class LLMWithFiles(ScriptedLLM):
    """A generator that says which files it was loaded from."""

    files_stamp: str = "0123456789abcdef"


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
    (outcome,) = outcomes_of(system, [QUESTION], bench, OutcomeCache(tmp_path / "cache"), lambda *_: None)
    assert asked == [QUESTION.question]
    assert not outcome.failure
    assert (outcome.answer is not None) is (generator is not None)
    ranked = passages_of(system.engine.retrieve(QueryBundle(QUESTION.question)))
    assert [(one.document, one.start, one.text) for one in outcome.found] == [
        (one.document, one.start, one.text) for one in ranked
    ]
    assert outcome.values["hit@1"] is not None


@pytest.mark.parametrize("kind", ["generator", "reranker"])
def test_a_model_whose_files_have_changed_in_its_folder_is_another_one(
    base: KnowledgeBase, tiny_generator: Path, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / kind
    if kind == "generator":
        shutil.copytree(tiny_generator, folder)
    else:
        publish_reranker(RERANKERS["cross-encoder/mmarco-mMiniLMv2-L12-H384-v1"], folder)
    spec = SystemSpec.model_validate({"name": "s", "retriever": "keyword", kind: str(folder)})
    settings = load_settings(offline=True, device="cpu")
    cards = []
    for changed_at in (None, None, 1):
        if changed_at is not None:
            os.utime(folder / "model.safetensors", (changed_at, changed_at))
        system = make_system(spec, Workbench(base, settings, quietly))
        assert system.is_identified
        cards.append(system.card)
    assert cards[0] == cards[1]
    assert cards[0][kind] != cards[2][kind]
    assert cards[0] | {kind: None} == cards[2] | {kind: None}


@pytest.mark.parametrize(("llm", "times"), [(ScriptedLLM("30 minutes."), 2), (LLMWithFiles("30 minutes."), 1)])
def test_what_a_server_runs_under_a_name_is_asked_anew_each_time(
    base: KnowledgeBase, tmp_path: Path, llm: ScriptedLLM, times: int
) -> None:
    shared = SharedModels(HeldEmbedders(1), lambda _: llm)
    bench = Workbench(base, load_settings(offline=True), quietly, shared)
    system = make_system(SystemSpec(name="s", retriever="keyword", generator="served:x"), bench)
    cache = OutcomeCache(tmp_path / "cache")
    for _ in range(2):
        (outcome,) = outcomes_of(system, [QUESTION], bench, cache, lambda *_: None)
        assert not outcome.failure
    assert len(llm.prompts) == times
