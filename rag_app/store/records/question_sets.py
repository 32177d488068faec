"""Sets of questions that the app keeps: files in `indexes/.app/question-sets/`, in the forms that `rag-app compare` reads.

A set is named by its file: whoever looks into the folder finds it. This module knows nothing of what a question is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from rag_app.errors import StorageError, UsageError
from rag_app.store.files import checked_file
from rag_app.store.layout import APPLICATION_FOLDER

FORMS = (".jsonl", ".csv", ".tsv", ".json")
# In a row that was drafted, the base that its document is in.
DRAFTED_FROM = "knowledge_base"
_LONGEST = 60
# What a file may be called on every system; everything else becomes a hyphen.
_UNUSABLE = re.compile(r"[^\w .()-]+|\.{2,}")


def question_sets_folder(indexes: Path) -> Path:
    """Return where the sets of an index root lie."""
    return indexes / APPLICATION_FOLDER / "question-sets"


def question_sets(indexes: Path) -> list[Path]:
    """Return the files of the sets, by name."""
    folder = question_sets_folder(indexes)
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix in FORMS and not file.name.startswith("."))


def keep_rows(indexes: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Keep questions under a name, as JSON lines. Where there is another set of that name, this one gets a number.

    Raises:
        UsageError: the name has no letter or digit.
        StorageError: it cannot be written.
    """
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    return _keep(indexes, f"{name.strip()}.jsonl", lines.encode())


def keep_file(indexes: Path, name: str, content: bytes) -> Path:
    """Keep a file of questions as it came, under its own name where that can be used; else one like it, or with a number.

    Raises:
        UsageError: the name has no letter or digit, or another ending.
        StorageError: it cannot be written.
    """
    return _keep(indexes, name, content)


def forget_set(indexes: Path, name: str) -> None:
    """Remove the set of a file name; nothing happens where there is none.

    Raises:
        StorageError: it cannot be removed.
    """
    file = next((file for file in question_sets(indexes) if file.name == name), None)
    try:
        if file is not None:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{file} cannot be removed: {error.strerror}.", "Remove it by hand.") from error


def forget(indexes: Path, knowledge_base: str, document: str | None = None) -> None:
    """Remove the questions that were drafted from a document of a base, or all of it; those that people brought stay.

    Raises:
        StorageError: a set cannot be written.
    """
    for file in question_sets(indexes):
        if file.suffix != ".jsonl":
            continue
        lines = file.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not _is_drafted_from(line, knowledge_base, document)]
        if len(kept) < len(lines):
            _write(file, b"".join(kept))


def _is_drafted_from(line: bytes, knowledge_base: str, document: str | None) -> bool:
    try:
        row = json.loads(line)
    except ValueError:  # a file that somebody changed by hand
        return False
    return (
        isinstance(row, dict)
        and row.get(DRAFTED_FROM) == knowledge_base
        and (document is None or row.get("source") == document)
    )


def _keep(indexes: Path, name: str, content: bytes) -> Path:
    file = question_sets_folder(indexes) / _usable(name)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = _free(file, content)
    except OSError as error:
        raise _storage_error(error, file) from error
    _write(file, content)
    return file


def _write(file: Path, content: bytes) -> None:
    """Write a set whole or not at all."""
    new = file.with_name(f".{file.name}.new")
    try:
        new.unlink(missing_ok=True)
        with checked_file(new) as writing:
            writing.write(content)
        os.replace(new, file)
    except OSError as error:
        raise _storage_error(error, file) from error


def _storage_error(error: OSError, file: Path) -> StorageError:
    return StorageError(
        f"The questions cannot be kept in {file}: {error.strerror}.", "See that the disk has room and is yours."
    )


def _free(file: Path, content: bytes) -> Path:
    """Return the file, or the first with a number after its name that is not there or holds the same."""
    for number in count(2):
        if not file.exists() or file.read_bytes() == content:
            break
        file = file.with_name(f"{file.stem.removesuffix(f' ({number - 1})')} ({number}){file.suffix}")
    return file


def _usable(name: str) -> str:
    """Return a name that a file can have, in this folder and nowhere else.

    Raises:
        UsageError: nothing of it can be used.
    """
    path = Path(name.replace("\\", "/").rpartition("/")[2])
    stem = _UNUSABLE.sub("-", path.stem).strip(" .-")[:_LONGEST].strip(" .-")
    if not re.search(r"\w", stem):
        raise UsageError("The questions have no name.", "Give them one with a letter or a digit.")
    if path.suffix.lower() not in FORMS:
        raise UsageError(f"The name of the file ends in '{path.suffix:.20}'.", f"Expected one of {', '.join(FORMS)}.")
    return f"{stem}{path.suffix.lower()}"
