"""A model that a server runs is used as the same model would be used here; whatever the server does instead is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from ingest.build import BuildRequest, build
from rag_app.config import ModelSettings, load_settings
from rag_app.errors import EmbeddingError, ModelNotAvailable
from rag_app.models import embedder_spec
from rag_app.models.catalogue import Catalogue, Runs, load_catalogue
from rag_app.models.embedder import load_embedder
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.served_embedder import BATCH_SIZE, ServedEmbedding
from rag_app.store.knowledge_base import KnowledgeBase
from tests.models.embedding_server import DIMENSION, KEY, Server, running, vector

NV_EMBED = "nvidia/NV-Embed-v2"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "requests.jsonl") as server:
        yield server


def load(server: Server, model_id: str, **settings: object) -> ServedEmbedding:
    models = ModelSettings(served_url=server.url, **settings)  # type: ignore[arg-type]
    embedder = load_embedder(resolve_embedder(model_id, offline=True, models=models), models=models)
    assert isinstance(embedder, ServedEmbedding)
    return embedder


def unit(text: str, dimension: int = DIMENSION) -> list[float]:
    numbers = np.asarray(vector(text)[:dimension])
    return (numbers / np.linalg.norm(numbers)).tolist()


@pytest.fixture
def small_nv_embed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue's row of NV-Embed-v2, with the dimension of the server's vectors."""
    row = load_catalogue().embedder(NV_EMBED)
    assert row is not None
    assert row.runs is Runs.SERVED
    small = Catalogue((replace(row, dimension=DIMENSION, max_tokens=24, matryoshka=(8,)),), (), ())
    monkeypatch.setattr(embedder_spec, "load_catalogue", lambda: small)


def test_nv_embed_has_its_instruction_before_questions_and_nothing_before_passages(
    server: Server, small_nv_embed: None
) -> None:
    embedder = load(server, NV_EMBED)
    passages = embedder.embed_passages(["A passage.", "段落。"])
    question = embedder.embed_question("Why?")
    asked = [request["body"] for request in server.requests]
    instruction = "Instruct: Given a question, retrieve passages that answer the question\nQuery: "
    assert [body["input"] for body in asked] == [["A passage.", "段落。"], [f"{instruction}Why?"]]
    assert {body["model"] for body in asked} == {NV_EMBED}
    np.testing.assert_allclose(passages, [unit("A passage."), unit("段落。")], atol=1e-6)
    np.testing.assert_allclose(question, unit(f"{instruction}Why?"), atol=1e-6)
    assert embedder.get_query_embedding("Why?") == question.tolist()
    assert embedder.get_text_embedding("段落。") == passages[1].tolist()


def test_vectors_are_cut_here_and_the_server_is_asked_for_the_model_by_its_own_name(
    server: Server, small_nv_embed: None
) -> None:
    embedder = load(server, f"{NV_EMBED}@8")
    np.testing.assert_allclose(embedder.embed_passages(["a"])[0], unit("a", 8), atol=1e-6)
    assert server.requests[0]["body"]["model"] == NV_EMBED
    assert (embedder.fingerprint.model, embedder.fingerprint.dimension) == (f"{NV_EMBED}@8", 8)


def test_a_model_without_a_row_is_asked_how_long_its_vectors_are(server: Server) -> None:
    embedder = load(server, "served:my-model")
    assert (embedder.fingerprint.model, embedder.fingerprint.dimension) == ("served:my-model", DIMENSION)
    assert embedder.fingerprint.query_prompt == ""
    assert {request["body"]["model"] for request in server.requests} == {"my-model"}


def test_many_texts_are_sent_in_batches_and_come_back_in_order(server: Server) -> None:
    texts = [f"text {n}" for n in range(2 * BATCH_SIZE + 3)]
    vectors = load(server, "served:my-model").embed_passages(texts)
    np.testing.assert_allclose(vectors, [unit(text) for text in texts], atol=1e-6)
    assert [len(request["body"]["input"]) for request in server.requests[1:]] == [BATCH_SIZE, BATCH_SIZE, 3]
    assert load(server, "served:my-model").embed_passages([]).shape == (0, DIMENSION)


@pytest.mark.parametrize(("answers_as", "long_count"), [("nv", 30), ("silent", 30 * 5 + 2)])
def test_only_texts_that_may_be_too_long_are_asked_about(
    server: Server, small_nv_embed: None, monkeypatch: pytest.MonkeyPatch, answers_as: str, long_count: int
) -> None:
    embedder = load(server, NV_EMBED)
    monkeypatch.setattr(embedder._server, "_name", answers_as)
    assert embedder.count_tokens(["short", "word " * 30]) == [7, long_count]
    assert len(server.requests) == 1


# What is kept from it


def test_nothing_of_the_environment_is_shown_and_no_proxy_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "HF_TOKEN"):
        monkeypatch.setenv(name, "sk-canary")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    load(server, "served:my-model").embed_question("a")
    assert "canary" not in str(server.requests)
    assert all("Authorization" not in request["headers"] for request in server.requests)


def test_the_key_that_was_configured_is_shown_and_printed_nowhere(server: Server) -> None:
    settings = ModelSettings(served_url=server.url, served_key=SecretStr(KEY))
    assert KEY not in repr(settings)
    embedder = load(server, "served:locked", served_key=SecretStr(KEY))
    assert embedder.embed_question("a").shape == (DIMENSION,)


def test_a_redirect_is_not_followed(server: Server) -> None:
    with pytest.raises(EmbeddingError, match="with status 307"):
        load(server, "served:elsewhere")
    assert len(server.requests) == 1


# What goes wrong


@pytest.mark.parametrize(
    ("model", "error", "found", "remedy"),
    [
        ("unknown", ModelNotAvailable, "status 404: .*`unknown` does not exist", "served:NAME"),
        ("locked", ModelNotAvailable, "status 401: .*No key", "RAG_APP_MODELS__SERVED_KEY"),
        ("failing", EmbeddingError, "status 500: .*out of memory", "--chunk-tokens"),
        ("no-json", EmbeddingError, "gave no JSON, expected the vectors of 'no-json'", "OpenAI-compatible"),
        ("no-vectors", EmbeddingError, "gave no list of vectors", "embedding model"),
    ],
)
def test_a_server_that_gives_no_vectors_is_named_with_what_it_said(
    server: Server, model: str, error: type[Exception], found: str, remedy: str
) -> None:
    with pytest.raises(error, match=found) as caught:
        load(server, f"served:{model}")
    assert server.url in str(caught.value)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("few", r"gave vectors of shape \(1, 16\) for 2 texts"),
        ("longer", r"gave vectors of shape \(2, 17\), expected \(2, 16\)"),
        ("nan", "gave 1 vectors that cannot be searched"),
    ],
)
def test_vectors_that_are_not_those_of_the_texts_are_refused(
    server: Server, small_nv_embed: None, model: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = load(server, NV_EMBED)
    monkeypatch.setattr(embedder._server, "_name", model)
    with pytest.raises(EmbeddingError, match=found):
        embedder.embed_passages(["a", "b"])


def test_a_server_that_is_slow_or_gone_is_given_up_in_time(server: Server) -> None:
    with pytest.raises(ModelNotAvailable, match="did not answer \\(ReadTimeout\\)") as caught:
        load(server, "served:slow", served_seconds=1)
    assert "RAG_APP_MODELS__SERVED_SECONDS" in caught.value.remedy
    with pytest.raises(ModelNotAvailable, match="did not answer \\(ConnectError\\)"):
        load(Server("http://127.0.0.1:9/v1", server.log), "served:my-model")


def test_a_base_is_built_and_asked_by_a_served_model(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("The canteen opens at noon.")
    settings = load_settings(indexes=tmp_path / "indexes", offline=True, models={"served_url": server.url})
    report = build(BuildRequest("notes", (folder,), ("served:my-model",)), settings, lambda event: None)
    assert [(model.model, model.embedded, model.truncated) for model in report.models] == [("served:my-model", 1, 0)]
    base = KnowledgeBase.open(settings.indexes, "notes")
    asked = len(server.requests)
    embedder = load(server, "served:my-model")
    assert embedder.fingerprint == base.models[0]
    question = embedder.embed_question("When does the canteen open?")
    assert base.vectors(base.models[0]).search(question, 1)[0].tolist() == [0]
    assert len(server.requests) > asked
