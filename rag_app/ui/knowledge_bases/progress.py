"""What goes on with a knowledge base, while it does, and how it ended. Any session sees the same.

This module knows nothing of how the work is done.
"""

from __future__ import annotations

import streamlit as st

from rag_app.build_events import BuildLog
from rag_app.config import Settings
from rag_app.datatypes import FileStatus
from rag_app.errors import BuildError, KnowledgeBaseBusy, KnowledgeBaseError
from rag_app.store import layout
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.purging import PurgeReport
from rag_app.store.writer import is_being_written
from rag_app.ui.jobs import Job, JobState, Progress
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.links import draw_ask_button
from rag_app.ui.knowledge_bases.markup import files_html
from rag_app.ui.parts import note_html, show_notice, show_problem
from rag_app.ui.words import say
from rag_app.ui.words.translation import translated

_POLL_SECONDS = 1.0
_SLOW_POLL_SECONDS = 3.0


def draw_work(settings: Settings, name: str) -> None:
    """Draw what goes on with a knowledge base, or how the last of it ended, until that was seen."""
    job = work.change_of(name)
    if job is not None and job.state is JobState.RUNNING:
        _follow(settings, name)
    elif job is not None:
        _draw_end(settings, name, job)
    elif is_being_written(settings.indexes / name):
        show_notice(say("knowledge_bases.work.elsewhere", name=name))


@st.fragment(run_every=_POLL_SECONDS)
def _follow(settings: Settings, name: str) -> None:
    job = work.change_of(name)
    if job is None or job.state is not JobState.RUNNING:
        st.rerun()
    progress = job.progress
    with st.container(border=True):
        st.badge(say("knowledge_bases.work.running"), icon=":material/hourglass_top:", color="blue")
        st.text(_stage(job))
        st.progress(_share(progress))
        if progress.subject:
            st.html(note_html(progress.subject))
        if isinstance(job.result, BuildLog):
            _draw_log(job.result)
        if layout.generations(settings.indexes / name):
            st.html(note_html(say("knowledge_bases.work.ask_meanwhile")))
        if progress.stage != work.PURGING:  # half a removal is none
            st.button(
                say("knowledge_bases.work.cancel"),
                key=f"cancel {name}",
                icon=":material/stop_circle:",
                on_click=job.cancel,
                disabled=job.cancelling.is_set(),
            )


# Where a stage begins, as a share of a build, and where it ends: a bar that never goes back.
_SHARES = {
    work.STARTING: (0.0, 0.0),
    work.READING: (0.02, 0.35),
    work.LOADING: (0.35, 0.35),
    work.EMBEDDING: (0.4, 0.95),
    work.PUBLISHING: (0.97, 0.97),
}


def _share(progress: Progress) -> float:
    """Return how much of the work is done, roughly."""
    first, last = _SHARES.get(progress.stage, (0.5, 0.5))
    return first + (last - first) * min(progress.done / progress.total, 1.0) if progress.total else first


def _stage(job: Job) -> str:
    """Return in words where the work is, and how long that may take."""
    if job.cancelling.is_set():
        return say("knowledge_bases.work.cancelling")
    progress = job.progress
    stage = say(f"knowledge_bases.stage.{progress.stage or work.STARTING}", done=progress.done, total=progress.total)
    seconds = job.seconds_left()
    if seconds is None or not progress.total:
        return stage
    if seconds < 60:
        return f"{stage} · {say('knowledge_bases.work.seconds_left', count=max(round(seconds), 1))}"
    return f"{stage} · {say('knowledge_bases.work.minutes_left', count=round(seconds / 60))}"


def _draw_log(log: BuildLog) -> None:
    events = list(log.last_files)
    if events:
        rows = [(_word(event.status), event.subject, translated(event.reason)) for event in reversed(events)]
        st.html(files_html(rows))
    elif log.message:
        st.html(note_html(translated(log.message)))


def _word(status: str) -> str:
    """Return what became of a file in a word."""
    return say(f"knowledge_bases.status.{status}") if status in set(FileStatus) else status


def _draw_end(settings: Settings, name: str, job: Job) -> None:
    if job.state is JobState.DONE:
        _draw_done(settings, name, job)
        return
    if job.state is JobState.CANCELLED:
        is_there = bool(layout.generations(settings.indexes / name))
        kept, nothing = (
            say("knowledge_bases.work.cancelled", name=name),
            say("knowledge_bases.work.cancelled_new", name=name),
        )
        show_notice(kept if is_there else nothing)
    elif isinstance(job.problem, KnowledgeBaseBusy):
        show_notice(say("knowledge_bases.work.busy", name=name))
    elif job.problem is not None:
        if isinstance(job.problem, BuildError):
            st.text(say("knowledge_bases.work.failed", name=name))
        show_problem(job.problem)
    _draw_seen(name, job)


def _draw_seen(name: str, job: Job) -> None:
    label = say("knowledge_bases.work.seen")
    st.button(label, key=f"seen {name}", icon=":material/close:", on_click=work.dismiss, args=(job,))


def _draw_done(settings: Settings, name: str, job: Job) -> None:
    with st.container(border=True):
        st.badge(say("knowledge_bases.work.done"), icon=":material/check_circle:", color="green")
        if isinstance(job.result, PurgeReport):
            _draw_purged(job.result)
            _draw_seen(name, job)
            return
        try:
            knowledge_base = KnowledgeBase.open(settings.indexes, name)
            counts, missing = knowledge_base.manifest.counts, knowledge_base.report.not_indexed
            knowledge_base.close()
        except KnowledgeBaseError as error:
            show_problem(error)
            return
        documents, passages = (
            say("app.documents", count=counts["documents"]),
            say("app.passages", count=counts["chunks"]),
        )
        st.text(say("knowledge_bases.work.holds", documents=documents, passages=passages))
        if missing:
            label = say("knowledge_bases.work.not_indexed", count=len(missing))
            st.badge(label, icon=":material/warning:", color="orange")
        for warning in job.result.warnings if isinstance(job.result, BuildLog) else ():
            st.html(note_html(translated(warning)))
        with st.container(horizontal=True):
            draw_ask_button(name, is_main=True)
            _draw_seen(name, job)


def _draw_purged(report: PurgeReport) -> None:
    st.text(say("knowledge_bases.work.purged", count=report.passages))
    st.html(note_html(say("knowledge_bases.work.searched", count=report.traces.files, found=report.traces.found)))
    if report.missing_vectors:
        show_notice(say("knowledge_bases.work.missing_vectors", count=report.missing_vectors))


def show_start(is_started: bool, name: str) -> None:
    """Draw the page anew where a click began a change of a knowledge base; else say that another job changes it."""
    if is_started:
        st.rerun()
    show_notice(say("knowledge_bases.work.busy", name=name))


def follow_others(settings: Settings, name: str) -> None:
    """Draw the page anew as soon as a program, or another session, begins or ends a change of the base that is looked at."""
    _watch(settings, name, _state(settings, name))


@st.fragment(run_every=_SLOW_POLL_SECONDS)
def _watch(settings: Settings, name: str, drawn: tuple[object, ...]) -> None:
    if _state(settings, name) != drawn:
        st.rerun()


def _state(settings: Settings, name: str) -> tuple[object, ...]:
    """Return what tells one moment of a base from another: the job that changes it, whether it is written, what is live."""
    base, job = settings.indexes / name, work.change_of(name)
    try:
        current = (base / layout.CURRENT).read_bytes()
    except OSError:
        current = b""
    return job and (job.began, job.state), is_being_written(base), current
