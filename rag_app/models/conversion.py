"""A generator in a GGUF file is turned, once, into a folder that loads in half a second: the bundled one, and the user's own.

transformers reads a GGUF file in about half a minute and cannot save what it read. So a fresh model is built from the
same configuration, takes over the weights, and is saved as safetensors in the user's data folder. Logits are identical.
This module knows nothing of prompts or answers.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from rag_app.errors import ModelLoadError, ModelNotAvailable, first_line
from rag_app.models.catalogue import GeneratorRow, user_data_folder
from rag_app.models.generating.failures import is_out_of_memory

_BUILDING = ".converting-"
_SUFFIX = ".gguf"
_BYTES_PER_WEIGHT = 4  # float32
_OTHER_WAYS = "Have a server run it (llama.cpp, Ollama): --generator served:NAME (docs/served-models.md)."


@dataclass(frozen=True)
class _GgufFile:
    """A file to be converted. `name` is what messages call it."""

    path: Path
    name: str


def converted_folder(row: GeneratorRow, package: Path, *, announce: Callable[[str], None]) -> Path:
    """Return the folder with the converted bundled generator, converting it first where that was not done yet.

    Two processes may ask at once: one converts, the other waits. A folder is complete or absent.

    Raises:
        ModelLoadError: the file cannot be read or the folder cannot be written.
    """
    target = user_data_folder() / "models" / row.id.replace("/", "--")
    return _converted(_GgufFile(package / row.gguf_file, f"The bundled generator {row.id}"), target, announce)


def converted_gguf(file: Path, *, announce: Callable[[str], None]) -> Path:
    """Return the folder with the converted generator of a GGUF file, as `converted_folder`; it is kept under the file's sha256.

    Raises:
        ModelLoadError: the file is damaged, holds a model that cannot be read here, or there is no room for it.
    """
    try:
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ModelLoadError(f"{file} cannot be read: {first_line(error)}.", "Check who may read it.") from error
    return _converted(
        _GgufFile(file, f"The generator {file}"), user_data_folder() / "models" / f"gguf-{sha256}", announce
    )


def gguf_file_of(model_id: str) -> Path | None:
    """Return the GGUF file that a model id names, itself or by its folder; None where it names something else.

    Raises:
        ModelNotAvailable: there is no such file.
        ModelLoadError: the folder holds several.
    """
    path = Path(os.path.expanduser(model_id))  # noqa: PTH111 - Path.expanduser raises for an unknown ~user
    if path.suffix.lower() == _SUFFIX:
        if not os.path.isfile(path):  # noqa: PTH113 - Path raises for a name that is too long for a file
            raise ModelNotAvailable(f"There is no file {path}.", "Give the path of a GGUF file, or a Hugging Face id.")
        return path.resolve()
    if not os.path.isdir(path) or (path / "config.json").exists():  # noqa: PTH112
        return None
    files = sorted(file for file in path.iterdir() if file.suffix.lower() == _SUFFIX)
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:8])
        raise ModelLoadError(
            f"{path} holds {len(files)} GGUF files: {names}.",
            f"Name one of them: --generator {files[0]}. A model in several files must be joined first: llama-gguf-split.",
        )
    return files[0].resolve() if files else None


def _converted(source: _GgufFile, target: Path, announce: Callable[[str], None]) -> Path:
    if (target / "config.json").is_file():
        return target
    models = target.parent
    try:
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / ".conversion.lock"):
            for leftover in models.glob(f"{_BUILDING}*"):  # half a gigabyte each, and more, after a kill
                shutil.rmtree(leftover, ignore_errors=True)
            if not (target / "config.json").is_file():
                announce(f"{source.name} is converted once (half a minute, more for a large one) into {target} ...")
                _check(source, models)
                building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=models))
                try:
                    _convert(source.path.parent, source.path.name, building)
                    os.replace(building, target)
                finally:
                    shutil.rmtree(building, ignore_errors=True)
    except ModelLoadError:
        raise
    except ImportError as error:
        raise ModelLoadError(
            f"{source.name} cannot be read: {first_line(error)}.", 'Run: pip install "rag-app[bundled]"'
        ) from error
    except OSError as error:
        raise ModelLoadError(
            f"{source.name} could not be converted into {target}: {first_line(error)}.",
            f"Check that the folder can be written and has room ({_needed(source.path)}).",
        ) from error
    except Exception as error:  # a damaged file makes its readers raise what they like
        raise _unreadable(source, error) from error
    return target


def _check(source: _GgufFile, models: Path) -> None:
    """Refuse a damaged file, and one that there is no room for, before minutes are spent on it."""
    needed = weights_in(source.path) * _BYTES_PER_WEIGHT
    free = shutil.disk_usage(models).free
    if needed > free:
        raise ModelLoadError(
            f"{source.name} needs {_gigabytes(needed)} in {models}; {_gigabytes(free)} are free.",
            f"Make room there, or set XDG_DATA_HOME to a folder on a larger disk. {_OTHER_WAYS}",
        )


def weights_in(file: Path) -> int:
    """Return how many weights a GGUF file holds.

    Raises:
        Exception: whatever its reader raises for a damaged file.
    """
    from gguf import GGUFReader

    return sum(int(tensor.n_elements) for tensor in GGUFReader(file).tensors)


def _needed(file: Path) -> str:
    try:
        return f"{_gigabytes(weights_in(file) * _BYTES_PER_WEIGHT)} are needed"
    except Exception:  # noqa: BLE001 - the file is the problem, and said so
        return "four bytes a weight"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _unreadable(source: _GgufFile, error: Exception) -> ModelLoadError:
    if is_out_of_memory(error):
        return ModelLoadError(
            f"The memory does not suffice to convert {source.path}: {first_line(error)}.",
            f"Use a smaller model. {_OTHER_WAYS}",
        )
    if "architecture" in str(error):
        return ModelLoadError(
            f"{source.name} is of a kind that transformers cannot read: {first_line(error)}.", _OTHER_WAYS
        )
    return ModelLoadError(
        f"{source.name} is damaged, or no GGUF file: {type(error).__name__}: {first_line(error)}.",
        f"Fetch the file again. {_OTHER_WAYS}",
    )


def _convert(folder: Path, gguf_file: str, target: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf_file)
    read, told = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=gguf_file, dtype=torch.float32, output_loading_info=True
    )
    if missing := sorted(told["missing_keys"]):  # transformers would go on with random numbers in their place
        raise ValueError(f"{len(missing)} weights are missing, the first is {missing[0]}")
    # The configuration remembers that the weights were quantised, which saving refuses.
    values = {name: value for name, value in read.config.to_dict().items() if name != "quantization_config"}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**values), dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    model.generation_config = read.generation_config
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
