"""The work of this page that outlasts it: builds, removals of documents, verifications, as jobs that every session follows.

Whatever changes a knowledge base is one job at a time, by its name. This module knows nothing of how anything is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_app.build_events import BuildLog, Event, EventKind
from rag_app.builds import run_build
from rag_app.config import Settings
from rag_app.errors import BuildCancelled
from rag_app.store import layout
from rag_app.store.uploads import Upload, replaced_sources, settle_upload
from rag_app.ui.jobs import Job, JobCancelled, JobState, Progress, all_jobs
from rag_app.ui.resources import import_libraries

if TYPE_CHECKING:
    from rag_app.store.purging import PurgeReport
    from rag_app.store.verification import Verification

# Stages: what a page has words for.
STARTING, READING, LOADING, EMBEDDING, PUBLISHING, PURGING, VERIFYING = (
    "starting", "reading", "loading", "embedding", "publishing", "purging", "verifying",
)  # fmt: skip


def change_of(name: str) -> Job | None:
    """Return the latest job that changes or changed a knowledge base."""
    return all_jobs().get(_change(name))


def verification_of(name: str) -> Job | None:
    """Return the latest job that verifies or verified a knowledge base."""
    return all_jobs().get(_verification(name))


def is_changing(name: str) -> bool:
    """Whether a job changes the knowledge base now."""
    job = change_of(name)
    return job is not None and job.state is JobState.RUNNING


def names_being_built() -> list[str]:
    """Return the names of all bases that a job changes now, also of those that are not there yet."""
    return [
        job.key.removeprefix(_change("")) for job in all_jobs().of_kind(_change("")) if job.state is JobState.RUNNING
    ]


def dismiss(job: Job) -> None:
    """Forget a job that has ended, once its end was seen."""
    all_jobs().forget(job.key)


def start_build(
    settings: Settings,
    name: str,
    *,
    sources: Sequence[Path] = (),
    upload: Upload | None = None,
    models: Sequence[str] = (),
    drop_models: Sequence[str] = (),
    rebuild: bool = False,
) -> bool:
    """Build a knowledge base, or bring one up to date; return False, with nothing kept, where another job changes it.

    Args:
        settings: where it lies.
        name: of the knowledge base.
        sources: files and folders to be added.
        upload: files that were uploaded, to be added as well.
        models: embedding models to add.
        drop_models: embedding models to remove.
        rebuild: read every file again.
    """
    base = settings.indexes / name
    options = {"models": models, "drop_models": drop_models, "rebuild": rebuild}

    def work(job: Job) -> BuildLog:
        try:
            given = [*sources, *(upload.sources if upload else ())]
            return _build(job, settings, name, given, options | {"drop_sources": _replaced(base, upload)})
        finally:
            if upload:
                settle_upload(base, upload.folder)

    if all_jobs().start_unless_running(_change(name), work):
        return True
    if upload:
        settle_upload(base, upload.folder)
    return False


def _build(job: Job, settings: Settings, name: str, sources: Sequence[Path], options: dict[str, Any]) -> BuildLog:
    """Run a build, so that its progress is seen and it can be cancelled."""
    log = job.result = BuildLog()
    job.report(Progress(STARTING))
    try:
        run_build(
            name,
            sources,
            settings.indexes,
            offline=settings.offline,
            on_event=lambda event: _follow(job, log, event),
            cancelling=job.cancelling,
            **options,
        )
    except BuildCancelled as cancelled:
        raise JobCancelled from cancelled
    return log


def start_purge(settings: Settings, name: str, paths: Sequence[str]) -> bool:
    """Remove documents for good; return False where another job changes the knowledge base."""

    def work(job: Job) -> PurgeReport:
        from rag_app.store.purging import purge

        job.report(Progress(PURGING, paths[0]))
        return purge(settings.indexes, name, paths, lambda _: None)

    return all_jobs().start_unless_running(_change(name), work)


def start_verification(settings: Settings, name: str, *, may_load: bool) -> None:
    """Read every byte of a knowledge base, and where `may_load`, embed some of its passages again."""

    def work(job: Job) -> Verification:
        import_libraries()
        from rag_app.model_checks import models_on_this_machine
        from rag_app.store.verification import verify

        job.report(Progress(VERIFYING))
        find = models_on_this_machine(settings, lambda _: None, may_load=may_load)
        return verify(settings.indexes / layout.checked_name(name), find)

    all_jobs().start(_verification(name), work)


def _follow(job: Job, log: BuildLog, event: Event) -> None:
    """Take an event in and say where the build is; raises where the job is to end."""
    log.note(event)
    match event.kind:
        case EventKind.FILE:
            job.report(Progress(READING, event.subject, event.done, event.total))
        case EventKind.CHUNKED:
            job.report(Progress(LOADING))
        case EventKind.EMBEDDING:
            job.report(Progress(EMBEDDING, event.subject, event.done, event.total))
        case EventKind.PUBLISHING:
            job.report(Progress(PUBLISHING))
        case _:
            job.check()


def _replaced(base: Path, upload: Upload | None) -> list[Path]:
    """Return the sources whose place an upload takes."""
    manifest = layout.whole_manifest(base) if upload else None
    return replaced_sources(base, manifest, upload) if upload and manifest else []


def _change(name: str) -> str:
    return f"build {name}"


def _verification(name: str) -> str:
    return f"verify {name}"
