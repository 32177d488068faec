"""`rag-app kb`: what knowledge bases there are, what each is, and whether it is as it was written.

This module knows nothing of how anything is done. What is slow to import is imported inside a command.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag_app.cli_loading import embedder_of, reranker_of
from rag_app.cli_options import AsJson, Device, Indexes, Offline, PerDocument, Reranker, Retriever, TopK
from rag_app.terminal import print_json, say

if TYPE_CHECKING:
    from rag_app.config import Settings
    from rag_app.evaluation.questions import QuestionSet

kb_app = typer.Typer(no_args_is_help=True, help="The knowledge bases on this machine.")

Name = Annotated[str, typer.Argument(help="Name of the knowledge base.")]


@kb_app.command("list")
def kb_list(indexes: Indexes = None, as_json: AsJson = False) -> None:
    """List the knowledge bases."""
    from rag_app.cli_kb_output import knowledge_base_summary, print_knowledge_bases
    from rag_app.config import load_settings
    from rag_app.store.layout import knowledge_base_names

    root = load_settings(indexes=indexes).indexes
    summaries = [knowledge_base_summary(root, name) for name in knowledge_base_names(root)]
    if as_json:
        print_json({"indexes": str(root), "knowledge_bases": summaries})
    elif summaries:
        print_knowledge_bases(summaries)
    else:
        print(f"There is no knowledge base in {root}. Build one: python -m ingest FOLDER")


@kb_app.command("show")
def kb_show(name: Name, indexes: Indexes = None, as_json: AsJson = False) -> None:
    """Show what a knowledge base is: its identity card, and its documents."""
    from rag_app.cli_kb_output import identity_card, print_identity_card
    from rag_app.config import load_settings
    from rag_app.store.knowledge_base import KnowledgeBase

    card = identity_card(KnowledgeBase.open(load_settings(indexes=indexes).indexes, name))
    if as_json:
        print_json(card)
    else:
        print_identity_card(card)


@kb_app.command("calibrate")
def kb_calibrate(
    name: Name,
    questions: Annotated[
        Path,
        typer.Option(help="Labelled questions: JSON lines or CSV with question, answer and source; or SQuAD JSON."),
    ],
    embed_model: Annotated[str | None, typer.Option(help="One of the base's embedding models; else its first.")] = None,
    retriever: Retriever = None,
    reranker: Reranker = None,
    top_k: TopK = None,
    per_document: PerDocument = None,
    indexes: Indexes = None,
    offline: Offline = False,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Ask labelled questions, and turn the scores of passages into the probability that one holds the answer."""
    from rag_app.config import load_settings
    from rag_app.evaluation.calibration import check_questions
    from rag_app.evaluation.datasets import read_questions

    settings = load_settings(
        indexes=indexes,
        reranker=reranker,
        offline=offline or None,
        device=device,
        retrieval={"top_k": top_k, "per_document": per_document, "retriever": retriever},
    )
    question_set = read_questions(questions)
    check_questions(question_set)  # before anything is loaded for it
    _calibrate(name, question_set, embed_model, settings, as_json=as_json)


def _calibrate(
    name: str, question_set: QuestionSet, embed_model: str | None, settings: Settings, *, as_json: bool
) -> None:
    from rag_app.answering.assembly import assemble_engine
    from rag_app.cli_calibration_output import calibration_as_json, print_calibration
    from rag_app.evaluation.calibration import calibrate, label_passages
    from rag_app.evaluation.reliability_diagram import reliability_svg
    from rag_app.store.calibrations import write_calibration
    from rag_app.store.live import LiveKnowledgeBase

    live = LiveKnowledgeBase(settings.indexes, name)
    embedder = embedder_of(live.current().knowledge_base, embed_model, settings)
    reranker = reranker_of(settings)
    served = live.verified()  # what is damaged is never asked
    if served.notice:
        say(f"notice: {served.notice}")
    knowledge_base = served.knowledge_base
    engine = assemble_engine(knowledge_base, embedder, None, settings, reranker=reranker)
    say(f"Asking {len(question_set.questions):,} questions ...")
    pairs = label_passages(engine, question_set, settings.limits, say)
    reranker_name = None if reranker is None else reranker.model_id
    calibration = calibrate(
        pairs, question_set, knowledge_base.generation, embedder.fingerprint, settings.retrieval, reranker_name
    )
    path = write_calibration(knowledge_base.folder.parent, calibration, reliability_svg(calibration))
    if as_json:
        print_json(calibration_as_json(calibration, path))
    else:
        print_calibration(calibration, path)


@kb_app.command("purge")
def kb_purge(
    name: Name,
    document: Annotated[
        list[str], typer.Option(help="Path of a document, as `rag-app kb show` prints it; may be given more than once.")
    ],
    indexes: Indexes = None,
    as_json: AsJson = False,
) -> None:
    """Remove a document from index, cache, uploads and older versions, and search every file for what is left of its text."""
    from rag_app.cli_kb_output import print_purge
    from rag_app.config import load_settings
    from rag_app.errors import KnowledgeBaseError
    from rag_app.store.purging import purge

    report = purge(load_settings(indexes=indexes).indexes, name, document, announce=say)
    if as_json:
        print_json(report.as_json())
    else:
        print_purge(report)
    if report.traces.found:
        raise KnowledgeBaseError(
            f"Text of the document is left in {', '.join(report.traces.found_in)}.",
            "If that is a file of your own, remove it; then run the command again, or delete the knowledge base: "
            f"rag-app kb delete {name}",
        )


@kb_app.command("delete")
def kb_delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, on a terminal either.")] = False,
    indexes: Indexes = None,
    as_json: AsJson = False,
) -> None:
    """Delete a knowledge base with everything in it. The files it was built from are not touched."""
    from rag_app.cli_kb_output import deletion_question, print_deletion
    from rag_app.config import load_settings
    from rag_app.store.deletion import delete, describe

    root = load_settings(indexes=indexes).indexes
    # A person may have mistyped a name; a program that runs the command means it.
    if not yes and sys.stdin.isatty() and not typer.confirm(deletion_question(describe(root, name)), err=True):
        say("Nothing was deleted.")
        raise typer.Exit(1)
    deletion = delete(root, name)
    if as_json:
        print_json(deletion.as_json())
    else:
        print_deletion(deletion)


@kb_app.command("verify")
def kb_verify(
    name: Name,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Load no model: passages are not embedded again and compared.")
    ] = False,
    device: Device = None,
    indexes: Indexes = None,
    as_json: AsJson = False,
) -> None:
    """Check that a knowledge base is as it was written, byte by byte, and that its models are still the same."""
    from rag_app.cli_kb_output import print_verification, verification_as_json
    from rag_app.config import load_settings
    from rag_app.model_checks import models_on_this_machine
    from rag_app.store.layout import checked_name
    from rag_app.store.verification import verify

    settings = load_settings(indexes=indexes, device=device)
    find_model = models_on_this_machine(settings, say, may_load=not no_model)
    verification = verify(settings.indexes / checked_name(name), find_model)
    if as_json:
        print_json(verification_as_json(verification))
    else:
        print_verification(verification)
    if verification.error is not None:
        raise verification.error
