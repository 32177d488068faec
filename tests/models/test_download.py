"""Downloads from a hub on this machine: what is fetched, what is said before, what is resumed, what is refused."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from huggingface_hub import constants

from rag_app.errors import ModelLoadError, ModelNotAvailable
from rag_app.models.catalogue import EmbedderRow, load_catalogue
from rag_app.models.fetching import download_progress
from rag_app.models.fetching.download_progress import DownloadProgress
from rag_app.models.hub import ModelFiles, Origin, find_on_machine, locate
from tests.conftest import REPOSITORY
from tests.models.hub_server import COMMIT, Hub, running

MODEL = "nobody/small"
# huggingface_hub writes in pieces of 10 MB: what it holds in memory is lost with the process.
PIECE = constants.DOWNLOAD_CHUNK_SIZE
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "tokenizer.json": b"{}",
    "README.md": b"nothing that is needed",
    "modeling_own.py": b"raise SystemExit('never run')",
    "model.safetensors": random.Random(0).randbytes(5000),
    "pytorch_model.bin": b"the same weights once more",
    "onnx/model.onnx": b"and once more",
}


@pytest.fixture(autouse=True)
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hf" / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    return cache


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running(Hub(MODEL, dict(FILES))) as served:
        # What HF_ENDPOINT would set, read by huggingface_hub when it is imported
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{served.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )
        yield served


def fetched(
    said: list[str] | None = None, row: EmbedderRow | None = None, *, trusted_code: tuple[str, ...] = ()
) -> ModelFiles:
    announce = (said if said is not None else []).append
    return locate(MODEL, row, kind="embedding model", offline=False, announce=announce, trusted_code=trusted_code)


def row_of(model_id: str) -> EmbedderRow:
    row = load_catalogue().embedder(model_id)
    assert row is not None
    return replace(row, id=MODEL, package="", revision="")


def test_what_is_needed_is_fetched_and_nothing_else(hub: Hub) -> None:
    found = fetched()
    assert found == ModelFiles(found.path, COMMIT, Origin.HUB)
    names = sorted(path.relative_to(found.path).as_posix() for path in found.path.rglob("*"))
    assert names == ["config.json", "model.safetensors", "tokenizer.json"]
    for name in names:
        assert (found.path / name).read_bytes() == FILES[name]
        assert [(sent.start, sent.count) for sent in hub.sent_of(name)] == [(0, len(FILES[name]))]


def test_what_was_fetched_is_found_again_without_the_hub(hub: Hub) -> None:
    found = fetched()
    hub.asked.clear()
    assert fetched() == ModelFiles(found.path, COMMIT, Origin.CACHE)
    assert hub.asked == []


def test_code_is_fetched_only_when_it_is_wanted(hub: Hub) -> None:
    assert not list(fetched().path.glob("*.py"))
    assert (fetched(trusted_code=(MODEL,)).path / "modeling_own.py").is_file()
    hub.asked.clear()
    fetched(trusted_code=(MODEL,))
    assert hub.asked == []


@pytest.fixture
def elsewhere(hub: Hub) -> Hub:
    """A repository that the model has its code in."""
    auto_map = {"AutoModel": "some/code--modeling_own.Own", "AutoTokenizer": ["some/code--tokenizing.Own", None]}
    hub.files["config.json"] = json.dumps({"model_type": "own", "auto_map": auto_map}).encode()
    del hub.files["modeling_own.py"]
    other = Hub("some/code", {"modeling_own.py": b"raise SystemExit('never run')", "model.safetensors": b"x" * 100})
    hub.others.append(other)
    return other


def test_code_in_another_repository_is_refused_unless_that_one_is_trusted_too(hub: Hub, elsewhere: Hub) -> None:
    """And before anything large is fetched."""
    with pytest.raises(
        ModelLoadError, match=r"config\.json would have code of another repository run.*: some/code\."
    ) as caught:
        fetched(trusted_code=(MODEL,))
    assert f'RAG_APP_MODELS__TRUSTED_CODE=\'["{MODEL}", "some/code"]\'' in caught.value.remedy
    assert not [path for path in hub.asked if "some/code" in path]
    assert (hub.sent_of("model.safetensors"), elsewhere.sent) == ([], [])


def test_code_in_another_repository_that_is_trusted_is_fetched_and_nothing_else_of_it(
    hub: Hub, elsewhere: Hub, empty_caches: Path
) -> None:
    with pytest.raises(ModelLoadError):
        fetched(trusted_code=(MODEL,))
    said: list[str] = []
    found = fetched(said, trusted_code=(MODEL, "some/code"))
    assert said[-1] == f"Downloading the code of {MODEL}, which is in some/code."
    assert [sent.name for sent in elsewhere.sent] == ["modeling_own.py"]
    assert [path.name for path in (empty_caches / "models--some--code" / "snapshots").rglob("*.*")] == [
        "modeling_own.py"
    ]
    assert (found.path / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    hub.asked.clear()
    fetched(trusted_code=(MODEL, "some/code"))
    assert hub.asked == []
    shutil.rmtree(empty_caches / "models--some--code")  # a cache of another program's may lack it
    fetched(trusted_code=(MODEL, "some/code"))
    assert [sent.name for sent in elsewhere.sent] == ["modeling_own.py"] * 2


def test_a_repository_of_code_that_is_not_there_is_named(hub: Hub, elsewhere: Hub) -> None:
    hub.others.clear()
    with pytest.raises(ModelNotAvailable, match=r"'some/code' is neither"):
        fetched(trusted_code=(MODEL, "some/code"))


def test_a_damaged_configuration_is_fetched_again_before_it_is_believed(hub: Hub, elsewhere: Hub) -> None:
    hub.damaged = frozenset({"config.json"})
    with pytest.raises(ModelNotAvailable, match=r"The file config\.json of nobody/small arrived damaged"):
        fetched(trusted_code=(MODEL, "some/code"))
    hub.damaged = frozenset()
    assert (fetched(trusted_code=(MODEL, "some/code")).path / "config.json").read_bytes() == hub.files["config.json"]


def test_the_pinned_revision_is_asked_for(hub: Hub) -> None:
    fetched(row=replace(row_of("BAAI/bge-m3"), revision=COMMIT))
    assert f"/api/models/{MODEL}/revision/{COMMIT}" in hub.asked


def test_size_licence_and_mirror_are_said_before_the_first_file(hub: Hub) -> None:
    said: list[str] = []

    def announce(message: str) -> None:
        assert hub.sent == []
        said.append(message)

    hub.files["model.safetensors"] = bytes(12_000_000)
    locate(MODEL, None, kind="embedding model", offline=False, announce=announce)
    assert said == [f"Downloading {MODEL} from {hub.url}: 0.01 GB, licence mit."]


def test_terms_that_forbid_commercial_use_are_said_before(hub: Hub) -> None:
    said: list[str] = []
    fetched(said, replace(row_of("BAAI/bge-m3"), licence="CC-BY-NC-4.0", commercial=False))
    assert "licence CC-BY-NC-4.0, which does not allow commercial use." in said[0]


def test_a_gated_model_says_so_before_and_names_the_page_and_the_command(hub: Hub) -> None:
    hub.gated = True
    said: list[str] = []
    with pytest.raises(ModelNotAvailable) as caught:
        fetched(said)
    assert any("only to those who have accepted its terms" in line for line in said)
    assert f"https://huggingface.co/{MODEL}" in caught.value.remedy
    assert "hf auth login" in caught.value.remedy


def test_an_id_that_the_hub_does_not_know(hub: Hub) -> None:
    with pytest.raises(
        ModelNotAvailable, match=r"neither a folder with a config\.json nor a model of the Hugging Face hub"
    ):
        locate("nobody/nothing", None, kind="embedding model", offline=False)


def test_a_hub_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelNotAvailable, match=r"could not be reached \(http://127.0.0.1:9: ConnectError\)"):
        fetched()


@pytest.mark.parametrize(("name", "sum_name"), [("model.safetensors", "sha256"), ("config.json", "git sum")])
def test_a_file_that_arrives_damaged_is_named_and_not_kept(hub: Hub, name: str, sum_name: str) -> None:
    hub.damaged = frozenset({name})
    with pytest.raises(ModelNotAvailable) as caught:
        fetched()
    assert f"The file {name} of {MODEL} arrived damaged and was removed: its {sum_name} is" in caught.value.found
    assert f"rag-app models install {MODEL}" in caught.value.remedy
    assert find_on_machine(MODEL, None) is None
    hub.damaged = frozenset()
    assert (fetched().path / name).read_bytes() == FILES[name]


def test_a_disk_without_room_is_refused_before_the_first_file(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 5, 1000))
    with pytest.raises(ModelNotAvailable) as caught:
        fetched()
    assert "needs 0.00 GB more in" in caught.value.found
    assert "HF_HOME" in caught.value.remedy
    assert hub.sent == []


FETCH = f"""
from rag_app.models.hub import locate
print(locate({MODEL!r}, None, kind="embedding model", offline=False, announce=lambda line: print(line, flush=True)).path)
"""


def start_fetching(hub: Hub, home: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    environment.pop("HF_HUB_CACHE", None)
    return subprocess.Popen([sys.executable, "-c", FETCH], env=environment, text=True, stdout=subprocess.PIPE)


def test_after_a_kill_only_the_rest_is_fetched_from_the_mirror_into_hf_home(hub: Hub, tmp_path: Path) -> None:
    weights = hub.files["model.safetensors"] = random.Random(1).randbytes(2 * PIECE + PIECE // 2)
    hub.stop_after = 2 * PIECE + 1000
    first = start_fetching(hub, tmp_path / "home")
    assert hub.stalled.wait(60)
    blobs = tmp_path / "home" / "hub" / "models--nobody--small" / "blobs"
    partial = blobs / f"{hub.sha256('model.safetensors')}.partial"
    until = time.monotonic() + 30
    while partial.stat().st_size < 2 * PIECE and time.monotonic() < until:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    hub.stop_after = None
    hub.go_on.set()
    second = start_fetching(hub, tmp_path / "home")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 0, output
    assert "(0.02 GB of it are here already)" in output
    assert [(sent.start, sent.count) for sent in hub.sent_of("model.safetensors")][1:] == [
        (2 * PIECE, len(weights) - 2 * PIECE)
    ]
    folder = tmp_path / "home" / "hub" / "models--nobody--small" / "snapshots" / COMMIT
    assert (folder / "model.safetensors").read_bytes() == weights
    assert not partial.exists()


def test_a_spoilt_beginning_is_noticed_and_fetched_anew(hub: Hub, empty_caches: Path) -> None:
    blobs = empty_caches / "models--nobody--small" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hub.sha256('model.safetensors')}.partial").write_bytes(bytes(100))
    with pytest.raises(ModelNotAvailable, match=r"model\.safetensors of nobody/small arrived damaged"):
        fetched()
    assert (fetched().path / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(download_progress.time, "monotonic", lambda: now[0])
    said: list[str] = []
    with DownloadProgress("model", 4_000_000_000, 1_000_000_000, said.append) as progress:
        for seconds in (1, 5, 20, 21, 40):
            now[0] = seconds
            progress.update(500_000_000)
    assert said == ["model: 2.50 of 4.00 GB", "model: 3.50 of 4.00 GB"]


def test_on_a_terminal_progress_is_a_bar_on_standard_error(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    fetched()
    captured = capsys.readouterr()
    assert MODEL in captured.err
    assert "100%" in captured.err or "5.0" in captured.err
    assert captured.out == ""


def test_model_scope_without_its_package_says_which_command_installs_it(no_network: list[object]) -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        locate(MODEL, None, kind="embedding model", offline=False, hub="modelscope")
    assert "the Python package 'modelscope', which is not installed" in " ".join(caught.value.found.split())
    assert 'pip install "rag-app[modelscope]"' in caught.value.remedy
    assert no_network == []


def test_model_scope_is_asked_under_its_own_id_for_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, list[str]]] = []

    def download(model_id: str, *, allow_patterns: list[str]) -> str:
        calls.append((model_id, allow_patterns))
        return str(tmp_path / "modelscope" / "models" / "Xorbits--bge-m3" / "snapshots" / "master")

    def files(model_id: str, *, recursive: bool) -> list[dict[str, object]]:
        assert recursive
        return [{"Path": name, "Type": "blob", "Size": len(content)} for name, content in FILES.items()]

    package = ModuleType("modelscope")
    package.__spec__ = SimpleNamespace(submodule_search_locations=[])  # type: ignore[assignment]
    for name, module in {
        "modelscope": package,
        "modelscope.hub": ModuleType("modelscope.hub"),
        "modelscope.hub.api": SimpleNamespace(HubApi=lambda: SimpleNamespace(get_model_files=files)),
        "modelscope.hub.snapshot_download": SimpleNamespace(snapshot_download=download),
    }.items():
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    row = load_catalogue().embedder("BAAI/bge-m3")
    said: list[str] = []
    found = locate("BAAI/bge-m3", row, kind="embedding model", offline=False, announce=said.append, hub="modelscope")
    assert calls == [("Xorbits/bge-m3", ["config.json", "model.safetensors", "tokenizer.json"])]
    assert said == ["Downloading BAAI/bge-m3 from ModelScope (Xorbits/bge-m3): 0.00 GB, licence MIT."]
    assert (found.revision, found.origin) == ("modelscope:master", Origin.HUB)


@pytest.mark.parametrize(
    "inside",
    [
        "models/Xorbits--bge-m3/snapshots/master",
        "models/BAAI/bge-m3",
        "hub/models/Xorbits/bge-m3",
        "Xorbits/bge-m3",
        "hub/BAAI/bge-m3",
    ],
)
def test_what_model_scope_fetched_is_found_offline(tmp_path: Path, inside: str) -> None:
    folder = tmp_path / "modelscope" / inside
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_text("x")
    found = locate("BAAI/bge-m3", load_catalogue().embedder("BAAI/bge-m3"), kind="embedding model", offline=True)
    assert found.path == folder
    assert found.revision.startswith("modelscope")


def test_model_scope_writes_three_lines_for_a_dot(tmp_path: Path) -> None:
    folder = tmp_path / "modelscope" / "models" / "org" / "name-v1___5"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text("x")
    found = find_on_machine("org/name-v1.5", None)
    assert found is not None
    assert found.path == folder


def test_the_message_for_model_scope_has_its_command() -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        locate(MODEL, None, kind="embedding model", offline=True, hub="modelscope")
    assert f"'rag-app models install {MODEL} --hub modelscope'" in caught.value.remedy


class Enough(Exception):
    """Whoever follows the download has seen enough."""


def test_who_follows_a_download_is_told_of_it_can_end_it_and_it_goes_on_from_there(hub: Hub) -> None:
    weights = random.Random(1).randbytes(2 * PIECE + 5000)
    hub.files["model.safetensors"] = weights
    told: list[tuple[int, int]] = []

    def end_it(done: int, total: int) -> None:
        told.append((done, total))
        if done > PIECE:
            raise Enough

    with pytest.raises(Enough):
        locate(MODEL, None, kind="embedding model", offline=False, on_bytes=end_it)
    assert told[0][0] == 0
    assert told[-1][1] > len(weights)
    hub.asked.clear()
    told.clear()
    found = locate(
        MODEL, None, kind="embedding model", offline=False, on_bytes=lambda done, total: told.append((done, total))
    )
    assert (found.path / "model.safetensors").read_bytes() == weights
    assert told[0][0] >= PIECE
    assert hub.sent_of("model.safetensors")[-1].start >= PIECE
