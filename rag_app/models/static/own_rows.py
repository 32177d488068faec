"""The user's own catalogue: a row is written at the end of the `catalogue.toml` in the user's data folder.

What stands there already, comments too, stays as it is to the byte. This module knows nothing of what a row is about.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from filelock import FileLock

from rag_app.errors import ConfigurationError, UsageError
from rag_app.models.catalogue import EmbedderRow, load_catalogue, user_data_folder


def own_catalogue() -> Path:
    """Return where the user's own rows are, whether there are any or not."""
    return user_data_folder() / "catalogue.toml"


def add_embedder(row: EmbedderRow) -> None:
    """Write the row of an embedding model into the user's own catalogue; it is known from then on.

    The file is replaced whole: a kill leaves the one before. Two processes that write wait for one another.

    Raises:
        ConfigurationError: the file cannot be read as TOML, before or with the row.
        UsageError: it has a row of this id already.
        OSError: the file cannot be written.
    """
    path = own_catalogue()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(".catalogue.lock")):
        before = path.read_bytes() if path.is_file() else b""
        if any(one.get("id") == row.id for one in _read(before, path).get("embedder", [])):
            raise UsageError(f"{path} has a row of {row.id} already.", "Remove it there, or take another name.")
        gap = "" if not before else "\n" if before.endswith(b"\n") else "\n\n"
        after = before + f"{gap}{_as_toml(row)}".encode("utf-8", "surrogateescape")
        _read(after, path)  # rows of one kind can be a list in one line, which no table may follow
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(after)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    load_catalogue.cache_clear()


def _read(content: bytes, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise ConfigurationError(
            f"No row can be added to {path}: it is not valid TOML ({error}).", "Correct it or remove it."
        ) from error


def _as_toml(row: EmbedderRow) -> str:
    """Return a row as a TOML table: what it must have, and what differs from the default."""
    lines = ["[[embedder]]"]
    for known in fields(row):
        value = getattr(row, known.name)
        if value not in (known.default, {}):
            lines.append(f"{known.name} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """Return a value in TOML, whose basic strings, numbers and arrays are those of JSON but for the delete character."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_value(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
