"""The bundled generator comes as a GGUF file; this turns it, once, into a folder that loads in half a second.

transformers reads a GGUF file in about half a minute and cannot save what it read. So a fresh model is built from the
same configuration, takes over the weights, and is saved as safetensors in the user's data folder. Logits are identical.
This module knows nothing of prompts or answers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from rag_app.errors import ModelLoadError
from rag_app.models.catalogue import GeneratorRow, user_data_folder

_BUILDING = ".converting-"


def converted_folder(row: GeneratorRow, package: Path, *, announce: Callable[[str], None]) -> Path:
    """Return the folder with the converted generator, converting it first where that was not done yet.

    Two processes may ask at once: one converts, the other waits. A folder is complete or absent.

    Raises:
        ModelLoadError: the file cannot be read or the folder cannot be written.
    """
    models = user_data_folder() / "models"
    target = models / row.id.replace("/", "--")
    if (target / "config.json").is_file():
        return target
    try:
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / ".conversion.lock"):
            for leftover in models.glob(f"{_BUILDING}*"):  # half a gigabyte each, after a kill
                shutil.rmtree(leftover, ignore_errors=True)
            if not (target / "config.json").is_file():
                announce(f"Converting the bundled generator {row.id} once (about half a minute) into {target} ...")
                building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=models))
                try:
                    _convert(package, row.gguf_file, building)
                    os.replace(building, target)
                finally:
                    shutil.rmtree(building, ignore_errors=True)
    except ImportError as error:
        raise ModelLoadError(
            f"The bundled generator cannot be read: {error}.", 'Run: pip install "rag-app[bundled]"'
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelLoadError(
            f"The bundled generator could not be converted into {target}: {error}.",
            "Check that the folder can be written and has 600 MB free.",
        ) from error
    return target


def _convert(package: Path, gguf_file: str, target: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=gguf_file)
    read = AutoModelForCausalLM.from_pretrained(package, gguf_file=gguf_file, dtype=torch.float32)
    # The configuration remembers that the weights were quantised, which saving refuses.
    values = {name: value for name, value in read.config.to_dict().items() if name != "quantization_config"}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**values), dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    model.generation_config = read.generation_config
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
