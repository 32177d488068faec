"""Which files make a model: which of a repository's are fetched, and what a folder lacks of them.

This module knows nothing of where a folder came from, and reads no more of it than the lists of its parts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# A .pt file is only ever something beside them: BGE-M3 has its sparse and multi-vector heads in such.
_MAIN_WEIGHTS = (".safetensors", ".bin")
_CONFIGURATION = (".json", ".txt", ".model", ".jinja")
# Folders of a hub repository that hold the same weights in other formats.
_OTHER_FORMATS = ("onnx/", "openvino/", "original/", "gguf/", "imgs/", "assets/")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
# The sentence-transformers modules that have weights of their own, or are a whole model.
_WITH_WEIGHTS = ("Transformer", "CLIPModel", "Dense", "StaticEmbedding", "WordEmbeddings")


def files_to_download(names: Iterable[str], *, with_code: bool = False) -> list[str]:
    """Return which files of a model are needed: configuration, and weights in one format, safetensors first.

    `.pt` files are kept beside either: BGE-M3 has its sparse and multi-vector heads in them. Python code is left where it is
    unless `with_code`: what is not there cannot be run.
    """
    candidates = [name for name in names if not name.startswith(_OTHER_FORMATS)]
    has_safetensors = any(name.endswith(".safetensors") for name in candidates)
    endings = (*_CONFIGURATION, ".pt", ".safetensors" if has_safetensors else ".bin", *((".py",) if with_code else ()))
    return sorted(name for name in candidates if name.endswith(endings))


def holds_a_model(folder: Path) -> bool:
    """Whether a folder is one of a model, whole or not: it has a config.json, or says of which modules it is made."""
    # os.path: Path raises for a name that is too long for a file
    return any(os.path.isfile(folder / name) for name in ("config.json", "modules.json"))  # noqa: PTH113


def problem_of(folder: Path) -> str | None:
    """Return what keeps a model from being read from a folder, naming the file; None where nothing can be seen.

    What an interrupted download leaves out is seen where it can be told from the folder: a shard, a module, all weights.
    """
    if not holds_a_model(folder):
        return "there is neither a config.json nor a modules.json"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not files_to_download([name]):
            continue
        if path.is_symlink() and not path.exists():
            return f"{name} is a link to a file that is not there"
        if not os.access(path, os.R_OK):
            return f"{name} may not be read by this user"
    return next((problem for part in _parts(folder) if (problem := _missing_weights(part, folder)) is not None), None)


def _parts(folder: Path) -> list[Path]:
    """Return the folders that must hold weights: the model's own, and those of modules that have some."""
    modules = _read(folder / "modules.json")
    parts = [folder] if (folder / "config.json").is_file() and not modules else []
    return parts + [
        folder / str(module.get("path", ""))
        for module in (modules if isinstance(modules, list) else ())
        if isinstance(module, dict) and str(module.get("type", "")).split(".")[-1] in _WITH_WEIGHTS
    ]


def _missing_weights(part: Path, folder: Path) -> str | None:
    inside = "" if part == folder else f"{os.path.relpath(part, folder)}/"
    for index in _INDEXES:
        shards = _read(part / index)
        if isinstance(shards, dict):
            names = sorted({str(name) for name in shards.get("weight_map", {}).values()})
            missing = next((name for name in names if not (part / name).is_file()), None)
            return missing and f"{inside}{missing} is missing, which {index} names"
    weights = [path for path in (part.iterdir() if part.is_dir() else ()) if path.name.endswith(_MAIN_WEIGHTS)]
    if not any(path.is_file() for path in weights):
        return f"there are no weights: {inside}model.safetensors is missing"
    empty = next((path.name for path in weights if path.is_file() and not path.stat().st_size), None)
    return empty and f"{inside}{empty} is empty"


def _read(path: Path) -> Any:
    """Return what a JSON file holds; None where it is not there or is none, which is for those to say who need it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
