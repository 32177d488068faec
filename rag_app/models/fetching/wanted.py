"""A model that is asked for, and what is said of it: before a download, and when it cannot be had.

This module knows nothing of how a model is found or fetched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rag_app.config import HubName
from rag_app.errors import ModelNotAvailable
from rag_app.models.catalogue import BUNDLED, ModelRow


@dataclass(frozen=True)
class Wanted:
    """A model that is asked for.

    `model_id` is what the user wrote, `kind` is `embedding model` or `generator`, for messages. `with_code`: the Python code
    that comes with its files is wanted too. `announce` is told what is about to happen.
    """

    model_id: str
    row: ModelRow | None
    kind: str
    hub: HubName
    with_code: bool
    announce: Callable[[str], None]

    @property
    def id(self) -> str:
        """The id on the Hugging Face hub."""
        return self.row.id if self.row is not None else self.model_id

    @property
    def install_command(self) -> str:
        """The command that fetches it."""
        return f"rag-app models install {self.id}{' --hub modelscope' if self.hub == 'modelscope' else ''}"

    @property
    def folder_option(self) -> str:
        """The option that takes a folder in its place."""
        return "--generator" if self.kind == "generator" else "--embed-model"

    def not_available(self, looked_in: str, reason: str) -> ModelNotAvailable:
        """Return the error for a model that is nowhere to be had, with the three ways on."""
        size = f" ({self.row.download_gb:g} GB, {self.row.terms})" if self.row else ""
        return ModelNotAvailable(
            f"The {self.kind} {self.model_id}{size} is not on this machine: it is not in the cache {looked_in}, and {reason}.",
            f"Three ways on: with a connection, '{self.install_command}'; a copy in a folder, "
            f"'{self.folder_option} /path/to/folder'; or the small bundled model, '{self.folder_option} {BUNDLED}'.",
        )

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
