"""A model that is asked for, and what is said of it: before a download, and when it cannot be had.

This module knows nothing of how a model is found or fetched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from rag_app.config import HubName
from rag_app.errors import ModelNotAvailable
from rag_app.models.catalogue import BUNDLED, ModelRow, load_catalogue
from rag_app.models.fetching.download_progress import OnBytes

# What messages call a model; `model` where it is not known of which kind it is.
ModelKind = Literal["embedding model", "reranker", "generator", "model"]

# How like a known name what was typed must be, of 1: one letter wrong in five.
_NEAR = 0.8

# What stands before a model in a command.
_OPTIONS: dict[ModelKind, str] = {
    "embedding model": "--embed-model",
    "reranker": "--reranker",
    "generator": "--generator",
}


@dataclass(frozen=True)
class Wanted:
    """A model that is asked for.

    `model_id` is what the user wrote. `trusted_code` names the models and repositories whose Python code is wanted too: empty
    where that of this model is not. `announce` is told what is about to happen. `named_after` is what stands before the model
    in the command where that is not the option of its kind. `on_bytes` is told how far a download is.
    """

    model_id: str
    row: ModelRow | None
    kind: ModelKind
    hub: HubName
    trusted_code: Collection[str]
    announce: Callable[[str], None]
    named_after: str = ""
    on_bytes: OnBytes | None = None

    @property
    def id(self) -> str:
        """The id on the Hugging Face hub."""
        return self.row.id if self.row is not None else self.model_id

    @property
    def install_command(self) -> str:
        """The command that fetches it."""
        return f"rag-app models install {self.id}{' --hub modelscope' if self.hub == 'modelscope' else ''}"

    @property
    def with_code(self) -> bool:
        """Whether the Python code that comes with its files is wanted too."""
        return bool(self.trusted_code)

    def not_available(self, looked_in: str, reason: str) -> ModelNotAvailable:
        """Return the error for a model that is nowhere to be had, with the ways on."""
        size = f" ({self.row.download_gb:g} GB, {self.row.terms})" if self.row else ""
        return ModelNotAvailable(
            f"{self._subject(size)} is not on this machine: it is not in the cache {looked_in}, and {reason}.",
            f"{self._guess()} {self._ways_on()}".strip(),
        )

    def _subject(self, size: str) -> str:
        match self.kind:
            case "embedding model":
                return f"The embedding model {self.model_id}{size}"
            case "reranker":
                return f"The reranker {self.model_id}{size}"
            case "generator":
                return f"The generator {self.model_id}{size}"
        return f"The model {self.model_id}{size}"

    def _guess(self) -> str:
        """Return a question where the catalogue has a model of nearly this name."""
        if self.row is not None:
            return ""
        catalogue = load_catalogue()
        rows = (*catalogue.embedders, *catalogue.rerankers, *catalogue.generators)
        names = {row.id.rpartition("/")[2].lower(): row.id for row in rows}
        names |= {name.lower(): name for row in rows for name in (row.id, row.alias) if name}
        near = get_close_matches(self.model_id.lower(), names, n=1, cutoff=_NEAR)
        return f"Did you mean {names[near[0]]}?" if near else ""

    def _ways_on(self) -> str:
        fetched = f"with a connection, '{self.install_command}'"
        named_after = self.named_after or _OPTIONS.get(self.kind)
        if named_after is None:
            return f"Two ways on: {fetched}; or a copy of the cache of a machine that has it (docs/models-offline.md)."
        # No reranker is bundled, and all else works without one.
        smallest = "no reranker" if self.kind == "reranker" else f"the small bundled model, '{named_after} {BUNDLED}'"
        return f"Three ways on: {fetched}; a copy in a folder, '{named_after} /path/to/folder'; or {smallest}."

    def announce_download(self, source: str, size: int, present: int, stated_licence: str, *, gated: bool) -> None:
        """Say what is about to be downloaded: bytes in all, bytes of them that are here already, and on what terms."""
        terms = self.row.terms if self.row else stated_licence
        here = f" ({present / 1e9:.2f} GB of it are here already)" if present else ""
        self.announce(f"Downloading {self.id} from {source}: {size / 1e9:.2f} GB{here}, licence {terms}.")
        if gated or (self.row is not None and self.row.gated):
            self.announce(
                f"{self.id} is given only to those who have accepted its terms: https://huggingface.co/{self.id}"
            )

    def check_space(self, cache: Path, size: int, setting: str) -> None:
        """Refuse a download for which there is no room: `setting` is what names the cache's folder.

        Raises:
            ModelNotAvailable: with both sizes.
        """
        existing = next(folder for folder in (cache.absolute(), *cache.absolute().parents) if os.path.isdir(folder))  # noqa: PTH112
        free = shutil.disk_usage(existing).free
        if free < size:
            raise ModelNotAvailable(
                f"{self.id} needs {size / 1e9:.2f} GB more in {cache}, and {free / 1e9:.2f} GB are free there.",
                f"Make room, or set {setting} to a folder on another disk.",
            )
