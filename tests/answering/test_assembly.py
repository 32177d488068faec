"""Putting an engine together: which embedder a knowledge base wants, and which it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters

from rag_app.answering.assembly import assemble_engine, choose_embedder
from rag_app.answering.query_engine import Answered
from rag_app.config import RetrievalSettings, Settings
from rag_app.datatypes import Passage
from rag_app.errors import EmbedderMismatch, ModelNotAvailable
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.reranker import CatalogueReranker
from rag_app.models.reranker_spec import resolve_reranker
from tests.checkpoints import make_bert_embedder
from tests.conftest import TEXTS, MakeBase, SmallBase
from tests.fakes import FakeReranker, ScriptedLLM, fake_fingerprint
from tests.models.checkpoints.rerankers import RERANKERS, publish_reranker

QUESTION = "How long is an account locked?"


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


def test_a_reranker_chooses_among_more_passages_than_are_kept(base: SmallBase, embedder: CatalogueEmbedding) -> None:
    settings = Settings(retrieval=RetrievalSettings(top_k=1, rerank_depth=2))
    reranker = FakeReranker(given=[])
    *_, last = assemble_engine(base.open(), embedder, None, settings, reranker=reranker).ask(QUESTION)
    assert isinstance(last, Answered)
    assert reranker.given == [2]
    (passage,) = last.answer.passages
    assert {"cosine", "bm25", "sentence", "fused", "reranker"} == set(passage.scores)
    assert last.answer.reranker == "fake/longest"
    assert {"retrieval", "reranking"} <= set(last.answer.timings)


def test_as_many_are_reranked_as_are_kept_where_that_is_more(base: SmallBase, embedder: CatalogueEmbedding) -> None:
    settings = Settings(retrieval=RetrievalSettings(top_k=3, rerank_depth=1))
    reranker = FakeReranker(given=[])
    *_, last = assemble_engine(base.open(), embedder, None, settings, reranker=reranker).ask(QUESTION)
    assert isinstance(last, Answered)
    assert reranker.given == [len(last.answer.passages)] == [3]


def test_without_a_reranker_nothing_is_said_of_one(base: SmallBase, embedder: CatalogueEmbedding) -> None:
    *_, last = assemble_engine(base.open(), embedder, None, Settings()).ask(QUESTION)
    assert isinstance(last, Answered)
    assert last.answer.reranker is None
    assert "reranking" not in last.answer.timings
    assert all("reranker" not in passage.scores for passage in last.answer.passages)


@pytest.mark.parametrize("is_reranked", [False, True])
def test_duplicates_leave_room_for_what_else_there_is(
    make_base: MakeBase, embedder: CatalogueEmbedding, monkeypatch: pytest.MonkeyPatch, is_reranked: bool
) -> None:
    monkeypatch.setattr("tests.conftest.hash_vector", lambda text: embedder.embed_passages([text])[0])
    rule = (
        "An account is locked for a while after failed sign-ins. The help desk unlocks it when its owner calls from the "
        "desk and names the manager, the room and the day of joining. Whoever works from home shows the badge in a "
        "video call instead. Visitors ask the reception, which keeps a list of guest accounts and passwords in an envelope."
    )
    texts = {f"docs/copy-{number}.md": f"# Copy {'abcde'[number]}\n\n{rule}" for number in range(5)}
    base = make_base(texts | TEXTS, fingerprints=[embedder.fingerprint])
    settings = Settings(retrieval=RetrievalSettings(top_k=3, retriever="keyword"))
    reranker = FakeReranker(given=[]) if is_reranked else None
    *_, last = assemble_engine(base.open(), embedder, None, settings, reranker=reranker).ask(QUESTION)
    assert isinstance(last, Answered)
    passages = last.answer.passages
    (copy,) = [passage for passage in passages if passage.document in texts]
    assert {copy.document, *(place.document for place in copy.also_in)} == set(texts)
    assert len(passages) > 1


def test_an_answer_is_written_from_neighbours_that_the_filters_keep(
    make_base: MakeBase, embedder: CatalogueEmbedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.conftest.hash_vector", lambda text: embedder.embed_passages([text])[0])
    rules = "\n\n".join(
        f"## Rule {n}\n\n" + f"Sentence {n} says {n}00 things about subject {n}. " * 8 for n in range(9)
    )
    base = make_base({"docs/rules.md": rules}, fingerprints=[embedder.fingerprint])
    settings = Settings(retrieval=RetrievalSettings(top_k=1, retriever="keyword"))

    def passage_of(llm: ScriptedLLM | None, filters: MetadataFilters | None = None) -> Passage:
        engine = assemble_engine(base.open(), embedder, llm, settings, filters=filters)
        *_, last = engine.ask("What about subject 4?")
        assert isinstance(last, Answered)
        return last.answer.passages[0]

    found = passage_of(None)
    widened = passage_of(ScriptedLLM("Yes."))
    assert widened.start < found.start < found.end < widened.end
    one = MetadataFilter(key="start", operator=FilterOperator.GTE, value=found.start)
    narrowed = passage_of(ScriptedLLM("Yes."), MetadataFilters(filters=[one]))
    assert (narrowed.start, narrowed.end) == (found.start, widened.end)
    assert narrowed.text == rules[narrowed.start : narrowed.end]


def test_a_real_reranker_orders_the_passages(base: SmallBase, embedder: CatalogueEmbedding, tmp_path: Path) -> None:
    model = RERANKERS["cross-encoder/mmarco-mMiniLMv2-L12-H384-v1"]
    spec = resolve_reranker(str(publish_reranker(model, tmp_path / "reranker")), offline=True)
    reranker = CatalogueReranker(spec, device="cpu")
    engine = assemble_engine(base.open(), embedder, None, Settings(), reranker=reranker)
    *_, last = engine.ask(QUESTION)
    assert isinstance(last, Answered)
    scores = [passage.scores["reranker"] for passage in last.answer.passages]
    assert len(scores) > 1
    assert scores == sorted(scores, reverse=True)
    chunks = {chunk.text: chunk for chunk in base.open().chunks.all_chunks()}
    read = ["\n".join((" > ".join(chunks[one.text].heading_path), one.text)) for one in last.answer.passages]
    expected = reranker.rerank(QUESTION, [text.strip() for text in read]).scores
    assert scores == pytest.approx(expected.tolist(), abs=1e-3)


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
