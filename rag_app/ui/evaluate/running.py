"""An evaluation as a job: it goes on when the tab is closed, and what came of it is kept by the job itself.

One runs at a time, so that the times it measures are not those of two at once. This module knows nothing of what is compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import BuildCancelled
from rag_app.evaluation.systems import SystemSpec
from rag_app.store.records.comparison_runs import RunRow, keep_run
from rag_app.text import printable
from rag_app.ui.jobs import Job, JobCancelled, JobState, Progress, all_jobs
from rag_app.ui.parts import show_problem
from rag_app.ui.resources import held_embedders, import_libraries, load_generator
from rag_app.ui.words import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from rag_app.build_events import Event
    from rag_app.evaluation.request import Request
    from rag_app.models.held_embedders import HeldEmbedders

OPENED = "run"  # the evaluation that is read, in the page's address
_POLL_SECONDS = 1.0


def job_key(settings: Settings) -> str:
    """Return the key of the job: one an index root."""
    return f"evaluate {settings.indexes.absolute()}"


def start(request: Request, settings: Settings) -> None:
    """Start an evaluation; where one runs, it stays the only one. Nothing is downloaded."""
    held = held_embedders(settings.models.held)
    all_jobs().start(job_key(settings), lambda job: _run(job, request, settings, held))


def _run(job: Job, request: Request, settings: Settings, held: HeldEmbedders) -> RunRow:
    """Compare, and keep the comparison: the work of the job."""
    import_libraries()
    from rag_app.evaluation.asking import SharedModels
    from rag_app.evaluation.compare import compare
    from rag_app.evaluation.kept_comparisons import comparison_text

    job.report(Progress("opening"))
    try:
        comparison = compare(
            request,
            settings.model_copy(update={"offline": True}),
            shared=SharedModels(held, lambda model: load_generator(model, settings)),
            on_progress=_progress(job, request.systems),
            on_build=lambda event: _tell_build(job, event),
            cancelling=job.cancelling,
        )
    except BuildCancelled as cancelled:
        raise JobCancelled from cancelled
    job.check()
    return keep_run(
        settings.indexes,
        comparison_text(comparison),
        dataset=comparison.dataset,
        knowledge_base=str(comparison.made["knowledge base"]),
        questions=len(comparison.questions),
        systems=len(comparison.systems),
    )


def _progress(job: Job, systems: tuple[SystemSpec, ...]) -> Callable[[str, int, int], None]:
    """Return what counts the questions of all systems together."""
    begun: list[str] = []

    def tell(name: str, done: int, total: int) -> None:
        if name not in begun:
            begun.append(name)
        all_done, all_total = (len(begun) - 1) * total + done, len(systems) * total
        # Between two systems a model is loaded, which is no question of either.
        job.report(Progress("asking", name if done < total else "", all_done, all_total))
        if all_done == all_total:
            job.report(Progress("judging"))

    return tell


def _tell_build(job: Job, event: Event) -> None:
    job.report(Progress("building", event.subject, event.done, event.total))


def is_running(settings: Settings) -> bool:
    """Return whether an evaluation is running."""
    job = all_jobs().get(job_key(settings))
    return job is not None and job.state is JobState.RUNNING


def draw_job(settings: Settings) -> None:
    """Draw the evaluation that runs, or how the last one ended."""
    job = all_jobs().get(job_key(settings))
    if job is None:
        return
    if job.state is JobState.RUNNING:
        _follow(job)
    else:
        _draw_end(job, settings)


@st.fragment(run_every=_POLL_SECONDS)
def _follow(job: Job) -> None:
    """Show how far an evaluation is, until it ends; then the page is drawn anew."""
    if job.state is not JobState.RUNNING:
        st.rerun()
    with st.container(border=True):
        progress = job.progress
        st.text(_stage(progress))
        st.progress(progress.done / progress.total if progress.total else 0.0)
        left = job.seconds_left()
        if left is not None and progress.subject:  # how long a model is loaded says nothing of how long questions take
            st.text(say("evaluate.run.left", time=f"{int(left) // 60}:{int(left) % 60:02}"))
        st.text(say("evaluate.run.closing"))
        if job.cancelling.is_set():
            st.text(say("evaluate.run.cancelling"))
        elif st.button(say("evaluate.run.cancel"), icon=":material/cancel:", key="evaluate_cancel"):
            job.cancel()


def _stage(progress: Progress) -> str:
    subject = printable(progress.subject, keep_line_breaks=False)
    stage = progress.stage or "opening"
    if stage == "asking" and not subject:
        stage = "loading"
    return say(f"evaluate.stage.{stage}", subject=subject, done=progress.done, total=progress.total)


def _draw_end(job: Job, settings: Settings) -> None:
    """Say how the last evaluation of this server ended, until somebody has seen it."""
    with st.container(border=True):
        if job.problem is not None:
            show_problem(job.problem)
        elif job.state is JobState.CANCELLED:
            st.text(say("evaluate.run.cancelled"))
        else:
            st.text(say("evaluate.run.done"))
            if st.button(say("evaluate.run.open"), type="primary", icon=":material/gavel:", key="evaluate_open"):
                all_jobs().forget(job.key)
                st.query_params[OPENED] = job.result.id
                st.rerun()
        if st.button(say("evaluate.run.dismiss"), icon=":material/close:", type="tertiary", key="evaluate_dismiss"):
            all_jobs().forget(job_key(settings))
            st.rerun()
