"""What `rag-app models` prints: the catalogue, a row of it, advice, a model that was made; as text and as JSON.

What goes to a terminal is broken at its width, what goes elsewhere is not. This module knows nothing of flags.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rag_app.datatypes import NO_WINDOW
from rag_app.models.catalogue import ModelRow, Runs
from rag_app.models.choosing.needs import is_served
from rag_app.models.choosing.standings import BENCHMARKS
from rag_app.models.hub import find_on_machine
from rag_app.terminal import say

if TYPE_CHECKING:
    from rag_app.models.choosing.advice import Advice, Recommendation
    from rag_app.models.choosing.needs import Needs
    from rag_app.models.static.distillation import Distilled
    from rag_app.models.static.token_vectors import Progress

_LABEL = 22
_UNBROKEN = 1 << 20  # columns


def models_as_json(rows: Sequence[tuple[str, ModelRow]]) -> list[dict[str, Any]]:
    """Return rows of the catalogue with their kind, and whether the model is on this machine."""
    return [
        {"kind": kind} | asdict(row) | {"on_this_machine": find_on_machine(row.id, row) is not None}
        for kind, row in rows
    ]


def print_models(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the catalogue, two lines a model: an id is never cut, however narrow the terminal, so that it can be copied."""
    for row in rows:
        name = f"{row['id']} ({row['alias']})" if row["alias"] else row["id"]
        print(f"{row['kind']:<9}  {name}{'    on this machine' if row['on_this_machine'] else ''}")
        licence = row["licence"] + ("" if row["commercial"] else " (not commercial)")
        sizes = f"{row['download_gb']:g} GB to download, {row['memory_gb']:g} GB of memory"
        languages = " ".join(row["languages"]) or "languages not known"
        print(f"{'':11}{sizes}; {languages}; {licence}. {row['notes']}")
    if not rows:
        print("No model of the catalogue is like that.")


def print_model(row: Mapping[str, Any]) -> None:
    """Print everything the catalogue says of a model, and not what it has nothing to say of.

    Prompts are in quotes, so that a space at their end is seen, and are printed where they are empty, too.
    """
    for name, value in row.items():
        if value in ("", (), [], {}) and not name.endswith("_prompt"):
            continue
        if isinstance(value, Mapping):
            print(f"{name:>{_LABEL}}")
            for key, part in value.items():
                meaning = f": {BENCHMARKS[key]}" if key in BENCHMARKS else ""
                print(f"{'':{_LABEL}}    {key} = {part}{meaning}")
        else:
            meaning = ": no window" if (name, value) == ("max_tokens", NO_WINDOW) else ""
            shown = _quoted(value) if name.endswith("prompt") else _plain(value)
            print(f"{name:>{_LABEL}}  {shown}{meaning}")


def _quoted(value: object) -> str:
    """Return a prompt, or the parts of one, in quotes."""
    return ", ".join(map(repr, value)) if isinstance(value, list | tuple) else repr(str(value))


def _plain(value: object) -> str:
    """Return a value in a person's words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def advice_as_json(advice: Advice, kb: str | None) -> dict[str, Any]:
    """Return the object that `models advise --json` prints; docs/choosing.md documents its keys."""
    return {
        "needs": asdict(advice.needs),
        "benchmarks": {name: BENCHMARKS[name] for name in advice.benchmarks},
        "recommended": [
            {
                "rank": rank,
                "model": one.model,
                "dimension": one.dimension,
                "max_tokens": one.row.max_tokens,
                "parameters_millions": one.row.parameters_millions,
                "download_gb": one.row.download_gb,
                "memory_gb": one.row.memory_gb,
                "licence": one.row.licence,
                "commercial": one.row.commercial,
                "on_this_machine": _is_here(one),
                "standings": [asdict(standing) for standing in one.standings],
                "reasons": list(one.reasons),
                "caveats": list(one.caveats),
                "command": _command(one, kb),
            }
            for rank, one in enumerate(advice.recommended, 1)
        ],
        "rejected": [
            {"model": one.row.id, "objections": [asdict(objection) for objection in one.objections]}
            for one in advice.rejected
        ],
    }


def print_advice(advice: Advice, kb: str | None, *, top: int, why_not: bool) -> None:
    """Print the first of what fits with the reasons, how many more do, and what keeps the others out."""
    _print(f"Asked for: {_needs_in_words(advice.needs)}.")
    for name in advice.benchmarks:
        _print(f"{name}: {BENCHMARKS[name]}; nDCG@10 times 100.", indent="  ")
    for rank, one in enumerate(advice.recommended[:top], 1):
        print()
        _print_recommendation(rank, one, kb)
    print()
    more = len(advice.recommended) - top
    if more > 0:
        _print(f"{more} more fit: --top {len(advice.recommended)} shows them.")
    if advice.rejected:
        counts = ", ".join(f"{one.need} excludes {one.excludes}" for one in advice.hindrances)
        more_said = "" if why_not else " --why-not says it of each."
        _print(f"{len(advice.rejected)} do not fit: {counts}.{more_said}")
    for rejected in advice.rejected if why_not else ():
        _print(f"{rejected.row.id}: {'; '.join(objection.why for objection in rejected.objections)}", indent="  ")


def _print_recommendation(rank: int, one: Recommendation, kb: str | None) -> None:
    row = one.row
    print(f"{rank}. {one.model}{'    on this machine' if _is_here(one) else ''}")
    costs = (
        "run by a server" if is_served(row) else f"{row.download_gb:g} GB to download, {row.memory_gb:g} GB of memory"
    )
    _print(
        f"{row.parameters_millions:g} million parameters, {costs}, {one.dimension} numbers a vector, "
        f"reads {row.reads} of a text, {row.licence}",
        indent="   ",
    )
    for reason in one.reasons:
        _print(f"+ {reason}", indent="   ")
    for caveat in one.caveats:
        _print(f"- {caveat}", indent="   ")
    print(f"   {_command(one, kb)}")  # never broken, so that it can be copied


def _is_here(one: Recommendation) -> bool:
    return find_on_machine(one.row.id, one.row) is not None


def _command(one: Recommendation, kb: str | None) -> str:
    """Return what adds vectors of the model to the knowledge base, with the setting without which it would be refused."""
    settings = {
        Runs.REMOTE_CODE: f"RAG_APP_MODELS__TRUSTED_CODE='[\"{one.row.id}\"]' ",
        Runs.SERVED: "RAG_APP_MODELS__SERVED_URL=http://127.0.0.1:8000/v1 ",
    }
    return settings.get(one.row.runs, "") + _build_command(one.model, kb)


def _build_command(model: str, kb: str | None) -> str:
    where = f"--kb {kb}" if kb is not None else "FOLDER --kb NAME"
    return f"python -m ingest {where} --embed-model {model}"


def _needs_in_words(needs: Needs) -> str:
    languages = ", ".join((*needs.languages, *(f"texts in {script}" for script in needs.scripts)))
    said = (
        (True, f"an embedding model for {languages or 'any language'}"),
        (needs.pictures, "pictures too"),
        (needs.memory_gb is not None, f"at most {needs.memory_gb or 0:g} GB of memory"),
        (needs.download_gb is not None, f"at most {needs.download_gb or 0:g} GB to download"),
        (needs.commercial, "commercial use"),
        (needs.window_tokens is not None, f"passages of up to {needs.window_tokens} tokens"),
        (needs.max_dimension is not None, f"vectors of at most {needs.max_dimension} numbers"),
        (needs.fast, "light"),
        (needs.gpu, "on a GPU"),
        (needs.remote_code, "code of its own may be run"),
        (needs.served, "a server may run it"),
    )
    return ", ".join(words for applies, words in said if applies)


@contextmanager
def distilling(model_id: str) -> Iterator[Progress]:
    """Say that a static model is being made, and give what shows how far it is: a bar where standard error is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    say(f"Distilling {model_id} ...")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(f"Reading {what}", total=total)
            bars.update(tasks[what], completed=done)

        yield on_progress


def distilled_as_json(made: Distilled, kb: str | None) -> dict[str, Any]:
    """Return the object that `models distil --json` prints; docs/static-models.md documents its keys."""
    return {
        "model": made.row.id,
        "folder": str(made.folder),
        "megabytes": round(sum(path.stat().st_size for path in made.folder.rglob("*") if path.is_file()) / 1e6, 1),
        "tokens": made.tokens,
        "dimension": made.row.dimension,
        "counted": made.counted,
        "passages": made.passages,
        "seconds": round(made.seconds, 1),
        "command": _build_command(made.row.id, kb),
    }


def print_distilled(made: Distilled, kb: str | None) -> None:
    """Print what was made, from what, and how to use it."""
    found = distilled_as_json(made, kb)
    print(f"{found['model']} is on this machine: {found['folder']}")
    print(
        f"{found['megabytes']:g} MB, {found['tokens']:,} tokens of {found['dimension']} numbers; "
        f"{_read_in_words(made)}; {found['seconds']:g} s"
    )
    print(f"Build with it: {found['command']}")


def _read_in_words(made: Distilled) -> str:
    if not made.counted:
        return "no passages were read"
    if made.passages:
        return f"{made.passages:,} of {made.counted:,} passages were read"
    return (
        f"{made.counted:,} passages were counted, none read: only those of a model that takes the mean of its tokens can be, "
        "and how good one of others is was not measured (docs/static-models.md)"
    )


def _print(text: str, indent: str = "") -> None:
    """Print a paragraph, broken at the width of a terminal; what follows its first line stands a little further in."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNBROKEN
    print(
        textwrap.fill(
            text,
            width,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
