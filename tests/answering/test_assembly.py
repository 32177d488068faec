"""Putting an engine together: which embedder a knowledge base wants, and which it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rag_app.answering.assembly import assemble_engine, choose_embedder
from rag_app.answering.query_engine import Answered
from rag_app.config import RetrievalSettings, Settings
from rag_app.errors import EmbedderMismatch, ModelNotAvailable
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from tests.checkpoints import make_bert_embedder
from tests.conftest import TEXTS, MakeBase, SmallBase
from tests.fakes import ScriptedLLM, fake_fingerprint


@pytest.fixture(scope="module")
def embedder(tiny_embedder: Path) -> CatalogueEmbedding:
    return CatalogueEmbedding(resolve_embedder(str(tiny_embedder), offline=True), device="cpu")


@pytest.fixture
def base(make_base: MakeBase, embedder: CatalogueEmbedding, monkeypatch: pytest.MonkeyPatch) -> SmallBase:
    """A knowledge base with vectors of the tiny model."""
    monkeypatch.setattr("tests.conftest.hash_vector", lambda text: embedder.embed_passages([text])[0])
    return make_base(fingerprints=[embedder.fingerprint])


def test_the_bases_first_model_is_the_default(base: SmallBase, tiny_embedder: Path) -> None:
    spec = choose_embedder(base.open(), None, offline=True)
    assert spec.path == tiny_embedder
    assert spec.fingerprint == base.fingerprint


def test_the_model_may_be_named(base: SmallBase, tiny_embedder: Path) -> None:
    assert choose_embedder(base.open(), str(tiny_embedder), offline=True).fingerprint == base.fingerprint


def test_another_model_of_the_same_dimension_is_refused_with_both_named(base: SmallBase, tmp_path: Path) -> None:
    other = make_bert_embedder(tmp_path, seed=1)
    with pytest.raises(EmbedderMismatch) as caught:
        choose_embedder(base.open(), str(other), offline=True)
    assert str(other) in caught.value.found
    assert base.fingerprint.model in caught.value.found
    assert base.fingerprint.digest in caught.value.found
    assert caught.value.remedy == f"Add them: python -m ingest --kb {base.name} --embed-model {other}"


def test_a_model_whose_files_have_changed_is_refused(make_base: MakeBase, tiny_embedder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_embedder, tmp_path / "model"))
    built_with = resolve_embedder(str(folder), offline=True).fingerprint
    base = make_base(fingerprints=[fake_fingerprint(str(folder), files_sha256=built_with.files_sha256)])
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(EmbedderMismatch, match="which has other files, prompts or settings"):
        choose_embedder(base.open(), None, offline=True)


def test_a_model_that_is_not_on_the_machine_is_named(make_base: MakeBase) -> None:
    base = make_base(fingerprints=[fake_fingerprint("nobody/nothing")])
    with pytest.raises(ModelNotAvailable, match="nobody/nothing is not on this machine"):
        choose_embedder(base.open(), None, offline=True)


@pytest.mark.parametrize("retriever", ["hybrid", "dense", "keyword"])
def test_an_assembled_engine_answers(base: SmallBase, embedder: CatalogueEmbedding, retriever: str) -> None:
    settings = Settings(retrieval=RetrievalSettings(retriever=retriever, top_k=2))
    engine = assemble_engine(base.open(), embedder, ScriptedLLM("Locked for 30 minutes [1]."), settings)
    *_, last = engine.ask("An account is locked for 30 minutes after 5 failed sign-ins.")
    assert isinstance(last, Answered)
    answer = last.answer
    assert answer.embedder == embedder.fingerprint.model
    assert answer.generator == "fake/scripted"
    assert 1 <= len(answer.passages) <= 2
    assert all({"cosine", "bm25"} <= set(passage.scores) for passage in answer.passages)


def test_the_real_prompt_side_is_searched(base: SmallBase, embedder: CatalogueEmbedding) -> None:
    """A question that is a chunk's text to the letter has cosine 1 with it, the tiny model having no prompts."""
    chunk = base.open().chunks.chunks([0])[0]
    engine = assemble_engine(base.open(), embedder, None, Settings(retrieval=RetrievalSettings(retriever="dense")))
    *_, last = engine.ask(chunk.embedded_text)
    assert isinstance(last, Answered)
    assert last.answer.passages[0].scores["cosine"] == pytest.approx(1.0, abs=1e-4)
    assert last.answer.passages[0].document == next(iter(TEXTS))


def test_an_embedder_without_vectors_is_refused(small_base: SmallBase, embedder: CatalogueEmbedding) -> None:
    with pytest.raises(EmbedderMismatch):
        assemble_engine(small_base.open(), embedder, None, Settings())
