"""Fetches a model from ModelScope, and finds one in its cache (MODELSCOPE_CACHE).

What is fetched is resumed and compared with its sum by the package `modelscope`, which is imported only when it is asked for.
Finding needs no package. This module knows nothing of what is in the files.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rag_app.errors import ModelNotAvailable, first_line
from rag_app.models.catalogue import ModelRow
from rag_app.models.fetching.needed_files import files_to_download
from rag_app.models.fetching.wanted import Wanted

PACKAGE_COMMAND = 'pip install "rag-app[modelscope]"'


def model_scope_id(model_id: str, row: ModelRow | None) -> str:
    """Return the id of a model on ModelScope: the catalogue's, else the same as on the Hugging Face hub."""
    return (row.modelscope_id or row.id) if row is not None else model_id


def cache_folder() -> Path:
    """Return where ModelScope's package keeps what it fetches."""
    # As modelscope_hub/config.py has it, version 0.5
    return Path(os.path.expanduser(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope"))  # noqa: PTH111


def cached_folders(model_id: str) -> Iterator[Path]:
    """Give the folders where ModelScope's package, in any of its layouts, would have a model; not all of them are there."""
    owner, _, name = model_id.partition("/")
    if not name or "/" in name or ".." in (owner, name) or "\0" in model_id:
        return
    cache, safe = cache_folder(), name.replace(".", "___")
    # modelscope_hub/_download.py and modelscope/hub/utils/utils.py, versions 0.5 and 1.40: the newest layout first
    snapshots = cache / "models" / f"{owner}--{name}" / "snapshots"
    if os.path.isdir(snapshots):  # noqa: PTH112 - Path raises for a name that is too long for a file
        yield from sorted(snapshots.iterdir(), key=lambda path: path.name != "master")
    for folder in (cache / "models", cache / "hub" / "models", cache, cache / "hub"):
        yield from (folder / owner / written for written in dict.fromkeys((safe, name)))


def revision_of(folder: Path) -> str:
    """Return what is recorded as the revision of a folder in ModelScope's cache: its branch, where the layout has one."""
    return f"modelscope:{folder.name}" if folder.parent.name == "snapshots" else "modelscope"


def fetch_from_model_scope(wanted: Wanted) -> tuple[Path, str]:
    """Fetch a model's files and return their folder and their revision. Size and licence are announced before.

    Raises:
        ModelNotAvailable: it cannot be had: why, and the ways on.
    """
    if importlib.util.find_spec("modelscope") is None:
        raise ModelNotAvailable(
            "Models come from ModelScope by means of the Python package 'modelscope', which is not installed.",
            f"Run: {PACKAGE_COMMAND}",
        )
    api, download = (importlib.import_module(f"modelscope.hub.{name}") for name in ("api", "snapshot_download"))
    there = model_scope_id(wanted.id, wanted.row)
    try:
        sizes = _sizes(api.HubApi().get_model_files(there, recursive=True))
        names = files_to_download(sizes, with_code=wanted.with_code)
        size = sum(sizes[name] for name in names)
        wanted.announce_download(f"ModelScope ({there})", size, 0, "unknown", gated=False)
        wanted.check_space(cache_folder(), size, "MODELSCOPE_CACHE")
        folder = Path(download.snapshot_download(there, allow_patterns=names))
    except ModelNotAvailable:
        raise
    except Exception as error:  # requests', urllib3's and the package's own errors have no tree in common
        raise wanted.not_available(
            str(cache_folder()), f"ModelScope did not give {there} ({type(error).__name__}: {first_line(error)})"
        ) from error
    return folder, revision_of(folder)


def _sizes(files: Iterable[dict[str, Any]]) -> dict[str, int]:
    return {str(file["Path"]): int(file.get("Size") or 0) for file in files if file.get("Type") != "tree"}
