"""Looks for models: those of each knowledge base, those that the settings name, and the bundled ones. None is loaded.

This module knows nothing of what is in an index. What is slow to import is imported inside a function.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from rag_app.config import Settings
from rag_app.doctor.findings import Finding, Section, State, found, found_error
from rag_app.errors import ConfigurationError, KnowledgeBaseError, RagAppError
from rag_app.models.catalogue import BUNDLED, QUOTE, GeneratorRow, load_catalogue, user_data_folder
from rag_app.models.conversion import gguf_file_of
from rag_app.models.embedder_spec import SERVED, catalogue_row, embedder_name, is_at_hand, is_served
from rag_app.models.hub import BUNDLED_PACKAGES_COMMAND, find_on_machine, locate, package_folder
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import knowledge_base_names

_CONNECT_SECONDS = 2.0
_SET_SERVER = "export RAG_APP_MODELS__SERVED_URL=http://127.0.0.1:8000/v1"


def check_models_of_bases(settings: Settings) -> Iterator[Finding]:
    """Say which embedding models the knowledge bases have vectors of, and whether each is on this machine."""
    try:
        names = knowledge_base_names(settings.indexes)
    except OSError:
        return
    for name in names:
        try:
            base = KnowledgeBase.open(settings.indexes, name)
        except (KnowledgeBaseError, OSError):
            continue  # the check of knowledge bases says it
        models = [fingerprint.model for fingerprint in base.models]
        at_hand = [model for model in models if is_at_hand(model, settings.models)]
        for model in models:
            if model not in at_hand:
                # without any of its models a base cannot be asked at all
                state = State.NOTE if at_hand else State.WRONG
                key = "base_server_not_set" if is_served(model) else "base_model_missing"
                yield found(Section.MODELS, state, key, command=_command_for(model), name=name, model=model)
        if models and len(at_hand) == len(models):
            yield found(Section.MODELS, State.FINE, "base_models", name=name, models=", ".join(models))


def _command_for(model: str) -> str:
    """Return what brings an embedding model that is not at hand."""
    if is_served(model):
        return _SET_SERVER
    row = catalogue_row(model)
    return f"rag-app models install {(row.alias or row.id) if row is not None else model.partition('@')[0]}"


def check_default_embedder(settings: Settings) -> Iterator[Finding]:
    """Say whether a new knowledge base could be built with the configured embedding model without a download."""
    name = embedder_name(settings.embed_model)
    if is_at_hand(settings.embed_model, settings.models):
        yield found(Section.MODELS, State.FINE, "embedder", model=name)
        return
    row = catalogue_row(name)
    size = f"{row.download_gb:g} GB" if row is not None else "?"
    key = "embedder_server_not_set" if is_served(name) else "embedder_missing"
    yield found(Section.MODELS, State.NOTE, key, command=_command_for(name), model=name, size=size)


def check_generator(settings: Settings) -> Iterator[Finding]:
    """Say whether what writes the answers is there: on this machine, or at a server that was configured."""
    chosen = settings.generator
    if chosen == QUOTE:
        yield found(Section.MODELS, State.FINE, "generator_quote")
        return
    if chosen is not None and chosen.startswith(SERVED):
        yield from _check_server(chosen, settings.models.served_generator_url or settings.models.served_url)
        return
    catalogue = load_catalogue()
    name = chosen or catalogue.default_generator(on_gpu=_is_gpu(settings.device)).id
    try:
        if gguf_file_of(name) is None:
            locate(name, catalogue.generator(name), kind="generator", offline=True, hub=settings.models.hub)
    except RagAppError as error:
        state = State.NOTE if chosen is None else State.WRONG
        yield found_error(Section.MODELS, state, "generator_missing", error, model=name)
        return
    yield found(Section.MODELS, State.FINE, "generator", model=name)


def _is_gpu(device: str) -> bool:
    """Whether a generator would run on a GPU."""
    from rag_app.models.device import resolve_device

    try:
        return resolve_device(device) == "cuda"
    except ConfigurationError:
        return False  # the check of the device says it


def _check_server(model: str, url: str) -> Iterator[Finding]:
    """Say whether a server that the user configured answers; nothing is asked of it."""
    if not url:
        yield found(Section.MODELS, State.WRONG, "server_not_set", command=_SET_SERVER, model=model)
        return
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    place = f"{address[0]}:{address[1]}"
    try:
        with closing(socket.create_connection(address, timeout=_CONNECT_SECONDS)):
            pass
    except OSError as error:
        yield found(
            Section.MODELS,
            State.WRONG,
            "server_silent",
            command=f"curl {parts.scheme}://{place}{parts.path}/models",
            detail=str(error),
            model=model,
            place=place,
        )
        return
    yield found(Section.MODELS, State.FINE, "server", model=model, place=place)


def check_reranker(settings: Settings) -> Iterator[Finding]:
    """Say whether the configured reranker is on this machine."""
    if settings.reranker is None:
        yield found(Section.MODELS, State.FINE, "reranker_none")
        return
    from rag_app.models.reranker_spec import resolve_reranker

    try:
        resolve_reranker(settings.reranker, offline=True, models=settings.models)
    except RagAppError as error:
        yield found_error(Section.MODELS, State.WRONG, "reranker_missing", error, model=settings.reranker)
        return
    yield found(Section.MODELS, State.FINE, "reranker", model=settings.reranker)


def check_bundled(_: Settings) -> Iterator[Finding]:
    """Say whether the bundled models, with which everything can be tried without a download, are installed."""
    catalogue = load_catalogue()
    embedder, generator = catalogue.embedder(BUNDLED), catalogue.generator(BUNDLED)
    assert embedder is not None  # both rows are in the packaged catalogue
    assert generator is not None
    has_embedder = find_on_machine(BUNDLED, embedder) is not None
    has_generator = package_folder(generator) is not None
    if not has_embedder or not has_generator:
        missing = ", ".join(
            row.id for row, is_there in ((embedder, has_embedder), (generator, has_generator)) if not is_there
        )
        command = BUNDLED_PACKAGES_COMMAND
        yield found(Section.MODELS, State.NOTE, "bundled_missing", command=command, models=missing)
    elif not _is_converted(generator):
        command = "rag-app models install bundled"
        yield found(Section.MODELS, State.NOTE, "bundled_unconverted", command=command, model=generator.id)
    else:
        yield found(Section.MODELS, State.FINE, "bundled", models=f"{embedder.id}, {generator.id}")


def _is_converted(row: GeneratorRow) -> bool:
    folder: Path = user_data_folder() / "models" / row.id.replace("/", "--")
    return (folder / "config.json").is_file()
