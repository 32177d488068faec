"""`rag-app doctor`: each thing that can be wrong is named with the command that mends it; a sound machine is sound."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_app.config import Settings, load_settings, settings_in_force
from rag_app.doctor import examination, program
from rag_app.doctor.examination import examine
from rag_app.doctor.findings import Finding, State
from rag_app.doctor.program import REQUIRED_OPTIONS, check_program, check_reading, check_serving, options_in_force
from rag_app.errors import ConfigurationError, ModelLoadError
from rag_app.models import device
from rag_app.models.catalogue import load_catalogue
from tests.commands import Run
from tests.conftest import REPOSITORY, MakeBase, SmallBase
from tests.fakes import fake_fingerprint
from tests.ui.server import free_port

SAFE = dict(REQUIRED_OPTIONS)


def findings_of(settings: Settings, options: dict[str, object] | None = None) -> dict[str, Finding]:
    return {finding.saying.key: finding for finding in examine(settings, SAFE if options is None else options).findings}


# knowledge bases


def test_without_a_knowledge_base_nothing_is_wrong_and_the_next_command_is_given(tmp_path: Path) -> None:
    diagnosis = examine(load_settings(indexes=tmp_path / "none"), SAFE)
    assert diagnosis.ok, [str(finding.saying) for finding in diagnosis.of(State.WRONG)]
    (empty,) = [finding for finding in diagnosis.findings if finding.saying.key == "no_base"]
    assert empty.command == f"python -m ingest FOLDER --embed-model bundled --indexes {tmp_path / 'none'}"
    assert not (tmp_path / "none").exists(), "the doctor changes nothing"


def test_a_base_whose_model_is_not_here_cannot_be_asked(small_base: SmallBase) -> None:
    found = findings_of(load_settings(indexes=small_base.indexes))
    assert found["base"].state is State.FINE
    assert "3 documents" in found["base"].saying
    missing = found["base_model_missing"]
    assert missing.state is State.WRONG
    assert missing.command == f"rag-app models install {small_base.fingerprint.model}"


def test_a_damaged_base_is_named_with_what_mends_it(make_base: MakeBase) -> None:
    base = make_base()
    chunks = base.open().folder / "chunks.sqlite"
    chunks.write_bytes(chunks.read_bytes()[:-100])
    damaged = findings_of(load_settings(indexes=base.indexes))["base_damaged"]
    assert damaged.state is State.WRONG
    assert damaged.command == f"python -m ingest --kb small --rebuild --indexes {base.indexes}"
    assert "chunks.sqlite is damaged" in damaged.detail


def test_leftovers_of_a_killed_build_are_named_and_stay(small_base: SmallBase) -> None:
    left = small_base.indexes / "small" / ".build-left"
    left.mkdir()
    (left / "half").write_bytes(b"x" * 1_000_000)
    note = findings_of(load_settings(indexes=small_base.indexes))["leftovers"]
    assert note.state is State.NOTE
    assert "1 leftovers of a build (1.0 MB)" in note.saying
    assert left.exists()


def test_an_index_root_that_is_a_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "indexes").write_text("")
    assert findings_of(load_settings(indexes=tmp_path / "indexes"))["root_is_no_folder"].state is State.WRONG


def test_a_full_disk_is_said_before_a_build_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=50_000_000))
    assert findings_of(load_settings(indexes=tmp_path))["little_space"].state is State.WRONG


# models


@pytest.mark.parametrize(
    ("environment", "key", "state"),
    [
        ({}, "generator_missing", State.NOTE),
        ({"RAG_APP_GENERATOR": "quote"}, "generator_quote", State.FINE),
        ({"RAG_APP_GENERATOR": "bundled"}, "generator", State.FINE),
        ({"RAG_APP_GENERATOR": "/no/such/model"}, "generator_missing", State.WRONG),
        ({"RAG_APP_GENERATOR": "served:x"}, "server_not_set", State.WRONG),
        ({"RAG_APP_RERANKER": "BAAI/bge-reranker-base"}, "reranker_missing", State.WRONG),
        ({"RAG_APP_EMBED_MODEL": "bundled"}, "embedder", State.FINE),
        ({"RAG_APP_EMBED_MODEL": "served:x"}, "embedder_server_not_set", State.NOTE),
        ({"RAG_APP_DEVICE": "cuda"}, "device_unusable", State.WRONG),
    ],
    ids=str,
)
def test_what_the_settings_name_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], key: str, state: State
) -> None:
    import torch

    if environment.get("RAG_APP_DEVICE") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert findings_of(load_settings(indexes=tmp_path))[key].state is state


@pytest.mark.parametrize("model", ["served:mine", "nvidia/NV-Embed-v2"])
def test_a_model_that_a_server_runs_is_not_to_be_installed(make_base: MakeBase, model: str) -> None:
    base = make_base(fingerprints=(fake_fingerprint(model, revision="served"),))
    missing = findings_of(load_settings(indexes=base.indexes))["base_server_not_set"]
    assert missing.state is State.WRONG
    assert missing.command == "export RAG_APP_MODELS__SERVED_URL=http://127.0.0.1:8000/v1"


@pytest.mark.parametrize("there", ["cuda", "cpu", None])
def test_the_default_generator_is_that_of_the_device_that_auto_stands_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: str | None
) -> None:
    def resolved(_: str) -> str:
        if there is None:
            raise ConfigurationError("There is none.", "")
        return there

    monkeypatch.setattr(device, "resolve_device", resolved)
    expected = load_catalogue().default_generator(on_gpu=there == "cuda").id
    assert expected in findings_of(load_settings(indexes=tmp_path))["generator_missing"].saying


def test_a_server_is_only_asked_where_one_is_set_and_its_silence_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_network: list[object]
) -> None:
    monkeypatch.setenv("RAG_APP_GENERATOR", "served:x")
    monkeypatch.setenv("RAG_APP_MODELS__SERVED_URL", f"http://127.0.0.1:{free_port()}/v1")
    assert findings_of(load_settings(indexes=tmp_path))["server_silent"].state is State.WRONG
    assert no_network == []


# the program


def test_a_library_out_of_bounds_or_missing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    real = program.importlib.metadata.version

    def version(name: str) -> str:
        if name == "typer":
            raise program.importlib.metadata.PackageNotFoundError(name)
        return "0.1" if name == "torch" else real(name)

    monkeypatch.setattr(program.importlib.metadata, "version", version)
    found = {finding.saying.key: finding for finding in check_program(load_settings())}
    assert "torch has version 0.1" in found["library_version"].saying
    assert found["library_version"].command.startswith("pip install 'torch")
    assert "typer is not installed" in found["library_missing"].saying


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server.address", "0.0.0.0"),
        ("server.address", None),
        ("server.allowedHosts", []),
        ("server.allowedHosts", ["localhost", "evil.example"]),
        ("server.enableXsrfProtection", False),
        ("server.maxUploadSize", 200),
        ("browser.gatherUsageStats", True),
        ("client.showErrorDetails", "full"),
    ],
)
def test_an_option_that_is_less_safe_than_shipped_is_wrong(name: str, value: object) -> None:
    (finding,) = check_serving(SAFE | {name: value})
    assert finding.state is State.WRONG
    assert name in finding.saying


def test_safer_options_are_fine() -> None:
    (finding,) = check_serving(SAFE | {"server.maxUploadSize": 5, "server.allowedHosts": ["127.0.0.1"]})
    assert finding.state is State.FINE


def test_the_shipped_configuration_is_safe_and_the_environment_comes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.state for finding in check_serving(options_in_force())] == [State.FINE]
    monkeypatch.setenv("STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION", "false")
    (finding,) = check_serving(options_in_force())
    assert finding.state is State.WRONG
    assert finding.command == "unset STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION"


def test_what_reads_scanned_pages_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program.shutil, "which", lambda _: None)
    assert "tesseract_missing" in {finding.saying.key for finding in check_reading(load_settings())}
    monkeypatch.setattr(program.shutil, "which", lambda _: "/usr/bin/tesseract")
    monkeypatch.setattr(program, "_tesseract_languages", lambda _: {"eng"})
    found = {finding.saying.key: finding for finding in check_reading(load_settings())}
    assert found["ocr_languages_missing"].command == "apt-get install tesseract-ocr-chi-sim"


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(_: Settings) -> list[Finding]:
        raise ZeroDivisionError("it broke")

    def refusing(_: Settings) -> list[Finding]:
        raise ModelLoadError("It is broken.", "Mend it.")

    section = examination.CHECKS[0][0]
    monkeypatch.setattr(examination, "CHECKS", ((section, broken), (section, refusing), *examination.CHECKS[1:3]))
    diagnosis = examine(load_settings(indexes=tmp_path), SAFE)
    assert [finding.detail for finding in diagnosis.of(State.WRONG)] == [
        "ZeroDivisionError: it broke",
        "It is broken. Mend it.",
    ]
    assert "no_base" in {finding.saying.key for finding in diagnosis.findings}


# settings


def test_settings_say_where_they_were_set_and_keep_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("rag.toml").write_text('generator = "bundled"\n[retrieval]\ntop_k = 7\n', encoding="utf-8")
    monkeypatch.setenv("RAG_APP_RETRIEVAL__RETRIEVER", "dense")
    monkeypatch.setenv("RAG_APP_MODELS__SERVED_KEY", "canary")
    found = {one.name: one for one in settings_in_force(load_settings(device="cpu"))}
    assert (found["generator"].value, found["generator"].origin) == ("bundled", "file")
    assert (found["retrieval.top_k"].value, found["retrieval.top_k"].origin) == ("7", "file")
    assert (found["retrieval.retriever"].value, found["retrieval.retriever"].origin) == ("dense", "environment")
    assert found["device"].origin == "flag"
    assert found["offline"].origin == "default"
    assert found["models.served_key"].origin == "environment"
    assert "canary" not in found["models.served_key"].value


# the command


def test_the_command_prints_problems_first_and_fails_where_there_is_one(run: Run, make_base: MakeBase) -> None:
    base = make_base()
    (base.open().folder / "chunks.sqlite").unlink()
    result = run("doctor", "--indexes", base.indexes)
    assert result.code == 1
    first = result.out.splitlines()
    assert first[0] == "wrong  The knowledge base 'small' cannot be opened as it is."
    assert first[1].strip() == f"python -m ingest --kb small --rebuild --indexes {base.indexes}"
    states = [line.split()[0] for line in first if line.startswith(("wrong", "note", "fine"))]
    assert states == sorted(states, key=["wrong", "note", "fine"].index)
    assert result.err == ""


def test_the_command_as_json_is_one_object(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--json", "--indexes", tmp_path)
    assert result.code == 0
    assert result.json["ok"] is True
    assert {"section", "state", "about", "found", "command", "detail"} == set(result.json["findings"][0])
    assert {"name": "device", "value": "auto", "set_by": "default"} in result.json["settings"]


@pytest.fixture
def no_write(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr("os.access", lambda path, mode: not mode & 2)


def test_an_index_root_that_cannot_be_written_is_wrong(tmp_path: Path, no_write: Callable[[], None]) -> None:
    no_write()
    found = findings_of(load_settings(indexes=tmp_path))
    assert found["root_unwritable"].command == f"chmod u+w {tmp_path}"


def test_the_documentation_names_every_required_option() -> None:
    page = (REPOSITORY / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert [name for name in REQUIRED_OPTIONS if name not in page] == []
