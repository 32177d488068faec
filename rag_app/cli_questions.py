"""`rag-app questions draft`: questions drafted from a knowledge base, into a file for a person to keep, edit or drop.

This module knows nothing of how they are drafted. What is slow to import is imported inside the command.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_app.cli_loading import generator_of
from rag_app.cli_options import AsJson, Device, Indexes, Offline
from rag_app.errors import ModelError, UsageError
from rag_app.terminal import counted, print_json, say

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag_app.config import Settings
    from rag_app.evaluation.drafting.values import Drafts

questions_app = typer.Typer(no_args_is_help=True, help="Questions to compare models with, where you have none.")

_NO_GENERATOR = "none"


@questions_app.command()
def draft(
    kb: Annotated[str, typer.Option(help="Name of the knowledge base.")] = "default",
    count: Annotated[int, typer.Option(min=1, help="How many questions, at most.")] = 100,
    out: Annotated[
        Path | None, typer.Option(help="The file to write, as JSON lines; else they go to standard output.")
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(help="What says some of them in other words, or 'none'; else the configured one, if any."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which sentences are drawn.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace the file: what was edited in it is lost.")] = False,
    indexes: Indexes = None,
    offline: Offline = False,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Draft questions from a knowledge base's passages, without any of the models that they are to compare."""
    from rag_app.config import load_settings
    from rag_app.evaluation.drafting.drafts import draft_questions
    from rag_app.store.live import LiveKnowledgeBase

    chosen = None if generator == _NO_GENERATOR else generator
    settings = load_settings(indexes=indexes, generator=chosen, offline=offline or None, device=device)
    if out is not None:
        _check_can_be_written(out, force=force)
    live = LiveKnowledgeBase(settings.indexes, kb)
    live.current()  # an unknown base is told before a model is loaded
    llm = None if generator == _NO_GENERATOR else _generator(settings, is_asked_for=generator is not None)
    served = live.verified()
    if served.notice:
        say(f"notice: {served.notice}")
    drafts = draft_questions(served.knowledge_base, count, seed=seed, llm=llm)
    for note in drafts.notes:
        say(f"notice: {note}")
    if not drafts.questions:
        raise UsageError(
            f"No question could be drafted from '{kb}'.", "Write some yourself: docs/drafting-questions.md."
        )
    _hand_over(drafts, kb, served.knowledge_base.generation, out, seed, as_json=as_json)


def _generator(settings: Settings, *, is_asked_for: bool) -> LLM | None:
    """Load the generator that was asked for or configured; None where there is none, or it cannot rewrite a question.

    Raises:
        ModelError: the one that was asked for is not at hand, or cannot be loaded.
    """
    if settings.generator is None:
        return None
    try:
        llm = generator_of(settings)
    except ModelError as error:
        if is_asked_for:
            raise
        say(f"notice: {error} The rules draft alone.")
        return None
    if llm == "quote":
        return None
    if getattr(llm, "is_small", False):
        say(f"notice: {settings.generator} is too small to say a question in other words. The rules draft alone.")
        return None
    return llm


def _check_can_be_written(out: Path, *, force: bool) -> None:
    if out.is_dir():
        raise UsageError(f"{out} is a folder, expected a file.", f"As in: --out {out / 'questions.jsonl'}")
    if out.exists() and not force:
        raise UsageError(
            f"{out} is there already, perhaps with what you edited; nothing was written.",
            "Name another file, or replace it with --force.",
        )


def _hand_over(drafts: Drafts, kb: str, generation: str, out: Path | None, seed: int, *, as_json: bool) -> None:
    rows = [one.as_row() for one in drafts.questions]
    if out is not None:
        _write(out, rows)
    found = ", ".join(f"{count} {stratum}" for stratum, count in drafts.counts.items() if count)
    say(f"{counted(len(rows), 'question')} of {counted(drafts.documents, 'document')}: {found}.")
    if as_json:
        shown: dict[str, Any] = {
            "kb": kb,
            "generation": generation,
            "seed": seed,
            "asked_for": drafts.asked_for,
            "drafted": len(rows),
            "documents": drafts.documents,
            "strata": dict(drafts.counts),
            "notes": list(drafts.notes),
            "file": str(out) if out else None,
            "questions": rows,
        }
        print_json(shown)
    elif out is None:
        sys.stdout.writelines(_line(row) for row in rows)
    if out is not None:
        say(
            f'{out} is written. Read it: a question with "keep": false, or without its line, is left out. '
            f"Then: rag-app compare --questions {shlex.quote(str(out))} --kb {kb}"
        )


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write the file beside its place and put it there whole.

    Raises:
        UsageError: it cannot be written there.
    """
    from rag_app.store.files import write_text

    new = out.with_name(f".{out.name}.new")
    try:
        new.unlink(missing_ok=True)
        write_text(new, "".join(map(_line, rows)))
        os.replace(new, out)
    except OSError as error:
        raise UsageError(
            f"{out} cannot be written: {error.strerror}.",
            "Name a file in a folder that is there, has room and is yours.",
        ) from error
