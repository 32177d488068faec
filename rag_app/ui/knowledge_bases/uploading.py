"""Files from a browser or a folder of this machine: checked before anything of them is kept, then built from.

This module knows nothing of what a build makes of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from rag_app.config import LimitSettings, Settings
from rag_app.errors import RagAppError
from rag_app.store.uploads import Refusal, Upload, keep_upload, refusal_of, safe_parts
from rag_app.text import printable
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.markup import uploader_style_html
from rag_app.ui.parts import note_html, show_notice, show_problem
from rag_app.ui.words import say

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

FILES, FOLDER, MACHINE = "files", "folder", "machine"
_SIZE_BEFORE = "bytes uploaded"  # of this session
_ROUND = "round of uploads"  # a file uploader is emptied by getting another key


@dataclass(frozen=True)
class Given:
    """What was given: uploaded files, or a path of this machine as it was typed."""

    files: tuple[UploadedFile, ...] = ()
    path: str = ""

    @property
    def name(self) -> str:
        """What a knowledge base of it may be called."""
        if self.path:
            return Path(self.path).name
        if not self.files:
            return ""
        parts = safe_parts(self.files[0].name)
        return parts[0] if len(parts) > 1 else Path(parts[0]).stem


def draw_sources(settings: Settings, place: str, on_change: Callable[[], None] | None = None) -> Given:
    """Draw the choice of where documents come from, and what is given there.

    Args:
        settings: the limits.
        place: for which knowledge base, for the keys.
        on_change: called when something else was given.
    """
    kind = st.segmented_control(
        say("knowledge_bases.sources.label"),
        [FILES, FOLDER, MACHINE],
        default=FILES,
        required=True,
        format_func=lambda option: say(f"knowledge_bases.sources.{option}"),
        key=f"kind {place}",
    )
    if kind == MACHINE:
        path = st.text_input(
            say("knowledge_bases.sources.path"),
            key=f"path {place}",
            placeholder=say("knowledge_bases.sources.path_example"),
            on_change=on_change,
        )
        st.html(note_html(say("knowledge_bases.sources.path_note")))
        return Given(path=path.strip())
    limits = settings.limits
    choose, each = (
        say("knowledge_bases.sources.choose"),
        say("knowledge_bases.sources.each", each=limits.file_megabytes),
    )
    st.html(uploader_style_html(choose, each))
    files = st.file_uploader(
        say(f"knowledge_bases.sources.{kind}_label"),
        accept_multiple_files=True if kind == FILES else "directory",
        key=_key(place, str(kind)),
        max_upload_size=limits.file_megabytes,
        on_change=on_change or "rerun",
        help=say("knowledge_bases.sources.limits", **_most(limits)),
    )
    return Given(files=tuple(files))


def given_so_far(place: str) -> Given:
    """Return what `draw_sources` will return, for who is called before it is drawn."""
    kind = st.session_state.get(f"kind {place}", FILES)
    value: Any = st.session_state.get(f"path {place}" if kind == MACHINE else _key(place, kind))
    return Given(path=str(value or "").strip()) if kind == MACHINE else Given(files=tuple(value or ()))


def _problem_of(given: Given, settings: Settings) -> str:
    """Return, as a sentence, why what was given is not taken; empty where it is."""
    if given.path:
        return _path_problem(_path_of(given), settings)
    sizes = [(file.name, file.size) for file in given.files]
    refusal = refusal_of(sizes, settings.limits, st.session_state.get(_SIZE_BEFORE, 0))
    return "" if refusal is None else _refused(refusal)


def build_from(given: Given, settings: Settings, name: str, models: Sequence[str] = ()) -> bool:
    """Start a build of a knowledge base from what was given; return whether it began. Where it did not, the page says why."""
    problem = _problem_of(given, settings)
    if problem:
        show_notice(problem)
        return False
    try:
        upload = _keep_files(given, settings, name)
    except RagAppError as error:
        show_problem(error)
        return False
    sources = [_path_of(given)] if given.path else []
    is_started = work.start_build(settings, name, sources=sources, upload=upload, models=models)
    if not is_started:
        show_notice(say("knowledge_bases.work.busy", name=name))
    return is_started


def _keep_files(given: Given, settings: Settings, name: str) -> Upload | None:
    """Keep uploaded files below a knowledge base, and count them; None where there are none.

    Raises:
        StorageError: the disk is full, or cannot be written; nothing is kept.
    """
    if not given.files:
        return None
    upload = keep_upload(settings.indexes / name, [(file.name, file) for file in given.files])
    st.session_state[_SIZE_BEFORE] = st.session_state.get(_SIZE_BEFORE, 0) + upload.size
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    return upload


def _key(place: str, kind: str) -> str:
    return f"{kind} {place} {st.session_state.get(_ROUND, 0)}"


def _most(limits: LimitSettings) -> dict[str, int]:
    return {"files": limits.upload_files, "each": limits.file_megabytes, "together": limits.upload_megabytes}


def _refused(refusal: Refusal) -> str:
    found = f"{refusal.found:.0f}" if refusal.found >= 10 else f"{refusal.found:.1f}".removesuffix(".0")
    return say(f"knowledge_bases.refused.{refusal.kind}", found=found, most=refusal.most, name=printable(refusal.name))


def _path_of(given: Given) -> Path:
    return Path(os.path.expanduser(given.path))  # noqa: PTH111 - Path.expanduser raises for an unknown ~user


def _path_problem(path: Path, settings: Settings) -> str:
    try:
        place = path.resolve(strict=True)
        if place.is_dir():
            next(place.iterdir(), None)
        else:
            place.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        return say("knowledge_bases.refused.no_path", path=printable(str(path)))
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL in the name
        return say("knowledge_bases.refused.unreadable_path", path=printable(str(path)))
    root = settings.indexes.resolve()
    if place == root or root in place.parents:
        return say("knowledge_bases.refused.inside", path=printable(str(path)))
    return ""
