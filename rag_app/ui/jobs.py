"""Work that outlasts a page: builds, comparisons, downloads. It goes on when a tab is closed, and any session can follow it.

A job runs in a thread of the server and touches no page; a fragment draws what it reports. Work of the same key is never
done twice at once: who starts it again follows the one that runs. This module knows nothing of what the work is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import streamlit as st

from rag_app.errors import RagAppError

_log = logging.getLogger(__name__)

# Jobs that have ended are kept so that a page can still say how; older ones are forgotten.
_KEPT = 50


class JobState(StrEnum):
    """How far a job is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobCancelled(BaseException):
    """Someone asked for the job's end.

    No `Exception`, as `asyncio.CancelledError` is none: it passes through libraries and through those of our edges which turn
    whatever a library raises into a sentence. They would report a failure, or go on.
    """


@dataclass(frozen=True)
class Progress:
    """What a job is at: a stage, which a page names, what it is about, and `done` of `total` where it can be counted."""

    stage: str
    subject: str = ""
    done: int = 0
    total: int = 0


@dataclass
class Job:
    """A piece of work. Its fields are written by its own thread and read by pages.

    `problem`: why it failed, as a sentence. `result`: what the work returned. Times are of `time.monotonic`, in seconds.
    """

    key: str
    state: JobState = JobState.RUNNING
    progress: Progress = Progress("")
    stage_began: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    result: Any = None
    problem: RagAppError | None = None
    cancelling: threading.Event = field(default_factory=threading.Event)

    def report(self, progress: Progress) -> None:
        """Say what the work is at; called by the work.

        Raises:
            JobCancelled: it is to end.
        """
        if progress.stage != self.progress.stage:
            self.stage_began = time.monotonic()
        self.progress = progress
        self.check()

    def check(self) -> None:
        """Raise `JobCancelled` where the job is to end."""
        if self.cancelling.is_set():
            raise JobCancelled

    def cancel(self) -> None:
        """Ask for its end; it ends at its next report."""
        self.cancelling.set()

    def seconds_left(self) -> float | None:
        """Return how long the stage will last at its pace so far; None where that cannot be said yet."""
        progress, elapsed = self.progress, time.monotonic() - self.stage_began
        if not progress.done or not progress.total or elapsed < 1:
            return None
        return elapsed * (progress.total - progress.done) / progress.done


class Jobs:
    """All jobs of this server."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, key: str, work: Callable[[Job], Any]) -> Job:
        """Start work in a thread of its own, or return the job of this key that is running."""
        return self._started(key, work)[0]

    def start_unless_running(self, key: str, work: Callable[[Job], Any]) -> bool:
        """Start work in a thread of its own; return False, with nothing started, where a job of this key is running."""
        return self._started(key, work)[1]

    def _started(self, key: str, work: Callable[[Job], Any]) -> tuple[Job, bool]:
        """Return the job of this key that runs now, and whether it is a new one, which does this work."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and job.state is JobState.RUNNING:
                return job, False
            job = Job(key)
            self._jobs.pop(key, None)
            self._jobs[key] = job
            ended = [each.key for each in self._jobs.values() if each.state is not JobState.RUNNING]
            for old in ended[:-_KEPT]:
                del self._jobs[old]
        threading.Thread(target=_run, args=(job, work), name=f"job {key}", daemon=True).start()
        return job, True

    def get(self, key: str) -> Job | None:
        """Return the latest job of this key."""
        return self._jobs.get(key)

    def of_kind(self, prefix: str) -> list[Job]:
        """Return the jobs whose keys begin so, the latest last."""
        return [job for key, job in list(self._jobs.items()) if key.startswith(prefix)]

    def forget(self, key: str) -> None:
        """Forget a job that has ended, once its end was seen."""
        with self._lock:
            if key in self._jobs and self._jobs[key].state is not JobState.RUNNING:
                del self._jobs[key]


@st.cache_resource(show_spinner=False)
def all_jobs() -> Jobs:
    """Return the jobs of this server, the same for every session."""
    return Jobs()


def _run(job: Job, work: Callable[[Job], Any]) -> None:
    try:
        job.result = work(job)
        state = JobState.DONE
    except JobCancelled:
        state = JobState.CANCELLED
    except RagAppError as error:
        job.problem, state = error.with_traceback(None), JobState.FAILED
    except BaseException as error:  # noqa: BLE001 - the edge: a panic of a Rust library is no Exception, and the job must end
        _log.exception("unexpected error in %s", job.key)
        # In English, as every error, and translated by who draws it: the thread of a job has no session to ask.
        job.problem = RagAppError(
            f"Something unexpected happened ({type(error).__name__}).",
            "See the terminal in which the app was started, and please report it.",
        )
        state = JobState.FAILED
    job.ended = time.monotonic()
    job.state = state
    if job.progress.total and state is JobState.DONE:
        job.progress = replace(job.progress, done=job.progress.total)
