"""A static model's place: its name, the folder of its files, its row; and how all of it becomes known at once.

The row in the user's own catalogue names the folder and is written last: that commits. A folder of the model's name that no row
names is what a kill left, or what was replaced, and goes. This module knows nothing of how the vectors are made.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import tempfile
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from rag_app.disk import sync, sync_tree
from rag_app.errors import ModelLoadError, UsageError
from rag_app.models.catalogue import OWN, EmbedderRow, load_catalogue, user_data_folder
from rag_app.models.static.own_rows import add_embedder, check_embedder, folders_of_rows, own_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_BUILDING = ".distilling-"
_NO_ROOM_LEFT = 1.1  # files of a few kilobytes beside the vectors


def default_name(model_id: str, kb: str | None) -> str:
    """Return a name after the model and the knowledge base, with no character that a name cannot have.

    Where the base's name has none that it can have, `static` stands for it: the model's alone is that of another model.
    """
    parts = (_plain(model_id.rstrip("/").rpartition("/")[2]), _plain(kb or "") or "static")
    return "-".join(part for part in parts if part)[-64:].lstrip("._-")


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")


def check_name(name: str, *, replace: bool = False) -> None:
    """Refuse a name that a new model cannot have, before anything is read for it.

    Raises:
        UsageError: it is no plain name, is taken and not to be replaced, or is that of a model of the catalogue.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A model cannot be named '{name[:80]}': expected letters, digits and . _ - (64 at most), "
            "a letter or digit first and last.",
            "Choose another: --name NAME",
        )
    for row in load_catalogue().embedders:
        if row.id == f"{OWN}{name}":
            if not replace:
                raise UsageError(
                    f"There is a model {row.id} already, in {row.folder}.",
                    "Choose another name (--name NAME), make this one again (--replace), or remove that folder and its "
                    f"row in {own_catalogue()}.",
                )
        # A folder of that name is taken for a copy of the catalogue's model, which needs to be the only one.
        elif row.id.rpartition("/")[2].lower() == name.lower():
            raise UsageError(f"The catalogue has {row.id}, also named '{name}'.", "Choose another: --name NAME")


def place(name: str) -> Path:
    """Return the folder that a model of this name gets, where it is not that of one that is replaced."""
    return next(_places(name))


def _places(name: str) -> Iterator[Path]:
    """Give the folders that a model may have, one more than any number of them that are in use. No name has a plus."""
    models = user_data_folder() / "models"
    return chain([models / f"own--{name}"], (models / f"own--{name}+{number}" for number in count(2)))


def check_place(row: EmbedderRow, size: int, *, replace: bool = False) -> None:
    """Refuse a model that could not be kept, before what takes an hour is computed for it. Nothing is written.

    Args:
        row: of the model, as far as it is known.
        size: of its files, in bytes.
        replace: it may take the place of one of the same name.

    Raises:
        UsageError: the user's own catalogue cannot take the row.
        ModelLoadError: the folder cannot be written, or has no room.
    """
    check_embedder(row, replace=replace)
    folder = place(row.id.removeprefix(OWN)).parent
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110 - Path's may raise
    if not os.access(there, os.W_OK | os.X_OK):
        raise ModelLoadError(
            f"The model would be written into {folder}, and {there} cannot be written.",
            "Make it writable, or keep this program's data in another folder: XDG_DATA_HOME=FOLDER",
        )
    free = shutil.disk_usage(there).free
    if free < _NO_ROOM_LEFT * size:
        raise ModelLoadError(
            f"The model takes {size / 1e6:.0f} MB in {folder}, and {free / 1e6:.0f} MB are free.",
            "Make room, or give fewer dimensions: --dimensions 128",
        )


def publish(
    vectors: NDArray[np.float32], tokenizer: Tokenizer, row: EmbedderRow, *, replace: bool = False
) -> EmbedderRow:
    """Write a model's files, then its row; return the row as it is written, with the folder.

    A kill at any moment leaves what was known before, or the new model: never a part of one, nor of both.

    Args:
        vectors: one a token, shape (tokens, dimension).
        tokenizer: that neither cuts nor pads.
        row: its id says the name.
        replace: it may take the place of one of the same name.

    Raises:
        UsageError: the name is taken, or the user's own catalogue cannot take the row.
        ModelLoadError: the model cannot be written.
    """
    name = row.id.removeprefix(OWN)
    models = place(name).parent
    try:
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / ".distilling.lock"):
            for leftover in models.glob(f"{_BUILDING}*"):  # after a kill
                shutil.rmtree(leftover, ignore_errors=True)
            check_name(name, replace=replace)  # another may have taken it meanwhile
            _remove_unnamed(name)
            try:
                folder = _written(vectors, tokenizer, name)
                published = dataclasses.replace(row, folder=str(folder))
                add_embedder(published, replace=replace)
            finally:
                _remove_unnamed(name)
    except OSError as error:
        raise ModelLoadError(
            f"The model could not be written into {models}: {error}.", "Check that the folder can be written."
        ) from error
    return published


def _remove_unnamed(name: str) -> None:
    """Remove the folders of this model that no row names. Those of other names stay: their rows may be lost, not unwanted."""
    named = [folder for folder in folders_of_rows() if folder.exists()]
    first = place(name)
    for folder in (first, *first.parent.glob(f"{first.name}+*")):
        if folder.is_dir() and not any(folder.samefile(other) for other in named):
            shutil.rmtree(folder, ignore_errors=True)


def _written(vectors: NDArray[np.float32], tokenizer: Tokenizer, name: str) -> Path:
    """Write a model's files beside their place, rename them there when they are on the disk, and return the folder."""
    target = next(folder for folder in _places(name) if not folder.exists())
    building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=target.parent))
    try:
        _save(vectors, tokenizer, building)
        sync_tree(building)
        os.replace(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    sync(target.parent)
    return target


def _save(vectors: NDArray[np.float32], tokenizer: Tokenizer, folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    folder.chmod(0o755)  # mkdtemp's is for its owner alone
    static = StaticEmbedding(tokenizer, embedding_weights=vectors)
    SentenceTransformer(modules=[static, Normalize()], device="cpu").save(str(folder), create_model_card=False)
