"""The sandbox: what a child may not do, what ends it, and that the next call does not suffer for it."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.errors import DocumentError, SandboxError, StorageError
from rag_app.sandbox import SandboxLimits, SandboxPool

ACT = "tests.sandbox_functions:act"
LIMITS = SandboxLimits(seconds=2, cpu_seconds=1, memory_megabytes=600, output_megabytes=2, programs=("echo",))


@pytest.fixture
def pool() -> Iterator[SandboxPool]:
    with SandboxPool(ACT, LIMITS, workers=1) as opened:
        yield opened


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server on this machine that would be glad of a visit."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server


def listed(*what: str) -> str:
    return subprocess.run(["ps", *what], capture_output=True, text=True, check=False).stdout


def is_running(process: int) -> bool:
    """Whether a process runs: one that has ended, and whose end nobody has asked for, does not."""
    state = listed("-o", "stat=", "-p", str(process)).strip()
    return bool(state) and not state.startswith("Z")


# Calls


def test_an_argument_and_bytes_go_in_and_a_value_comes_out(pool: SandboxPool) -> None:
    assert pool.call("echo", "密码 and more".encode()) == "密码 and more"


def test_bytes_larger_than_any_pipe_go_in(pool: SandboxPool) -> None:
    assert pool.call("length", b"x" * 25_000_000) == 25_000_000


def test_one_child_serves_many_calls(pool: SandboxPool) -> None:
    assert len({pool.call("process") for _ in range(20)}) == 1


def test_children_work_side_by_side() -> None:
    limits = SandboxLimits(seconds=20, cpu_seconds=1, memory_megabytes=600, output_megabytes=2)
    with SandboxPool(ACT, limits, workers=2) as pool, ThreadPoolExecutor(2) as executor:
        processes = set(executor.map(lambda _: pool.call(["wait for", 1.0]), range(2)))
    assert len(processes) == 2


def test_what_a_library_prints_is_not_taken_for_an_answer(pool: SandboxPool) -> None:
    assert pool.call("print") == "answer"
    assert pool.call("echo", b"next") == "next"


def test_a_refusal_keeps_both_its_sentences(pool: SandboxPool) -> None:
    with pytest.raises(DocumentError) as refused:
        pool.call("refuse")
    assert (refused.value.found, refused.value.remedy) == ("It is not good.", "Make it good.")


def test_an_error_that_nobody_foresaw_is_named(pool: SandboxPool) -> None:
    with pytest.raises(DocumentError, match="It cannot be read: ZeroDivisionError: half a surrogate"):
        pool.call("defect")


# Several calls in one trip


def test_several_calls_get_an_answer_each(pool: SandboxPool) -> None:
    first, refusal, defect, last = pool.call_each(
        [("echo", b"one"), ("refuse", b""), ("defect", b"x"), ("echo", "二".encode())]
    )
    assert (first, last) == ("one", "二")
    assert isinstance(refusal, DocumentError)
    assert str(refusal) == "It is not good. Make it good."
    assert isinstance(defect, DocumentError)
    assert "ZeroDivisionError" in str(defect)


@pytest.mark.parametrize("deed", ["crash", "endless", "memory", "wait"])
def test_one_bad_call_costs_the_others_nothing_but_time(pool: SandboxPool, deed: str) -> None:
    first, bad, last = pool.call_each([("echo", b"one"), (deed, b""), ("echo", b"two")])
    assert (first, last) == ("one", "two")
    assert isinstance(bad, SandboxError)


def test_one_answer_that_is_too_large_costs_the_others_nothing(pool: SandboxPool) -> None:
    first, large, last = pool.call_each([("echo", b"one"), (["large", 3_000_000], b""), ("echo", b"two")])
    assert (first, last) == ("one", "two")
    assert isinstance(large, DocumentError)


# Limits


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        pytest.param("wait", "It took longer than 2 s.*RAG_APP_SANDBOX__SECONDS", id="time by the clock"),
        pytest.param("endless", "more than 1 s of processor time.*CPU_SECONDS", id="time of the processor"),
        pytest.param("memory", "wanted more than 600 MB of memory.*MEMORY_MEGABYTES", id="memory"),
        pytest.param("crash", r"crashed.*\(SIGSEGV\)", id="crash"),
        pytest.param("exit", r"crashed.*\(exit code 7\)", id="exit"),
    ],
)
def test_a_call_at_its_limit_is_ended_and_the_next_one_is_served(deed: str, message: str) -> None:
    # A second of the processor may take many by the clock where other work keeps it busy.
    limits = LIMITS if deed == "wait" else replace(LIMITS, seconds=30)
    with SandboxPool(ACT, limits, workers=1) as pool:
        started = time.monotonic()
        with pytest.raises(SandboxError, match=message):
            pool.call(deed)
        assert time.monotonic() - started < limits.seconds + 8
        assert pool.call("echo", b"still here") == "still here"


def test_an_answer_that_is_too_large_is_refused(pool: SandboxPool) -> None:
    with pytest.raises(DocumentError, match=r"comes to more than 2 MB.*OUTPUT_MEGABYTES"):
        pool.call(["large", 3_000_000])
    assert pool.call(["large", 1_000_000]) == "x" * 1_000_000


def test_a_call_may_be_given_more_time() -> None:
    limits = SandboxLimits(seconds=0.3, cpu_seconds=1, memory_megabytes=600, output_megabytes=2)
    with SandboxPool(ACT, limits, workers=1) as pool:
        assert pool.call(["wait for", 1.0], seconds=20) > 0


def test_processor_time_is_counted_for_each_call(pool: SandboxPool) -> None:
    busy = SandboxPool("tests.sandbox_functions:act", LIMITS, workers=1)
    with busy:
        for _ in range(12):  # 25 MB a call: together more than a second of processor time
            busy.call("length", b"x" * 25_000_000)


# What a child may not do


def test_a_child_opens_no_socket(pool: SandboxPool, listener: socket.socket) -> None:
    with pytest.raises(DocumentError, match=r"PermissionError: the sandbox does not allow socket\."):
        pool.call(["connect", listener.getsockname()[1]])


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")
def test_a_child_reaches_nobody_past_python_either(pool: SandboxPool, listener: socket.socket) -> None:
    assert pool.call(["connect past Python", listener.getsockname()[1]]) != 0
    listener.settimeout(0.2)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_a_child_writes_nowhere_but_in_its_own_folder_which_goes_with_it(tmp_path: Path) -> None:
    with SandboxPool(ACT, LIMITS, workers=1) as pool:
        with pytest.raises(DocumentError, match="the sandbox does not allow open of"):
            pool.call(["write", str(tmp_path / "evil")])
        own = Path(pool.call("write own"))
        assert own.read_text() == "mine"
    assert not (tmp_path / "evil").exists()
    assert not own.parent.exists()


def test_a_child_starts_no_program_but_those_named(pool: SandboxPool) -> None:
    assert pool.call(["start", "echo", "hello"]) == "hello\n"
    with pytest.raises(DocumentError, match="the sandbox does not start 'touch'"):
        pool.call(["start", "touch", "/tmp/evil"])


def test_a_program_of_the_same_name_in_the_childs_own_folder_is_not_started(pool: SandboxPool) -> None:
    with pytest.raises(DocumentError, match=r"the sandbox does not start '.*/echo'"):
        pool.call("start own")


def test_a_child_that_lives_on_behind_a_closed_pipe_is_ended() -> None:
    with SandboxPool(ACT, SandboxLimits(30, 30, 600, 2), workers=1) as pool:
        started = time.monotonic()
        with pytest.raises(SandboxError, match="broke off"):
            pool.call("close and wait")
        assert time.monotonic() - started < 20


def test_a_child_sees_no_secret_of_the_environment(pool: SandboxPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    environment = pool.call("environment")
    assert "OPENAI_API_KEY" not in environment
    assert set(environment) <= {
        "PATH", "TESSDATA_PREFIX", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS",
        "LC_ALL", "TMPDIR", "HOME",
    }  # fmt: skip


# Ends


def test_closing_ends_a_call_under_way() -> None:
    pool = SandboxPool(ACT, SandboxLimits(60, 60, 600, 2), workers=1)
    process = pool.call("process")
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            pool.call("wait")
        except SandboxError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    pool.close()
    thread.join(timeout=30)
    assert time.monotonic() - started < 20
    assert "the program is ending" in str(outcome[0])
    assert not is_running(process)


def test_without_a_folder_for_temporary_files_no_call_is_at_fault(
    pool: SandboxPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
        with pytest.raises(StorageError, match=str(tmp_path / "gone")) as caught:
            pool.call_each([("echo", b"a"), ("echo", b"b")])
    assert caught.value.remedy.endswith("export TMPDIR=FOLDER")
    assert pool.call("echo", b"next") == "next"


def test_where_no_process_can_be_started_that_is_said_and_no_folder_is_left(
    pool: SandboxPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(folder / "gone"))
        with pytest.raises(StorageError, match="cannot be started"):
            pool.call("echo", b"a")
    assert list(folder.iterdir()) == []
    assert pool.call("echo", b"next") == "next"


def test_a_closed_pool_starts_nothing() -> None:
    pool = SandboxPool(ACT, LIMITS, workers=1)
    pool.close()
    with pytest.raises(SandboxError, match="the program is ending"):
        pool.call("process")


def test_what_a_child_started_is_killed_with_it() -> None:
    limits = SandboxLimits(1, 60, 600, 2, programs=("sleep",))
    seconds = f"61.{secrets.randbelow(10**9):09}"  # of no other test that runs now
    with SandboxPool(ACT, limits, workers=1) as pool, pytest.raises(SandboxError, match="longer than 1 s"):
        pool.call(["start", "sleep", seconds])
    deadline = time.monotonic() + 30
    while f"sleep {seconds}" in listed("-eo", "args"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("deed", ["process", "wait", "endless"], ids=["idle", "waiting", "computing"])
def test_a_child_whose_parent_was_killed_ends_and_leaves_no_folder_behind(deed: str) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from rag_app.sandbox import SandboxLimits, SandboxPool;"
        f"pool = SandboxPool({ACT!r}, SandboxLimits(60, 60, 600, 2), workers=1);"
        f"print(pool.call('process'), pool.call('folder'), flush=True); pool.call({deed!r}); import time; time.sleep(60)"
    )
    root = str(Path(__file__).parent.parent)
    with subprocess.Popen([sys.executable, "-c", script, root], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process, folder = parent.stdout.readline().split()
        assert is_running(int(process))
        assert Path(folder).is_dir()
        time.sleep(0.3)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while (is_running(int(process)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(int(process))
    assert not Path(folder).exists()
