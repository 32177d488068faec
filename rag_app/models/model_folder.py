"""What the files of a model say of it: how it pools, its prompts, its dimension, its window, what they are by sum.

This module knows nothing of what is in the catalogue, of torch, or of where a folder came from.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rag_app.datatypes import NO_WINDOW
from rag_app.errors import ModelLoadError
from rag_app.models.catalogue import Row
from rag_app.models.hub import files_to_download

# A window of tens of thousands of tokens costs memory with its square; a model without a row gets this at most.
DEFAULT_MAX_TOKENS = 8192

MODULES = "modules.json"

_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_SHA256_NAME = re.compile(r"[0-9a-f]{64}")


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file that decides what the model computes, by its path inside the folder."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    hashes = {}
    for name in files_to_download(names):  # the same weights in other formats may lie beside them
        path = folder / name
        # The Hugging Face cache names a large file by its sha256, so that gigabytes need not be read again.
        blob = path.resolve().name
        hashes[name] = blob if path.is_symlink() and _SHA256_NAME.fullmatch(blob) else _sha256(path)
    return hashes


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_stamp(folder: Path) -> str:
    """Return 16 digits that tell one state of a folder's files from another by sizes and times of change; nothing is read."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found = path.stat()
        digest.update(f"{path.relative_to(folder).as_posix()!a} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def combined_hash(hashes: Mapping[str, str]) -> str:
    """Return one sha256 for all files."""
    return hashlib.sha256("".join(f"{name}\0{digest}\n" for name, digest in hashes.items()).encode()).hexdigest()


def row_of_a_copy(folder: Path, rows: Sequence[Row]) -> Row | None:
    """Return the row of the model that a folder is a copy of by its name (`models/BAAI/bge-m3`), None where it is none.

    A copy must not lose its prompts for lying in a folder. ModelScope's cache writes `___` for a dot.
    """
    names = {part.replace("___", ".").lower() for part in (folder.name, f"{folder.parent.name}/{folder.name}")}
    found = [row for row in rows if names & {row.id.lower(), row.id.split("/")[-1].lower()}]
    return found[0] if len(found) == 1 else None


def has_modules(folder: Path) -> bool:
    """Whether the folder says in which steps sentence-transformers runs the model."""
    return (folder / MODULES).is_file()


def stated_architectures(folder: Path) -> list[str]:
    """Return the names of the transformers classes that the weights are of."""
    return [str(name) for name in _read_json(folder / "config.json").get("architectures") or []]


def has_towers(folder: Path) -> bool:
    """Whether the model was made for pictures or sound beside text."""
    configuration = _read_json(folder / "config.json")
    return any(configuration.get(name) for name in ("vision_config", "audio_config"))


def stated_pooling(folder: Path) -> str | None:
    """Return how the model pools its tokens; None where its folder does not say."""
    for configuration in _modules(folder, "Pooling"):
        if "pooling_mode" in configuration:
            return pooling_name(configuration["pooling_mode"])
        chosen = [name for flag, name in _POOLING_FLAGS.items() if configuration.get(flag)]
        if chosen:
            return pooling_name(chosen)
    return None


def pooling_name(modes: str | Sequence[str]) -> str:
    """Return one name for one or several modes of pooling, in whatever order they are given."""
    return modes if isinstance(modes, str) else "+".join(sorted(modes))


def stated_prompts(folder: Path) -> tuple[str, str]:
    """Return the query and the passage prompt that the model's own configuration gives, empty where it gives none."""
    configuration = _read_json(folder / "config_sentence_transformers.json")
    prompts = configuration.get("prompts") or {}
    default = prompts.get(configuration.get("default_prompt_name") or "", "")
    query = prompts.get("query", default)
    passage = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), default)
    return query, passage


def stated_dimension(folder: Path) -> int:
    """Return how long the model's vectors are.

    Raises:
        ModelLoadError: the folder does not say.
    """
    static = static_weights(folder)
    if static is not None:
        return _width(static)
    dense = _modules(folder, "Dense")
    if dense and "out_features" in dense[-1]:
        return int(dense[-1]["out_features"])
    for configuration in _modules(folder, "Pooling"):
        for name in ("word_embedding_dimension", "embedding_dimension"):
            if name in configuration:
                return int(configuration[name])
    configuration = _read_json(folder / "config.json")
    hidden = configuration.get("hidden_size") or configuration.get("text_config", {}).get("hidden_size")
    if not hidden:
        raise ModelLoadError(
            f"The folder {folder} does not say how long the model's vectors are: its config.json has no hidden_size.",
            "Use an embedding model in sentence-transformers or transformers format.",
        )
    return int(hidden)


def stated_max_tokens(folder: Path) -> int:
    """Return the smallest of the windows that the model's files state, and at most DEFAULT_MAX_TOKENS."""
    if static_weights(folder) is not None:
        return NO_WINDOW
    configuration = _read_json(folder / "config.json")
    positions = configuration.get("max_position_embeddings")
    if positions and configuration.get("model_type") in ("roberta", "xlm-roberta", "camembert"):
        positions -= 2  # RoBERTa counts positions from the padding index on: two of them are never used
    stated = (
        positions,
        _read_json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _read_json(folder / "tokenizer_config.json").get("model_max_length"),
    )
    return min([DEFAULT_MAX_TOKENS, *(int(value) for value in stated if value)])


def static_weights(folder: Path) -> Path | None:
    """Return the weights of a static model (one vector a token, no attention), None where the folder holds another kind."""
    paths = _module_folders(folder, "StaticEmbedding")
    return paths[0] / "model.safetensors" if paths else None


def _width(weights: Path) -> int:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy") as tensors:
            return int(tensors.get_slice("embedding.weight").get_shape()[1])
    except (SafetensorError, OSError) as error:
        raise ModelLoadError(f"{weights} cannot be read: {error}.", "Fetch the model again.") from error


def _read_json(path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{path} is not valid JSON: {error}.", "Fetch the model again.") from error
    expected = list if path.name == MODULES else dict
    if not isinstance(content, expected):
        raise ModelLoadError(f"{path} holds no JSON {expected.__name__}.", "Fetch the model again.")
    return content


def _module_folders(folder: Path, kind: str) -> list[Path]:
    """Return the folder of each sentence-transformers module of one kind, in order."""
    modules = _read_json(folder / MODULES) or []
    try:
        return [folder / module["path"] for module in modules if module["type"].endswith(f".{kind}")]
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(
            f"{folder / MODULES} has an entry without a type or a path.", "Fetch the model again."
        ) from error


def _modules(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [_read_json(path / "config.json") for path in _module_folders(folder, kind)]
