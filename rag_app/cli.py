"""`rag-app` and `python -m rag_app`: the commands. They parse, call, print.

What is slow to import is imported inside a command, so that `--help` answers at once.
This module knows nothing of how anything is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rag_app.cli_compare import compare
from rag_app.cli_doctor import doctor
from rag_app.cli_kb import kb_app
from rag_app.cli_loading import embedder_of, generator_of, reranker_of
from rag_app.cli_models import models_app
from rag_app.cli_options import AsJson, Device, Hub, Indexes, Offline, PerDocument, Reranker, Retriever, TopK
from rag_app.cli_questions import questions_app
from rag_app.cli_similarity import similarity
from rag_app.terminal import as_typed, run_command, say

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag_app.config import Settings
    from rag_app.errors import ModelError

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Ask questions over your own documents, on your own machine. Build a knowledge base first: python -m ingest FOLDER",
)
app.add_typer(models_app, name="models")
app.add_typer(kb_app, name="kb")
app.add_typer(questions_app, name="questions")
app.command()(similarity)
app.command()(compare)
app.command()(doctor)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    kb: Annotated[str, typer.Option(help="Name of the knowledge base.")] = "default",
    embed_model: Annotated[str | None, typer.Option(help="One of the base's embedding models; else its first.")] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            help="A Hugging Face id, a folder, a GGUF file, served:NAME, 'bundled', or 'quote': the passages' own sentences."
        ),
    ] = None,
    reranker: Reranker = None,
    top_k: TopK = None,
    per_document: PerDocument = None,
    retriever: Retriever = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="KEY=VALUE",
            help="Only where this holds, for instance folder=handbook/en, type=pdf, language=zh, date=2024-01..2024-06 or "
            "document=*.md; may be given several times: any of the values of a key, all of the keys.",
        ),
    ] = None,
    no_answer: Annotated[bool, typer.Option("--no-answer", help="Passages only, no generator.")] = False,
    indexes: Indexes = None,
    offline: Offline = False,
    hub: Hub = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from a knowledge base, with the passages and scores behind the answer."""
    from rag_app.config import load_settings

    settings = load_settings(
        indexes=indexes,
        generator=generator,
        reranker=reranker,
        offline=offline or None,
        device=device,
        models={"hub": hub},
        retrieval={"top_k": top_k, "per_document": per_document, "retriever": retriever},
    )
    terms = [as_typed(term) for term in filters or ()]
    _ask(question, kb, embed_model, settings, terms, with_answer=not no_answer, as_json=as_json)


def _ask(
    question: str,
    kb: str,
    embed_model: str | None,
    settings: Settings,
    terms: list[str],
    *,
    with_answer: bool,
    as_json: bool,
) -> None:
    from rag_app.answering.question import checked_question
    from rag_app.models.embedder_spec import embedder_name
    from rag_app.store.live import LiveKnowledgeBase

    question = checked_question(as_typed(question), settings.limits)  # before anything is loaded for it
    live = LiveKnowledgeBase(settings.indexes, kb)
    opened = live.current().knowledge_base  # its files are read to the end while the models are loaded
    if embed_model is not None:
        opened.check_has_model(embedder_name(embed_model))  # before seconds are spent on imports
    from rag_app.answering.assembly import assemble_engine
    from rag_app.cli_output import AnswerPrinter, JsonPrinter, unread_note
    from rag_app.errors import ModelError
    from rag_app.retrieval.filter_terms import filters_of

    filters_of(terms, opened)  # what makes no sense is said before models are loaded
    reranker = reranker_of(settings)  # the one that is most likely not at hand
    embedder = embedder_of(opened, embed_model, settings)
    llm, failure = _generator(settings) if with_answer else (None, None)
    served = live.verified()  # what is damaged is never answered from
    if served.notice:
        say(f"notice: {served.notice}")
    if embedder.fingerprint not in served.knowledge_base.models:
        embedder = embedder_of(served.knowledge_base, embed_model, settings)
    filters = filters_of(terms, served.knowledge_base)
    printer = JsonPrinter(question, served.notice, terms) if as_json else AnswerPrinter(question)
    try:
        engine = assemble_engine(
            served.knowledge_base,
            embedder,
            llm,
            settings,
            reranker=reranker,
            filters=filters,
            announce=lambda sentence: say(f"notice: {sentence}"),
        )
        for event in engine.ask(question):
            printer.show(event)
            if note := unread_note(event):
                say(f"notice: {note}")
    except ModelError as error:
        printer.stopped()
        failure = error
    if failure is not None:
        raise failure


def _generator(settings: Settings) -> tuple[LLM | Literal["quote"] | None, ModelError | None]:
    """Return the generator, or why there is none: the passages are worth having all the same."""
    from rag_app.errors import ModelError

    try:
        return generator_of(settings), None
    except ModelError as error:
        return None, error


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8501,
    indexes: Indexes = None,
) -> None:
    """Open the app for a browser on this machine: http://127.0.0.1:8501."""
    from rag_app.config import load_settings
    from rag_app.server import run_server

    run_server(port, load_settings(indexes=indexes).indexes)


def main() -> None:
    """Run the command line program."""
    run_command(app)
