"""Settings: which of flag, environment, rag.toml and default is in force, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rag_app.config import load_settings
from rag_app.errors import ConfigurationError


def write(text: str | bytes) -> None:
    """Write rag.toml in the working folder, which is below tmp_path."""
    Path("rag.toml").write_bytes(text.encode() if isinstance(text, str) else text)


def test_without_any_setting_the_documented_defaults_hold() -> None:
    settings = load_settings()
    assert settings.indexes == Path("indexes")
    assert settings.embed_model == "BAAI/bge-m3"
    assert (settings.generator, settings.reranker) == (None, None)
    assert (settings.device, settings.offline) == ("auto", False)
    assert (settings.retrieval.retriever, settings.retrieval.top_k) == ("hybrid", 5)
    assert settings.retrieval.per_document is None


def test_rag_toml_comes_before_the_default() -> None:
    write('embed_model = "bundled"\n[retrieval]\ntop_k = 7\n')
    settings = load_settings()
    assert (settings.embed_model, settings.retrieval.top_k) == ("bundled", 7)
    assert settings.retrieval.retriever == "hybrid"


def test_the_environment_comes_before_rag_toml(monkeypatch: pytest.MonkeyPatch) -> None:
    write('indexes = "from-file"\n[retrieval]\ntop_k = 7\nretriever = "dense"\n')
    monkeypatch.setenv("RAG_APP_INDEXES", "from-environment")
    monkeypatch.setenv("RAG_APP_RETRIEVAL__TOP_K", "8")
    settings = load_settings()
    assert settings.indexes == Path("from-environment")
    assert (settings.retrieval.top_k, settings.retrieval.retriever) == (8, "dense")


def test_a_reranker_can_be_set_for_all_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[retrieval]\nrerank_depth = 20\n")
    monkeypatch.setenv("RAG_APP_RERANKER", "me/mine")
    settings = load_settings()
    assert (settings.reranker, settings.retrieval.rerank_depth) == ("me/mine", 20)
    assert load_settings(reranker="you/yours").reranker == "you/yours"


def test_a_flag_comes_before_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    write('indexes = "from-file"\n[retrieval]\ntop_k = 7\nretriever = "dense"\n')
    monkeypatch.setenv("RAG_APP_INDEXES", "from-environment")
    monkeypatch.setenv("RAG_APP_RETRIEVAL__TOP_K", "8")
    settings = load_settings(indexes=Path("from-flag"), retrieval={"top_k": 9})
    assert settings.indexes == Path("from-flag")
    assert (settings.retrieval.top_k, settings.retrieval.retriever) == (9, "dense")


def test_flags_that_were_not_given_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_APP_OFFLINE", "true")
    monkeypatch.setenv("RAG_APP_RETRIEVAL__TOP_K", "8")
    settings = load_settings(indexes=None, offline=None, retrieval={"top_k": None, "retriever": None})
    assert (settings.offline, settings.retrieval.top_k, settings.indexes) == (True, 8, Path("indexes"))


def test_settings_cannot_be_changed_by_who_reads_them() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.device = "cpu"
    with pytest.raises(ValidationError):
        settings.retrieval.top_k = 3


@pytest.mark.parametrize(
    ("toml", "name", "place"),
    [
        pytest.param("topk = 3", "topk", "RAG_APP_TOPK", id="unknown key"),
        pytest.param("[retrieval]\ntopk = 3", "retrieval.topk", "RAG_APP_RETRIEVAL__TOPK", id="unknown key of a stage"),
        pytest.param("[retreival]\ntop_k = 3", "retreival", "RAG_APP_RETREIVAL", id="unknown stage"),
        pytest.param("[retrieval]\ntop_k = 0", "retrieval.top_k", "RAG_APP_RETRIEVAL__TOP_K", id="too small"),
        pytest.param(
            '[retrieval]\nretriever = "best"', "retrieval.retriever", "RAG_APP_RETRIEVAL__RETRIEVER", id="word"
        ),
        pytest.param('device = "tpu"', "device", "RAG_APP_DEVICE", id="unknown device"),
        pytest.param("[chunking]\nchunk_tokens = -1", "chunking.chunk_tokens", "rag.toml", id="negative"),
        pytest.param("[limits]\nfile_megabytes = []", "limits.file_megabytes", "rag.toml", id="wrong type"),
    ],
)
def test_a_setting_in_rag_toml_that_cannot_be_used_is_named_with_where_to_change_it(
    toml: str, name: str, place: str
) -> None:
    write(toml)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert f"'{name}'" in caught.value.found
    assert "found" in caught.value.found
    assert place in caught.value.remedy
    assert "rag.toml" in caught.value.remedy


def test_a_value_in_the_environment_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_APP_RETRIEVAL__TOP_K", "many")
    with pytest.raises(ConfigurationError, match=r"'retrieval\.top_k' .*'many'.*RAG_APP_RETRIEVAL__TOP_K"):
        load_settings()


def test_a_stage_set_as_a_whole_in_the_environment_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_APP_RETRIEVAL", "hybrid")
    with pytest.raises(ConfigurationError, match=r'"retrieval".*RAG_APP_RETRIEVAL__TOP_K'):
        load_settings()


def test_a_flag_that_cannot_be_used_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"'retrieval\.top_k'.*less than or equal to 100 \(found 101\)"):
        load_settings(retrieval={"top_k": 101})


@pytest.mark.parametrize(
    "content",
    [pytest.param("a = = 1", id="syntax"), pytest.param("embed_model = 'caf\xe9'".encode("latin-1"), id="not UTF-8")],
)
def test_a_rag_toml_that_is_no_toml_is_named(content: str | bytes) -> None:
    write(content)
    with pytest.raises(ConfigurationError, match=r"rag\.toml is not valid TOML: .* Correct it or remove it\."):
        load_settings()


def test_a_configuration_error_is_wrong_usage() -> None:
    write("topk = 3")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert caught.value.exit_code == 2
