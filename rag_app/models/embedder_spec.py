"""What an embedding model is, read from its catalogue row and its files, before anything heavy is loaded.

`resolve_embedder` finds the files and settles prompts, window, pooling and dimension; its `fingerprint` is what an index
is tied to. Where the catalogue has no row, the model's own sentence-transformers files say what it needs.
This module knows nothing of torch, so that a build or a question can be refused before anything is loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_app.datatypes import Fingerprint
from rag_app.errors import ModelLoadError
from rag_app.models.catalogue import EmbedderRow, load_catalogue
from rag_app.models.hub import Announce, Origin, check_bundled, files_to_download, locate, quietly

# A window of tens of thousands of tokens costs memory with its square; a model without a row gets this at most.
DEFAULT_MAX_TOKENS = 8192

_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_SHA256_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class EmbedderSpec:
    """An embedding model that can be loaded: where its files are, and its fingerprint. `row` is None off the catalogue."""

    path: Path
    fingerprint: Fingerprint
    origin: Origin
    row: EmbedderRow | None

    @property
    def model_id(self) -> str:
        """The id under which an index names the model."""
        return self.fingerprint.model


def embedder_name(model_id: str) -> str:
    """Return the id under which an index names a model: an alias is replaced, a folder given whole. Nothing is fetched."""
    row = load_catalogue().embedder(model_id)
    # os.path takes what Path raises for: an unknown ~user, a name too long for a file
    folder = os.path.realpath(os.path.expanduser(model_id))  # noqa: PTH111
    return row.id if row is not None else (folder if os.path.isdir(folder) else model_id)  # noqa: PTH112


def resolve_embedder(model_id: str, *, offline: bool, announce: Announce = quietly) -> EmbedderSpec:
    """Find an embedding model and settle what it is; nothing is loaded.

    Args:
        model_id: a Hugging Face id, a local folder, or `bundled`.
        offline: never ask the hub.
        announce: told what is about to be downloaded.

    Raises:
        ModelNotAvailable: the model is not on the machine and cannot be fetched.
        ModelLoadError: its files contradict the catalogue or one another.
    """
    row = load_catalogue().embedder(model_id)
    files = locate(model_id, row, kind="embedding model", offline=offline, announce=announce)
    name = embedder_name(model_id)
    hashes = _hashes(files.path)
    check_bundled(files, row, hashes.get("model.safetensors", ""))
    pooling = _pooling(files.path)
    if row is not None and pooling is not None and pooling != row.pooling:
        raise ModelLoadError(
            f"The files of {name} in {files.path} say {pooling} pooling, the catalogue says {row.pooling}.",
            "Fetch the model again, or correct the row in your catalogue.toml.",
        )
    query_prompt, passage_prompt = (row.query_prompt, row.passage_prompt) if row else _prompts(files.path)
    fingerprint = Fingerprint(
        model=name,
        revision=files.revision,
        files_sha256=_combined(hashes),
        dimension=row.dimension if row else _dimension(files.path),
        pooling=pooling or (row.pooling if row else "mean"),
        normalised=True,
        query_prompt=query_prompt,
        passage_prompt=passage_prompt,
        max_tokens=row.max_tokens if row else _max_tokens(files.path),
        dtype="float32",
    )
    return EmbedderSpec(files.path, fingerprint, files.origin, row)


def _hashes(folder: Path) -> dict[str, str]:
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


def _combined(hashes: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{name}\0{digest}\n" for name, digest in hashes.items()).encode()).hexdigest()


def _read_json(path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelLoadError(f"{path} is not valid JSON: {error}.", "Fetch the model again.") from error
    expected = list if path.name == "modules.json" else dict
    if not isinstance(content, expected):
        raise ModelLoadError(f"{path} holds no JSON {expected.__name__}.", "Fetch the model again.")
    return content


def _modules(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Return the configuration of each sentence-transformers module of one kind, in order."""
    modules = _read_json(folder / "modules.json") or []
    try:
        paths = [folder / module["path"] for module in modules if module["type"].endswith(f".{kind}")]
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(
            f"{folder / 'modules.json'} has an entry without a type or a path.", "Fetch the model again."
        ) from error
    return [_read_json(path / "config.json") for path in paths]


def _pooling(folder: Path) -> str | None:
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


def _prompts(folder: Path) -> tuple[str, str]:
    """Return the query and the passage prompt that the model's own configuration gives, empty where it gives none."""
    configuration = _read_json(folder / "config_sentence_transformers.json")
    prompts = configuration.get("prompts") or {}
    default = prompts.get(configuration.get("default_prompt_name") or "", "")
    query = prompts.get("query", default)
    passage = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), default)
    return query, passage


def _dimension(folder: Path) -> int:
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


def _max_tokens(folder: Path) -> int:
    """Return the smallest of the windows that the model's files state, and at most DEFAULT_MAX_TOKENS."""
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
