"""What an embedding model is, read from its catalogue row and its files, before anything heavy is loaded.

`resolve_embedder` finds the files and settles prompts, window, pooling and dimension; its `fingerprint` is what an index
is tied to. Where the catalogue has no row, the model's own sentence-transformers files say what it needs.
This module knows nothing of torch, so that a build or a question can be refused before anything is loaded.

An id is a Hugging Face id, a local folder, or `bundled`; `ID@256` cuts its vectors to 256 numbers, as it was trained to be;
`served:NAME` is what a server of the user's knows by that name.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rag_app.config import ModelSettings
from rag_app.datatypes import Fingerprint
from rag_app.errors import ModelLoadError, ModelNotAvailable, UsageError
from rag_app.language import language_of
from rag_app.models.catalogue import EmbedderRow, Runs, load_catalogue
from rag_app.models.embedding_server import served_dimension
from rag_app.models.folder_safety import check_code_elsewhere
from rag_app.models.hub import Announce, ModelFiles, check_bundled, find_on_machine, locate, quietly
from rag_app.models.model_folder import (
    combined_hash,
    file_hashes,
    has_modules,
    row_of_a_copy,
    stated_dimension,
    stated_max_tokens,
    stated_pooling,
    stated_prompts,
)

SERVED = "served:"
# What a served model is taken to read where no row says it: the smallest window that is common.
SERVED_MAX_TOKENS = 512

_CUT = re.compile(r"(?P<id>.+)@(?P<dimension>[1-9][0-9]{0,4})")


@dataclass(frozen=True)
class EmbedderSpec:
    """An embedding model that can be loaded, and its fingerprint.

    `path` is where its files are, None for a served one. `row` is None off the catalogue. `full_dimension` is what the model
    gives; the fingerprint's is shorter where its vectors are cut. `trusted`: its own code may be run.
    """

    path: Path | None
    fingerprint: Fingerprint
    row: EmbedderRow | None
    full_dimension: int
    trusted: bool = False

    @property
    def model_id(self) -> str:
        """The id under which an index names the model."""
        return self.fingerprint.model


@dataclass(frozen=True)
class _Id:
    """An id taken apart. `name` is that of the catalogue, the whole path of a folder, or what a server knows."""

    name: str
    row: EmbedderRow | None
    cut: int | None
    served: bool

    @property
    def full(self) -> str:
        """The id under which an index names the model."""
        return f"{SERVED if self.served else ''}{self.name}{f'@{self.cut}' if self.cut else ''}"


def _parsed(model_id: str) -> _Id:
    served = model_id.startswith(SERVED)
    name, cut = model_id.removeprefix(SERVED), None
    match = _CUT.fullmatch(name)
    if match and not os.path.isdir(_folder(name)):  # noqa: PTH112 - see _folder
        name, cut = match["id"], int(match["dimension"])
    row = load_catalogue().embedder(name)
    if row is not None:
        name = row.id
    elif not served and os.path.isdir(_folder(name)):  # noqa: PTH112
        name = _folder(name)
        row = _row_of_a_copy(Path(name))
    return _Id(name, row, cut, served)


def _folder(name: str) -> str:
    # os.path takes what Path raises for: an unknown ~user, a name too long for a file
    return os.path.realpath(os.path.expanduser(name))  # noqa: PTH111


def _row_of_a_copy(folder: Path) -> EmbedderRow | None:
    """Return the row of the model that a folder is a copy of, if its vectors are of the length that the row says."""
    row = row_of_a_copy(folder, load_catalogue().embedders)
    return row if row is not None and stated_dimension(folder) == row.dimension else None


def embedder_name(model_id: str) -> str:
    """Return the id under which an index names a model: an alias is replaced, a folder given whole. Nothing is fetched."""
    return _parsed(model_id).full


def catalogue_row(model_id: str) -> EmbedderRow | None:
    """Return the row that decides how a model is run, also where its vectors are cut, a server runs it, or it is a copy."""
    return _parsed(model_id).row


def is_served(model_id: str) -> bool:
    """Whether a server runs a model: its name says so, or its row."""
    return _is_served(_parsed(model_id))


def is_at_hand(model_id: str, models: ModelSettings) -> bool:
    """Whether a model can be resolved without fetching anything: it is on the machine, or a server is configured for it."""
    wanted = _parsed(model_id)
    if _is_served(wanted):
        return bool(models.served_url)
    return find_on_machine(wanted.name, wanted.row) is not None


def resolve_embedder(
    model_id: str,
    *,
    offline: bool,
    announce: Announce = quietly,
    models: ModelSettings | None = None,
    named_after: str = "",
) -> EmbedderSpec:
    """Find an embedding model and settle what it is; nothing is loaded.

    Args:
        model_id: see the head of this module.
        offline: never ask the hub. A server that the user configured may be asked all the same.
        announce: told what is about to be downloaded, and what was assumed.
        models: which hub, whose code may run, which server.
        named_after: what stands before the model in the command, for messages; else `--embed-model`.

    Raises:
        ModelNotAvailable: the model is not on the machine and cannot be fetched.
        ModelLoadError: its files contradict the catalogue or one another.
        UsageError: its vectors cannot be cut to the length asked for.
    """
    models = models or ModelSettings()
    wanted = _parsed(model_id)
    if _is_served(wanted):
        return _resolve_served(wanted, models)
    trusted = not {model_id, wanted.name, wanted.full}.isdisjoint(models.trusted_code)
    _refuse_untrusted(wanted, trusted=trusted)
    if wanted.row is not None:
        _dimension(wanted, wanted.row.dimension)  # refused before gigabytes are fetched for it
    files = locate(
        wanted.name,
        wanted.row,
        kind="embedding model",
        offline=offline,
        announce=announce,
        hub=models.hub,
        trusted_code=models.trusted_code if trusted else (),
        named_after=named_after,
    )
    if trusted:
        check_code_elsewhere(files.path, (*models.trusted_code, wanted.name))
    if wanted.row is not None and wanted.name != wanted.row.id:
        announce(f"{wanted.name} is taken for a copy of {wanted.row.id}: its prompts and its window are used.")
    return _spec(wanted, files, announce, trusted=trusted)


def _spec(wanted: _Id, files: ModelFiles, announce: Announce, *, trusted: bool) -> EmbedderSpec:
    row, folder = wanted.row, files.path
    hashes = file_hashes(folder)
    check_bundled(files, row, hashes.get("model.safetensors", ""))
    pooling = stated_pooling(folder)
    if row is not None and pooling is not None and pooling != row.pooling:
        raise ModelLoadError(
            f"The files of {wanted.name} in {folder} say {pooling} pooling, the catalogue says {row.pooling}.",
            "Fetch the model again, or correct the row in your catalogue.toml.",
        )
    if row is None and not has_modules(folder):
        announce(f"warning: {folder} has no modules.json, which would say how the model pools: the mean is taken.")
    query_prompt, passage_prompt = (row.query_prompt, row.passage_prompt) if row else stated_prompts(folder)
    full_dimension = row.dimension if row else stated_dimension(folder)
    fingerprint = Fingerprint(
        model=wanted.full,
        revision=files.revision,
        files_sha256=combined_hash(hashes),
        dimension=_dimension(wanted, full_dimension),
        pooling=pooling or (row.pooling if row else "mean"),
        normalised=True,
        query_prompt=query_prompt,
        passage_prompt=passage_prompt,
        max_tokens=row.max_tokens if row else stated_max_tokens(folder),
        dtype="float32",
    )
    return EmbedderSpec(folder, fingerprint, row, full_dimension, trusted)


def _dimension(wanted: _Id, full: int) -> int:
    """Return the length of the vectors, cut where that was asked for."""
    if wanted.cut is None:
        return full
    allowed = wanted.row.matryoshka if wanted.row else ()
    if wanted.cut not in allowed:
        lengths = ", ".join(str(length) for length in allowed) or "none"
        raise UsageError(
            f"{wanted.name} was not trained to have its vectors of {full} numbers cut to {wanted.cut}; "
            f"it can be cut to: {lengths}.",
            f"Use one of these, or all of it: {wanted.name}",
        )
    return wanted.cut


def _refuse_untrusted(wanted: _Id, *, trusted: bool) -> None:
    """Refuse a model that only its own code can run, before gigabytes of it are fetched."""
    if wanted.row is not None and wanted.row.runs is Runs.REMOTE_CODE and not trusted:
        raise ModelLoadError(
            f"{wanted.name} can only be run with Python code that comes with its files, and none is run unless you trust it.",
            f"Read that code at https://huggingface.co/{wanted.row.id}; then set "
            f"RAG_APP_MODELS__TRUSTED_CODE='[\"{wanted.row.id}\"]'. "
            f"Or have a server run it: {SERVED}{wanted.row.id} (docs/served-models.md).",
        )


def _is_served(wanted: _Id) -> bool:
    return wanted.served or (wanted.row is not None and wanted.row.runs is Runs.SERVED)


def _resolve_served(wanted: _Id, models: ModelSettings) -> EmbedderSpec:
    row = wanted.row
    if not models.served_url:
        why = f": its published code cannot run here. {row.notes}" if row and row.runs is Runs.SERVED else "."
        raise ModelNotAvailable(
            f"{wanted.full} is run by a server, and none is configured{why}",
            "Start one that speaks OpenAI's API, and set RAG_APP_MODELS__SERVED_URL=http://127.0.0.1:8000/v1 "
            "(docs/served-models.md).",
        )
    full_dimension = row.dimension if row else served_dimension(wanted.name, models)
    fingerprint = Fingerprint(
        model=wanted.full,
        revision="served",  # what a server runs cannot be hashed from here; `kb verify` compares vectors
        files_sha256="",
        dimension=_dimension(wanted, full_dimension),
        pooling=row.pooling if row else "served",
        normalised=True,
        query_prompt=row.query_prompt if row else "",
        passage_prompt=row.passage_prompt if row else "",
        max_tokens=row.max_tokens if row else SERVED_MAX_TOKENS,
        dtype="served",
    )
    return EmbedderSpec(None, fingerprint, row, full_dimension)


def reads(spec: EmbedderSpec, text: str) -> bool:
    """Whether a model was made for the language of a text; of one whose row says nothing, it is taken to be."""
    found = language_of(text)
    return spec.row is None or spec.row.covers(found.code, found.script)
