"""Refuses a model folder that would have code run, before anything of it is loaded.

A model is data from a stranger. What can name code in it: modules.json and router_config.json (classes), a Dense layer's
activation and a word tokenizer's class (dotted paths that are imported), `auto_map` (Python files of the repository, or of
another one), an attention from the hub, and arguments for loading: sentence-transformers 6 strips `trust_remote_code` from
those, but passes `weights_only=false` on to transformers 5, which then unpickles where it takes the number format from the
weights. Both load `.bin` and `.pt` with `torch.load(weights_only=True)` otherwise. Python files that nothing names are not run.
What can name another model, which may be fetched and was checked by nobody: adapters, and sentence-transformers' retrieval
models (`base_model_name_or_path`, asked of the hub also offline), and a tokenizer from elsewhere (`tokenizer_name_or_path`).
This module knows nothing of what a model computes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from rag_app.errors import ModelLoadError

_FETCH = "Fetch it again, or choose another: rag-app models list"

# A class by its capital letter: modules that are imported there, such as pickle, can be reached by a dotted path too.
_ALLOWED_CLASS = re.compile(r"sentence_transformers(\.\w+)*\.[A-Z]\w*")
_ALLOWED_ACTIVATION = re.compile(r"torch\.nn(\.\w+)+")
_ALLOWED_METHOD = re.compile(r"forward|get_\w+|encode\w*")
# Of attention and experts. A name with a slash is code on the hub, which transformers fetches by the package `kernels`.
_IMPLEMENTATION = "_implementation"
_OTHER_MODELS = ("base_model_name_or_path", "tokenizer_name_or_path")
_MODEL_ARGUMENTS = {
    "dtype",
    "torch_dtype",
    "attn_implementation",
    "add_pooling_layer",
    "low_cpu_mem_usage",
}
_REFUSED_ARGUMENTS = {"weights_only", "trust_remote_code", "code_revision", "auto_map"}


def check_folder(folder: Path, *, trusted: bool) -> None:
    """Refuse a folder whose files name code that is none of the libraries' own, or paths that leave the folder.

    Args:
        folder: that of a model.
        trusted: the user allowed the model's own code; paths that leave the folder are refused all the same.

    Raises:
        ModelLoadError: with the file and the key. Also for a configuration that is no JSON.
    """
    modules = _modules(folder)
    for where in dict.fromkeys((folder, *(folder / path for path, _ in modules))):
        for path in _configurations(where):
            if path.name.endswith(".index.json"):
                _check_shards(path)
            elif path.name not in ("tokenizer.json", "vocab.json", "modules.json"):
                _check_configuration(path, trusted=trusted)
    for _, kind in modules:
        if not trusted and not _ALLOWED_CLASS.fullmatch(kind):
            raise _would_run_code(folder / "modules.json", "type", kind)


def check_code_elsewhere(folder: Path, trusted_code: Collection[str]) -> list[str]:
    """Return the other repositories that hold code of a trusted model (`owner/name--module.Class` in its files).

    Whoever trusts a model does not yet trust whomever its files name.

    Args:
        folder: that of a model whose own code the user allowed.
        trusted_code: the names of all whose code the user allowed, the model's own among them.

    Raises:
        ModelLoadError: a repository that the user did not name, with the file that names it.
    """
    found = {name.split("--")[0]: file for file, name in _classes(folder) if "--" in name}
    unknown = sorted(set(found).difference(trusted_code))
    if unknown:
        names = ", ".join(repository[:120] for repository in unknown)
        setting = json.dumps(list(dict.fromkeys((*trusted_code, *unknown))), ensure_ascii=False)
        pages = " and ".join(f"https://huggingface.co/{repository[:120]}" for repository in unknown)
        raise ModelLoadError(
            f"{found[unknown[0]]} would have code of another repository run, which you do not trust by its name: {names}.",
            f"Nothing of it was run. Read it at {pages}; if you trust it, name it as well: "
            f"RAG_APP_MODELS__TRUSTED_CODE='{setting}'.",
        )
    return sorted(found)


def _classes(folder: Path) -> Iterator[tuple[Path, str]]:
    """Give the names of classes that a trusted model's files would have loaded, each with the file."""
    modules = _modules(folder)
    for where in dict.fromkeys((folder, *(folder / path for path, _ in modules))):
        for file in _configurations(where):
            if file.name not in ("tokenizer.json", "vocab.json", "modules.json"):
                named = [value for key, value in _walk(_read(file, dict | list)) if key == "auto_map"]  # type: ignore[arg-type]
                yield from ((file, name) for name in _texts(named))
    yield from ((folder / "modules.json", kind) for _, kind in modules)


def _texts(value: object) -> Iterator[str]:
    """Give every text in nested lists and objects."""
    waiting = [value]
    while waiting:
        outer = waiting.pop()
        if isinstance(outer, str):
            yield outer
        elif isinstance(outer, dict | list):
            waiting += outer.values() if isinstance(outer, dict) else outer


def _configurations(folder: Path) -> list[Path]:
    # Not by glob: where a file system makes no difference between them, config.JSON is read for config.json
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json") if folder.is_dir() else []


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Return path and type of each module, also of those that a router chooses between, and so on."""
    file = folder / "modules.json"
    entries = _read(file, list) if file.is_file() else []
    waiting = []
    for entry in entries:
        if not (isinstance(entry, dict) and isinstance(entry.get("path"), str) and isinstance(entry.get("type"), str)):
            raise ModelLoadError(f"{file} has an entry without a path or a type.", _FETCH)
        _check_inside(file, "path", entry["path"])
        waiting.append((entry["path"], entry["type"]))
    found: dict[tuple[str, str], None] = {}
    while waiting:
        module = waiting.pop(0)
        # One that names itself is met once; it is for the libraries to refuse
        if module not in found:
            found[module] = None
            waiting += _routed(folder, module[0])
    return list(found)


def _routed(folder: Path, inside: str) -> Iterator[tuple[str, str]]:
    """Give path and type of the modules that a router in `inside` chooses between."""
    for name in ("router_config.json", "config.json"):
        file = folder / inside / name
        types = _read(file, dict).get("types") if file.is_file() else None
        for path, kind in types.items() if isinstance(types, dict) else ():
            _check_inside(file, "types", path)
            yield PurePosixPath(inside, path).as_posix(), str(kind)


def _check_inside(file: Path, key: str, path: str) -> None:
    windows = PureWindowsPath(path)
    if ".." in windows.parts or windows.drive or windows.root or PurePosixPath(path).is_absolute():
        raise ModelLoadError(
            f"{file} names a path outside the model's folder: {key} = {path!r}.",
            "Do not use this model: no honest one does this.",
        )


def _check_shards(file: Path) -> None:
    shards = _read(file, dict).get("weight_map")
    for name in shards.values() if isinstance(shards, dict) else ():
        _check_inside(file, "weight_map", str(name))


def _check_configuration(file: Path, *, trusted: bool) -> None:
    """Refuse what a configuration names of code. A list (of added tokens) names none."""
    configuration = _read(file, dict | list)  # type: ignore[arg-type]
    if not isinstance(configuration, dict) or trusted:
        return
    for key, value in _walk(configuration):
        if key in _OTHER_MODELS and (value or file.name == "adapter_config.json"):
            raise ModelLoadError(
                f"{file} would have another model loaded, from outside this folder: {key} = {str(value)[:120]!r}.",
                "Nothing was loaded. Use a model that is whole: an adapter merged into its base, a tokenizer of its own.",
            )
    for key, value in _named_code(file, configuration):
        raise _would_run_code(file, key, value)


def _named_code(file: Path, configuration: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Give the keys that name code, with what they name."""
    if "auto_map" in configuration and not _is_native(file.parent):
        yield "auto_map", configuration["auto_map"]
    activation = configuration.get("activation_function")
    # Models have one too, by a short name (`gelu`): only a dotted path is imported. Which would pass for the default where
    # it is refused: a model with another activation than it was trained with is another model.
    if isinstance(activation, str) and "." in activation and not _ALLOWED_ACTIVATION.fullmatch(activation):
        yield "activation_function", activation
    tokenizer = configuration.get("tokenizer_class")
    if isinstance(tokenizer, str) and "." in tokenizer and not _ALLOWED_CLASS.fullmatch(tokenizer):
        yield "tokenizer_class", tokenizer
    for key, value in _walk(configuration):
        if _IMPLEMENTATION in key and "/" in str(value):
            yield key, value
        if (
            file.name.startswith("sentence_")
            and key == "method"
            and isinstance(value, str)
            and not _ALLOWED_METHOD.fullmatch(value)
        ):
            yield key, value
    yield from _named_arguments(configuration)


def _named_arguments(configuration: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Give the arguments for loading that sentence-transformers would pass on and that are not known to be harmless."""
    for name in ("model_args", "model_kwargs"):
        arguments = configuration.get(name)
        for key, value in arguments.items() if isinstance(arguments, dict) else ():
            if key not in _MODEL_ARGUMENTS:
                yield f"{name}.{key}", value
    for name in ("tokenizer_args", "processor_kwargs", "config_args", "config_kwargs"):
        for key, value in _walk(configuration.get(name)):
            if key in _REFUSED_ARGUMENTS:
                yield f"{name}.{key}", value


def _walk(value: object) -> Iterator[tuple[str, object]]:
    """Give every key of nested objects, with its value."""
    waiting = [value]  # no recursion: JSON may be nested deeper than Python calls
    while waiting:
        outer = waiting.pop()
        if isinstance(outer, dict):
            yield from ((str(key), inner) for key, inner in outer.items())
            waiting += outer.values()
        elif isinstance(outer, list):
            waiting += outer


def _is_native(folder: Path) -> bool:
    """Whether transformers has the architecture itself: without trust it then passes over the code beside the files."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    file = folder / "config.json"
    return file.is_file() and _read(file, dict).get("model_type") in CONFIG_MAPPING_NAMES


def _read(file: Path, expected: type) -> Any:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelLoadError(
            f"{file} cannot be read: {error.strerror}.", "Give this user the right to read it."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{file} is not valid JSON: {error}.", _FETCH) from error
    if not isinstance(content, expected):
        raise ModelLoadError(f"{file} holds another kind of JSON than expected.", _FETCH)
    return content


def _would_run_code(file: Path, key: str, value: object) -> ModelLoadError:
    return ModelLoadError(
        f"{file} would have code run that is not a part of the libraries used here: {key} = {str(value)[:120]!r}.",
        "Nothing was loaded. If you have read that code and trust it, name the model as you name it to this program: "
        "RAG_APP_MODELS__TRUSTED_CODE='[\"ID or folder\"]'.",
    )
