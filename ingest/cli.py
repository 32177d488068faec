"""`python -m ingest`: flags in, progress on standard error, the report on standard output.

This module knows nothing of how a build works. What is slow to import is imported inside the command.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rag_app.terminal import print_json, run_command, say

if TYPE_CHECKING:
    from rag_app.build_events import EventHandler
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
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Progress as JSON lines on standard error.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the model hub.")] = False,
    hub: Annotated[
        Literal["huggingface", "modelscope"] | None, typer.Option(help="Where models that are not here come from.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    indexes: Annotated[Path | None, typer.Option(help="The index root; else RAG_APP_INDEXES, else ./indexes.")] = None,
) -> None:
    """Parse the flags, build, print the report."""
    from ingest.build import build
    from ingest.planning import BuildRequest
    from ingest.progress import json_lines, progress_bar
    from rag_app.config import load_settings

    settings = load_settings(indexes=indexes, offline=offline or None, device=device, models={"hub": hub})
    request = BuildRequest(
        kb=kb,
        sources=tuple(sources or ()),
        embed_models=tuple(embed_model or ()),
        drop_models=tuple(drop_model or ()),
        chunk_tokens=chunk_tokens,
        overlap=overlap,
        memory_gb=memory_gb,
        replace_sources=replace_sources,
        rebuild=rebuild,
        dry_run=dry_run,
    )

    def run(on_event: EventHandler) -> IngestReport:
        return build(request, settings, on_event)

    if events:
        report = run(json_lines)
    else:
        with progress_bar() as on_event:
            report = run(on_event)
    if as_json:
        print_json(report.as_json())
    else:
        from ingest.report_table import print_report

        print_report(report, dry_run=dry_run)
    if strict and report.not_indexed:
        say(f"{len(report.not_indexed)} files were not indexed (--strict).")
        sys.exit(STRICT_EXIT_CODE)


def main() -> None:
    """Run the command line program."""
    run_command(app)
