"""What an id names, and what is refused before anything is fetched; what a model is, is tested in test_embedder.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rag_app.config import ModelSettings
from rag_app.errors import ModelLoadError, ModelNotAvailable, UsageError
from rag_app.models import embedder_spec
from rag_app.models.catalogue import Runs
from rag_app.models.embedder import load_embedder
from rag_app.models.embedder_spec import embedder_name, is_at_hand, resolve_embedder
from tests.checkpoints import make_bert_embedder
from tests.models.rows import row_for, use_row

TEXTS = ["How long is an account locked?", "密码重置", "a"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("bundled", "sentence-transformers/all-MiniLM-L6-v2"),
        ("BAAI/bge-m3", "BAAI/bge-m3"),
        ("nobody/nothing", "nobody/nothing"),
        ("~nosuchuser/model", "~nosuchuser/model"),
        ("x" * 5000, "x" * 5000),
        ("nomic-ai/nomic-embed-text-v1.5@256", "nomic-ai/nomic-embed-text-v1.5@256"),
        ("served:bundled", "served:sentence-transformers/all-MiniLM-L6-v2"),
        ("served:my model@v2", "served:my model@v2"),
    ],
    ids=["alias", "listed", "not listed", "unknown user", "too long", "cut", "served alias", "served, not listed"],
)
def test_an_index_names_a_model_by_its_id(given: str, name: str) -> None:
    assert embedder_name(given) == name


def test_a_folder_is_named_whole_however_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert embedder_name("model") == embedder_name("./model") == str((tmp_path / "model").resolve())


def test_a_folder_whose_name_looks_like_a_cut_is_a_folder(tmp_path: Path) -> None:
    folder = make_bert_embedder(tmp_path).rename(tmp_path / "model@16")
    spec = resolve_embedder(str(folder), offline=True)
    assert (spec.model_id, spec.fingerprint.dimension, spec.path) == (str(folder), 32, folder)


# Copies of a listed model


@pytest.mark.parametrize("place", ["bge-tiny-zh-v1.5", "BAAI/BGE-tiny-zh-v1.5", "models/BAAI/bge-tiny-zh-v1___5"])
def test_a_copy_in_a_folder_keeps_the_prompts_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    use_row(monkeypatch, row_for("BAAI/bge-tiny-zh-v1.5", query_prompt="为这个句子生成表示："))
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    folder = make_bert_embedder(tmp_path / "made").rename(tmp_path / place)
    said: list[str] = []
    spec = resolve_embedder(str(folder), offline=True, announce=said.append)
    assert spec.fingerprint.query_prompt == "为这个句子生成表示："
    assert spec.model_id == str(folder)
    assert said == [f"{folder} is taken for a copy of BAAI/bge-tiny-zh-v1.5: its prompts and its window are used."]


def test_a_folder_of_another_dimension_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_row(monkeypatch, row_for("BAAI/bge-tiny-zh-v1.5", query_prompt="为：", dimension=64))
    folder = make_bert_embedder(tmp_path).rename(tmp_path / "bge-tiny-zh-v1.5")
    spec = resolve_embedder(str(folder), offline=True)
    assert (spec.row, spec.fingerprint.query_prompt) == (None, "")


def test_a_folder_that_does_not_say_how_it_pools_is_warned_about(tmp_path: Path) -> None:
    folder = make_bert_embedder(tmp_path, pooling="mean")
    (folder / "modules.json").unlink()
    said: list[str] = []
    assert resolve_embedder(str(folder), offline=True, announce=said.append).fingerprint.pooling == "mean"
    assert said == [f"warning: {folder} has no modules.json, which would say how the model pools: the mean is taken."]


# Shorter vectors


def test_vectors_are_cut_to_a_length_the_model_was_trained_for_and_brought_to_length_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_bert_embedder(tmp_path)
    use_row(monkeypatch, row_for(str(folder), matryoshka=(32, 16)))
    whole = load_embedder(resolve_embedder(str(folder), offline=True), device="cpu").embed_passages(TEXTS)
    spec = resolve_embedder(f"{folder}@16", offline=True)
    cut = load_embedder(spec, device="cpu").embed_passages(TEXTS)
    assert (spec.model_id, spec.fingerprint.dimension, cut.shape) == (f"{folder}@16", 16, (len(TEXTS), 16))
    expected = whole[:, :16] / np.linalg.norm(whole[:, :16], axis=1, keepdims=True)
    np.testing.assert_allclose(cut, expected, atol=1e-6)


def test_an_index_tells_cut_vectors_from_whole_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_bert_embedder(tmp_path)
    use_row(monkeypatch, row_for(str(folder), matryoshka=(32, 16)))
    whole, cut = (resolve_embedder(name, offline=True).fingerprint for name in (str(folder), f"{folder}@16"))
    assert set(whole.differences(cut)) == {"model", "dimension"}


@pytest.mark.parametrize(("matryoshka", "named"), [((32, 16), "32, 16"), ((), "none")])
def test_a_length_the_model_was_not_trained_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, matryoshka: tuple[int, ...], named: str
) -> None:
    folder = make_bert_embedder(tmp_path)
    use_row(monkeypatch, row_for(str(folder), matryoshka=matryoshka))
    with pytest.raises(UsageError, match=f"cut to 20; it can be cut to: {named}"):
        resolve_embedder(f"{folder}@20", offline=True)


# What is not run here


def test_a_model_that_needs_its_own_code_is_refused_before_it_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    use_row(monkeypatch, row_for("somebody/with-code", runs=Runs.REMOTE_CODE))
    monkeypatch.setattr(embedder_spec, "locate", lambda *_, **__: pytest.fail("it was looked for"))
    with pytest.raises(ModelLoadError, match="none is run unless you trust it") as caught:
        resolve_embedder("somebody/with-code", offline=False)
    assert "RAG_APP_MODELS__TRUSTED_CODE='[\"somebody/with-code\"]'" in caught.value.remedy


def test_a_model_that_cannot_run_here_says_so_and_how_it_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    use_row(monkeypatch, row_for("nvidia/big", runs=Runs.SERVED, notes="It wants transformers 4.42."))
    with pytest.raises(
        ModelNotAvailable, match=r"published code cannot run here\. It wants transformers 4\.42"
    ) as caught:
        resolve_embedder("nvidia/big", offline=True)
    assert "RAG_APP_MODELS__SERVED_URL" in caught.value.remedy
    assert not is_at_hand("nvidia/big", ModelSettings())
    assert is_at_hand("nvidia/big", ModelSettings(served_url="http://127.0.0.1:1/v1"))


def test_a_listed_model_that_is_served_has_its_own_prompts_and_needs_no_server_to_be_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_row(monkeypatch, row_for("nvidia/big", runs=Runs.SERVED, query_prompt="Query: "))
    spec = resolve_embedder("nvidia/big", offline=True, models=ModelSettings(served_url="http://127.0.0.1:1/v1"))
    assert (spec.path, spec.fingerprint.query_prompt, spec.model_id) == (None, "Query: ", "nvidia/big")


def test_a_length_that_cannot_be_is_refused_before_the_model_is_looked_for() -> None:
    with pytest.raises(UsageError, match=r"1024 numbers cut to 5000; it can be cut to: "):
        resolve_embedder("Qwen/Qwen3-Embedding-0.6B@5000", offline=True)
