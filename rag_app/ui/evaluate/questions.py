"""The questions of an evaluation: a set that is kept, a draft, an upload, or a file on the machine.

What cannot be read is said in the reader's own words, and nothing of it is kept. This module knows nothing of systems.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from rag_app.config import Settings
from rag_app.errors import RagAppError
from rag_app.store.records.question_sets import FORMS, forget_set, keep_file, question_sets
from rag_app.text import printable
from rag_app.ui.evaluate.drafting import draw_drafting
from rag_app.ui.parts import show_notice, show_problem
from rag_app.ui.words import say

if TYPE_CHECKING:
    from rag_app.evaluation.questions import LabelledQuestion, QuestionSet

_SOURCES = ("sets", "draft", "upload", "path")
_ICONS = {
    "sets": ":material/list_alt:",
    "draft": ":material/edit_note:",
    "upload": ":material/upload_file:",
    "path": ":material/folder_open:",
}
_SOURCE, _SET, _UPLOADS = "evaluate_source", "evaluate_set", "evaluate_uploads"
# Set here, what is chosen takes effect before its widgets are drawn again.
_PENDING = "evaluate_pending"
_PREVIEWED = 20


@dataclass(frozen=True)
class Chosen:
    """A file of questions and what it holds."""

    path: Path
    question_set: QuestionSet


def draw_questions(settings: Settings, names: list[str]) -> Chosen | None:
    """Draw where the questions come from; return them, None where there are none yet."""
    sets = question_sets(settings.indexes)
    _take_pending()
    st.session_state.setdefault(_SOURCE, "sets" if sets or not names else "draft")
    source = st.segmented_control(
        say("evaluate.source.label"),
        _SOURCES,
        format_func=lambda one: f"{_ICONS[one]} {say(f'evaluate.source.{one}')}",
        required=True,
        key=_SOURCE,
        persist_state="session",
    )
    path: Path | None = None
    match source:
        case "draft":
            kept = draw_drafting(settings, names)
            if kept is not None:
                _choose_set(kept)
        case "upload":
            _draw_upload(settings)
        case "path":
            path = _draw_path()
        case _:
            path = _draw_sets(settings, sets)
    return None if path is None else _read(path)


def _choose_set(file: Path) -> None:
    """Have a set that was just kept chosen, and draw the page anew."""
    st.session_state[_PENDING] = file.name
    st.rerun()


def _take_pending() -> None:
    name = st.session_state.pop(_PENDING, None)
    if name is not None:
        st.session_state[_SOURCE], st.session_state[_SET] = "sets", name


def _draw_sets(settings: Settings, sets: list[Path]) -> Path | None:
    if not sets:
        st.text(say("evaluate.sets.none"))
        return None
    by_name = {file.name: file for file in sets}
    if st.session_state.get(_SET) not in by_name:
        st.session_state.pop(_SET, None)
    name = st.selectbox(say("evaluate.sets.label"), list(by_name), key=_SET, persist_state="session")
    if st.button(say("evaluate.sets.remove"), icon=":material/delete:", type="tertiary", key="evaluate_remove_set"):
        forget_set(settings.indexes, name)
        st.rerun()
    return by_name[name]


def _draw_upload(settings: Settings) -> None:
    """Draw the place for a file; one that can be read is kept and chosen."""
    number = st.session_state.setdefault(_UPLOADS, 0)
    file = st.file_uploader(
        say("evaluate.upload.label"),
        type=[form.removeprefix(".") for form in FORMS],
        help=say("evaluate.upload.help"),
        key=f"evaluate_upload {number}",
    )
    if file is None:
        return
    content = file.getvalue()
    try:
        _check(file.name, content)
        kept = keep_file(settings.indexes, file.name, content)
    except RagAppError as error:
        show_problem(error)
        return
    st.session_state[_UPLOADS] = number + 1
    _choose_set(kept)


def _check(name: str, content: bytes) -> None:
    """Read a file of questions that came from a browser.

    Raises:
        UsageError: it holds no questions; the message names the file as the user does.
    """
    from rag_app.evaluation.datasets import read_questions

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"questions{Path(name).suffix.lower()}"
        file.write_bytes(content)
        try:
            read_questions(file)
        except RagAppError as error:
            raise type(error)(error.found.replace(str(file), printable(name)), error.remedy) from None


def _draw_path() -> Path | None:
    given = st.text_input(say("evaluate.path.label"), key="evaluate_path", persist_state="session").strip()
    if not given:
        return None
    path = Path(os.path.expanduser(given))  # noqa: PTH111 - Path.expanduser raises for an unknown ~user
    try:
        path.stat()
    except PermissionError:
        st.text(say("evaluate.path.unreadable", path=printable(given)))
        return None
    except (OSError, ValueError):  # nothing there, too long for a name, a NUL in it
        st.text(say("evaluate.path.none", path=printable(given)))
        return None
    return path


def _read(path: Path) -> Chosen | None:
    """Read the questions and say what they are; where they cannot be read, why."""
    try:
        found = _questions(str(path), _stamp(path))
    except RagAppError as error:
        show_problem(error)
        return None
    answerable = sum(question.is_answerable for question in found.questions)
    counted = say("evaluate.set.count", count=len(found.questions))
    unanswerable = len(found.questions) - answerable
    st.text(say("evaluate.set.facts", counted=counted, answerable=answerable, unanswerable=unanswerable))
    for note in found.notes:
        show_notice(note)
    with st.expander(say("evaluate.set.preview"), icon=":material/visibility:"):
        st.dataframe(
            [_row(question) for question in found.questions[:_PREVIEWED]], hide_index=True, alt=say("evaluate.set.alt")
        )
    return Chosen(path, found)


def _row(question: LabelledQuestion) -> dict[str, str]:
    return {
        say("evaluate.draft.question"): printable(question.question),
        say("evaluate.draft.answer"): printable(" / ".join(question.answers)),
        say("evaluate.draft.source"): printable(", ".join(question.sources or question.right_documents)),
    }


def _stamp(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size


@st.cache_resource(show_spinner=False, max_entries=4)
def _questions(path: str, stamp: tuple[int, int]) -> QuestionSet:  # noqa: ARG001 - the stamp is part of what is asked for
    """Read a file once for as long as it stays as it is; what is returned is never changed.

    Raises:
        UsageError: it holds no questions.
    """
    from rag_app.evaluation.datasets import read_questions

    return read_questions(Path(path))
