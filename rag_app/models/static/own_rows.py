"""The user's own catalogue: a row is written into the `catalogue.toml` in the user's data folder, last or in place of another.

What else stands there, comments too, stays as it is to the byte. This module knows nothing of what a row is about.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from filelock import FileLock

from rag_app.disk import sync
from rag_app.errors import ConfigurationError, UsageError
from rag_app.models.catalogue import EmbedderRow, user_data_folder

_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


def own_catalogue() -> Path:
    """Return where the user's own rows are, whether there are any or not."""
    return user_data_folder() / "catalogue.toml"


def add_embedder(row: EmbedderRow, *, replace: bool = False) -> None:
    """Write the row of an embedding model into the user's own catalogue; it is known from then on.

    The file is replaced whole: a kill leaves the one before. Two processes that write wait for one another. A link stays one,
    and the file keeps its permissions.

    Args:
        row: of the model.
        replace: it may take the place of a row of the same id.

    Raises:
        ConfigurationError: the file cannot be read, or not take the row.
        UsageError: it has a row of this id already.
        OSError: the file cannot be written.
    """
    path = own_catalogue()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(".catalogue.lock")):
        _write(path.resolve(), _with(row, replace=replace))


def check_embedder(row: EmbedderRow, *, replace: bool = False) -> None:
    """Refuse a row that `add_embedder` would refuse, with the same errors; nothing is written."""
    _with(row, replace=replace)


def folders_of_rows() -> list[Path]:
    """Return the folders that the rows name, as the file is now."""
    named = [str(one.get("folder", "")) for one in _embedders(_read(_content()))]
    return [Path(os.path.expanduser(folder)) for folder in named if folder]  # noqa: PTH111 - Path's raises for an unknown ~user


def _content() -> bytes:
    path = own_catalogue()
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", "Make it readable.") from error


def _with(row: EmbedderRow, *, replace: bool) -> bytes:
    """Return the content of the file with the row in it, proved to hold what it held, and the row."""
    path, before = own_catalogue(), _content()
    rows = _read(before)
    known = [one.get("id") for one in _embedders(rows)]
    if row.id in known and not replace:
        raise UsageError(f"{path} has a row of {row.id} already.", "Remove it there, or take another name.")
    table = _as_toml(row)
    try:
        table.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"The row of {row.id} cannot be written: {row.folder!a}, its folder, is not named in UTF-8.",
            "Keep this program's data in another folder: XDG_DATA_HOME=FOLDER",
        ) from error
    after = (_replaced if row.id in known else _appended)(before.decode(), table, row.id)
    written = tomllib.loads(table)["embedder"]
    others = [written[0] if one.get("id") == row.id else one for one in _embedders(rows)]
    expected = rows | {"embedder": others if row.id in known else others + written}
    if _parsed(after) != expected:
        # As a list in one line, which no table may follow; or with tables of their own inside.
        raise ConfigurationError(
            f"No row can be added to {path}: its rows of embedding models are not one plain table each.",
            "Write each as one [[embedder]] table, its last lines figures = { ... } and sources = { ... }, or remove it.",
        )
    return after.encode()


def _read(content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"No row can be added to {own_catalogue()}: it is not valid TOML ({error}).", "Correct it or remove it."
        ) from error


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _embedders(rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = rows.get("embedder")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _appended(text: str, table: str, _: str) -> str:
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{gap}{table}"


def _replaced(text: str, table: str, model_id: str) -> str:
    """Return the text with a table where that of a model stood; comments and empty lines after it stay."""
    starts = [match.start() for match in _TABLE.finditer(text)]
    for start, end in pairwise([*starts, len(text)]):
        if [one.get("id") for one in _embedders(_parsed(text[start:end]) or {})] == [model_id]:
            lines = text[start:end].split("\n")
            last = max(number for number, line in enumerate(lines) if line.strip() and not line.strip().startswith("#"))
            return text[:start] + "\n".join([table.removesuffix("\n"), *(lines[last + 1 :] or [""])]) + text[end:]
    return text


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        if path.exists():
            shutil.copymode(path, temporary)
        sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


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
