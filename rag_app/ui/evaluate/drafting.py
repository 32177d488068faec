"""Questions drafted from a knowledge base, to be kept, edited or dropped, and saved as a set.

Drafting runs as a job: it goes on when the tab is closed. This module knows nothing of how questions are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from rag_app.config import Settings
from rag_app.models.generating.on_machine import generators_on_machine
from rag_app.store.records.question_sets import DRAFTED_FROM, keep_rows
from rag_app.text import printable
from rag_app.ui.choices import keep_chosen
from rag_app.ui.jobs import Job, JobState, Progress, all_jobs
from rag_app.ui.parts import show_notice, show_problem
from rag_app.ui.resources import load_generator
from rag_app.ui.words import say

if TYPE_CHECKING:
    from rag_app.evaluation.drafting.values import Drafts

_POLL_SECONDS = 0.5
_RULES = ""
_MOST, _USUAL = 500, 30
_SHOWN = ("keep", "question", "answer", "source", "stratum", "language")
_EDITED = ("keep", "question", "answer")


@dataclass(frozen=True)
class Drafted:
    """What a job drafted. `is_small`: the generator that was chosen is too small to take part.

    `rows` are the drafts as they were edited so far, in whichever session: nothing is lost with a page that is left.
    """

    drafts: Drafts
    rows: list[dict[str, Any]]
    is_small: bool


def draw_drafting(settings: Settings, names: list[str]) -> Path | None:
    """Draw the drafting of questions from one of the bases; return the file of a set that was just saved."""
    if not names:
        st.text(say("evaluate.empty"))
        return None
    st.text(say("evaluate.draft.about"))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(say("evaluate.base"), names, key="evaluate_draft_base", persist_state="session") or names[0]
        count = st.number_input(say("evaluate.count"), 1, _MOST, _USUAL, key="evaluate_draft_count")
        writer = _draw_writer()
    jobs, key = all_jobs(), f"draft {settings.indexes} {name}"
    job = jobs.get(key)
    is_running = job is not None and job.state is JobState.RUNNING
    if st.button(say("evaluate.draft.start"), icon=":material/edit_note:", disabled=is_running, key="evaluate_draft"):
        job = jobs.start(key, lambda job: _draft(job, settings, name, int(count), writer))
    if job is None:
        return None
    if job.state is JobState.RUNNING:
        _follow(job, name)
        return None
    return _draw_end(job, key, name, settings)


def _draw_writer() -> str:
    options, key = [_RULES, *generators_on_machine()], "evaluate_draft_writer"
    keep_chosen(key, options, _writer_name)
    return st.selectbox(say("evaluate.draft.writer"), options, format_func=_writer_name, key=key) or _RULES


def _writer_name(writer: str) -> str:
    return writer or say("evaluate.draft.rules")


def _draft(job: Job, settings: Settings, name: str, count: int, writer: str) -> Drafted:
    """Draft questions: the work of the job."""
    from rag_app.evaluation.drafting.drafts import draft_questions
    from rag_app.store.live import LiveKnowledgeBase

    job.report(Progress("drafting", name, 0, count))
    llm = load_generator(writer, settings) if writer else None
    is_small = llm is not None and getattr(llm, "is_small", False)
    served = LiveKnowledgeBase(settings.indexes, name).verified()
    drafts = draft_questions(
        served.knowledge_base,
        count,
        llm=None if is_small else llm,
        on_progress=lambda done: job.report(Progress("drafting", name, done, count)),
    )
    return Drafted(drafts, [one.as_row() for one in drafts.questions], is_small)


@st.fragment(run_every=_POLL_SECONDS)
def _follow(job: Job, name: str) -> None:
    """Show how far drafting is, until it ends."""
    if job.state is not JobState.RUNNING:
        st.rerun()
    done, total = job.progress.done, job.progress.total
    text = say("evaluate.draft.busy", name=_as_label(name), done=done, total=total)
    st.progress(done / total if total else 0.0, text)
    if st.button(say("evaluate.draft.cancel"), icon=":material/cancel:", key="evaluate_draft_cancel"):
        job.cancel()


def _draw_end(job: Job, key: str, name: str, settings: Settings) -> Path | None:
    """Draw what came of drafting; return the file where the drafts were saved."""
    if job.state is JobState.CANCELLED:
        st.text(say("evaluate.draft.cancelled"))
        return None
    if job.problem is not None:
        show_problem(job.problem)
        return None
    drafted: Drafted = job.result
    if drafted.is_small:
        show_notice(say("evaluate.draft.small"))
    for note in drafted.drafts.notes:
        show_notice(note)
    if not drafted.rows:
        st.text(say("evaluate.draft.zero", name=name))
        return None
    st.text(say("evaluate.draft.found", name=name))
    return _draw_editor(drafted.rows, key, job.began, name, settings)


def _draw_editor(rows: list[dict[str, Any]], key: str, began: float, name: str, settings: Settings) -> Path | None:
    """Draw the drafts to be edited and saved; return the file where they were. Each drafting has an editor of its own."""
    editor = f"evaluate_drafts {key} {began}"
    given = _given(rows, editor)
    edited = st.data_editor(
        [{column: _cell(column, row[column]) for column in _SHOWN} for row in given],
        hide_index=True,
        disabled=[column for column in _SHOWN if column not in _EDITED],
        column_config={
            "keep": st.column_config.CheckboxColumn(say("evaluate.draft.keep"), width="small"),
            "question": st.column_config.TextColumn(say("evaluate.draft.question"), width="large", required=True),
            "answer": st.column_config.TextColumn(say("evaluate.draft.answer"), width="medium"),
            "source": st.column_config.TextColumn(say("evaluate.draft.source"), width="medium"),
            "stratum": st.column_config.TextColumn(say("evaluate.draft.stratum"), width="small"),
            "language": st.column_config.TextColumn(say("evaluate.draft.language"), width="small"),
        },
        key=editor,
        alt=say("evaluate.draft.alt"),
    )
    rows[:] = [edited_row(*pair) for pair in zip(given, edited, strict=True)]
    if any(row["keep"] and row["answer"] and not row["source"] for row in rows):
        show_notice(say("evaluate.draft.no_answer"))
    kept = kept_rows(rows)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.text_input(say("evaluate.unnamed"), value=name, max_chars=60, key=f"evaluate_draft_name {name}")
        is_wanted = st.button(say("evaluate.draft.save"), type="primary", icon=":material/save:", key="evaluate_save")
        if st.button(say("evaluate.draft.discard"), icon=":material/delete:", key="evaluate_discard"):
            all_jobs().forget(key)
            st.rerun()
    if not kept:
        st.text(say("evaluate.draft.none_kept"))
    elif is_wanted:
        file = keep_rows(settings.indexes, title, [{**row, DRAFTED_FROM: name} for row in kept])
        all_jobs().forget(key)
        return file
    return None


def _given(rows: list[dict[str, Any]], editor: str) -> list[dict[str, Any]]:
    """Return the drafts as they were when the editor came on the page, which the edits in it are of."""
    begun = f"begun {editor}"
    if editor not in st.session_state or begun not in st.session_state:
        st.session_state[begun] = list(rows)
    given: list[dict[str, Any]] = st.session_state[begun]
    return given


def edited_row(row: Mapping[str, Any], edited: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its edits. A cell as it was shown leaves its text alone: what is shown may be escaped."""
    new = {**row, "keep": bool(edited["keep"])}
    for column in ("question", "answer"):
        if edited[column] != _cell(column, row[column]):
            new[column] = edited[column] if isinstance(edited[column], str) else ""  # a cell that was emptied
    return new


def kept_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows to save: those that are kept and ask something. Without a document there is no answer to judge by."""
    kept = []
    for row in rows:
        question, answer = (row[column].strip() for column in ("question", "answer"))
        if row["keep"] and question:
            kept.append({**row, "question": question, "answer": answer if row["source"] else ""})
    return kept


def _cell(column: str, value: object) -> object:
    if column == "stratum":
        return say(f"evaluate.stratum.{str(value).replace('-', '_')}")
    return printable(value) if isinstance(value, str) else value


def _as_label(name: str) -> str:
    """Return a name that may stand in a label, where Markdown would be read: names of bases have letters, digits, - and _."""
    return name.replace("_", "\\_")
