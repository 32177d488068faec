"""What a knowledge base is, field by field, whether it is still as it was written, and its deletion.

This module knows nothing of how that is checked.
"""

from __future__ import annotations

import hashlib
import re

import streamlit as st

from rag_app.config import Settings
from rag_app.datatypes import Fingerprint
from rag_app.errors import RagAppError
from rag_app.store.checks import CheckState
from rag_app.store.deletion import delete
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Manifest
from rag_app.store.verification import Verification
from rag_app.text import printable
from rag_app.ui.jobs import JobState
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.links import close_base
from rag_app.ui.knowledge_bases.markup import card_html, files_html
from rag_app.ui.knowledge_bases.overview import local_time
from rag_app.ui.parts import note_html, show_notice, show_problem
from rag_app.ui.words import say
from rag_app.ui.words.translation import translated

_POLL_SECONDS = 1.0
_MARKS = {CheckState.OK: "✓", CheckState.DAMAGED: "✕", CheckState.NOT_CHECKED: "–"}  # with the word beside it
# A check of the generation before is named after that.
_OF_OLDER = re.compile(r"(gen-\d+) (.+)")
_OF_MODEL = re.compile(r"model (.+)")
# Names of one word have texts of the page: in the catalogue of sentences they would be taken for names of bases and files.
_PLAIN_NAMES = ("manifest", "files", "answers", "contents", "documents", "spans", "keywords", "report")


def draw_identity(knowledge_base: KnowledgeBase) -> None:
    """Draw everything by which a base can be told from another."""
    manifest = knowledge_base.manifest
    st.subheader(say("knowledge_bases.card.title"))
    st.html(card_html(_fields(knowledge_base, manifest)))
    st.subheader(say("knowledge_bases.card.parsing"))
    st.html(card_html([(name.replace("_", " "), _shown(value)) for name, value in manifest.parsing.items()]))
    for model in manifest.models:
        st.subheader(say("knowledge_bases.card.model"))
        st.html(card_html(_model_fields(manifest, model)))
    with st.expander(say("knowledge_bases.card.files", count=len(manifest.files))):
        st.html(card_html([(name, entry.sha256) for name, entry in manifest.files.items()]))


def _fields(knowledge_base: KnowledgeBase, manifest: Manifest) -> list[tuple[str, str]]:
    return [
        (say("knowledge_bases.card.folder"), str(knowledge_base.folder.absolute())),
        (say("knowledge_bases.card.generation"), manifest.generation),
        (say("knowledge_bases.card.created"), local_time(manifest.created_at)),
        (say("knowledge_bases.card.manifest"), hashlib.sha256(manifest.to_json().encode()).hexdigest()),
        (say("knowledge_bases.card.format"), str(manifest.format_version)),
        (say("knowledge_bases.card.program"), manifest.app_version),
        (say("knowledge_bases.card.libraries"), _shown(manifest.libraries)),
        (say("knowledge_bases.card.languages"), _shown(manifest.languages)),
        (
            say("knowledge_bases.card.sources"),
            "\n".join(f"{source.name}: {source.path}" for source in manifest.sources),
        ),
        (say("knowledge_bases.card.deleted"), ", ".join(exclusion.path for exclusion in manifest.excluded)),
    ]


def _model_fields(manifest: Manifest, model: Fingerprint) -> list[tuple[str, str]]:
    index = manifest.vectors[model.digest]
    return [
        (say("knowledge_bases.card.name"), model.model),
        (say("knowledge_bases.card.fingerprint"), model.digest),
        (say("knowledge_bases.card.revision"), model.revision),
        (say("knowledge_bases.card.model_files"), model.files_sha256),
        (say("knowledge_bases.card.dimension"), str(model.dimension)),
        (say("knowledge_bases.card.max_tokens"), str(model.max_tokens)),
        (say("knowledge_bases.card.pooling"), model.pooling),
        (
            say("knowledge_bases.card.normalised"),
            say("knowledge_bases.yes") if model.normalised else say("knowledge_bases.no"),
        ),
        (say("knowledge_bases.card.query_prompt"), repr(model.query_prompt)),
        (say("knowledge_bases.card.passage_prompt"), repr(model.passage_prompt)),
        (say("knowledge_bases.card.dtype"), model.dtype),
        (say("knowledge_bases.card.index"), f"{index.kind}, {index.code}; recall {index.recall:.4f}"),
        (say("knowledge_bases.card.licence"), manifest.terms[model.digest]),
    ]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value)


def draw_verification(settings: Settings, name: str) -> None:
    """Draw the verification: its start, that it goes on, and what it found."""
    st.subheader(say("knowledge_bases.verify.title"))
    st.text(say("knowledge_bases.verify.about"))
    job = work.verification_of(name)
    if job is not None and job.state is JobState.RUNNING:
        _follow(name)
        return
    may_load = st.checkbox(say("knowledge_bases.verify.with_models"), value=True, key=f"verify models {name}")
    if st.button(say("knowledge_bases.verify.start"), icon=":material/verified:", key=f"verify {name}"):
        work.start_verification(settings, name, may_load=may_load)
        st.rerun()
    if job is not None and job.problem is not None:
        show_problem(job.problem)
    elif job is not None and isinstance(job.result, Verification):
        _draw_verification(job.result)


@st.fragment(run_every=_POLL_SECONDS)
def _follow(name: str) -> None:
    job = work.verification_of(name)
    if job is None or job.state is not JobState.RUNNING:
        st.rerun()
    with st.container(border=True):
        st.badge(say("knowledge_bases.stage.verifying"), icon=":material/hourglass_top:", color="blue")


def _draw_verification(found: Verification) -> None:
    with st.container(border=True):
        if found.ok:
            st.badge(say("knowledge_bases.verify.whole"), icon=":material/check_circle:", color="green")
        else:
            st.badge(say("knowledge_bases.verify.damaged"), icon=":material/error:", color="red")
        st.html(note_html(found.generation))
        rows = [
            (
                f"{_MARKS[check.state]} {say(f'knowledge_bases.check.{check.state.name.lower()}')}",
                check_name(check.name),
                translated(check.detail),
            )
            for check in found.checks
        ]
        st.html(files_html(rows))
        if found.error is not None:
            st.text(printable(translated(found.error.remedy)))


def check_name(name: str) -> str:
    """Return the name of a check in the chosen language."""
    if older := _OF_OLDER.fullmatch(name):
        return f"{older[1]} {check_name(older[2])}"
    if of_model := _OF_MODEL.fullmatch(name):
        return say("knowledge_bases.check_name.model", name=of_model[1])
    return say(f"knowledge_bases.check_name.{name}") if name in _PLAIN_NAMES else translated(name)


def draw_deletion(settings: Settings, name: str) -> None:
    """Draw the deletion of all of a base, which asks for its name."""
    st.subheader(say("knowledge_bases.delete.title"))
    st.text(say("knowledge_bases.delete.about", name=name))
    typed = st.text_input(say("knowledge_bases.delete.type_name", name=name), key=f"name to delete {name}")
    if st.button(say("knowledge_bases.delete.button"), icon=":material/delete_forever:", key=f"delete base {name}"):
        if typed.strip() != name:
            show_notice(say("knowledge_bases.delete.wrong_name", name=name))
            return
        try:
            delete(settings.indexes, name)
        except RagAppError as error:
            show_problem(error)
            return
        if (job := work.change_of(name)) is not None:
            work.dismiss(job)
        close_base()
        st.rerun()
