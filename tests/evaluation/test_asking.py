"""What an evaluation takes its models from: its own, one at a time, or those that others hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag_app.config import load_settings
from rag_app.evaluation.asking import SharedModels, Workbench
from rag_app.models.held_embedders import HeldEmbedders
from rag_app.models.hub import quietly
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
