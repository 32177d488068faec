"""Nothing leaves the machine, and a hostile environment changes nothing: keys, test switches, denied sockets.

The commands run in processes of their own in which every socket but loopback is denied and recorded.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import HANDBOOK, TEXTS
from tests.end_to_end.commands import Outcome, run
from tests.ui.server import free_port, running

pytestmark = pytest.mark.slow

# Python imports this module at start-up. It writes every attempt to leave the machine into a file, and refuses it.
GUARD = """
import os, socket
_log = os.environ["SOCKET_LOG"]
_local = {"127.0.0.1", "::1", "localhost", None, ""}
def _refuse(what):
    with open(_log, "a") as file:
        file.write(f"{what}\\n")
    raise ConnectionRefusedError(f"denied: {what}")
_connect, _connect_ex, _sendto, _look_up = (
    socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto, socket.getaddrinfo)
def _checked(function):
    def call(self, *arguments):
        address = arguments[-1]
        if isinstance(address, tuple) and address[0] not in _local:
            _refuse(address)
        return function(self, *arguments)
    return call
socket.socket.connect = _checked(_connect)
socket.socket.connect_ex = _checked(_connect_ex)
socket.socket.sendto = _checked(_sendto)
def _guarded(host, *arguments, **options):
    if (host.decode() if isinstance(host, bytes) else host) not in _local:
        _refuse(host)
    return _look_up(host, *arguments, **options)
socket.getaddrinfo = _guarded
"""

PAGE = """
import os
from streamlit.testing.v1 import AppTest
at = AppTest.from_file(os.path.abspath("streamlit_app.py"), default_timeout=240).run()
at.chat_input[0].set_value("How long is an account locked after 5 failed sign-ins?").run()
assert not at.exception, at.exception
print("\\n".join(element.proto.body for element in at.get("html")))
"""

HOSTILE = {
    "OPENAI_API_KEY": "canary",
    "IS_TESTING": "1",
    "LANG": "C",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
}


@pytest.fixture
def guarded(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """An environment with the guard and the canaries, and the file that lists what was tried."""
    folder = tmp_path / "guard"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(GUARD)
    log = tmp_path / "sockets.txt"
    log.touch()
    path = f"{folder}:{Path(__file__).parents[2]}"
    return HOSTILE | {"SOCKET_LOG": str(log), "PYTHONPATH": path}, log


def test_the_guard_itself_works(guarded: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    environment, log = guarded
    (tmp_path / "leak.py").write_text("import urllib.request; urllib.request.urlopen('http://192.0.2.1/')")
    outcome = run("leak", environment=environment | {"PYTHONPATH": f"{environment['PYTHONPATH']}:{tmp_path}"})
    assert outcome.code != 0
    assert "192.0.2.1" in log.read_text()


def test_ingest_and_ask_open_no_socket_and_use_no_other_model(
    guarded: tuple[dict[str, str], Path], sample_build: Outcome, sample_indexes: Path, tmp_path: Path
) -> None:
    environment, log = guarded
    indexes = tmp_path / "indexes"
    flags = ("--kb", "sample", "--indexes", str(indexes))
    built = run("ingest", str(HANDBOOK), *flags, "--embed-model", "bundled", "--json", environment=environment)
    assert built.code == 0, built.messages
    assert built.json["models"][0]["fingerprint"] == sample_build.json["models"][0]["fingerprint"]
    assert built.json["models"][0]["dimension"] == 384  # LlamaIndex's mock would give 1 or 8

    question = ("How do I reset a forgotten password?", "--generator", "bundled", "--json")
    asked = run("rag_app", "ask", *question, *flags, environment=environment)
    assert asked.code == 0, asked.messages
    plain = run("rag_app", "ask", *question, "--kb", "sample", "--indexes", str(sample_indexes))
    hostile_result, plain_result = json.loads(asked.output), json.loads(plain.output)
    for part in ("answer", "sentences", "passages", "models"):
        assert hostile_result[part] == plain_result[part]
    assert log.read_text() == ""


def test_a_default_model_that_is_not_there_is_named_with_three_ways_on(
    guarded: tuple[dict[str, str], Path], tmp_path: Path
) -> None:
    environment, log = guarded
    flags = ("--indexes", str(tmp_path / "indexes"))
    environment = environment | {"HF_HOME": str(tmp_path / "empty")}
    outcome = run("ingest", str(HANDBOOK), *flags, environment=environment)
    assert outcome.code == 1
    for words in ("BAAI/bge-m3", "2.27 GB", str(tmp_path / "empty"), "--embed-model bundled", "--embed-model /path"):
        assert words in outcome.messages
    assert "Traceback" not in outcome.messages
    assert len(outcome.messages.strip().splitlines()) == 1
    assert not (tmp_path / "indexes").exists()
    assert "huggingface.co" in log.read_text()  # the hub, and nothing else, was asked


def test_offline_does_not_even_ask_the_hub(guarded: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    environment, log = guarded
    outcome = run(
        "ingest",
        str(HANDBOOK),
        "--offline",
        "--indexes",
        str(tmp_path / "indexes"),
        environment=environment | {"HF_HOME": str(tmp_path / "empty")},
    )
    assert outcome.code == 1
    assert "the hub was not asked (--offline)" in outcome.messages
    assert log.read_text() == ""


def test_the_page_answers_and_opens_no_socket(
    guarded: tuple[dict[str, str], Path], sample_build: Outcome, sample_indexes: Path, tmp_path: Path
) -> None:
    """In the same process as the page: the app's own script, asked one question, with every way out denied and recorded."""
    environment, log = guarded
    (tmp_path / "ask_the_page.py").write_text(PAGE)
    settings = {"RAG_APP_INDEXES": str(sample_indexes), "RAG_APP_GENERATOR": "bundled"}
    path = f"{environment['PYTHONPATH']}:{tmp_path}"
    outcome = run("ask_the_page", environment=environment | settings | {"PYTHONPATH": path})
    assert outcome.code == 0, outcome.messages
    assert "handbook/en/passwords.md" in outcome.output
    assert log.read_text() == ""


def test_the_server_stays_on_this_machine_whatever_the_environment_says(
    guarded: tuple[dict[str, str], Path], tmp_path: Path
) -> None:
    environment, log = guarded
    open_to_all = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "true"}
    port = free_port()
    with running(("rag_app", "serve", "--port", str(port)), port, environment | open_to_all, tmp_path):
        sockets = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [local for local, _, state in sockets if state == "0A" and local.endswith(f":{port:04X}")]
    assert listening == [f"0100007F:{port:04X}"]  # 127.0.0.1, and no other address
    assert log.read_text() == ""


def test_an_output_without_chinese_ends_no_command(tmp_path: Path, tiny_embedder: Path) -> None:
    (tmp_path / "说明.txt").write_text("食堂十二点开门。", encoding="utf-8")
    (tmp_path / "图.png").write_bytes(b"x")
    flags = ("--kb", "notes", "--indexes", str(tmp_path / "indexes"))
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    model = ("--embed-model", str(tiny_embedder), "--offline")
    built = run("ingest", str(tmp_path), *flags, *model, "--json", environment=ascii_only)
    assert built.code == 0, built.messages
    assert {Path(document["path"]).name for document in built.json["documents"]} >= {"说明.txt", "图.png"}
    printed = run("ingest", *flags, "--offline", environment=ascii_only)
    assert printed.code == 0, printed.messages


# B61: the same results as in a clean environment


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notes") / "docs"
    for name, text in TEXTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def built_and_asked(
    notes: Path, model: Path, indexes: Path, environment: dict[str, str], without: tuple[str, ...] = ()
) -> tuple[object, object]:
    """Build a base and ask it; return the passages with their scores, and what the build says of its model."""
    where = ("--kb", "notes", "--indexes", str(indexes), "--json", "--offline")
    built = run("ingest", str(notes), "--embed-model", str(model), *where, environment=environment, without=without)
    assert built.code == 0, built.messages
    asked = run("rag_app", "ask", "忘记密码怎么办？", "--no-answer", *where, environment=environment, without=without)
    assert asked.code == 0, asked.messages
    model_line = built.json["models"][0]
    return asked.json["passages"], (model_line["fingerprint"], model_line["embedded"], model_line["truncated"])


@pytest.fixture(scope="module")
def clean(notes: Path, tiny_embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object]:
    return built_and_asked(notes, tiny_embedder, tmp_path_factory.mktemp("clean"), {})


@pytest.mark.parametrize(
    ("environment", "without"),
    [
        (HOSTILE, ()),
        # What `python -O` has not run before is compiled for it first: that of torch takes half a minute.
        pytest.param({"PYTHONOPTIMIZE": "1"}, (), marks=pytest.mark.matrix),
        ({}, ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "HF_HOME")),
        ({"HF_HOME": "NOT_A_FOLDER", "XDG_DATA_HOME": "NOT_A_FOLDER"}, ()),
    ],
    ids=["keys, test switches, C locale", "optimised", "no HOME", "nowhere to write"],
)
def test_b61_a_hostile_environment_changes_nothing(
    clean: tuple[object, object],
    notes: Path,
    tiny_embedder: Path,
    tmp_path: Path,
    guarded: tuple[dict[str, str], Path],
    environment: dict[str, str],
    without: tuple[str, ...],
) -> None:
    guard, log = guarded
    (tmp_path / "file").write_text("a file, where a folder is expected")
    filled = {name: str(tmp_path / "file") if value == "NOT_A_FOLDER" else value for name, value in environment.items()}
    guard = {name: guard[name] for name in ("SOCKET_LOG", "PYTHONPATH")}
    assert built_and_asked(notes, tiny_embedder, tmp_path / "indexes", guard | filled, without) == clean
    assert log.read_text() == ""
