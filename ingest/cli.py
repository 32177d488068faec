"""`python -m ingest`: flags in, progress on standard error, the report on standard output.

This module knows nothing of how a build works. What is slow to import is imported inside the command.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli_options import AsJson, Device, Hub, Indexes, Offline
from rag_app.terminal import counted, print_json, run_command, say

if TYPE_CHECKING:
    from ingest.planning import BuildRequest
    from rag_app.config import Settings
    from rag_app.datatypes import IngestReport

STRICT_EXIT_CODE = 3

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(
    help="Build a knowledge base from documents, or bring one up to date.\n\n"
    "A new one:        python -m ingest docs/ --kb handbook\n\n"
    "After changes:    python -m ingest --kb handbook\n\n"
    "Another model:    python -m ingest --kb handbook --embed-model intfloat/multilingual-e5-small",
)
def ingest(
    sources: Annotated[
        list[Path] | None, typer.Argument(metavar="SOURCE...", help="Files or folders; added to those it has.")
    ] = None,
    kb: Annotated[str, typer.Option(help="Name of the knowledge base.")] = "default",
    embed_model: Annotated[
        list[str] | None,
        typer.Option(help="A Hugging Face id, a folder, or 'bundled'; may be given more than once, and is added."),
    ] = None,
    drop_model: Annotated[list[str] | None, typer.Option(help="An embedding model to remove.")] = None,
    drop_source: Annotated[
        list[Path] | None, typer.Option(help="A source to take off, with its documents; it need not be there any more.")
    ] = None,
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            min=0, max=8192, help="Largest chunk, about four letters or one CJK character each; 0: whole documents."
        ),
    ] = None,
    overlap: Annotated[int | None, typer.Option(min=0, help="What two chunks in a row may share.")] = None,
    memory_gb: Annotated[
        float | None, typer.Option(min=0.001, help="What the vectors of a model may take in memory; else no limit.")
    ] = None,
    replace_sources: Annotated[
        bool, typer.Option("--replace-sources", help="SOURCE takes the place of what it has.")
    ] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read every file again.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 if a file was not indexed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and cut, write nothing.")] = False,
    as_json: AsJson = False,
    events: Annotated[bool, typer.Option("--events", help="Progress as JSON lines on standard error.")] = False,
    offline: Offline = False,
    hub: Hub = None,
    device: Device = None,
    indexes: Indexes = None,
) -> None:
    """Parse the flags, build, print the report."""
    from ingest.planning import BuildRequest
    from rag_app.config import load_settings

    settings = load_settings(indexes=indexes, offline=offline or None, device=device, models={"hub": hub})
    request = BuildRequest(
        kb=kb,
        sources=tuple(sources or ()),
        embed_models=tuple(embed_model or ()),
        drop_models=tuple(drop_model or ()),
        drop_sources=tuple(drop_source or ()),
        chunk_tokens=chunk_tokens,
        overlap=overlap,
        memory_gb=memory_gb,
        replace_sources=replace_sources,
        rebuild=rebuild,
        dry_run=dry_run,
    )
    report = _built(request, settings, with_events=events)
    if as_json:
        print_json(report.as_json())
    else:
        from ingest.report_table import print_report

        print_report(report, dry_run=dry_run)
    if strict and report.not_indexed:
        count = len(report.not_indexed)
        say(f"{counted(count, 'file')} {'was' if count == 1 else 'were'} not indexed (--strict).")
        sys.exit(STRICT_EXIT_CODE)


def _built(request: BuildRequest, settings: Settings, *, with_events: bool) -> IngestReport:
    from ingest.build import build
    from ingest.progress import json_lines, progress_bar

    if with_events:
        return build(request, settings, json_lines)
    with progress_bar() as on_event:
        return build(request, settings, on_event)


def main() -> None:
    """Run the command line program."""
    run_command(app)
