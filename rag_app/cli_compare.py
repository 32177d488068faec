"""`rag-app compare`: which of several systems answers a set of questions best, and how sure that is.

This module knows nothing of how anything is measured. What is slow to import is imported inside the command.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli_options import AsJson, Device, Indexes, Offline
from rag_app.terminal import print_json, say

if TYPE_CHECKING:
    from rag_app.config import Settings
    from rag_app.evaluation.request import Request


def compare(
    questions: Annotated[
        Path, typer.Option(help="SQuAD JSON or a BEIR folder, or JSON lines or CSV with question, answer and source.")
    ],
    kb: Annotated[
        str | None, typer.Option(help="The knowledge base to ask, where the questions bring no passages.")
    ] = None,
    embed_model: Annotated[
        list[str] | None,
        typer.Option(help="An embedding model; may be given several times. Keyword search is there anyhow."),
    ] = None,
    systems: Annotated[
        Path | None, typer.Option(help="TOML that spells out each system: docs/comparing.md. Instead of --embed-model.")
    ] = None,
    generator: Annotated[
        str, typer.Option(help="Writes answers to be compared: none, quote, or a generator.")
    ] = "none",
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many questions.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="So many questions, drawn by the seed.")] = None,
    answerable: Annotated[bool, typer.Option("--answerable", help="Questions with an answer only.")] = False,
    margin: Annotated[
        float | None, typer.Option(min=0.0001, max=0.5, help="Differences up to this count as none.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the resampling and of --sample.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write everything into one HTML file.")] = None,
    indexes: Indexes = None,
    offline: Offline = False,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Compare embedding models, or whole systems, on questions with known answers: better, equivalent, or cannot tell yet."""
    from rag_app.config import load_settings
    from rag_app.errors import UsageError
    from rag_app.evaluation.request import DEFAULT_MARGIN, SEED, Request
    from rag_app.evaluation.systems import read_systems, usual_systems

    if systems is not None and embed_model:
        raise UsageError("--systems names the embedding models itself.", "Leave --embed-model out.")
    settings = load_settings(indexes=indexes, offline=offline or None, device=device)
    specs = read_systems(systems, generator) if systems is not None else usual_systems(embed_model or (), generator)
    request = Request(
        questions=questions,
        systems=specs,
        knowledge_base=kb,
        limit=limit,
        sample=sample,
        answerable_only=answerable,
        seed=SEED if seed is None else seed,
        margin=DEFAULT_MARGIN if margin is None else margin,
    )
    _compare(request, settings, report, as_json=as_json)


def _compare(request: Request, settings: Settings, report: Path | None, *, as_json: bool) -> None:
    from rag_app.evaluation.compare import compare as run
    from rag_app.evaluation.reporting.report import write_report
    from rag_app.evaluation.reporting.table import WIDTH, comparison_table

    comparison = run(request, settings, announce=say, on_progress=_told())
    if report is not None:
        write_report(comparison, report)
        say(f"The report is in {report}.")
    if as_json:
        print_json(comparison.as_json())
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
        print(comparison_table(comparison, width), end="")


def _told() -> Callable[[str, int, int], None]:
    """Return what says how far a comparison is: ten times a system."""

    def tell(name: str, done: int, total: int) -> None:
        if done == total or done % max(1, total // 10) == 0:
            say(f"{name}: {done:,} of {total:,} questions")

    return tell
