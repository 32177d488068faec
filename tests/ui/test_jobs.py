"""Jobs: one that is cancelled ends as cancelled, whatever library it was in, and holds nothing afterwards."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

from rag_app.config import ModelSettings
from rag_app.evaluation.drafting.drafts import draft_questions
from rag_app.models.catalogue import load_catalogue, user_data_folder
from rag_app.models.conversion import converted_gguf
from rag_app.ui.jobs import Job, Jobs, JobState, Progress
from rag_app.ui.models.downloads import _fetch
from rag_app.ui.words.translation import translated_to
from tests.conftest import MakeBase
from tests.evaluation.drafting.draftable import BASE
from tests.fakes import ScriptedLLM


def ended(work: Callable[[Job], Any]) -> Job:
    """Do some work as a job, to its end."""
    job = Jobs().start("some work", work)
    deadline = time.monotonic() + 300
    while job.state is JobState.RUNNING:
        assert time.monotonic() < deadline, "the job did not end"
        time.sleep(0.01)
    return job


def test_what_nobody_expected_is_said_in_every_language() -> None:
    def work(job: Job) -> None:
        raise ValueError

    problem = ended(work).problem
    assert problem is not None
    assert problem.found == "Something unexpected happened (ValueError)."
    assert translated_to("zh", problem.found) == "发生了意外错误（ValueError）。"
    assert translated_to("zh", problem.remedy) == "请查看启动本应用的终端，并反馈给我们。"


def test_a_download_from_model_scope_that_is_cancelled_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    row = load_catalogue().embedder("BAAI/bge-m3")
    assert row is not None

    def work(job: Job) -> None:
        def files(model_id: str, *, recursive: bool) -> list[dict[str, object]]:
            job.cancel()  # while ModelScope is asked
            return [{"Path": name, "Type": "blob", "Size": 1} for name in ("config.json", "model.safetensors")]

        package = ModuleType("modelscope")
        package.__spec__ = SimpleNamespace(submodule_search_locations=[])  # type: ignore[assignment]
        for name, module in {
            "modelscope": package,
            "modelscope.hub": ModuleType("modelscope.hub"),
            "modelscope.hub.api": SimpleNamespace(HubApi=lambda: SimpleNamespace(get_model_files=files)),
            "modelscope.hub.snapshot_download": SimpleNamespace(snapshot_download=pytest.fail),
        }.items():
            monkeypatch.setitem(sys.modules, name, module)
        _fetch(job, row=row, models=ModelSettings(hub="modelscope"))

    job = ended(work)
    assert (job.state, job.problem) == (JobState.CANCELLED, None)


def test_a_conversion_that_is_cancelled_has_not_failed_and_frees_its_lock(tmp_path: Path, data_folder: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")

    def work(job: Job) -> None:
        job.cancel()
        converted_gguf(file, announce=lambda _: job.check())

    job = ended(work)
    assert (job.state, job.problem) == (JobState.CANCELLED, None)
    with FileLock(user_data_folder() / "models" / ".conversion.lock", timeout=0):
        assert not list((user_data_folder() / "models").glob(".converting-*"))


def test_drafting_that_is_cancelled_asks_the_generator_no_more(make_base: MakeBase) -> None:
    base, llm = make_base(BASE).open(), ScriptedLLM("Of course! Here it is.")

    def work(job: Job) -> None:
        def on_progress(done: int) -> None:
            if llm.prompts:
                job.cancel()
            job.report(Progress("drafting", "", done, 100))

        draft_questions(base, 100, llm=llm, on_progress=on_progress)

    assert ended(work).state is JobState.CANCELLED
    assert len(llm.prompts) == 1


def test_a_job_ends_also_where_what_is_raised_is_no_exception() -> None:
    class Panic(BaseException):
        """As that of a library in Rust."""

    def work(job: Job) -> None:
        raise Panic

    job = ended(work)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert "(Panic)" in job.problem.found
